//! The handle of a virtual machine: what it is at the moment, and what can be asked of it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use netloom_container::{Ending, Spawner};
use netloom_sys::eventfd::EventFd;
use netloom_sys::netns::NetNs;
use netloom_sys::{Errno, HostError};
use netloom_vm::frame::{Frame, Open, WINDOW};
use netloom_vm::guest::GuestConfig;
use netloom_vm::{Accel, Virt};
use serde_json::{Value, json};

use super::life::Life;
use super::setup::{Resumed, Seat, Setup};

/// How a virtual machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine) enum Phase {
    /// It was switched off, or not yet on.
    #[default]
    Off,
    /// QEMU runs, and the guest has not said that it is up.
    Booting,
    /// It comes from another lab, and is not here yet.
    Arriving,
    /// Its agent listens; or it has none, and nobody can tell.
    Up,
    /// The guest has switched itself off.
    Ended,
    /// It ended otherwise, or could not be started.
    Failed,
}

/// How a virtual machine is, in full.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine) struct Status {
    pub(in crate::engine) phase: Phase,
    /// Why it is not up, if that is not what somebody asked for.
    pub(in crate::engine) reason: Option<String>,
    /// The number of QEMU's process.
    pub(in crate::engine) pid: Option<u32>,
    /// How often the guest has started itself again.
    pub(in crate::engine) restarts: u32,
}

/// What is asked of a machine's thread.
pub(super) enum Order {
    On,
    /// Off, by the guest itself if it is done before this time.
    Off(u64),
    /// Over for good: the thread ends.
    End,
    /// A command for QEMU, with its arguments.
    Ask(&'static str, Value, mpsc::Sender<Result<Value, String>>),
    Open(Arc<Session>, Box<Open>),
    /// A frame of a session, for the guest.
    Say(u32, Frame),
    /// Nobody listens to this session any more.
    Close(u32),
    Console(Console),
    /// A descriptor for QEMU beside a command, as with [`Order::Ask`].
    Give(OwnedFd, &'static str, Value, mpsc::Sender<Result<Value, String>>),
    /// Other cards, and what the guest is told of them: from the next start on. Told is whether that is all there is to do; one that
    /// is `fresh` runs, and is to have them now.
    Seat {
        seats: Vec<Seat>,
        config: Box<GuestConfig>,
        fresh: bool,
        tell: mpsc::Sender<bool>,
    },
    /// In place of what runs, a machine goes on from where it was.
    Resume(Box<Resume>),
    /// Tell how QEMU's own move goes on.
    Watch(mpsc::Sender<Moved>),
    /// It comes from another lab.
    Receive(Box<Receive>),
    /// All of it has come: it goes on.
    Go,
    /// What there is of it is worth nothing: it ends at once.
    Discard,
    /// QEMU has ended.
    Ended(Ending),
}

/// How QEMU's own move of a machine goes on. Whoever hears it learns of QEMU's end by the end of the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Moved {
    /// What QEMU calls it: `active`, `completed`, `failed` ..
    Status(String),
    /// The guest's processors stand still.
    Stopped,
}

/// A machine that comes from another lab.
#[derive(Debug)]
pub(in crate::engine) struct Arrival {
    /// By which its memory and devices come.
    pub(in crate::engine) stream: OwnedFd,
    /// The folder with the key of what comes.
    pub(in crate::engine) key: Option<OwnedFd>,
    /// Bytes of memory that it has there.
    pub(in crate::engine) memory: u64,
    /// Processors that it has there.
    pub(in crate::engine) processors: u32,
    /// The number that the next stream into its guest has.
    pub(in crate::engine) session: u32,
}

/// A machine that comes from another lab, for its thread.
pub(super) struct Receive {
    pub(super) resumed: Resumed,
    /// Told how it goes on.
    pub(super) watch: mpsc::Sender<Moved>,
    /// Told when QEMU waits for it, or why it does not.
    pub(super) tell: mpsc::Sender<Result<(), String>>,
}

/// From where a machine goes on.
pub(super) struct Resume {
    pub(super) resumed: Resumed,
    /// Told when the memory is there.
    pub(super) filled: mpsc::Receiver<Result<(), String>>,
    /// What had been written to the disk, and where it belongs once nobody writes there.
    pub(super) disk: Option<[PathBuf; 2]>,
    /// Told when it goes on, or why not.
    pub(super) tell: mpsc::Sender<Result<(), String>>,
}

/// A stream that is joined with the serial port.
#[derive(Debug)]
pub(in crate::engine) struct Console {
    /// The stream.
    pub(in crate::engine) stream: UnixStream,
    /// Closed with it: who has the other end learns of the end, whether or not he reads the stream.
    #[expect(dead_code, reason = "it is held, not read")]
    pub(in crate::engine) life: UnixStream,
}

/// A virtual machine.
pub(in crate::engine) struct Machine {
    pub(super) shared: Arc<Shared>,
    netns: Arc<NetNs>,
    pub(super) has_agent: bool,
    pub(in crate::engine) accel: Accel,
    /// Held while processors come and go.
    pub(super) resizing: Mutex<()>,
    pub(in crate::engine) virt: Virt,
    /// Its cards, and what its guest was told.
    pub(super) seated: Mutex<(Vec<Seat>, GuestConfig)>,
    /// Where what is written to its disk is.
    disk: Option<PathBuf>,
    sessions: AtomicU32,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// What the thread and its callers share.
pub(super) struct Shared {
    pub(super) bell: EventFd,
    orders: Mutex<VecDeque<Order>>,
    status: Mutex<Status>,
    news: Condvar,
    /// Bytes of memory that it is to have.
    memory: AtomicU64,
    /// Processors that it is to have.
    processors: AtomicU32,
    /// QEMU has taken one away since it was started.
    took_one: AtomicBool,
    /// The guest's memory, while QEMU runs.
    ram: Mutex<Option<Arc<OwnedFd>>>,
    /// Programs whose streams are carried.
    streams: AtomicUsize,
    /// It is on its way elsewhere: no stream can begin.
    moving: AtomicBool,
    /// What it is made of.
    made_of: Mutex<String>,
}

impl Shared {
    /// Asks the thread for something.
    pub(super) fn order(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
        self.bell.signal();
    }

