//! The thread of a virtual machine: it starts QEMU, and holds its control socket, the serial port and the agent's port.
//!
//! Whatever comes out of these is hostile: a guest writes the last two as it likes, and may have taken QEMU over.

mod arrive;
mod resume;

use std::collections::BTreeMap;
use std::io::{ErrorKind, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};

use netloom_container::log::Log;
use netloom_container::{Ending, ProcessId, ProcessSpec, Spawner};
use netloom_sys::clock;
use netloom_sys::fd_stream::FdStream;
use netloom_vm::frame::{Decoder, Frame, Open};
use netloom_vm::guest::GuestConfig;
use netloom_vm::qmp::{Qmp, Said};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use super::machine::{BOOT, Console, Moved, Order, Phase, Resume, Session, Shared};
use super::setup::{Resumed, Seat, Setup};

pub(super) use resume::capabilities;

/// The life of a machine.
pub(super) struct Life {
    setup: Setup,
    spawner: Spawner,
    shared: Arc<Shared>,
    live: Option<Live>,
    consoles: Vec<Console>,
    sessions: BTreeMap<u32, Arc<Session>>,
}

/// QEMU, while it runs.
struct Live {
    process: ProcessId,
    qmp: Channel,
    session: Qmp,
    serial: Channel,
    agent: Channel,
    decoder: Decoder,
    /// What QEMU itself says.
    errors: PipeReader,
    complaint: Vec<u8>,
    log: Option<Log>,
    tail: Vec<u8>,
    /// Who waits for the answer to a command.
    asked: BTreeMap<u64, mpsc::Sender<Result<Value, String>>>,
    /// It is to be off: by force from this time on.
    off: Option<u64>,
    /// Until when it must have come up.
    boot: Option<u64>,
    /// Why the guest ended, as QEMU says.
    shutdown: Option<String>,
    /// How QEMU's own move has ended: `completed`, `failed`.
    moved: Option<String>,
    /// It is not there yet, but goes on from where it was: told when it does.
    resuming: Option<mpsc::Sender<Result<(), String>>>,
    /// What goes on in its place.
    next: Option<Box<Resume>>,
    /// It is ended to be started again.
    anew: bool,
    /// Told how QEMU's own move goes on.
    watch: Option<mpsc::Sender<Moved>>,
    /// Where QEMU finds the key of what comes in.
    key: Option<String>,
}

/// A socket of QEMU's, and what waits to be written to it.
struct Channel {
    socket: Option<UnixStream>,
    out: Vec<u8>,
}

impl Channel {
    fn pair() -> std::io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self { socket: Some(ours), out: Vec::new() }, theirs))
    }

    /// Reads what is there; nothing at its end, after which it is not read again.
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        // Who does not take its answers is not listened to.
        let ahead = self.out.len() > AHEAD;
        let Some(socket) = self.socket.as_mut().filter(|_| !ahead) else { return 0 };
        match socket.read(buffer) {
            Ok(0) => self.socket = None,
            Ok(length) => return length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.socket = None,
        }
        0
    }

    /// Writes what can be written without waiting.
    fn flush(&mut self) {
        while let Some(socket) = self.socket.as_mut().filter(|_| !self.out.is_empty()) {
            match socket.write(&self.out) {
                Ok(length) => drop(self.out.drain(..length)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.socket = None,
            }
        }
    }

    fn wanted(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let flags = match self.out.len() {
            0 => PollFlags::IN,
            1..=AHEAD => PollFlags::IN | PollFlags::OUT,
            _ => PollFlags::OUT,
        };
        self.socket.as_ref().map(|socket| (socket.as_fd(), flags))
    }
}

impl Life {
    pub(super) fn new(setup: Setup, spawner: Spawner, shared: Arc<Shared>) -> Self {
        Self { setup, spawner, shared, live: None, consoles: Vec::new(), sessions: BTreeMap::new() }
    }

