//! The life of one node as the spawner sees it: a pure state machine, with the time handed in.
//!
//! ```text
//!   spawn            init ready                 idle for a while          init: "busy"
//!  ------> Starting ------------> Ready ------------------------> Ending -------------> Ready
//!              |                    |                               |
//!              | init ends: failed  | stop                          | init ends; with spawns waiting: Starting again
//!              v                    v                               v
//!            (gone)             Stopping --- init ends --------> (gone)
//! ```
//!
//! A node has no state between its last process and the next: what lasts is kept in files.

use std::mem;

use crate::protocol::RequestId;

/// A node with an init process. `W` is a spawn that waits for it.
#[derive(Debug)]
pub(super) struct Node<W> {
    phase: Phase,
    waiting: Vec<W>,
    /// Processes started by request that have not ended yet.
    running: usize,
    /// When init is asked to end, in nanoseconds.
    ask_at: Option<u64>,
    /// When what is left is killed, in nanoseconds.
    kill_at: Option<u64>,
    stops: Vec<RequestId>,
    idle_nanos: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Ready,
    Ending,
    Stopping,
}

/// What to do with a spawn request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission<W> {
    /// Start the process now.
    Start(W),
    /// It waits for init.
    Wait,
    /// The node is being stopped.
    Refuse(W),
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Ask init to end if nothing is left in its namespace.
    AskToEnd,
    /// Kill init, and with it everything in the node.
    Kill,
}

/// What remains when init has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remains<W> {
    /// Spawns that waited.
    pub(super) waiting: Vec<W>,
    /// Stop requests to answer.
    pub(super) stops: Vec<RequestId>,
    /// Whether the waiting spawns are to be served by a new init; otherwise they have failed.
    pub(super) again: bool,
}

impl<W> Node<W> {
    /// A node whose init was just started for the spawns `waiting`; it ends `idle_nanos` after its last process.
    pub(super) fn new(waiting: Vec<W>, idle_nanos: u64) -> Self {
        let (phase, stops) = (Phase::Starting, Vec::new());
        Self { phase, waiting, running: 0, ask_at: None, kill_at: None, stops, idle_nanos }
    }

    /// A process is wanted.
    pub(super) fn spawn(&mut self, wanted: W) -> Admission<W> {
        match self.phase {
            Phase::Ready => {
                self.running += 1;
                self.ask_at = None;
                Admission::Start(wanted)
            }
            Phase::Starting | Phase::Ending => {
                self.waiting.push(wanted);
                Admission::Wait
            }
            Phase::Stopping => Admission::Refuse(wanted),
        }
    }

    /// Init has built the node, or is still needed after it was asked to end; returns the spawns to start now.
    pub(super) fn handle_ready(&mut self, now: u64) -> Vec<W> {
        if self.phase == Phase::Stopping {
            return Vec::new();
        }
        let busy = self.phase == Phase::Ending;
        self.phase = Phase::Ready;
        let waiting = mem::take(&mut self.waiting);
        self.running += waiting.len();
        self.ask_at = (self.running == 0 && !busy).then(|| now.saturating_add(self.idle_nanos));
        waiting
    }

    /// The last process that was not started by request (an orphan) has ended.
    pub(super) fn handle_orphans_gone(&mut self, now: u64) {
        self.rest(now);
    }

    /// A process that was started by request has ended, or could not be started after all.
    pub(super) fn handle_process_gone(&mut self, now: u64) {
        self.running = self.running.saturating_sub(1);
        self.rest(now);
    }

    /// The node is to be stopped within `grace_nanos`.
    pub(super) fn stop(&mut self, request: RequestId, now: u64, grace_nanos: u64) {
        self.stops.push(request);
        let due = now.saturating_add(grace_nanos);
        self.kill_at = Some(self.kill_at.map_or(due, |earlier| earlier.min(due)));
        self.phase = Phase::Stopping;
        self.ask_at = None;
        self.rest(now);
    }