    /// What was asked for since the last time.
    pub(super) fn take(&self) -> VecDeque<Order> {
        std::mem::take(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the status, and tells whoever waits for that.
    pub(super) fn set(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status());
        self.news.notify_all();
    }

    /// Bytes of memory that it is to have.
    pub(super) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Processors that it is to have.
    pub(super) fn processors(&self) -> u32 {
        self.processors.load(Ordering::Relaxed)
    }

    /// It is to have so many.
    pub(super) fn set_processors(&self, count: u32) {
        self.processors.store(count, Ordering::Relaxed);
    }

    /// Whether QEMU has taken one away since it was started.
    pub(super) fn took_one(&self) -> bool {
        self.took_one.load(Ordering::Relaxed)
    }

    /// It has, or it was started.
    pub(super) fn set_took_one(&self, took_one: bool) {
        self.took_one.store(took_one, Ordering::Relaxed);
    }

    /// The guest's memory is this from now on.
    pub(super) fn set_ram(&self, ram: Option<Arc<OwnedFd>>) {
        *self.ram.lock().unwrap_or_else(PoisonError::into_inner) = ram;
    }

    /// It is made of this from now on.
    pub(super) fn set_made_of(&self, made_of: String) {
        *self.made_of.lock().unwrap_or_else(PoisonError::into_inner) = made_of;
    }

    /// So many programs' streams are carried.
    pub(super) fn set_streams(&self, count: usize) {
        self.streams.store(count, Ordering::Relaxed);
    }

    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    /// A machine that is off, with its thread.
    ///
    /// # Errors
    /// No descriptor or thread left.
    pub(super) fn start(setup: Setup, spawner: Spawner) -> Result<Arc<Self>, HostError> {
        let shared = Arc::new(Shared {
            bell: EventFd::new()?,
            orders: Mutex::default(),
            status: Mutex::default(),
            news: Condvar::new(),
            memory: AtomicU64::new(setup.memory[0]),
            processors: AtomicU32::new(setup.processors()),
            took_one: AtomicBool::new(false),
            ram: Mutex::default(),
            streams: AtomicUsize::new(0),
            moving: AtomicBool::new(false),
            made_of: Mutex::new(setup.made_of()),
        });
        let (netns, has_agent, accel) = (Arc::clone(&setup.netns), setup.has_agent, setup.accel());
        let (virt, seated, disk) = (setup.virt(), Mutex::new(setup.seated()), setup.disk());
        let (name, life) = (format!("vm {}", setup.name), Life::new(setup, spawner, Arc::clone(&shared)));
        let thread = std::thread::Builder::new().name(name).spawn(move || life.run());
        let thread =
            thread.map_err(|error| HostError::from_io("start the thread", "of a virtual machine", &error))?;
        let (sessions, thread) = (AtomicU32::new(1), Mutex::new(Some(thread)));
        let resizing = Mutex::default();
        Ok(Arc::new(Self { shared, netns, has_agent, accel, virt, resizing, seated, disk, sessions, thread }))
    }

    /// How it is.
    pub(in crate::engine) fn status(&self) -> Status {
        self.shared.status().clone()
    }

    /// Whether it was made for the node that has this namespace.
    pub(super) fn is_in(&self, netns: &Arc<NetNs>) -> bool {
        Arc::ptr_eq(&self.netns, netns)
    }

    /// Starts QEMU, unless it runs.
    pub(super) fn power_on(&self) {
        self.shared.set(|status| {
            if !matches!(status.phase, Phase::Booting | Phase::Arriving | Phase::Up) {
                *status = Status { phase: Phase::Booting, ..Status::default() };
            }
        });
        self.shared.order(Order::On);
    }

    /// Has the guest switch itself off within `grace`; returns when QEMU is gone.
    pub(super) fn power_off(&self, grace: Duration) {
        let grace = u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX);
        self.shared.order(Order::Off(netloom_sys::clock::now().saturating_add(grace)));
        self.wait(|status| status.pid.is_some() || matches!(status.phase, Phase::Booting | Phase::Up));
    }