    /// Until it is told to end.
    pub(super) fn run(mut self) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            self.shared.bell.clear();
            for order in self.shared.take() {
                if matches!(order, Order::End) {
                    return self.kill_and_wait();
                }
                self.obey(order);
            }
            self.serve(&mut buffer);
            self.shared.set_streams(self.sessions.len());
            self.due();
            self.wait();
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::On => self.power_on(0),
            Order::Off(by) => self.power_off(by),
            Order::Ask(command, arguments, tell) => self.ask(command, arguments, tell),
            Order::Open(session, open) => self.open(session, *open),
            Order::Say(session, frame) => {
                if let Some(live) = self.live.as_mut().filter(|_| self.sessions.contains_key(&session)) {
                    frame.emit(session, &mut live.agent.out);
                }
            }
            Order::Close(session) => {
                if let (Some(_), Some(live)) = (self.sessions.remove(&session), &mut self.live) {
                    Frame::Signal(SIGHUP).emit(session, &mut live.agent.out);
                }
            }
            Order::Console(console) => {
                if console.stream.set_nonblocking(true).is_ok() {
                    self.consoles.push(console);
                }
            }
            Order::Give(fd, command, arguments, tell) => self.give(&fd, command, arguments, tell),
            Order::Seat { seats, config, fresh, tell } => {
                // Who asked may not wait any more.
                let _ = tell.send(self.seat(seats, *config, fresh));
            }
            Order::Resume(resume) => self.resume(resume),
            Order::Watch(watch) => {
                if let Some(live) = &mut self.live {
                    live.watch = Some(watch);
                }
            }
            Order::Receive(receive) => self.receive(*receive),
            Order::Go => self.go(),
            Order::Discard => self.discard(),
            Order::Ended(how) => self.ended(how),
            // Seen before it comes here.
            Order::End => {}
        }
    }

    fn power_on(&mut self, restarts: u32) {
        if self.live.is_some() {
            return;
        }
        match self.start(None) {
            Ok(mut live) => {
                // The guest's driver gives the rest back once it runs.
                let (now, [_, most]) = (self.shared.memory(), self.setup.memory);
                if now < most {
                    live.session.command("balloon", serde_json::json!({ "value": now }));
                }
                self.live = Some(live);
                // Who brings no agent is up as soon as it runs: nobody can tell.
                let phase = if self.setup.has_agent { Phase::Booting } else { Phase::Up };
                self.shared.set(|status| {
                    status.phase = phase;
                    status.restarts = restarts;
                });
            }
            Err(why) => {
                tracing::warn!(node = self.setup.name, why, "a virtual machine could not be started");
                self.shared.set(|status| {
                    status.phase = Phase::Failed;
                    status.reason = Some(why);
                });
            }
        }
    }

    /// Starts QEMU.
    fn start(&self, resumed: Option<Resumed>) -> Result<Live, String> {
        let text = |error: std::io::Error| error.to_string();
        let boots = resumed.is_none() && self.setup.has_agent;
        if let Some(resumed) = &resumed {
            self.shared.set_processors(resumed.processors);
        }
        let start = self.setup.prepare(resumed, self.shared.processors())?;
        self.shared.set_took_one(false);
        let ((qmp, their_qmp), (serial, their_serial), (agent, their_agent)) =
            (Channel::pair().map_err(text)?, Channel::pair().map_err(text)?, Channel::pair().map_err(text)?);
        let null = std::fs::File::open("/dev/null").map_err(text)?;
        let (errors, complaints) = std::io::pipe().map_err(text)?;
        let mut process = ProcessSpec::new(start.argv);
        // QEMU takes /var/tmp for /tmp.
        process.set_env([("TMPDIR".to_owned(), "/tmp/.".to_owned())]);
        process.extra = 3 + start.files.len();
        let mut given = vec![null.as_fd(), complaints.as_fd(), complaints.as_fd()];
        given.extend([&their_qmp, &their_serial, &their_agent].map(AsFd::as_fd));
        given.extend(start.files.iter().map(AsFd::as_fd));
        let (tell, told) = mpsc::channel();
        let shared = Arc::clone(&self.shared);
        self.spawner.spawn_giving(
            &self.setup.host,
            &process,
            self.setup.netns.as_fd(),
            &given,
            move |started| drop(tell.send(started)),
            move |ending| shared.order(Order::Ended(ending)),
        );
        let started = told.recv().map_err(|_| "the spawner has ended".to_owned())?;
        let started = started.map_err(|error| error.to_string())?;
        let pid = started.pid().and_then(|pid| u32::try_from(pid).ok());
        self.shared.set(|status| status.pid = pid);
        self.shared.set_ram(Some(start.ram));
        Ok(Live {
            process: started.id,
            qmp,
            session: Qmp::default(),
            serial,
            agent,
            decoder: Decoder::default(),
            errors,
            complaint: Vec::new(),
            // One that cannot be made costs the log.
            log: Log::open(&self.setup.log, LOG_BYTES).ok(),
            tail: Vec::new(),
            asked: BTreeMap::new(),
            off: None,
            boot: boots.then(|| clock::now() + BOOT),
            shutdown: None,
            moved: None,
            resuming: None,
            next: None,
            anew: false,
            watch: None,
            key: start.key,
        })
    }

    /// Asks the guest to switch itself off, in every way it may understand.
    fn power_off(&mut self, by: u64) {
        // One that is still elsewhere must not go on here, too.
        if self.shared.status().phase == Phase::Arriving {
            return self.discard();
        }
        let Some(live) = &mut self.live else {
            return self.shared.set(|status| {
                status.phase = Phase::Off;
                status.reason = None;
            });
        };
        // One that is still booting has nothing to lose.
        let booting = live.boot.is_some();
        live.off = Some(if booting { clock::now() } else { by });
        // Processors that stand still do not hear it.
        live.session.command("cont", Value::Null);
        if self.shared.status().phase == Phase::Up && self.setup.has_agent {
            Frame::PowerOff.emit(0, &mut live.agent.out);
        } else {
            live.session.command("system_powerdown", Value::Null);
        }
    }

    /// Other cards from the next start on; whether that is all there is to do. A guest that has not come up has nothing to lose, and
    /// boots again with them.
    fn seat(&mut self, seats: Vec<Seat>, config: GuestConfig, fresh: bool) -> bool {
        let boots = self.shared.status().phase == Phase::Booting;
        if let Some(live) = self.live.as_mut().filter(|_| fresh) {
            if !boots || live.resuming.is_some() {
                return false;
            }
            live.anew = true;
            let _ = self.spawner.signal(live.process, SIGKILL, false);
        }
        self.setup.reseat(seats, config);
        self.shared.set_made_of(self.setup.made_of());
        true
    }

    /// Asks QEMU for something.
    fn ask(&mut self, command: &str, arguments: Value, tell: mpsc::Sender<Result<Value, String>>) {
        let Some(live) = &mut self.live else {
            let _ = tell.send(Err("it does not run".to_owned()));
            return;
        };
        let number = live.session.command(command, arguments);
        live.asked.insert(number, tell);
    }

    /// A descriptor goes to QEMU beside the command that names it.
    fn give(
        &mut self,
        fd: &OwnedFd,
        command: &str,
        arguments: Value,
        tell: mpsc::Sender<Result<Value, String>>,
    ) {
        let Some(live) = &mut self.live else {
            let _ = tell.send(Err("it does not run".to_owned()));
            return;
        };
        // What was said before goes first: the descriptor belongs to these bytes.
        live.qmp.out.append(live.session.output());
        live.qmp.flush();
        let number = live.session.command(command, arguments);
        let bytes = std::mem::take(live.session.output());
        let sent = match (&live.qmp.socket, live.qmp.out.is_empty()) {
            (Some(socket), true) if !bytes.is_empty() => {
                let socket = socket.try_clone().map_err(|error| error.to_string());
                let stream =
                    socket.and_then(|it| FdStream::new(it.into()).map_err(|error| error.to_string()));
                stream.and_then(|it| it.send(&bytes, &[fd.as_fd()]).map_err(|errno| errno.to_string()))
            }
            _ => Err("QEMU does not listen".to_owned()),
        };
        match sent {
            Ok(()) => drop(live.asked.insert(number, tell)),
            Err(why) => drop(tell.send(Err(why))),
        }
    }

    fn open(&mut self, session: Arc<Session>, open: Open) {
        match self.live.as_mut().filter(|_| Frame::fits(&open)) {
            Some(live) => {
                Frame::Open(Box::new(open)).emit(session.id, &mut live.agent.out);
                self.sessions.insert(session.id, session);
            }
            None => session.fail(),
        }
    }

    /// Reads and writes what can be without waiting.
    fn serve(&mut self, buffer: &mut [u8]) {
        let Some(live) = &mut self.live else { return self.consoles.clear() };
        let length = live.serial.read(buffer);
        let said = buffer.get(..length).unwrap_or_default();
        if let (Some(log), false) = (&mut live.log, said.is_empty()) {
            log.write(said);
        }
        remember(&mut live.tail, said);
        for console in &mut self.consoles {
            // One that does not read loses what it does not read; one that is gone is found out by reading.
            let _ = console.stream.write(said);
        }
        let typed = &mut live.serial.out;
        self.consoles.retain_mut(|console| listen(&mut console.stream, typed));
        if live.errors_ready() {
            let length = live.errors.read(buffer).unwrap_or(0);
            remember(&mut live.complaint, buffer.get(..length).unwrap_or_default());
        }
        let length = live.qmp.read(buffer);
        live.hear_qemu(buffer.get(..length).unwrap_or_default());
        self.arrived();
        let Some(live) = &mut self.live else { return };
        let length = live.agent.read(buffer);
        live.decoder.push(buffer.get(..length).unwrap_or_default());
        let mut up = false;
        loop {
            match live.decoder.poll() {
                Ok(Some((_, Frame::Hello))) => up = true,
                Ok(Some((session, frame))) => hear(&mut self.sessions, &mut live.agent.out, session, frame),
                Ok(None) => break,
                Err(error) => {
                    if live.agent.socket.take().is_some() {
                        tracing::warn!(node = self.setup.name, %error, "the agent of a guest says what nobody understands");
                    }
                    break;
                }
            }
        }
        if up {
            live.boot = None;
            self.shared.set(|status| {
                status.phase = Phase::Up;
                status.reason = None;
            });
        }
        live.qmp.out.append(live.session.output());
        for channel in [&mut live.qmp, &mut live.serial, &mut live.agent] {
            channel.flush();
        }
    }

    /// Does what the time has come for.
    fn due(&mut self) {
        let Some(live) = &mut self.live else { return };
        let now = clock::now();
        if live.off.is_some_and(|by| by <= now) {
            live.off = Some(u64::MAX);
            // One that has just ended needs no signal.
            let _ = self.spawner.signal(live.process, SIGKILL, false);
        }
        if live.boot.is_some_and(|by| by <= now) {
            live.boot = None;
            let seconds = BOOT / 1_000_000_000;
            let why =
                format!("the guest did not come up within {seconds} s; `netloom logs` shows what it said");
            self.shared.set(|status| status.reason = Some(why));
        }
    }

    fn wait(&self) {
        let mut fds = vec![PollFd::from_borrowed_fd(self.shared.bell.as_fd(), PollFlags::IN)];
        let mut until = None;
        if let Some(live) = &self.live {
            let channels = [&live.qmp, &live.serial, &live.agent];
            fds.extend(
                channels
                    .into_iter()
                    .filter_map(Channel::wanted)
                    .map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)),
            );
            fds.push(PollFd::from_borrowed_fd(live.errors.as_fd(), PollFlags::IN));
            fds.extend(
                self.consoles
                    .iter()
                    .map(|console| PollFd::from_borrowed_fd(console.stream.as_fd(), PollFlags::IN)),
            );
            until = [live.off.filter(|by| *by < u64::MAX), live.boot].into_iter().flatten().min();
        }
        let left = until.map(|until| std::time::Duration::from_nanos(until.saturating_sub(clock::now())));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        // A signal only makes the round come early.
        let _ = poll(&mut fds, left.as_ref());
    }

    /// QEMU has ended: why, and what now.
    fn ended(&mut self, how: Ending) {
        // Its last words may still be unread.
        let mut buffer = vec![0; 64 << 10];
        self.serve(&mut buffer);
        let Some(mut live) = self.live.take() else { return };
        live.drain(&mut buffer);
        for session in std::mem::take(&mut self.sessions).into_values() {
            session.fail();
        }
        for (_, tell) in std::mem::take(&mut live.asked) {
            let _ = tell.send(Err("QEMU has ended".to_owned()));
        }
        self.consoles.clear();
        self.shared.set_ram(None);
        if let Some(next) = live.next.take() {
            return self.go_on(*next);
        }
        let restarts = self.shared.status().restarts;
        let (phase, reason) = live.verdict(how);
        if let Some(tell) = live.resuming.take() {
            let _ = tell.send(Err(reason.clone().unwrap_or_else(|| "QEMU has ended".to_owned())));
        }
        let again = live.off.is_none() && (live.is_reset() || live.anew) && reason.is_none();
        tracing::info!(node = self.setup.name, ?phase, reason, "QEMU has ended");
        self.shared.set(|status| {
            status.pid = None;
            status.phase = if again { Phase::Booting } else { phase };
            status.reason = reason;
        });
        if again {
            self.power_on(if live.anew { restarts } else { restarts.saturating_add(1) });
        }
    }

    /// Ends QEMU, and waits until it is gone.
    fn kill_and_wait(mut self) {
        if let Some(live) = &self.live {
            let _ = self.spawner.signal(live.process, SIGKILL, false);
        }
        let until = clock::now() + END;
        while self.live.is_some() && clock::now() < until {
            self.shared.bell.clear();
            for order in self.shared.take() {
                if let Order::Ended(_) = order {
                    self.live = None;
                }
            }
            if self.live.is_some() {
                let mut fds = [PollFd::from_borrowed_fd(self.shared.bell.as_fd(), PollFlags::IN)];
                let second = Timespec { tv_sec: 1, tv_nsec: 0 };
                let _ = poll(&mut fds, Some(&second));
            }
        }
        for session in std::mem::take(&mut self.sessions).into_values() {
            session.fail();
        }
        self.shared.set(|status| {
            status.pid = None;
            status.phase = Phase::Off;
        });
    }
}

