//! The spawner's side: one loop over the daemon's socket, the sockets of inits and of processes on their way, and SIGCHLD.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use netloom_sys::child::{self, Child};
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::namespaces::{Namespaces, OwnPidNamespace};
use netloom_sys::rlimit::{self, OpenFiles};
use netloom_sys::seqpacket::SeqPacket;
use netloom_sys::signals::SignalFd;
use netloom_sys::{HostError, clock};

mod children;
mod surroundings;

use super::handle::Agent;
use super::node::{Admission, Due, Node};
use super::outbox::Outbox;
use crate::init::Order;
use crate::protocol::{
    Failure, MAX_MESSAGE, ProcessId, Received, Reply, Request, RequestId, Settings, Step, receive, tell,
};
use crate::spec::{HostSpec, ProcessSpec};

/// Runs as the spawner until the daemon's socket closes; returns the exit code.
pub(super) fn run(socket: &SeqPacket, agent: Option<Agent>) -> i32 {
    let mut buffer = vec![0; MAX_MESSAGE];
    let Received::Message(settings, _) = receive::<Settings>(socket, &mut buffer, false) else { return 1 };
    match Server::new(socket, buffer, &settings, agent) {
        Ok(mut server) => server.run(),
        Err(error) => {
            let failure = Failure::at(Step::Fork)(error);
            let _ = tell(socket, &Reply::Failed { id: 0, failure }, &[]);
            1
        }
    }
}

struct Server<'a> {
    socket: &'a SeqPacket,
    buffer: Vec<u8>,
    outbox: Outbox,
    epoll: Epoll,
    /// Whether room to write to the daemon is waited for.
    wants_room: bool,
    children: SignalFd,
    own: OwnPidNamespace,
    /// What every program gets back: the spawner's own limit is raised.
    open_files: OpenFiles,
    agent: Option<Agent>,
    idle_nanos: u64,
    nodes: BTreeMap<String, Live>,
    processes: BTreeMap<ProcessId, Process>,
    /// Whose number a child's is.
    pids: BTreeMap<i32, Who>,
    /// Nodes by the token of their init's socket.
    inits: BTreeMap<u64, String>,
    next_init: u64,
    /// Requests to stop everything, with the nodes they wait for.
    stopping: Vec<(RequestId, usize)>,
}

/// A spawn that waits for init.
struct Waiting {
    id: RequestId,
    host: Box<HostSpec>,
    process: ProcessSpec,
    netns: OwnedFd,
    streams: Vec<OwnedFd>,
}

/// A node with its init.
struct Live {
    node: Node<Waiting>,
    init: Child,
    /// What its processes enter; there once init is ready.
    namespaces: Option<Namespaces>,
    socket: SeqPacket,
    token: u64,
    failure: Option<Failure>,
}

impl Live {
    /// Tells init what to do. If it is gone already, SIGCHLD will tell.
    fn order(&self, order: Order) {
        let _ = tell(&self.socket, &order, &[]);
    }
}

/// A process that was asked for.
struct Process {
    node: String,
    pid: i32,
    /// While it is not yet the program.
    starting: Option<Starting>,
}

struct Starting {
    status: SeqPacket,
    pidfd: OwnedFd,
    terminal: Option<OwnedFd>,
}

#[derive(Clone)]
enum Who {
    Init(String),
    Process(ProcessId),
}

/// Tokens of the epoll set: two fixed ones, then inits with odd and processes with even numbers.
const SOCKET: u64 = 0;
const CHILDREN: u64 = 1;

impl<'a> Server<'a> {
    fn new(
        socket: &'a SeqPacket,
        buffer: Vec<u8>,
        settings: &Settings,
        agent: Option<Agent>,
    ) -> Result<Self, HostError> {
        surroundings::become_spawner()?;
        surroundings::prepare_mounts(settings)?;
        let open_files = OpenFiles::now();
        rlimit::raise_open_files()?;
        let mut outbox = Outbox::default();
        outbox.push(&Reply::Ready, Vec::new());
        let server = Self {
            socket,
            buffer,
            outbox,
            epoll: Epoll::new(64)?,
            wants_room: false,
            children: SignalFd::block(&[SIGCHLD])?,
            own: OwnPidNamespace::new()?,
            open_files,
            agent,
            idle_nanos: settings.idle_nanos,
            nodes: BTreeMap::new(),
            processes: BTreeMap::new(),
            pids: BTreeMap::new(),
            inits: BTreeMap::new(),
            next_init: 3,
            stopping: Vec::new(),
        };
        server.epoll.add(socket, SOCKET, Interest::Read)?;
        server.epoll.add(&server.children, CHILDREN, Interest::Read)?;
        Ok(server)
    }

    fn run(&mut self) -> i32 {
        loop {
            if !self.outbox.flush(self.socket) {
                return 0;
            }
            self.watch_room();
            let now = clock::now();
            let timeout = self.deadline().map(|due| due.saturating_sub(now));
            let mut ready = Vec::new();
            if self.epoll.wait(timeout, |one| ready.push(one.token)).is_err() {
                return 1;
            }
            // The words of children before their deaths, and both before new requests: a process that has started and ended
            // is reported in this order, and a node that has ended is not asked for another process.
            for token in &ready {
                match *token {
                    SOCKET | CHILDREN => {}
                    token if token % 2 == 1 => self.hear_init(token),
                    token => self.hear_process(ProcessId(token / 2)),
                }
            }
            while self.children.take().is_some() {}
            self.reap();
            if ready.contains(&SOCKET) && !self.serve() {
                return 0;
            }
            self.poll_nodes();
        }
    }