    /// Ends QEMU at once, and the thread.
    pub(super) fn end(&self) {
        self.shared.order(Order::End);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic there has been printed; there is nothing to undo.
            let _ = thread.join();
        }
    }

    /// Stops the guest's processors, or lets them go on.
    ///
    /// # Errors
    /// In words: QEMU does not run, or does not answer.
    pub(in crate::engine) fn pause(&self, paused: bool) -> Result<(), String> {
        self.ask(if paused { "stop" } else { "cont" }, Value::Null).map(drop)
    }

    /// Gives QEMU a descriptor beside a command.
    pub(in crate::engine) fn give(
        &self,
        fd: OwnedFd,
        command: &'static str,
        arguments: Value,
    ) -> Result<Value, String> {
        let (tell, told) = mpsc::channel();
        self.shared.order(Order::Give(fd, command, arguments, tell));
        told.recv_timeout(ANSWER).unwrap_or_else(|_| Err("QEMU does not answer".to_owned()))
    }

    /// Has it go on from where it was, in place of what runs; returns once it does.
    pub(super) fn resume_from(
        &self,
        resumed: Resumed,
        filled: mpsc::Receiver<Result<(), String>>,
        disk: Option<[PathBuf; 2]>,
    ) -> Result<(), String> {
        let (tell, told) = mpsc::channel();
        self.shared.order(Order::Resume(Box::new(Resume { resumed, filled, disk, tell })));
        told.recv_timeout(PATIENCE).unwrap_or_else(|_| Err("QEMU does not answer".to_owned()))
    }

