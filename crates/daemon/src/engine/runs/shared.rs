//! What the thread of the programs and those who ask for them share; the thread itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netloom_container::service::State;
use netloom_container::{ProcessId, Spawner};
use netloom_sys::clock;

use super::health::questions;
use super::node::{NodeRuns, Run};
use super::order::is_blocked;
use super::start::due;
use super::{GRACE, SIGKILL, TOLD};
use crate::engine::limits::Groups;

/// All nodes that run something.
pub(super) struct Shared {
    pub(super) spawner: Spawner,
    pub(super) groups: Arc<Groups>,
    pub(super) nodes: Mutex<BTreeMap<String, NodeRuns>>,
    pub(super) news: Condvar,
    pub(super) over: AtomicBool,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, NodeRuns>> {
        // Every change leaves the map whole.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is due until the lab ends.
    pub(super) fn work(self: Arc<Self>) {
        let mut nodes = self.lock();
        while !self.over.load(Ordering::SeqCst) {
            let now = clock::now();
            let sweeps = sweeps(&mut nodes);
            let due = if sweeps.is_empty() { due(&mut nodes, now) } else { Vec::new() };
            let questions = if sweeps.is_empty() { questions(&mut nodes, now) } else { Vec::new() };
            if !(due.is_empty() && questions.is_empty() && sweeps.is_empty()) {
                drop(nodes);
                for node in sweeps {
                    // The spawner that is gone has killed everything.
                    let _ = self.spawner.signal_node(&node, SIGKILL);
                }
                due.into_iter().for_each(|one| self.start(one));
                questions.into_iter().for_each(|one| self.ask(one));
                nodes = self.lock();
                continue;
            }
            let next = nodes.values().filter_map(|node| next(&nodes, node)).min();
            nodes = match next {
                Some(next) => {
                    let pause = Duration::from_nanos(next.saturating_sub(now));
                    self.news.wait_timeout(nodes, pause).map_or_else(|e| e.into_inner().0, |(nodes, _)| nodes)
                }
                None => self.news.wait(nodes).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Sends the first programs of containers among `nodes` the signals that ask them to end, and waits for their ends as
    /// long as the most patient of them says.
    pub(super) fn ask_to_end(&self, names: &[String]) {
        self.wait(GRACE, |nodes| {
            names.iter().all(|name| nodes.get(name).is_none_or(|node| !node.is_being_started()))
        });
        let mut patience = Duration::ZERO;
        let mut signals: Vec<(ProcessId, i32)> = Vec::new();
        for node in self.lock().iter_mut().filter(|(name, _)| names.contains(*name)).map(|(_, node)| node) {
            let Some(stop) = node.wanted.stop else { continue };
            if let Some((process, _)) = node.runs.first_mut().and_then(Run::signal) {
                patience = patience.max(stop.patience);
                signals.push((process, stop.signal));
            }
        }
        // Without the lock: the answer comes by the thread that tells of starts and ends.
        for (process, signal) in signals {
            let _ = self.spawner.signal(process, signal, false);
        }
        let is_over =
            |node: &NodeRuns| node.wanted.stop.is_none() || node.runs.first().is_none_or(Run::is_over);
        self.wait(patience, |nodes| names.iter().all(|name| nodes.get(name).is_none_or(is_over)));
    }

    /// Sends a signal to every program of a node, once those that are being started have come so far, and waits for
    /// their ends. Whether all have ended.
    pub(super) fn end(&self, node: &str, signal: i32) -> bool {
        self.wait(GRACE, |nodes| nodes.get(node).is_none_or(|node| !node.is_being_started()));
        let processes: Vec<ProcessId> = self.lock().get_mut(node).map_or_else(Vec::new, |node| {
            node.runs.iter_mut().filter_map(|run| run.signal().map(|(process, _)| process)).collect()
        });
        // Without the lock: the answer comes by the thread that tells of starts and ends.
        for process in processes {
            // One that has ended meanwhile needs no signal.
            let _ = self.spawner.signal(process, signal, true);
        }
        let patience = if signal == SIGKILL { TOLD } else { GRACE };
        self.wait(patience, |nodes| nodes.get(node).is_none_or(|node| node.runs.iter().all(Run::is_over)))
    }

    /// Waits until something holds, looking again with every piece of news. Whether it did.
    pub(super) fn wait(
        &self,
        patience: Duration,
        mut holds: impl FnMut(&mut BTreeMap<String, NodeRuns>) -> bool,
    ) -> bool {
        let until = clock::now() + u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        let mut nodes = self.lock();
        loop {
            if holds(&mut nodes) {
                return true;
            }
            let left = until.saturating_sub(clock::now());
            if left == 0 {
                return false;
            }
            let woken = self.news.wait_timeout(nodes, Duration::from_nanos(left));
            nodes = woken.map_or_else(|e| e.into_inner().0, |(nodes, _)| nodes);
        }
    }
}

/// When something of a node is due next.
fn next(nodes: &BTreeMap<String, NodeRuns>, node: &NodeRuns) -> Option<u64> {
    if node.paused {
        return None;
    }
    // What is blocked becomes due by news of others.
    let starts =
        node.runs.iter().filter(|_| !is_blocked(nodes, node)).filter_map(|run| run.service.deadline());
    starts.chain(node.health.as_ref().and_then(|it| it.health.deadline())).min()
}

/// Containers in which something is left after the end of their program.
fn sweeps(nodes: &mut BTreeMap<String, NodeRuns>) -> Vec<String> {
    let mut all = Vec::new();
    for (name, node) in nodes.iter_mut().filter(|(_, node)| node.sweep) {
        node.sweep = false;
        let is_over = node.runs.first().is_some_and(|run| run.service.state() == State::Finished);
        for run in node.runs.iter_mut().skip(1) {
            run.signalled = true;
            if is_over {
                run.service.stop();
            }
        }
        all.push(name.clone());
    }
    all
}
