//! The daemon's side: a handle that any thread may use, and one thread that reads the answers.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use netloom_sys::child::{self, Child, NewNamespaces};
use netloom_sys::seqpacket::SeqPacket;
use netloom_sys::{Errno, HostError, terminal};

use super::calls::{Calls, KILLED, OnAnswer, OnEnding, Shared};
use super::server;
use crate::protocol::{
    Ending, Failure, MAX_MESSAGE, ProcessId, Received, Reply, Request, RequestId, Settings, emit, receive,
    tell,
};
use crate::spec::{HostSpec, ProcessSpec, TerminalSize};

/// How the spawner is to be.
#[derive(Debug, Clone)]
pub struct SpawnerConfig {
    /// An existing directory where the spawner mounts a tmpfs that only the lab's nodes see and that is gone with it: the
    /// place for every [`HostSpec::private_dir`]. `None` leaves private directories on the machine's own file systems.
    pub scratch: Option<PathBuf>,
    /// The most bytes that tmpfs holds.
    pub scratch_bytes: u64,
    /// How long a node's init stays after the node's last process.
    pub idle: Duration,
    /// Work of this binary's own that can be done inside nodes ([`ProcessSpec::agent`]): from arguments to an exit code. It has
    /// the three streams and nothing else.
    pub agent: Option<Agent>,
}

/// Work done inside a node, by a child that started no program.
pub type Agent = fn(&[String]) -> i32;

impl Default for SpawnerConfig {
    fn default() -> Self {
        Self { scratch: None, scratch_bytes: 1 << 30, idle: Duration::from_secs(5), agent: None }
    }
}

/// The spawner could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// The spawner itself could not be started.
    #[error(transparent)]
    Host(#[from] HostError),
    /// [`Spawner::fork`] was called too late.
    #[error("The spawner must be started before the process has a second thread")]
    Threads,
    /// The process could not be started, and why.
    #[error("{0}")]
    Refused(Failure),
    /// Command, environment and host together do not fit into a message.
    #[error(
        "The command with its environment is too long: at most {MAX_MESSAGE} bytes with all the node's settings"
    )]
    TooLong,
    /// The spawner has ended, and every process of the lab with it.
    #[error("The spawner has ended")]
    Gone,
}

impl SpawnError {
    /// The exit code a shell would show: 127 not found, 126 not executable, 125 for all that is not the command's fault.
    #[must_use]
    pub fn shell_code(&self) -> i32 {
        match self {
            Self::Refused(failure) => failure.shell_code(),
            _ => 125,
        }
    }
}

/// Stdin, stdout and stderr of a new process, borrowed: it gets copies. Give it pipes: what a process was given it can open
/// anew for reading and writing by /proc/self/fd, so a file of the daemon's or the user's own terminal would be in its hands.
pub type Streams<'a> = [BorrowedFd<'a>; 3];

/// A process that runs its program.
#[derive(Debug)]
pub struct Started {
    /// Its name for [`Spawner::signal`].
    pub id: ProcessId,
    /// A descriptor of it: readable when it has ended.
    pub pidfd: OwnedFd,
    /// The master of its terminal, if it was to have one: read its output, write its input, see [`Spawner::resize`].
    pub terminal: Option<OwnedFd>,
}

impl Started {
    /// Its number as the daemon sees it; `None` once it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        child::pid_of(self.pidfd.as_fd())
    }
}

/// A started process whose end can be waited for.
#[derive(Debug)]
pub struct Spawned {
    /// The process.
    pub started: Started,
    ending: mpsc::Receiver<Ending>,
}

impl Spawned {
    /// Waits for the process to end.
    #[must_use]
    pub fn wait(&self) -> Ending {
        // The sender is dropped unused only with the reader thread, and then the kernel has killed every process.
        self.ending.recv().unwrap_or(KILLED)
    }
}

/// A spawner that runs, while this process may still have one thread only.
#[derive(Debug)]
pub struct SpawnerSeed {
    socket: SeqPacket,
    child: Child,
}

/// The handle: cheap to clone, usable from any thread. When the last one is dropped the spawner ends, and with it every
/// process of every node.
#[derive(Clone)]
pub struct Spawner {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    child: Child,
}

/// Something that happened without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The spawner has ended, and every process of the lab with it.
    Gone,
}