impl Live {
    fn hear_qemu(&mut self, bytes: &[u8]) {
        let (asked, shutdown, moved) = (&mut self.asked, &mut self.shutdown, &mut self.moved);
        // Who gave up watching does not want to know.
        let tell = |moved: Moved| self.watch.as_ref().map_or((), |watch| drop(watch.send(moved)));
        let heard = self.session.push(bytes, |said| match said {
            Said::Ready(_) => {}
            Said::Done(number, value) => answer(asked, number, Ok(value)),
            Said::Refused(number, why) => answer(asked, number, Err(why)),
            Said::Event(event, data) if event == "SHUTDOWN" => {
                *shutdown = Some(data["reason"].as_str().unwrap_or("guest-shutdown").to_owned());
            }
            Said::Event(event, _) if event == "STOP" => tell(Moved::Stopped),
            Said::Event(event, data) if event == "MIGRATION" => {
                if let Some(status) = data["status"].as_str() {
                    tell(Moved::Status(status.to_owned()));
                }
                let status =
                    data["status"].as_str().filter(|status| matches!(*status, "completed" | "failed"));
                *moved = status.map(str::to_owned).or(moved.take());
            }
            Said::Event(..) => {}
        });
        if heard.is_err() {
            self.qmp.socket = None;
        }
    }

