//! Inits and processes: started, heard, waited for.

use std::os::fd::AsFd;

use netloom_sys::child::{self, Child, Ended, NewNamespaces};
use netloom_sys::epoll::Interest;
use netloom_sys::namespaces::Namespaces;
use netloom_sys::seqpacket::SeqPacket;
use netloom_sys::{Errno, HostError, clock};

use super::{Live, Process, Server, Starting, Waiting, Who, stopped};
use crate::init;
use crate::process::{self, Way};
use crate::protocol::{Ending, Failure, ProcessId, Received, Reply, Step, receive};
use crate::seccomp;
use crate::spawner::node::Node;

impl Server<'_> {
    /// Starts an init for `waiting`, which is not empty.
    pub(super) fn start_node(&mut self, name: String, waiting: Vec<Waiting>) {
        let Some(first) = waiting.first() else { return };
        match self.start_init(first) {
            Ok((init, socket, token)) => {
                self.pids.insert(init.pid, Who::Init(name.clone()));
                self.inits.insert(token, name.clone());
                let node = Node::new(waiting, self.idle_nanos);
                self.nodes.insert(name, Live { node, init, namespaces: None, socket, token, failure: None });
            }
            Err(error) => {
                let failure = Failure::at(Step::Fork)(error);
                for wanted in waiting {
                    self.answer(wanted.id, Err(failure.clone()));
                }
            }
        }
    }

    fn start_init(&mut self, first: &Waiting) -> Result<(Child, SeqPacket, u64), HostError> {
        let (ours, theirs) = SeqPacket::pair()?;
        let token = self.next_init;
        self.next_init += 2;
        self.epoll.add(&ours, token, Interest::Read)?;
        let all = NewNamespaces { mount: true, pid: true, uts: true, ipc: true };
        let keep = [theirs.as_fd(), first.netns.as_fd()];
        let init = child::fork(all, &keep, || init::run(&theirs, first.netns.as_fd(), &first.host))?;
        Ok((init, ours, token))
    }

    pub(super) fn start_process(&mut self, name: &str, wanted: &Waiting) {
        let id = ProcessId(wanted.id);
        match self.fork_process(name, wanted) {
            Ok((pid, starting)) => {
                self.pids.insert(pid, Who::Process(id));
                self.processes.insert(id, Process { node: name.to_owned(), pid, starting: Some(starting) });
            }
            Err(error) => {
                self.answer(wanted.id, Err(Failure::at(Step::Fork)(error)));
                self.process_gone(name);
            }
        }
    }

    fn fork_process(&self, name: &str, wanted: &Waiting) -> Result<(i32, Starting), HostError> {
        let node = self.nodes.get(name).and_then(|live| live.namespaces.as_ref());
        let node = node.ok_or_else(|| HostError::new("start a process in", name, Errno::SRCH))?;
        let (ours, theirs) = SeqPacket::pair()?;
        let Waiting { host, process, netns, streams, .. } = wanted;
        if host.seccomp {
            // Once for all: children have it as their parent has.
            seccomp::prepare();
        }
        let (netns, open_files, agent) = (netns.as_fd(), self.open_files, self.agent);
        let mut keep = vec![theirs.as_fd(), netns];
        keep.extend(node.fds());
        keep.extend(streams.iter().map(AsFd::as_fd));
        let way = Way { status: &theirs, node, netns, host, process, streams, open_files, agent };
        let start = || child::fork(NewNamespaces::default(), &keep, || process::run(&way));
        let child = self.own.with_children_in(node, start)??;
        self.epoll.add(&ours, wanted.id * 2, Interest::Read)?;
        Ok((child.pid, Starting { status: ours, pidfd: child.pidfd, terminal: None }))
    }

    /// An init has something to say.
    pub(super) fn hear_init(&mut self, token: u64) {
        let Some(name) = self.inits.get(&token).cloned() else { return };
        let Some(live) = self.nodes.get_mut(&name) else { return };
        match receive::<init::Word>(&live.socket, &mut self.buffer, true) {
            Received::Message(init::Word::Ready, fds) => {
                live.namespaces = Namespaces::from_fds(fds);
                self.start_waiting(&name);
            }
            Received::Message(init::Word::Busy, _) => self.start_waiting(&name),
            Received::Message(init::Word::OrphansGone, _) => live.node.handle_orphans_gone(clock::now()),
            Received::Message(init::Word::Failed(failure), _) => live.failure = Some(failure),
            Received::Nothing => {}
            // It has ended or will at once; SIGCHLD tells the rest.
            Received::Closed | Received::Nonsense => {
                let _ = self.epoll.remove(&live.socket);
            }
        }
    }

    fn start_waiting(&mut self, name: &str) {
        let Some(live) = self.nodes.get_mut(name) else { return };
        for wanted in live.node.handle_ready(clock::now()) {
            self.start_process(name, &wanted);
        }
    }

    /// A process on its way has something to say, or has become the program.
    pub(super) fn hear_process(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(starting) = &mut process.starting else { return };
        match receive::<process::Word>(&starting.status, &mut self.buffer, true) {
            Received::Message(process::Word::Terminal, fds) => starting.terminal = fds.into_iter().next(),
            Received::Message(process::Word::Failed(failure), _) => self.start_failed(id, failure),
            Received::Nothing => {}
            Received::Closed | Received::Nonsense => {
                let Some(starting) = process.starting.take() else { return };
                let _ = self.epoll.remove(&starting.status);
                let fds = [Some(starting.pidfd), starting.terminal].into_iter().flatten().collect();
                self.outbox.push(&Reply::Started { id: id.0 }, fds);
            }
        }
    }

    fn start_failed(&mut self, id: ProcessId, failure: Failure) {
        let Some(process) = self.processes.remove(&id) else { return };
        if let Some(starting) = &process.starting {
            let _ = self.epoll.remove(&starting.status);
        }
        self.answer(id.0, Err(failure));
        // Its number stays known until it is waited for; nobody is told of its end.
        self.process_gone(&process.node);
    }

    /// Waits for all children that have ended.
    pub(super) fn reap(&mut self) {
        while let Ok(Some((pid, ended))) = child::reap() {
            match self.pids.remove(&pid) {
                Some(Who::Process(id)) => self.handle_process_end(id, ended),
                Some(Who::Init(name)) => self.handle_init_end(&name),
                // An orphan of a child that failed on its way: nobody asked for it.
                None => {}
            }
        }
    }

    fn handle_process_end(&mut self, id: ProcessId, ended: Ended) {
        // Its last words may have come together with its end.
        for _ in 0..3 {
            if self.processes.get(&id).is_some_and(|process| process.starting.is_some()) {
                self.hear_process(id);
            }
        }
        let Some(process) = self.processes.remove(&id) else { return };
        let ending = match ended {
            Ended::Exited(code) => Ending::Code(code),
            Ended::Signaled(signal) => Ending::Signal(signal),
        };
        if let Some(starting) = process.starting {
            let _ = self.epoll.remove(&starting.status);
            let message = format!("A process of {} was ended on its way by {ending}", process.node);
            self.answer(id.0, Err(Failure::new(Step::Stopped, message)));
        } else {
            self.outbox.push(&Reply::Exited { process: id, ending }, Vec::new());
        }
        self.process_gone(&process.node);
    }

    fn process_gone(&mut self, name: &str) {
        if let Some(live) = self.nodes.get_mut(name) {
            live.node.handle_process_gone(clock::now());
        }
    }

    fn handle_init_end(&mut self, name: &str) {
        if let Some(token) = self.nodes.get(name).map(|live| live.token) {
            // A failure it told of may still be unread.
            self.hear_init(token);
        }
        let Some(live) = self.nodes.remove(name) else { return };
        self.inits.remove(&live.token);
        let _ = self.epoll.remove(&live.socket);
        let remains = live.node.end();
        for id in remains.stops {
            self.handle_stopped(id);
        }
        if remains.again && !remains.waiting.is_empty() {
            return self.start_node(name.to_owned(), remains.waiting);
        }
        let failure = live.failure.unwrap_or_else(|| stopped(name));
        for wanted in remains.waiting {
            self.answer(wanted.id, Err(failure.clone()));
        }
    }
}