    /// The guest's memory, while QEMU runs.
    pub(in crate::engine) fn ram(&self) -> Option<Arc<OwnedFd>> {
        self.shared.ram.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Programs in it whose streams are carried.
    pub(in crate::engine) fn streams(&self) -> usize {
        self.shared.streams.load(Ordering::Relaxed)
    }

    /// What it is made of, in one line.
    pub(in crate::engine) fn made_of(&self) -> String {
        self.shared.made_of.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where what is written to its disk is.
    pub(super) fn disk(&self) -> Option<&Path> {
        self.disk.as_deref()
    }

    /// Asks QEMU for something.
    ///
    /// # Errors
    /// In words: what it says, or that it does not run or answer.
    pub(in crate::engine) fn ask(&self, command: &'static str, arguments: Value) -> Result<Value, String> {
        let (tell, told) = mpsc::channel();
        self.shared.order(Order::Ask(command, arguments, tell));
        told.recv_timeout(ANSWER).unwrap_or_else(|_| Err("QEMU does not answer".to_owned()))
    }

    /// Bytes of memory that it is to have at the moment.
    pub(in crate::engine) fn memory(&self) -> u64 {
        self.shared.memory()
    }

    /// Processors that it is to have at the moment.
    pub(in crate::engine) fn processors(&self) -> u32 {
        self.shared.processors()
    }

    /// Gives memory to the guest or takes it away, as far as its balloon goes along; one that is off gets it when it is on.
    ///
    /// # Errors
    /// In words: QEMU does not answer, or the guest does not give the memory back. Then it has what it had.
    pub(in crate::engine) fn set_memory(&self, bytes: u64) -> Result<(), String> {
        let before = self.shared.memory.swap(bytes, Ordering::Relaxed);
        if self.status().pid.is_none() {
            return Ok(());
        }
        let done = self.balloon(bytes);
        if done.is_err() {
            self.shared.memory.store(before, Ordering::Relaxed);
            // It has failed before: that is what is told.
            let _ = self.ask("balloon", json!({ "value": before }));
        }
        done
    }

    fn balloon(&self, bytes: u64) -> Result<(), String> {
        self.ask("balloon", json!({ "value": bytes }))?;
        let until = netloom_sys::clock::now() + BALLOON;
        loop {
            let actual = self.ask("query-balloon", Value::Null)?["actual"].as_u64().unwrap_or(u64::MAX);
            if actual <= bytes.saturating_add(SLACK) {
                return Ok(());
            }
            if netloom_sys::clock::now() > until {
                let has = netloom_lab::quantity::show_size(actual.next_multiple_of(1 << 20));
                return Err(format!("the guest gives no more back: it has {has}"));
            }
            netloom_sys::clock::sleep(50_000_000);
        }
    }

    /// Waits until the agent listens, for a while; `goes_on` is asked now and then whether somebody still waits.
    ///
    /// # Errors
    /// In words: why there is nobody to talk to.
    pub(in crate::engine) fn await_agent(&self, mut goes_on: impl FnMut() -> bool) -> Result<(), String> {
        if !self.has_agent {
            return Err(
                "netloom's agent is not in this guest: it has an initial file system or a disk of its own"
                    .to_owned(),
            );
        }
        let until = netloom_sys::clock::now() + BOOT;
        let mut status = self.shared.status();
        loop {
            match status.phase {
                Phase::Up => return Ok(()),
                Phase::Booting | Phase::Arriving if netloom_sys::clock::now() < until && goes_on() => {}
                Phase::Booting | Phase::Arriving => return Err("the guest has not come up yet".to_owned()),
                Phase::Off => return Err("it is off".to_owned()),
                Phase::Ended | Phase::Failed => {
                    return Err(status.reason.clone().unwrap_or_else(|| "it has ended".to_owned()));
                }
            }
            let waited = self.shared.news.wait_timeout(status, LOOK);
            status = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Runs a program in the guest.
    ///
    /// # Errors
    /// No descriptor left.
    pub(in crate::engine) fn open(&self, open: Open) -> Result<Spoken, HostError> {
        if self.shared.moving.load(Ordering::Acquire) {
            return Err(HostError::new(
                "run a program in",
                "a guest that is on its way elsewhere",
                Errno::BUSY,
            ));
        }
        let id = self.sessions.fetch_add(1, Ordering::Relaxed);
        let session = Arc::new(Session { id, bell: EventFd::new()?, heard: Mutex::default() });
        self.shared.order(Order::Open(Arc::clone(&session), Box::new(open)));
        Ok(Spoken { session, shared: Arc::clone(&self.shared) })
    }

    /// Whether QEMU has taken a processor away since it was started.
    pub(in crate::engine) fn took_one(&self) -> bool {
        self.shared.took_one()
    }

    /// Whether it is on its way elsewhere, so that no stream can begin.
    pub(in crate::engine) fn set_moving(&self, moving: bool) {
        self.shared.moving.store(moving, Ordering::Release);
    }

    /// How QEMU's own move goes on, from now on.
    pub(in crate::engine) fn watch(&self) -> mpsc::Receiver<Moved> {
        let (watch, watched) = mpsc::channel();
        self.shared.order(Order::Watch(watch));
        watched
    }

    /// The number that the next stream has in the guest.
    pub(in crate::engine) fn next_session(&self) -> u32 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Has QEMU wait for a machine that comes from another lab. Returns when QEMU was started.
    ///
    /// # Errors
    /// In words: it runs here, or QEMU cannot be started.
    pub(in crate::engine) fn arrive(&self, arrival: Arrival) -> Result<mpsc::Receiver<Moved>, String> {
        let Arrival { stream, key, memory, processors, session } = arrival;
        let ((watch, watched), (tell, told)) = (mpsc::channel(), mpsc::channel());
        self.shared.memory.store(memory, Ordering::Relaxed);
        self.sessions.fetch_max(session, Ordering::Relaxed);
        let resumed = Resumed { ram: None, devices: stream, processors, key };
        self.shared.order(Order::Receive(Box::new(Receive { resumed, watch, tell })));
        told.recv_timeout(PATIENCE).unwrap_or_else(|_| Err("QEMU does not start".to_owned()))?;
        Ok(watched)
    }

    /// One that did not come is to have the memory and processors that it had before.
    pub(in crate::engine) fn set_back(&self, (memory, processors): (u64, u32)) {
        self.shared.memory.store(memory, Ordering::Relaxed);
        self.shared.set_processors(processors);
    }

    /// All of it has come: it goes on here.
    pub(in crate::engine) fn go(&self) {
        self.shared.order(Order::Go);
    }

    /// Ends QEMU at once, whatever it is; returns when it is gone.
    pub(in crate::engine) fn discard(&self) {
        self.shared.order(Order::Discard);
        self.wait(|status| status.pid.is_some() || status.phase != Phase::Off);
    }

    /// Joins a stream with the serial port.
    pub(in crate::engine) fn console(&self, console: Console) {
        self.shared.order(Order::Console(console));
    }

    fn wait(&self, still: impl Fn(&Status) -> bool) {
        let waits = |status: &mut Status| still(status);
        let waited = self.shared.news.wait_timeout_while(self.shared.status(), PATIENCE, waits);
        if waited.is_ok_and(|(_, over)| over.timed_out()) {
            tracing::warn!("a virtual machine does not end");
        }
    }
}

/// A program in a guest, as the thread of the machine sees it.
#[derive(Debug)]
pub(in crate::engine) struct Session {
    pub(super) id: u32,
    bell: EventFd,
    heard: Mutex<VecDeque<Frame>>,
}

impl Session {
    /// Hands over what the guest said; `false`: it says more than the window lets it.
    pub(super) fn hear(&self, frame: Frame) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = heard.len() < MOST_HEARD;
        if fits {
            heard.push_back(frame);
        }
        drop(heard);
        self.bell.signal();
        fits
    }

    /// The program has ended with its machine.
    pub(super) fn fail(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push_back(Frame::Exit(GONE));
        self.bell.signal();
    }
}

/// A program in a guest, as whoever started it sees it. Dropped, the program is told that nobody listens.
pub(in crate::engine) struct Spoken {
    session: Arc<Session>,
    shared: Arc<Shared>,
}

impl Spoken {
    /// Becomes readable when there is something to [`Self::poll`].
    pub(in crate::engine) fn ready(&self) -> BorrowedFd<'_> {
        self.session.bell.as_fd()
    }

    /// What was heard: bytes must be answered with [`Self::taken`] each.
    pub(in crate::engine) fn poll(&self) -> Option<Frame> {
        let mut heard = self.session.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() <= 1 {
            self.session.bell.clear();
        }
        heard.pop_front()
    }

    /// One frame of bytes was taken.
    pub(in crate::engine) fn taken(&self) {
        self.say(Frame::Taken);
    }

    /// Says something to the program.
    pub(in crate::engine) fn say(&self, frame: Frame) {
        self.shared.order(Order::Say(self.session.id, frame));
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        self.shared.order(Order::Close(self.session.id));
    }
}

/// Frames of a session that may wait to be taken: the window, and what answers and ends it.
const MOST_HEARD: usize = 4 * WINDOW;
/// What a program in a guest that is gone has ended with: as if killed.
const GONE: i32 = 137;
/// How long a guest may take to come up before whoever waits for it gives up.
pub(super) const BOOT: u64 = 180_000_000_000;
/// How often it is looked whether somebody still waits.
const LOOK: Duration = Duration::from_millis(200);
/// How long QEMU may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a guest may take to give memory back.
const BALLOON: u64 = 10_000_000_000;
/// Bytes by which a balloon may miss: it goes by pages, and the driver keeps some.
const SLACK: u64 = 1 << 20;
/// How long a machine may take to end, its grace included.
const PATIENCE: Duration = Duration::from_secs(30);