    fn errors_ready(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.errors.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(1)
    }

    /// Reads what is left of the serial port and of QEMU's words.
    fn drain(&mut self, buffer: &mut [u8]) {
        for _ in 0..64 {
            let length = self.serial.read(buffer);
            let said = buffer.get(..length).unwrap_or_default();
            if said.is_empty() {
                break;
            }
            if let Some(log) = &mut self.log {
                log.write(said);
            }
            remember(&mut self.tail, said);
        }
        while self.errors_ready() {
            match self.errors.read(buffer) {
                Ok(length) if length > 0 => {
                    remember(&mut self.complaint, buffer.get(..length).unwrap_or_default())
                }
                _ => break,
            }
        }
        let length = self.qmp.read(buffer);
        self.hear_qemu(buffer.get(..length).unwrap_or_default());
    }

    fn is_reset(&self) -> bool {
        self.shutdown.as_deref() == Some("guest-reset")
    }

    /// What its end means.
    fn verdict(&self, how: Ending) -> (Phase, Option<String>) {
        if self.off.is_some() {
            return (Phase::Off, None);
        }
        if self.anew {
            return (Phase::Booting, None);
        }
        if let Some(line) = panic(&self.tail) {
            return (Phase::Failed, Some(format!("the guest panicked: {line}")));
        }
        match how {
            Ending::Code(0) if self.is_reset() => (Phase::Booting, None),
            Ending::Code(0) => (Phase::Ended, None),
            Ending::Signal(number) => (Phase::Failed, Some(format!("QEMU was ended by signal {number}"))),
            Ending::Code(code) => {
                let words = String::from_utf8_lossy(&self.complaint).into_owned();
                let last =
                    words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
                let why = if last.is_empty() {
                    format!("QEMU ended with exit code {code}")
                } else {
                    format!("QEMU: {last}")
                };
                (Phase::Failed, Some(why))
            }
        }
    }
}