impl Spawner {
    /// Forks the spawner and waits until it is ready. Call it on the main thread, before any other thread exists, and after
    /// the standard streams are what the daemon's are to be: the spawner keeps stderr, and is killed when this thread ends.
    /// The nodes' processes get the limit of open files that holds now.
    ///
    /// # Errors
    /// [`SpawnError::Threads`] when it is too late; [`SpawnError::Host`] or [`SpawnError::Refused`] when the machine refuses
    /// the namespaces or the scratch file system.
    pub fn fork(config: &SpawnerConfig) -> Result<SpawnerSeed, SpawnError> {
        if !child::is_single_threaded()? {
            return Err(SpawnError::Threads);
        }
        let (socket, theirs) = SeqPacket::pair()?;
        for end in [&socket, &theirs] {
            // A smaller room than wished only limits how long a message may be, which is then refused by the kernel.
            let _ = end.set_send_room(2 * MAX_MESSAGE);
        }
        let settings = Settings {
            scratch: config.scratch.clone(),
            scratch_bytes: config.scratch_bytes,
            idle_nanos: u64::try_from(config.idle.as_nanos()).unwrap_or(u64::MAX),
        };
        let own_pids = NewNamespaces { pid: true, ..NewNamespaces::default() };
        let agent = config.agent;
        let child = child::fork(own_pids, &[theirs.as_fd()], || server::run(&theirs, agent))?;
        drop(theirs);
        let seed = SpawnerSeed { socket, child };
        match seed.greet(&settings) {
            Ok(()) => Ok(seed),
            Err(error) => {
                let _ = child::kill_now(&seed.child.pidfd);
                let _ = child::wait(seed.child.pid);
                Err(error)
            }
        }
    }

    /// Starts a process in a node and waits until its program runs.
    ///
    /// `netns` is the node's network namespace; `streams` are needed unless the process is to have a terminal.
    ///
    /// # Errors
    /// [`SpawnError::Refused`] with the step and reason, [`SpawnError::TooLong`], [`SpawnError::Gone`].
    pub fn spawn(
        &self,
        host: &HostSpec,
        process: &ProcessSpec,
        netns: BorrowedFd<'_>,
        streams: Option<Streams<'_>>,
    ) -> Result<Spawned, SpawnError> {
        let (answer, answered) = mpsc::channel();
        let (end, ending) = mpsc::channel();
        self.spawn_with(
            host,
            process,
            netns,
            streams,
            // Who no longer listens does not want to know.
            move |result| {
                let _ = answer.send(result);
            },
            move |how| {
                let _ = end.send(how);
            },
        );
        let started = answered.recv().map_err(|_| SpawnError::Gone)??;
        Ok(Spawned { started, ending })
    }

    /// Starts a process without waiting: `on_start` is called once, and if it is told of a start, `on_end` once after it.
    ///
    /// Both are called on the reading thread (or at once on this one, if the request cannot even be sent): they must not
    /// block, and must not call a function of this handle that waits.
    pub fn spawn_with(
        &self,
        host: &HostSpec,
        process: &ProcessSpec,
        netns: BorrowedFd<'_>,
        streams: Option<Streams<'_>>,
        on_start: impl FnOnce(Result<Started, SpawnError>) + Send + 'static,
        on_end: impl FnOnce(Ending) + Send + 'static,
    ) {
        let streams: Vec<BorrowedFd<'_>> = streams.into_iter().flatten().collect();
        self.spawn_giving(host, process, netns, &streams, on_start, on_end);
    }

    /// The same for a process that gets descriptors beside its three streams, as 3 and so on: as many as
    /// [`ProcessSpec::extra`] says. `given` are all of them, the streams first.
    pub fn spawn_giving(
        &self,
        host: &HostSpec,
        process: &ProcessSpec,
        netns: BorrowedFd<'_>,
        given: &[BorrowedFd<'_>],
        on_start: impl FnOnce(Result<Started, SpawnError>) + Send + 'static,
        on_end: impl FnOnce(Ending) + Send + 'static,
    ) {
        let id = self.next();
        let request = Request::Spawn { id, host: Box::new(host.clone()), process: process.clone() };
        let fds: Vec<_> = [netns].into_iter().chain(given.iter().copied()).collect();
        let process = ProcessId(id);
        let on_answer = move |answer: Result<Vec<OwnedFd>, SpawnError>| {
            on_start(answer.and_then(|fds| Started::from_fds(process, fds)));
        };
        self.request(id, &request, &fds, Box::new(on_answer), Some(Box::new(on_end)));
    }

    /// Sends the signal `number` to a process, or to the whole process group it leads (what ^C in its terminal would reach).
    ///
    /// # Errors
    /// [`SpawnError::Refused`] when it has ended or the number is no signal, [`SpawnError::Gone`].
    pub fn signal(&self, process: ProcessId, number: i32, group: bool) -> Result<(), SpawnError> {
        self.call(|id| Request::Signal { id, process, signal: number, group })
    }

    /// Sends the signal `number` to every process of a node, those included that left their parents: SIGSTOP and SIGCONT pause
    /// and resume it.
    ///
    /// # Errors
    /// [`SpawnError::Gone`]. A node without processes is no error.
    pub fn signal_node(&self, node: &str, number: i32) -> Result<(), SpawnError> {
        self.call(|id| Request::SignalNode { id, node: node.to_owned(), signal: number })
    }

    /// Tells a terminal its size; its foreground job gets SIGWINCH.
    ///
    /// # Errors
    /// When the program's side is closed.
    pub fn resize(terminal: impl AsFd, size: TerminalSize) -> Result<(), HostError> {
        terminal::resize(terminal, size.rows, size.columns)
    }

    /// Ends every process of a node, with SIGTERM first if `grace` is not zero, and waits until the last one is gone.
    ///
    /// # Errors
    /// [`SpawnError::Gone`].
    pub fn stop_node(&self, node: &str, grace: Duration) -> Result<(), SpawnError> {
        self.call(|id| Request::StopNode { id, node: node.to_owned(), grace_nanos: nanos(grace) })
    }

    /// The same for every node.
    ///
    /// # Errors
    /// [`SpawnError::Gone`].
    pub fn stop_all(&self, grace: Duration) -> Result<(), SpawnError> {
        self.call(|id| Request::StopAll { id, grace_nanos: nanos(grace) })
    }

    /// The spawner's own number, for the journal.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.inner.child.pid
    }

