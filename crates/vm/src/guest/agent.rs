//! The agent: it starts the programs that the daemon asks for, and carries their streams.
//!
//! The port is read by one thread and written under a lock. A program has a thread for each stream and one that waits for
//! its end; the streams end with the program, whatever it left behind that still holds them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use netloom_sys::eventfd::EventFd;
use netloom_sys::{clock, terminal};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::config::{GuestConfig, Port};
use super::{POWER_OFF, say};
use crate::frame::{CHUNK, Decoder, Frame, Open, WINDOW};

/// How long the port may take to come.
const PATIENCE: u64 = 30_000_000_000;
const LOOK: u64 = 20_000_000;

/// Serves the port until it fails; returns an exit code, and is started again.
pub(super) fn run() -> i32 {
    let config = match GuestConfig::load() {
        Ok(config) => config,
        Err(error) => {
            say(&error);
            return 1;
        }
    };
    match open(&config.port).and_then(|port| Ok((port.try_clone()?, port))) {
        Ok((reader, writer)) => {
            let writer = Writer { port: Arc::new(Mutex::new(writer)) };
            Agent { config, writer, sessions: BTreeMap::new() }.serve(reader)
        }
        Err(error) => say(&format!("the agent's port: {error}")),
    }
    1
}

/// Opens the port once it is there.
fn open(port: &Port) -> std::io::Result<File> {
    let until = clock::now() + PATIENCE;
    loop {
        let path = match port {
            Port::Serial => Some(PathBuf::from("/dev/ttyS1")),
            Port::Virtio(name) => find(name),
        };
        // It can be opened once only: for both directions at once.
        match path.map(|path| File::options().read(true).write(true).open(path)) {
            Some(Ok(file)) => {
                raw(&file);
                return Ok(file);
            }
            Some(Err(error)) if clock::now() > until => return Err(error),
            None if clock::now() > until => return Err(std::io::ErrorKind::NotFound.into()),
            _ => clock::sleep(LOOK),
        }
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let all = std::fs::read_dir("/sys/class/virtio-ports").into_iter().flatten().flatten();
    let of_name = |entry: &std::fs::DirEntry| {
        std::fs::read_to_string(entry.path().join("name")).is_ok_and(|known| known.trim() == name)
    };
    let entry = all.into_iter().find(of_name)?;
    Some(PathBuf::from("/dev").join(entry.file_name()))
}

/// A serial port passes bytes on as they are; what is no terminal does so anyway.
fn raw(file: &File) {
    if let Ok(mut mode) = rustix::termios::tcgetattr(file) {
        mode.make_raw();
        let _ = rustix::termios::tcsetattr(file, rustix::termios::OptionalActions::Now, &mode);
    }
}

/// The port's writing side.
#[derive(Debug, Clone)]
struct Writer {
    port: Arc<Mutex<File>>,
}

impl Writer {
    fn send(&self, session: u32, frame: &Frame) {
        let mut bytes = Vec::new();
        frame.emit(session, &mut bytes);
        // When nobody takes it, the reader learns it too.
        let _ = self.port.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes);
    }
}

struct Agent {
    config: GuestConfig,
    writer: Writer,
    sessions: BTreeMap<u32, Session>,
}

/// A program that runs, or ran.
struct Session {
    input: Sender<Vec<u8>>,
    /// The leader of its session and process group.
    pid: Pid,
    terminal: Option<OwnedFd>,
    window: Arc<Window>,
    /// Streams and program that are not over.
    left: Arc<AtomicUsize>,
}

impl Agent {
    fn serve(&mut self, mut port: File) {
        self.writer.send(0, &Frame::Hello);
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match port.read(&mut buffer) {
                // Nobody at the other end for now.
                Ok(0) => clock::sleep(LOOK),
                Ok(length) => {
                    decoder.push(buffer.get(..length).unwrap_or_default());
                    loop {
                        match decoder.poll() {
                            Ok(Some((session, frame))) => self.handle(session, frame),
                            Ok(None) => break,
                            Err(error) => return say(&error.to_string()),
                        }
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return say(&format!("the agent's port: {error}")),
            }
        }
    }

    fn handle(&mut self, session: u32, frame: Frame) {
        self.sessions.retain(|_, session| session.left.load(Ordering::SeqCst) > 0);
        match frame {
            Frame::Open(open) => self.open(session, &open),
            // Only the first process can end all others.
            Frame::PowerOff => std::process::exit(POWER_OFF),
            frame => {
                if let Some(known) = self.sessions.get(&session) {
                    known.handle(frame);
                } else if frame.is_bytes() {
                    // The program has ended meanwhile.
                    self.writer.send(session, &Frame::Taken);
                }
            }
        }
    }

    fn open(&mut self, session: u32, open: &Open) {
        match self.start(session, open) {
            Ok(started) => drop(self.sessions.insert(session, started)),
            Err(error) => {
                let newline = if open.terminal.is_some() { "\r\n" } else { "\n" };
                let text = format!("netloom: {error}{newline}");
                self.writer.send(session, &Frame::Stderr(text.into_bytes()));
                self.writer.send(session, &Frame::Exit(125));
            }
        }
    }

    fn start(&self, session: u32, open: &Open) -> std::io::Result<Session> {
        if open.own {
            let words: Vec<&str> = open.argv.iter().map(String::as_str).collect();
            return self.piped(session, self.config.netloom(&words));
        }
        let mut words = vec!["exec"];
        words.extend(open.terminal.map(|_| "--terminal"));
        let (cwd, user) = (
            open.cwd.as_ref().or(self.config.cwd.as_ref()),
            open.user.as_ref().or(self.config.user.as_ref()),
        );
        for (flag, value) in [("--cwd", cwd), ("--user", user)] {
            words.extend(value.iter().flat_map(|value| [flag, value.as_str()]));
        }
        words.push("--");
        let shell = ["/bin/sh", "-c", "[ -x /bin/bash ] && exec /bin/bash; exec /bin/sh"];
        if open.argv.is_empty() {
            words.extend(shell);
        } else {
            words.extend(open.argv.iter().map(String::as_str));
        }
        let mut command = self.config.netloom(&words);
        command.env_clear().envs(self.config.environment()).envs(open.env.iter().cloned());
        match open.terminal {
            None => self.piped(session, command),
            Some((rows, columns)) => {
                let (master, side) = terminal::open().map_err(std::io::Error::other)?;
                terminal::resize(&side, rows, columns).map_err(std::io::Error::other)?;
                command.stdin(side.try_clone()?).stdout(side.try_clone()?).stderr(side);
                let child = command.spawn()?;
                // The command holds its copies of the terminal's other side: with them it would never end.
                drop(command);
                let (input, output) = (master.try_clone()?, master.try_clone()?);
                self.carry(session, child, Some(input), [Some(output), None], Some(master))
            }
        }
    }

    fn piped(&self, session: u32, mut command: Command) -> std::io::Result<Session> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let outputs = [stdout.map(OwnedFd::from), stderr.map(OwnedFd::from)];
        self.carry(session, child, stdin.map(OwnedFd::from), outputs, None)
    }