fn answer(
    asked: &mut BTreeMap<u64, mpsc::Sender<Result<Value, String>>>,
    number: u64,
    answer: Result<Value, String>,
) {
    if let Some(tell) = asked.remove(&number) {
        // Who gave up waiting does not want to know.
        let _ = tell.send(answer);
    }
}

/// A frame of a guest's program.
fn hear(sessions: &mut BTreeMap<u32, Arc<Session>>, out: &mut Vec<u8>, session: u32, frame: Frame) {
    let Some(known) = sessions.get(&session) else {
        // Nobody listens any more: the program is not to wait for that.
        if frame.is_bytes() {
            Frame::Taken.emit(session, out);
        }
        return;
    };
    let mut over = matches!(frame, Frame::Exit(_));
    if !known.hear(frame) {
        tracing::warn!("a guest sends more than it was allowed to");
        known.fail();
        over = true;
    }
    if over {
        sessions.remove(&session);
    }
}

/// Takes what was typed at a console; `false` when it is gone.
fn listen(console: &mut UnixStream, typed: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    // What the guest does not take is not read.
    if typed.len() > 4 * buffer.len() {
        return true;
    }
    match console.read(&mut buffer) {
        Ok(0) => false,
        Ok(length) => {
            typed.extend_from_slice(buffer.get(..length).unwrap_or_default());
            true
        }
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}

/// The end of what was said.
fn remember(tail: &mut Vec<u8>, said: &[u8]) {
    tail.extend_from_slice(said);
    if tail.len() > 2 * TAIL {
        tail.drain(..tail.len() - TAIL);
    }
}

/// The line with which a Linux kernel gives up.
fn panic(tail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(tail);
    let at = text.rfind("Kernel panic - not syncing")?;
    let line = text.get(at..)?.lines().next()?.trim();
    Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
}

/// Bytes that are kept of the serial port's output.
const LOG_BYTES: u64 = 4 << 20;
/// Bytes of the end of what was said that are looked at.
const TAIL: usize = 16 << 10;
/// Bytes that may wait for whoever does not read them.
const AHEAD: usize = 1 << 20;
const SIGHUP: u8 = 1;
const SIGKILL: i32 = 9;
/// How long QEMU may take to be gone after SIGKILL.
const END: u64 = 10_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_found_in_what_the_guest_said_last() {
        let said = b"[    1.0] x\r\n[    1.2] Kernel panic - not syncing: No working init found.  Try passing init=\r\n[ 1.3] CPU: 0\r\n";
        let found = panic(said);
        assert_eq!(
            found.as_deref(),
            Some("Kernel panic - not syncing: No working init found.  Try passing init=")
        );
        assert_eq!(panic(b"all is well\n"), None);
    }

    #[test]
    fn only_the_end_is_remembered() {
        let mut tail = Vec::new();
        for _ in 0..100 {
            remember(&mut tail, &[b'x'; 4096]);
            assert!(tail.len() <= 2 * TAIL);
        }
        remember(&mut tail, b"end");
        assert!(tail.ends_with(b"end"));
    }
}
