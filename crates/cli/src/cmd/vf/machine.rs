//! QEMU with a rig in it, and the user's end of what runs there.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::Duration;

use netloom_api::{ApiError, ErrorKind};
use netloom_vm::Accel;
use netloom_vm::frame::Open;
use netloom_vm::probe::Probe;
use netloom_vm::rig::{self, Descriptors, Rig, Said, Session};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::FdFlags;

use crate::client::now;
use crate::exit::{Failure, Outcome};
use crate::interrupt::{Signals, is_end, is_resize};
use crate::output;
use crate::terminal::{self, Raw};

/// A guest that runs. It ends with this.
#[derive(Debug)]
pub(super) struct Machine {
    qemu: Child,
    agent: UnixStream,
    session: Session,
    /// What the guest's kernel and QEMU say.
    console: PipeReader,
    tail: Vec<u8>,
    is_up: bool,
    /// The boot, in words.
    words: String,
}

/// How long an emulated guest may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// Bytes that are kept of what the guest's kernel and QEMU say.
const TAIL: usize = 4 << 10;
/// Lines of them that are shown.
const LINES: usize = 12;

impl Machine {
    /// Starts it. It comes up while the first program waits.
    pub(super) fn start(rig: &Rig, probe: &Probe, initrd: &OwnedFd) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::failed("The guest cannot be started.", &error);
        let (agent, theirs) = UnixStream::pair().map_err(failed)?;
        let (console, said) = io::pipe().map_err(failed)?;
        let given = [initrd.as_fd(), theirs.as_fd(), said.as_fd()];
        for fd in given {
            // It is to have them under these very numbers.
            rustix::io::fcntl_setfd(fd, FdFlags::empty()).map_err(|errno| failed(errno.into()))?;
        }
        let [initrd, theirs_number, console_number] = given.map(|fd| fd.as_raw_fd());
        let numbers = Descriptors { initrd, agent: theirs_number, console: console_number };
        let args = rig::command(rig, probe.accel(), numbers);
        let mut command = rig::keeper(&probe.qemu, &args);
        command.stderr(said.try_clone().map_err(failed)?);
        let qemu = command.spawn().map_err(failed)?;
        let by = if probe.accel() == Accel::Tcg { ", emulated" } else { "" };
        let cards = rig.cards.join(", ");
        let words = format!("Linux {} in QEMU {}{by}; igb as {cards}", rig.kernel.version, probe.version);
        for end in [agent.as_fd(), console.as_fd()] {
            rustix::io::ioctl_fionbio(end, true).map_err(|errno| failed(errno.into()))?;
        }
        let (session, tail) = (Session::default(), Vec::new());
        Ok(Self { qemu, agent, session, console, tail, is_up: false, words })
    }

    /// Runs a program, a shell if it has no words, and carries its streams; its exit code. `listens`: it gets our input, and not
    /// only the keys of a terminal.
    pub(super) fn run(&mut self, argv: Vec<String>, listens: bool) -> Outcome {
        let mut signals = Signals::terminal().map_err(|error| broken(&error))?;
        if !self.is_up {
            self.boot(&mut signals)?;
        }
        let has_terminal = terminal::is_both();
        let size = terminal::size().map_or((24, 80), |size| (size.rows, size.columns));
        let mut open = Open { argv, terminal: has_terminal.then_some(size), ..Open::default() };
        if let Some(term) = std::env::var_os("TERM").filter(|_| has_terminal) {
            open.env.push(("TERM".to_owned(), term.to_string_lossy().into_owned()));
        }
        open.cwd = Some("/".to_owned());
        if !self.session.run(open) {
            return Err(Failure::usage("The command is too long for the guest."));
        }
        let input = listens || has_terminal;
        if !input {
            self.session.input(&[]);
        }
        self.converse(&mut signals, has_terminal, input)
    }

    /// Waits until the agent listens.
    fn boot(&mut self, signals: &mut Signals) -> Result<(), Failure> {
        output::note(&format!("guest        {}", self.words));
        let begun = now();
        while !self.is_up {
            let left = PATIENCE.saturating_sub(now().duration_since(begun));
            if left.is_zero() {
                return Err(self.lost(ErrorKind::Timeout, "The guest does not come up."));
            }
            self.wait(signals, false, Some(left))?;
            if signals.take().into_iter().any(is_end) {
                return Err(ApiError::new(ErrorKind::Cancelled, "Interrupted.").into());
            }
            while let Some(said) = self.hear()? {
                self.is_up |= said == Said::Up;
            }
        }
        output::note(&format!("guest        up after {:.1} s", now().duration_since(begun).as_secs_f64()));
        Ok(())
    }

    fn converse(&mut self, signals: &mut Signals, has_terminal: bool, mut input: bool) -> Outcome {
        let _raw = if has_terminal { Raw::enter() } else { None };
        let mut interrupts = 0;
        loop {
            while let Some(said) = self.hear()? {
                match said {
                    Said::Stdout(bytes) => show(&mut io::stdout(), &bytes),
                    Said::Stderr(bytes) => show(&mut io::stderr(), &bytes),
                    Said::Exit(code) => return Ok(u8::try_from(code & 0xff).unwrap_or(1)),
                    Said::Up => {
                        return Err(self.lost(ErrorKind::Failed, "The guest's agent was started anew."));
                    }
                }
            }
            let typed = self.wait(signals, input && self.session.takes() > 0, None)?;
            for number in signals.take() {
                if is_resize(number) {
                    if let Some(size) = terminal::size() {
                        self.session.resize(size.rows, size.columns);
                    }
                    continue;
                }
                // Whoever asks twice does not want to wait for what the program has to undo.
                interrupts += 1;
                if interrupts > 1 {
                    return Err(ApiError::new(ErrorKind::Cancelled, "Interrupted.").into());
                }
                self.session.signal(u8::try_from(number).unwrap_or(15));
            }
            if typed {
                input = self.forward();
            }
        }
    }

    /// Sends what was typed; whether there may be more.
    fn forward(&mut self) -> bool {
        let mut bytes = vec![0; self.session.takes()];
        // Not through `io::stdin()`: its buffer would hide bytes from poll.
        match rustix::io::read(io::stdin(), &mut bytes) {
            Ok(length) => {
                self.session.input(bytes.get(..length).unwrap_or_default());
                length > 0
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => true,
            Err(_) => {
                self.session.input(&[]);
                false
            }
        }
    }

    /// What the agent said next.
    fn hear(&mut self) -> Result<Option<Said>, Failure> {
        match self.session.poll() {
            Ok(said) => Ok(said),
            Err(bad) => {
                let said = format!("The guest says what nobody understands: {bad}.");
                Err(self.lost(ErrorKind::Failed, &said))
            }
        }
    }

    /// Waits for something to do, and reads and writes what can be; whether there is input.
    fn wait(&mut self, signals: &Signals, input: bool, limit: Option<Duration>) -> Result<bool, Failure> {
        self.flush()?;
        let stdin = io::stdin();
        let room = if self.session.has_output() { PollFlags::OUT } else { PollFlags::empty() };
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.agent.as_fd(), PollFlags::IN | room),
            PollFd::from_borrowed_fd(self.console.as_fd(), PollFlags::IN),
        ];
        fds.extend(signals.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        if input {
            fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
        }
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(broken(&io::Error::from(errno))),
        }
        let typed = input && fds.last().is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        self.listen();
        let mut bytes = vec![0; 64 << 10];
        match self.agent.read(&mut bytes) {
            Ok(0) => return Err(self.lost(ErrorKind::Failed, "The guest has ended.")),
            Ok(length) => self.session.push(bytes.get(..length).unwrap_or_default()),
            Err(error) if is_later(&error) => {}
            Err(_) => return Err(self.lost(ErrorKind::Failed, "The guest has ended.")),
        }
        Ok(typed)
    }

    /// Keeps the last of what the guest's kernel and QEMU say.
    fn listen(&mut self) {
        let mut bytes = vec![0; 16 << 10];
        while let Ok(length @ 1..) = self.console.read(&mut bytes) {
            self.tail.extend_from_slice(bytes.get(..length).unwrap_or_default());
            let over = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..over);
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let mut bytes = self.session.output();
        let mut done = 0;
        while done < bytes.len() {
            match self.agent.write(bytes.get(done..).unwrap_or_default()) {
                Ok(length) => done += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_later(&error) => break,
                Err(_) => return Err(self.lost(ErrorKind::Failed, "The guest has ended.")),
            }
        }
        self.session.unwritten(bytes.split_off(done));
        Ok(())
    }

    /// The guest is of no use any more: with what it and QEMU said last.
    fn lost(&mut self, kind: ErrorKind, message: &str) -> Failure {
        // Who ends says why first.
        let ended = self.qemu.try_wait();
        self.listen();
        let said = String::from_utf8_lossy(&self.tail).into_owned();
        // Nothing that a terminal would obey.
        let fine = |line: &str| line.chars().filter(|c| !c.is_control()).collect::<String>();
        let lines: Vec<String> = said.lines().map(fine).filter(|line| !line.trim().is_empty()).collect();
        let mut text = message.to_owned();
        if let Ok(Some(status)) = ended
            && !status.success()
        {
            text = format!("{text} QEMU: {status}.");
        }
        let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n");
        let failure = Failure::from(ApiError::new(kind, text));
        if last.is_empty() { failure } else { failure.hint(format!("it said last:\n{last}")) }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Whoever read our output may have left; the program goes on.
fn show(to: &mut impl Write, bytes: &[u8]) {
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}

fn broken(error: &io::Error) -> Failure {
    Failure::failed("The conversation with the guest broke.", error)
}
