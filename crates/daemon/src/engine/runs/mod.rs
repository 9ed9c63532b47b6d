//! The programs of nodes, `run:` and those of images: started, started again, ended, asked whether they are well, and their
//! output kept.
//!
//! ```text
//!  set, start, stop ──► services (pure state machines, one a command) ◄── on_start, on_end (spawner's reader)
//!                             │ due                                          │
//!                       thread "programs" ── spawn ──► spawner            output pipe, one a node ──► collector ──► log
//! ```
//!
//! One thread for all nodes, asleep until something is due. A lab without programs has neither the thread nor a collector.
//!
//! The first program of a container is the container: with its end everything else in it ends.

mod health;
mod node;
mod order;
mod shared;
mod start;
mod told;
mod wanted;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use netloom_container::Spawner;
use netloom_container::collector::Collector;
use netloom_container::log::Log;
use netloom_container::service::Service;
use netloom_sys::{HostError, clock};

use super::journal::Ledger;
use super::limits::Groups;
use health::NodeHealth;
use node::{NodeRuns, Run};
use order::{holds, in_vain, is_blocked};
use shared::Shared;

pub(super) use wanted::{Check, Program, Stop, Wanted};

/// What is kept of a node's output, in bytes.
const LOG_BYTES: u64 = 4 << 20;
/// What a program has between SIGTERM and SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(3);
/// How long `up` waits for the first start of every program.
const FIRST_STARTS: Duration = Duration::from_secs(10);
/// The same where some wait for others.
const FIRST_STARTS_IN_ORDER: Duration = Duration::from_secs(60);
/// How long the end of a program that was killed may take to be told.
const TOLD: Duration = Duration::from_secs(2);

/// The `run:` programs of a lab.
pub(super) struct Runs {
    spawner: Spawner,
    logs: PathBuf,
    ledger: Arc<Ledger>,
    groups: Arc<Groups>,
    crew: OnceLock<Crew>,
}

struct Crew {
    shared: Arc<Shared>,
    collector: Collector,
    thread: Option<JoinHandle<()>>,
}

impl Runs {
    /// None yet; logs go to the directory `logs`.
    pub(super) fn new(spawner: Spawner, logs: PathBuf, ledger: Arc<Ledger>, groups: Arc<Groups>) -> Self {
        Self { spawner, logs, ledger, groups, crew: OnceLock::new() }
    }

    /// The log of a node, there or not.
    pub(super) fn log(&self, node: &str) -> PathBuf {
        self.logs.join(format!("{}.log", node.replace('/', ".")))
    }

    /// The directory of all logs.
    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    /// Makes a node run this: nothing happens if it does already; else what it ran is ended, and `start` says whether
    /// the new is started.
    ///
    /// # Errors
    /// No thread, fd or log file to be had.
    pub(super) fn set(&self, node: &str, wanted: Wanted, start: bool) -> std::io::Result<()> {
        let crew = self.crew().map_err(std::io::Error::other)?;
        if let Some(old) = crew.shared.lock().get_mut(node).filter(|old| old.wanted.is_as(&wanted)) {
            old.wanted.host = wanted.host;
            return Ok(());
        }
        self.remove(node);
        if !self.logs.exists() {
            self.ledger.folder(&self.logs)?;
        }
        let (reader, output) = std::io::pipe()?;
        let (input, _) = std::io::pipe()?;
        crew.collector.collect(reader.into(), Log::open(self.log(node), LOG_BYTES)?, |_| ());
        let now = clock::now();
        let run = |_: &Program| {
            let mut service = Service::new(wanted.restart, now);
            if !start {
                service.stop();
            }
            Run { service, process: None, signalled: false, refused: None, reason: None }
        };
        let runs = wanted.programs.iter().map(run).collect();
        let health = wanted.check.as_ref().map(NodeHealth::new);
        let (output, input) = (Arc::new(output), Arc::new(input));
        let runs = NodeRuns { wanted, output, input, paused: false, runs, health, sweep: false };
        crew.shared.lock().insert(node.to_owned(), runs);
        crew.shared.news.notify_all();
        Ok(())
    }

    /// What is started from now on enters these control groups.
    pub(super) fn regroup(&self, node: &str, groups: &[PathBuf], init_groups: &[PathBuf]) {
        let Some(crew) = self.crew.get() else { return };
        if let Some(node) = crew.shared.lock().get_mut(node) {
            node.wanted.host.groups = groups.to_vec();
            node.wanted.host.init_groups = init_groups.to_vec();
        }
    }