    /// Serves the requests that are there, up to a round's worth; `false` when the daemon is gone.
    fn serve(&mut self) -> bool {
        for _ in 0..REQUESTS_A_ROUND {
            match receive::<Request>(self.socket, &mut self.buffer, true) {
                Received::Message(request, fds) => self.handle(request, fds),
                Received::Nonsense => {}
                Received::Nothing => return true,
                Received::Closed => return false,
            }
        }
        true
    }

    fn handle(&mut self, request: Request, fds: Vec<OwnedFd>) {
        match request {
            Request::Spawn { id, host, process } => self.spawn(id, host, process, fds),
            Request::Signal { id, process, signal, group } => {
                let answer = self.signal(process, signal, group);
                self.answer(id, answer);
            }
            Request::SignalNode { id, node, signal } => {
                // A node without init has no process either.
                if let Some(live) = self.nodes.get(&node) {
                    live.order(Order::Signal(signal));
                }
                self.answer(id, Ok(()));
            }
            Request::StopNode { id, node, grace_nanos } => {
                if self.nodes.contains_key(&node) {
                    self.stop(&node, id, grace_nanos);
                } else {
                    self.answer(id, Ok(()));
                }
            }
            Request::StopAll { id, grace_nanos } => {
                let names: Vec<String> = self.nodes.keys().cloned().collect();
                if names.is_empty() {
                    return self.answer(id, Ok(()));
                }
                self.stopping.push((id, names.len()));
                for name in names {
                    self.stop(&name, id, grace_nanos);
                }
            }
        }
    }

    fn answer(&mut self, id: RequestId, answer: Result<(), Failure>) {
        let reply = match answer {
            Ok(()) => Reply::Done { id },
            Err(failure) => Reply::Failed { id, failure },
        };
        self.outbox.push(&reply, Vec::new());
    }

    fn spawn(&mut self, id: RequestId, host: Box<HostSpec>, process: ProcessSpec, fds: Vec<OwnedFd>) {
        let mut fds = fds.into_iter();
        let Some(netns) = fds.next() else {
            return self.answer(id, Err(Failure::new(Step::Request, "The network namespace is missing")));
        };
        let wanted = Waiting { id, host, process, netns, streams: fds.collect() };
        let name = wanted.host.name.clone();
        match self.nodes.get_mut(&name) {
            None => self.start_node(name, vec![wanted]),
            Some(live) => match live.node.spawn(wanted) {
                Admission::Start(wanted) => self.start_process(&name, &wanted),
                Admission::Wait => {}
                Admission::Refuse(wanted) => self.answer(wanted.id, Err(stopped(&name))),
            },
        }
    }

    fn signal(&self, id: ProcessId, signal: i32, group: bool) -> Result<(), Failure> {
        let gone = || Failure::new(Step::Request, "The process has ended");
        let process = self.processes.get(&id).ok_or_else(gone)?;
        child::kill(process.pid, signal, group).map_err(|errno| Failure {
            step: Step::Request,
            errno: errno.raw_os_error(),
            message: format!("Cannot send signal {signal}: {errno}"),
        })
    }

    fn stop(&mut self, name: &str, id: RequestId, grace_nanos: u64) {
        let Some(live) = self.nodes.get_mut(name) else { return };
        live.node.stop(id, clock::now(), grace_nanos);
        if grace_nanos > 0 {
            live.order(Order::Signal(SIGTERM));
        }
    }

    fn handle_stopped(&mut self, id: RequestId) {
        if let Some(index) = self.stopping.iter().position(|(stop, _)| *stop == id) {
            if let Some((_, left)) = self.stopping.get_mut(index) {
                *left -= 1;
                if *left > 0 {
                    return;
                }
            }
            self.stopping.remove(index);
        }
        self.answer(id, Ok(()));
    }

    fn deadline(&self) -> Option<u64> {
        self.nodes.values().filter_map(|live| live.node.deadline()).min()
    }

    fn poll_nodes(&mut self) {
        let now = clock::now();
        for live in self.nodes.values_mut() {
            match live.node.poll(now) {
                Due::Nothing => {}
                Due::AskToEnd => {
                    live.order(Order::End);
                }
                Due::Kill => {
                    let _ = child::kill_now(&live.init.pidfd);
                }
            }
        }
    }

    fn watch_room(&mut self) {
        let wants = !self.outbox.is_empty();
        if wants != self.wants_room {
            let interest = if wants { Interest::Both } else { Interest::Read };
            if self.epoll.modify(self.socket, SOCKET, interest).is_ok() {
                self.wants_room = wants;
            }
        }
    }
}

fn stopped(name: &str) -> Failure {
    Failure::new(Step::Stopped, format!("{name} is being stopped"))
}

const SIGCHLD: i32 = 17;
const SIGTERM: i32 = 15;
const REQUESTS_A_ROUND: usize = 32;
