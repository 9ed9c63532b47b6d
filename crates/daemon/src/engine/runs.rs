//! The `run:` programs of nodes: started, started again, ended, and their output kept.
//!
//! ```text
//!  set, start, stop ──► services (pure state machines, one a command) ◄── on_start, on_end (spawner's reader)
//!                             │ due                                          │
//!                       thread "programs" ── spawn ──► spawner            output pipe, one a node ──► collector ──► log
//! ```
//!
//! One thread for all nodes, asleep until something is due. A lab without `run:` has neither the thread nor a collector.

use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::journal::Ledger;
use netloom_container::collector::Collector;
use netloom_container::log::Log;
use netloom_container::service::{Outcome, Restart, Service, State};
use netloom_container::{HostSpec, ProcessId, ProcessSpec, SpawnError, Spawner, Started};
use netloom_sys::netns::NetNs;
use netloom_sys::{HostError, clock};

/// What is kept of a node's output, in bytes.
const LOG_BYTES: u64 = 4 << 20;
/// What a program has between SIGTERM and SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(3);
/// How long `up` waits for the first start of every program.
const FIRST_STARTS: Duration = Duration::from_secs(10);
/// How long the end of a program that was killed may take to be told.
const TOLD: Duration = Duration::from_secs(2);

/// What a node is to run.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What its programs see of the machine.
    pub(super) host: HostSpec,
    /// Their environment.
    pub(super) env: Vec<(String, String)>,
    /// What a shell is given, one a program.
    pub(super) commands: Vec<String>,
    /// What happens when they end.
    pub(super) restart: Restart,
    /// Where they run.
    pub(super) netns: Arc<NetNs>,
}

impl Wanted {
    fn is_as(&self, other: &Self) -> bool {
        self.host == other.host
            && self.env == other.env
            && self.commands == other.commands
            && self.restart == other.restart
            && Arc::ptr_eq(&self.netns, &other.netns)
    }
}

/// The `run:` programs of a lab.
pub(super) struct Runs {
    spawner: Spawner,
    logs: PathBuf,
    ledger: Arc<Ledger>,
    crew: OnceLock<Crew>,
}

struct Crew {
    shared: Arc<Shared>,
    collector: Collector,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    spawner: Spawner,
    nodes: Mutex<BTreeMap<String, NodeRuns>>,
    news: Condvar,
    over: AtomicBool,
}

struct NodeRuns {
    wanted: Wanted,
    /// The end of their output that they write to, and the daemon's own notes.
    output: Arc<PipeWriter>,
    /// An input that is at its end.
    input: Arc<PipeReader>,
    paused: bool,
    runs: Vec<Run>,
}

struct Run {
    service: Service,
    /// Known while the program runs.
    process: Option<(ProcessId, Option<u32>)>,
    /// It was told to end: then its end is no failure.
    signalled: bool,
    refused: Option<String>,
}

/// One start that is due.
struct Due {
    node: String,
    index: usize,
    wanted: Wanted,
    output: Arc<PipeWriter>,
    input: Arc<PipeReader>,
}