    /// Ends what a node runs, and forgets it.
    pub(super) fn remove(&self, node: &str) {
        let Some(crew) = self.crew.get() else { return };
        self.hold(node);
        let stop = crew.shared.lock().get(node).and_then(|node| node.wanted.stop);
        if stop.is_some() {
            crew.shared.ask_to_end(&[node.to_owned()]);
        }
        let signals: &[i32] = if stop.is_some() { &[SIGKILL] } else { &[SIGTERM, SIGKILL] };
        for &signal in signals {
            if crew.shared.end(node, signal) {
                break;
            }
        }
        crew.shared.lock().remove(node);
    }

    /// Nothing of a node is started again. What runs goes on: end it, then [`Self::settle`].
    pub(super) fn hold(&self, node: &str) {
        self.each(node, |run| run.signalled |= run.service.stop());
    }

    /// Nothing of any node is started again.
    pub(super) fn hold_all(&self) {
        let Some(crew) = self.crew.get() else { return };
        for run in crew.shared.lock().values_mut().flat_map(|node| &mut node.runs) {
            run.service.stop();
        }
    }

    /// Asks the program of a container to end, as its image or the file says, and gives it the time it may take. Whether the
    /// node is one.
    pub(super) fn ask_to_end(&self, node: &str) -> bool {
        let Some(crew) = self.crew.get() else { return false };
        let is_container = crew.shared.lock().get(node).is_some_and(|node| node.wanted.stop.is_some());
        if is_container {
            crew.shared.ask_to_end(&[node.to_owned()]);
        }
        is_container
    }

    /// The same for all containers at once.
    pub(super) fn ask_all_to_end(&self) {
        let Some(crew) = self.crew.get() else { return };
        let all: Vec<String> = crew.shared.lock().keys().cloned().collect();
        crew.shared.ask_to_end(&all);
    }

    /// Waits until nothing of a node runs that was killed.
    pub(super) fn settle(&self, node: &str) {
        if let Some(crew) = self.crew.get() {
            crew.shared
                .wait(TOLD, |nodes| nodes.get(node).is_none_or(|node| node.runs.iter().all(Run::is_over)));
        }
    }

    /// Starts everything of a node that does not run.
    pub(super) fn start(&self, node: &str) {
        let now = clock::now();
        self.each(node, |run| run.service.start(now));
    }

    /// A node that stands still has nothing started.
    pub(super) fn pause(&self, node: &str, paused: bool) {
        let Some(crew) = self.crew.get() else { return };
        if let Some(node) = crew.shared.lock().get_mut(node) {
            node.paused = paused;
        }
        crew.shared.news.notify_all();
    }

    /// Waits until every program was started once, and says which could not be.
    pub(super) fn first_starts(&self) -> Vec<String> {
        let Some(crew) = self.crew.get() else { return Vec::new() };
        let in_order = crew.shared.lock().values().any(|node| !node.wanted.after.is_empty());
        let patience = if in_order { FIRST_STARTS_IN_ORDER } else { FIRST_STARTS };
        crew.shared.wait(patience, |nodes| {
            let started = |node: &NodeRuns| node.paused || node.runs.iter().all(|run| !run.is_starting());
            nodes.values().all(|node| started(node) || in_vain(nodes, node))
        });
        let nodes = crew.shared.lock();
        let waits = |(name, node): (&String, &NodeRuns)| {
            let after =
                node.wanted.after.iter().find(|after| is_blocked(&nodes, node) && !holds(&nodes, after))?;
            Some(format!("{name} has not been started: it waits for {} ({})", after.node, after.when.word()))
        };
        let waiting: Vec<String> = nodes.iter().filter_map(waits).collect();
        let refused = nodes.iter().flat_map(|(name, node)| {
            let failed = node.runs.iter().filter_map(|run| run.refused.as_ref());
            failed.map(move |why| format!("{name}: {why}"))
        });
        refused.chain(waiting).collect()
    }

    fn each(&self, node: &str, mut change: impl FnMut(&mut Run)) {
        let Some(crew) = self.crew.get() else { return };
        if let Some(node) = crew.shared.lock().get_mut(node) {
            node.runs.iter_mut().for_each(&mut change);
        }
        crew.shared.news.notify_all();
    }

    fn crew(&self) -> Result<&Crew, HostError> {
        if let Some(crew) = self.crew.get() {
            return Ok(crew);
        }
        // Only `up` gets here, and there is one at a time.
        let shared = Arc::new(Shared {
            spawner: self.spawner.clone(),
            groups: Arc::clone(&self.groups),
            nodes: Mutex::default(),
            news: Condvar::new(),
            over: AtomicBool::new(false),
        });
        let collector = Collector::start()?;
        let work = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("programs".to_owned()).spawn(move || work.work());
        let thread = thread.map_err(|e| HostError::from_io("start the thread", "programs", &e))?;
        Ok(self.crew.get_or_init(|| Crew { shared, collector, thread: Some(thread) }))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Under the lock, so that the thread is either before its look at `over` or asleep.
        drop(self.shared.lock());
        self.shared.news.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