    /// When [`Node::poll`] has something to say.
    pub(super) fn deadline(&self) -> Option<u64> {
        match (self.ask_at, self.kill_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// What is due at `now`.
    pub(super) fn poll(&mut self, now: u64) -> Due {
        if self.kill_at.is_some_and(|due| due <= now) {
            self.kill_at = None;
            return Due::Kill;
        }
        if self.ask_at.is_some_and(|due| due <= now) {
            self.ask_at = None;
            if self.phase == Phase::Ready {
                self.phase = Phase::Ending;
            }
            return Due::AskToEnd;
        }
        Due::Nothing
    }

    /// Init has ended, and with it every process of the node.
    pub(super) fn end(self) -> Remains<W> {
        Remains { again: self.phase == Phase::Ending, waiting: self.waiting, stops: self.stops }
    }

    /// Without processes init is to end, after a while or, in a node that is being stopped, at once. Orphans it alone knows.
    fn rest(&mut self, now: u64) {
        if self.running > 0 {
            return;
        }
        match self.phase {
            Phase::Ready => self.ask_at = Some(now.saturating_add(self.idle_nanos)),
            Phase::Stopping => self.ask_at = Some(now),
            Phase::Starting | Phase::Ending => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: u64 = 5_000;

    fn ready() -> Node<u8> {
        let mut node = Node::new(vec![1], IDLE);
        assert_eq!(node.handle_ready(0), [1]);
        node
    }

    #[test]
    fn spawns_wait_for_init_and_then_start_at_once() {
        let mut node = Node::new(vec![1], IDLE);
        assert_eq!(node.spawn(2), Admission::Wait);
        assert_eq!(node.handle_ready(0), [1, 2]);
        assert_eq!(node.spawn(3), Admission::Start(3));
        assert_eq!(node.deadline(), None);
    }

    #[test]
    fn init_ends_a_while_after_the_last_process() {
        let mut node = ready();
        node.handle_process_gone(100);
        assert_eq!(node.deadline(), Some(100 + IDLE));
        assert_eq!(node.poll(99 + IDLE), Due::Nothing);
        assert_eq!(node.poll(100 + IDLE), Due::AskToEnd);
        assert_eq!(node.end(), Remains { waiting: vec![], stops: vec![], again: true });
    }

    #[test]
    fn a_spawn_puts_the_end_off() {
        let mut node = ready();
        node.handle_process_gone(100);
        assert_eq!(node.spawn(2), Admission::Start(2));
        assert_eq!(node.deadline(), None);
    }

    #[test]
    fn a_spawn_during_the_end_is_served_whichever_way_it_goes() {
        let mut node = ready();
        node.handle_process_gone(0);
        assert_eq!(node.poll(IDLE), Due::AskToEnd);
        assert_eq!(node.spawn(2), Admission::Wait);
        assert_eq!(node.handle_ready(IDLE), [2], "init said it is busy");

        let mut node = ready();
        node.handle_process_gone(0);
        assert_eq!(node.poll(IDLE), Due::AskToEnd);
        assert_eq!(node.spawn(2), Admission::Wait);
        assert_eq!(node.end(), Remains { waiting: vec![2], stops: vec![], again: true });
    }

    #[test]
    fn a_busy_init_is_not_asked_again_before_its_orphans_are_gone() {
        let mut node = ready();
        node.handle_process_gone(0);
        assert_eq!(node.poll(IDLE), Due::AskToEnd);
        assert!(node.handle_ready(IDLE).is_empty());
        assert_eq!(node.deadline(), None);
        node.handle_orphans_gone(9_000);
        assert_eq!(node.deadline(), Some(9_000 + IDLE));
    }

    #[test]
    fn stop_waits_for_the_grace_or_the_last_process_and_orphan() {
        let mut node = ready();
        node.stop(8, 0, 1_000);
        assert_eq!(node.spawn(2), Admission::Refuse(2));
        assert_eq!(node.poll(999), Due::Nothing);
        node.handle_process_gone(999);
        assert_eq!(node.poll(999), Due::AskToEnd);
        assert!(node.handle_ready(999).is_empty(), "init is busy: there are orphans");
        node.handle_orphans_gone(999);
        assert_eq!(node.poll(999), Due::AskToEnd);
        assert_eq!(node.poll(1_000), Due::Kill, "whatever it does");
        assert_eq!(node.end(), Remains { waiting: vec![], stops: vec![8], again: false });
    }

    #[test]
    fn a_second_stop_can_only_hurry() {
        let mut node = ready();
        node.stop(8, 0, 1_000);
        node.stop(9, 0, 5_000);
        assert_eq!(node.deadline(), Some(1_000));
        node.stop(10, 0, 0);
        assert_eq!(node.poll(0), Due::Kill);
        assert_eq!(node.end().stops, [8, 9, 10]);
    }

    #[test]
    fn a_failed_init_fails_its_spawns() {
        let node = Node::new(vec![1, 2], IDLE);
        assert_eq!(node.end(), Remains { waiting: vec![1, 2], stops: vec![], again: false });
    }
}