    fn next(&self) -> RequestId {
        self.inner.shared.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a request and waits for its answer.
    fn call(&self, request: impl FnOnce(RequestId) -> Request) -> Result<(), SpawnError> {
        let (answer, answered) = mpsc::channel();
        let id = self.next();
        let on_answer = move |result| {
            let _ = answer.send(result);
        };
        self.request(id, &request(id), &[], Box::new(on_answer), None);
        answered.recv().map_err(|_| SpawnError::Gone)?.map(drop)
    }

    /// Sends a request; `on_answer` is called once, whatever happens, and `on_end` belongs to the process a spawn starts.
    fn request(
        &self,
        id: RequestId,
        request: &Request,
        fds: &[BorrowedFd<'_>],
        on_answer: OnAnswer,
        on_end: Option<OnEnding>,
    ) {
        let shared = &self.inner.shared;
        let Some(bytes) = emit(request) else { return on_answer(Err(SpawnError::TooLong)) };
        shared.calls().insert(id, on_answer, on_end);
        let sent = shared.socket.send(&bytes, fds, false);
        // Checked after the insertion: whoever finds the spawner gone answers all calls that are in the list.
        let error = match sent {
            Ok(()) if !shared.gone.load(Ordering::SeqCst) => return,
            Err(Errno::MSGSIZE) => SpawnError::TooLong,
            _ => SpawnError::Gone,
        };
        shared.answer(id, Err(error));
    }
}

impl SpawnerSeed {
    /// The spawner's own number, for the journal.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.pid
    }

    /// Starts the thread that reads the spawner's answers. `on_event` is called there.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn connect(self, on_event: impl FnOnce(Event) + Send + 'static) -> Result<Spawner, SpawnError> {
        let Self { socket, child } = self;
        let calls = Mutex::new(Calls::default());
        let shared =
            Arc::new(Shared { socket, next: AtomicU64::new(1), gone: AtomicBool::new(false), calls });
        let reader = Arc::clone(&shared);
        let work = move || {
            reader.read();
            on_event(Event::Gone);
        };
        let started = thread::Builder::new().name("spawner-reader".to_owned()).spawn(work);
        started.map_err(|error| HostError::from_io("start the thread", "spawner-reader", &error))?;
        Ok(Spawner { inner: Arc::new(Inner { shared, child }) })
    }

    fn greet(&self, settings: &Settings) -> Result<(), SpawnError> {
        tell(&self.socket, settings, &[]).map_err(|_| SpawnError::Gone)?;
        let mut buffer = vec![0; MAX_MESSAGE];
        match receive(&self.socket, &mut buffer, false) {
            Received::Message(Reply::Ready, _) => Ok(()),
            Received::Message(Reply::Failed { failure, .. }, _) => Err(SpawnError::Refused(failure)),
            _ => Err(SpawnError::Gone),
        }
    }
}

impl Started {
    fn from_fds(id: ProcessId, fds: Vec<OwnedFd>) -> Result<Self, SpawnError> {
        let mut fds = fds.into_iter();
        let pidfd = fds.next().ok_or(SpawnError::Gone)?;
        Ok(Self { id, pidfd, terminal: fds.next() })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.socket.shut_down();
        // It ends once the kernel has killed every process of the lab; then nothing is left when this returns.
        let _ = child::wait(self.child.pid);
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