    /// Starts the threads of a program that runs.
    fn carry(
        &self,
        session: u32,
        mut child: Child,
        input: Option<OwnedFd>,
        outputs: [Option<OwnedFd>; 2],
        terminal: Option<OwnedFd>,
    ) -> std::io::Result<Session> {
        let pid =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(std::io::ErrorKind::NotFound)?;
        let (send, received) = mpsc::channel();
        let window = Arc::new(Window::default());
        let over = Arc::new(EventFd::new().map_err(std::io::Error::other)?);
        let left = Arc::new(AtomicUsize::new(1));
        let is_terminal = terminal.is_some();
        let writer = self.writer.clone();
        thread::spawn(move || feed(session, &received, input.map(File::from), is_terminal, &writer));
        let mut readers = Vec::new();
        for (output, wrap) in outputs.into_iter().zip([Frame::Stdout as fn(Vec<u8>) -> Frame, Frame::Stderr])
        {
            let Some(output) = output else { continue };
            let (writer, window, over) = (self.writer.clone(), Arc::clone(&window), Arc::clone(&over));
            readers.push(thread::spawn(move || {
                copy(session, &File::from(output), wrap, &window, &over, &writer);
            }));
        }
        let (writer, done) = (self.writer.clone(), Arc::clone(&left));
        thread::spawn(move || {
            let status = child.wait();
            over.signal();
            readers.into_iter().for_each(|reader| drop(reader.join()));
            let code = status
                .map_or(125, |status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
            done.store(0, Ordering::SeqCst);
            writer.send(session, &Frame::Exit(code));
        });
        Ok(Session { input: send, pid, terminal, window, left })
    }
}

impl Session {
    fn handle(&self, frame: Frame) {
        match frame {
            // Who does not read any more has ended, or will be told so by its pipe.
            Frame::Stdin(bytes) => drop(self.input.send(bytes)),
            Frame::Taken => self.window.give_back(),
            Frame::Resize(rows, columns) => {
                if let Some(terminal) = &self.terminal {
                    let _ = terminal::resize(terminal, rows, columns);
                }
            }
            Frame::Signal(number) => {
                if let Some(signal) = Signal::from_named_raw(i32::from(number)) {
                    // One that has just been started has no group of its own yet.
                    if kill_process_group(self.pid, signal).is_err() {
                        let _ = kill_process(self.pid, signal);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Frames of bytes on their way to the daemon.
#[derive(Debug, Default)]
struct Window {
    out: Mutex<usize>,
    news: Condvar,
}

impl Window {
    /// Waits until one more may go.
    fn take(&self) {
        let full = |out: &mut usize| *out >= WINDOW;
        let mut out = self.news.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        *out += 1;
    }

    fn give_back(&self) {
        let mut out = self.lock();
        *out = out.saturating_sub(1);
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Input, from the daemon to the program. A pipe that ends is closed; a terminal gets the key that says so.
fn feed(session: u32, received: &Receiver<Vec<u8>>, input: Option<File>, is_terminal: bool, writer: &Writer) {
    let mut input = input;
    for bytes in received {
        if bytes.is_empty() {
            if is_terminal && let Some(terminal) = &mut input {
                let _ = terminal.write_all(&[END_OF_INPUT]);
            } else {
                input = None;
            }
        } else if let Some(file) = &mut input
            && file.write_all(&bytes).is_err()
        {
            input = None;
        }
        writer.send(session, &Frame::Taken);
    }
}

/// Output, from the program to the daemon, until it ends, or the program has ended and nothing is left to read.
fn copy(
    session: u32,
    mut output: &File,
    wrap: fn(Vec<u8>) -> Frame,
    window: &Window,
    over: &EventFd,
    writer: &Writer,
) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(over.as_fd(), PollFlags::IN),
        ];
        if poll(&mut fds, None).is_err() {
            continue;
        }
        if fds.first().is_some_and(|fd| fd.revents().is_empty()) {
            return;
        }
        match output.read(&mut buffer) {
            Ok(length) if length > 0 => {
                window.take();
                writer.send(session, &wrap(buffer.get(..length).unwrap_or_default().to_vec()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // A terminal whose other side is closed answers with an error.
            _ => return,
        }
    }
}

/// ^D
const END_OF_INPUT: u8 = 4;