impl Runs {
    /// None yet; logs go to the directory `logs`.
    pub(super) fn new(spawner: Spawner, logs: PathBuf, ledger: Arc<Ledger>) -> Self {
        Self { spawner, logs, ledger, crew: OnceLock::new() }
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
        if crew.shared.lock().get(node).is_some_and(|old| old.wanted.is_as(&wanted)) {
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
        let run = |_: &String| {
            let mut service = Service::new(wanted.restart, now);
            if !start {
                service.stop();
            }
            Run { service, process: None, signalled: false, refused: None }
        };
        let runs = wanted.commands.iter().map(run).collect();
        let runs = NodeRuns { wanted, output: Arc::new(output), input: Arc::new(input), paused: false, runs };
        crew.shared.lock().insert(node.to_owned(), runs);
        crew.shared.news.notify_all();
        Ok(())
    }

    /// Ends what a node runs, and forgets it.
    pub(super) fn remove(&self, node: &str) {
        let Some(crew) = self.crew.get() else { return };
        self.hold(node);
        for signal in [SIGTERM, SIGKILL] {
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
        crew.shared.wait(FIRST_STARTS, |nodes| {
            nodes
                .values()
                .filter(|node| !node.paused)
                .flat_map(|node| &node.runs)
                .all(|run| !run.is_starting())
        });
        let nodes = crew.shared.lock();
        let refused = nodes.iter().flat_map(|(name, node)| {
            let failed = node.runs.iter().filter_map(|run| run.refused.as_ref());
            failed.map(move |why| format!("{name}: {why}"))
        });
        refused.collect()
    }

    /// Process id of the first program of a node that runs, as the machine sees it.
    pub(super) fn pid(&self, node: &str) -> Option<u32> {
        self.look(node, |node| node.runs.iter().find_map(|run| run.process?.1)).flatten()
    }

    /// How often programs of a node were started again.
    pub(super) fn restarts(&self, node: &str) -> u32 {
        let again =
            |node: &NodeRuns| node.runs.iter().map(|run| run.service.starts().saturating_sub(1)).sum::<u64>();
        self.look(node, again).map_or(0, |again| u32::try_from(again).unwrap_or(u32::MAX))
    }

    /// Whether a program of a node has ended badly and is not started again.
    pub(super) fn has_failed(&self, node: &str) -> bool {
        let failed = |run: &Run| {
            run.service.state() == State::Finished
                && !run.signalled
                && run.service.last().is_some_and(|last| !last.is_success())
        };
        self.look(node, |node| node.runs.iter().any(failed)).unwrap_or(false)
    }

    /// How the last program of a node that is not started again has ended, or why it was not started.
    pub(super) fn ending(&self, node: &str) -> Option<String> {
        let ended = |run: &Run| {
            let last = run.service.last().filter(|_| run.service.state() == State::Finished);
            run.refused.clone().or_else(|| last.map(words))
        };
        self.look(node, |node| node.runs.iter().find_map(ended)).flatten()
    }

    fn look<T>(&self, node: &str, look: impl FnOnce(&NodeRuns) -> T) -> Option<T> {
        self.crew.get().and_then(|crew| crew.shared.lock().get(node).map(look))
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

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ended(ending) => format!("it has ended with {ending}"),
        Outcome::NotStarted(_) => "it could not be started".to_owned(),
    }
}

impl Run {
    fn is_starting(&self) -> bool {
        match self.service.state() {
            State::Waiting(_) => self.service.starts() == 0,
            State::Running(_) => self.process.is_none(),
            State::Finished => false,
        }
    }

    /// Its process, which is about to be told to end.
    fn signal(&mut self) -> Option<(ProcessId, Option<u32>)> {
        self.signalled |= self.process.is_some();
        self.process
    }

    fn is_over(&self) -> bool {
        !matches!(self.service.state(), State::Running(_))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, NodeRuns>> {
        // Every change leaves the map whole.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is due until the lab ends.
    fn work(self: Arc<Self>) {
        let mut nodes = self.lock();
        while !self.over.load(Ordering::SeqCst) {
            let now = clock::now();
            let due = due(&mut nodes, now);
            if !due.is_empty() {
                drop(nodes);
                due.into_iter().for_each(|one| self.start(one));
                nodes = self.lock();
                continue;
            }
            let waiting = nodes.values().filter(|node| !node.paused).flat_map(|node| &node.runs);
            let next = waiting.filter_map(|run| run.service.deadline()).min();
            nodes = match next {
                Some(next) => {
                    let pause = Duration::from_nanos(next.saturating_sub(now));
                    self.news.wait_timeout(nodes, pause).map_or_else(|e| e.into_inner().0, |(nodes, _)| nodes)
                }
                None => self.news.wait(nodes).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn start(self: &Arc<Self>, due: Due) {
        let Due { node, index, wanted, output, input } = due;
        let command = wanted.commands.get(index).cloned().unwrap_or_default();
        let mut process = ProcessSpec::new(["/bin/sh", "-c", &command]);
        process.env.extend(wanted.env);
        let streams = [input.as_fd(), output.as_fd(), output.as_fd()];
        let (me, end_me) = (Arc::downgrade(self), Arc::downgrade(self));
        let (to_start, to_end) =
            ((node.clone(), index, Arc::downgrade(&output)), (node, index, Arc::downgrade(&output)));
        self.spawner.spawn_with(
            &wanted.host,
            &process,
            wanted.netns.as_fd(),
            Some(streams),
            move |started| tell(&me, &to_start, |run, output| begun(run, output, &command, started)),
            move |ending| {
                tell(&end_me, &to_end, |run, output| {
                    run.process = None;
                    run.service.handle_end(Outcome::Ended(ending), clock::now());
                    if let Some(due) = run.service.deadline() {
                        let pause = Duration::from_nanos(due.saturating_sub(clock::now()));
                        note(output, &format!("ended with {ending}, again in {:.1} s", pause.as_secs_f64()));
                    }
                });
            },
        );
    }

    /// Sends a signal to every program of a node, once those that are being started have come so far, and waits for
    /// their ends. Whether all have ended.
    fn end(&self, node: &str, signal: i32) -> bool {
        self.wait(GRACE, |nodes| nodes.get(node).is_none_or(|node| !node.runs.iter().any(Run::is_starting)));
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
    fn wait(
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

/// What is to be started now; it counts as running.
fn due(nodes: &mut BTreeMap<String, NodeRuns>, now: u64) -> Vec<Due> {
    let mut all = Vec::new();
    for (name, node) in nodes.iter_mut().filter(|(_, node)| !node.paused) {
        for (index, run) in node.runs.iter_mut().enumerate() {
            if run.service.poll(now) {
                run.signalled = false;
                all.push(Due {
                    node: name.clone(),
                    index,
                    wanted: node.wanted.clone(),
                    output: Arc::clone(&node.output),
                    input: Arc::clone(&node.input),
                });
            }
        }
    }
    all
}

/// Changes a run if it still is the one that was started: known by its output.
fn tell(
    shared: &Weak<Shared>,
    (node, index, output): &(String, usize, Weak<PipeWriter>),
    change: impl FnOnce(&mut Run, &PipeWriter),
) {
    let (Some(shared), Some(output)) = (shared.upgrade(), output.upgrade()) else { return };
    if let Some(node) = shared.lock().get_mut(node).filter(|node| Arc::ptr_eq(&node.output, &output))
        && let Some(run) = node.runs.get_mut(*index)
    {
        change(run, &output);
    }
    shared.news.notify_all();
}

fn begun(run: &mut Run, output: &PipeWriter, command: &str, started: Result<Started, SpawnError>) {
    match started {
        Ok(started) => {
            run.process = Some((started.id, started.pid().and_then(|pid| u32::try_from(pid).ok())));
            run.refused = None;
        }
        Err(error) => {
            let text = format!("`{command}` cannot be started: {error}");
            note(output, &text);
            tracing::warn!(command, %error, "a program could not be started");
            run.refused = Some(text);
            run.service.handle_end(Outcome::NotStarted(error.shell_code()), clock::now());
        }
    }
}

/// A line of ours in a node's log.
fn note(mut output: &PipeWriter, text: &str) {
    // Lost only when the collector is gone, and then nobody reads it.
    let _ = output.write_all(format!("netloom: {text}\n").as_bytes());
}

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
