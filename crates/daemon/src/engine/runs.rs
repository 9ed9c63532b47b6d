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

use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::journal::Ledger;
use super::limits::Groups;
use netloom_container::collector::Collector;
use netloom_container::health::{self, Health, Rule, Verdict};
use netloom_container::log::Log;
use netloom_container::service::{Outcome, Restart, Service, State};
use netloom_container::{Ending, HostSpec, ProcessId, ProcessSpec, SpawnError, Spawner, Started};
use netloom_lab::container::{After, Condition};
use netloom_sys::netns::NetNs;
use netloom_sys::{HostError, clock};

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

/// What a node is to run.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What its programs see of the machine.
    pub(super) host: HostSpec,
    /// Their environment.
    pub(super) env: Vec<(String, String)>,
    /// The programs.
    pub(super) programs: Vec<Program>,
    /// Set for a container: how its first program is asked to end.
    pub(super) stop: Option<Stop>,
    /// How its health is known.
    pub(super) check: Option<Check>,
    /// What is waited for before the first start.
    pub(super) after: Vec<After>,
    /// What happens when they end.
    pub(super) restart: Restart,
    /// Where they run.
    pub(super) netns: Arc<NetNs>,
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// The program and its arguments.
    pub(super) argv: Vec<String>,
    /// Where it starts, else where the node's programs do.
    pub(super) cwd: Option<PathBuf>,
    /// Whom it runs as in the node's own names, else root.
    pub(super) identity: Option<String>,
}

impl Program {
    /// A command for a shell.
    pub(super) fn shell(command: &str) -> Self {
        let argv = ["/bin/sh", "-c", command].map(str::to_owned).to_vec();
        Self { argv, cwd: None, identity: None }
    }

    fn words(&self) -> String {
        match self.argv.as_slice() {
            [shell, flag, command] if shell == "/bin/sh" && flag == "-c" => command.clone(),
            words => words.join(" "),
        }
    }
}

/// How a program is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    /// The signal.
    pub(super) signal: i32,
    /// How long it may take.
    pub(super) patience: Duration,
}

/// How health is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// The command.
    pub(super) program: Program,
    /// When it is asked.
    pub(super) rule: Rule,
}

impl Wanted {
    /// Whether nothing has to be started anew: a control group can be entered by what runs.
    fn is_as(&self, other: &Self) -> bool {
        let (groups, init_groups) = (other.host.groups.clone(), other.host.init_groups.clone());
        HostSpec { groups, init_groups, ..self.host.clone() } == other.host
            && self.env == other.env
            && self.programs == other.programs
            && (&self.stop, &self.check, &self.after) == (&other.stop, &other.check, &other.after)
            && self.restart == other.restart
            && Arc::ptr_eq(&self.netns, &other.netns)
    }
}

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

struct Shared {
    spawner: Spawner,
    groups: Arc<Groups>,
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
    health: Option<NodeHealth>,
    /// Its first program, which it all is about, has ended: what else is there must end.
    sweep: bool,
}

struct NodeHealth {
    health: Health,
    /// The command that is being asked.
    asked: Option<ProcessId>,
    /// The question it was; an answer to an earlier one is none.
    question: u64,
}

struct Run {
    service: Service,
    /// Known while the program runs.
    process: Option<(ProcessId, Option<u32>)>,
    /// It was told to end: then its end is no failure.
    signalled: bool,
    refused: Option<String>,
    /// Why the kernel ended it.
    reason: Option<String>,
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
        let health = wanted.check.as_ref().map(|check| NodeHealth {
            health: Health::new(check.rule),
            asked: None,
            question: 0,
        });
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
            let why = run.reason.iter().map(|reason| format!(": {reason}")).collect::<String>();
            run.refused.clone().or_else(|| last.map(|last| format!("{}{why}", words(last))))
        };
        self.look(node, |node| node.runs.iter().find_map(ended)).flatten()
    }

    /// The exit code of a container's program, if it does not run.
    pub(super) fn exit_code(&self, node: &str) -> Option<i32> {
        let main = |node: &NodeRuns| {
            let run = node.runs.first().filter(|_| node.wanted.stop.is_some())?;
            let over = run.process.is_none();
            match run.service.last().filter(|_| over)? {
                Outcome::Ended(ending) => Some(ending.shell_code()),
                Outcome::NotStarted(code) => Some(code),
            }
        };
        self.look(node, main).flatten()
    }

    /// Why the kernel ended a program of a node, if the last end of one was so.
    pub(super) fn reason(&self, node: &str) -> Option<String> {
        self.look(node, |node| node.runs.iter().find_map(|run| run.reason.clone())).flatten()
    }

    /// Whether the program of a container has done its work and is not started again.
    pub(super) fn has_exited(&self, node: &str) -> bool {
        let over = |node: &NodeRuns| {
            let main = node.runs.first().filter(|_| node.wanted.stop.is_some());
            main.is_some_and(|run| run.service.state() == State::Finished && run.service.starts() > 0)
        };
        self.look(node, over).unwrap_or(false)
    }

    /// How a node is, if it is asked.
    pub(super) fn health(&self, node: &str) -> Option<Verdict> {
        self.look(node, |node| node.health.as_ref().map(|it| it.health.verdict())).flatten()
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

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ended(ending) => format!("it has ended with {ending}"),
        Outcome::NotStarted(_) => "it could not be started".to_owned(),
    }
}

impl NodeRuns {
    /// Whether a program of it is on its way, not merely waiting for its time.
    fn is_being_started(&self) -> bool {
        let starting = |run: &Run| matches!(run.service.state(), State::Running(_)) && run.process.is_none();
        self.runs.iter().any(starting)
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

    fn start(self: &Arc<Self>, due: Due) {
        let Due { node, index, wanted, output, input } = due;
        let Some(program) = wanted.programs.get(index) else { return };
        let command = program.words();
        let process = process(program, &wanted.env);
        // What was killed before is not this program's.
        self.groups.out_of_memory(&node);
        let streams = [input.as_fd(), output.as_fd(), output.as_fd()];
        let (me, end_me) = (Arc::downgrade(self), Arc::downgrade(self));
        let (to_start, to_end) =
            ((node.clone(), index, Arc::downgrade(&output)), (node, index, Arc::downgrade(&output)));
        self.spawner.spawn_with(
            &wanted.host,
            &process,
            wanted.netns.as_fd(),
            Some(streams),
            move |started| {
                tell(&me, &to_start, |node, run, output| {
                    begun(run, output, &command, started);
                    if let Some(health) = node.health.as_mut().filter(|_| index == 0 && run.process.is_some())
                    {
                        health.health.handle_start(clock::now());
                    }
                });
            },
            move |ending| {
                // A shell tells of a program that was killed by its own exit code.
                let killed = ending.shell_code() == 128 + SIGKILL;
                let groups = end_me.upgrade().filter(|_| killed).map(|shared| Arc::clone(&shared.groups));
                let reason = groups.and_then(|groups| groups.out_of_memory(&to_end.0));
                tell(&end_me, &to_end, |node, run, output| {
                    run.process = None;
                    let why = reason.iter().map(|reason| format!(", {reason}")).collect::<String>();
                    run.reason = reason;
                    if let Some(health) = node.health.as_mut().filter(|_| index == 0) {
                        health.health.handle_end();
                    }
                    node.sweep |= index == 0 && node.is_container;
                    run.service.handle_end(Outcome::Ended(ending), clock::now());
                    if let Some(due) = run.service.deadline() {
                        let pause = Duration::from_nanos(due.saturating_sub(clock::now()));
                        note(
                            output,
                            &format!("ended with {ending}{why}, again in {:.1} s", pause.as_secs_f64()),
                        );
                    } else if !why.is_empty() {
                        note(output, &format!("ended with {ending}{why}"));
                    }
                });
            },
        );
    }

    /// Asks a node whether it is well, or ends the command that does not answer.
    fn ask(self: &Arc<Self>, question: Question) {
        let (node, question, wanted, input) = match question {
            Question::Ask { node, question, wanted, input } => (node, question, wanted, input),
            Question::GiveUp(process) => {
                // Its end, which is told as any other's, is the answer.
                let _ = self.spawner.signal(process, SIGKILL, true);
                return;
            }
        };
        let Some(check) = &wanted.check else { return };
        let Ok(nowhere) = std::fs::File::options().write(true).open("/dev/null") else { return };
        let process = process(&check.program, &wanted.env);
        let streams = [input.as_fd(), nowhere.as_fd(), nowhere.as_fd()];
        let (me, end_me, end_node) = (Arc::downgrade(self), Arc::downgrade(self), node.clone());
        self.spawner.spawn_with(
            &wanted.host,
            &process,
            wanted.netns.as_fd(),
            Some(streams),
            move |started| {
                answered(&me, &node, question, |it| match started {
                    Ok(started) => it.asked = Some(started.id),
                    Err(_) => it.health.handle_answer(false, clock::now()),
                });
            },
            move |ending| {
                answered(&end_me, &end_node, question, |it| {
                    it.asked = None;
                    it.health.handle_answer(ending == Ending::Code(0), clock::now());
                });
            },
        );
    }

    /// Sends the first programs of containers among `nodes` the signals that ask them to end, and waits for their ends as
    /// long as the most patient of them says.
    fn ask_to_end(&self, names: &[String]) {
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
    fn end(&self, node: &str, signal: i32) -> bool {
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

fn process(program: &Program, env: &[(String, String)]) -> ProcessSpec {
    let mut process = ProcessSpec::new(program.argv.iter().map(String::as_str));
    process.set_env(env.iter().cloned());
    process.cwd.clone_from(&program.cwd);
    process.identity.clone_from(&program.identity);
    process
}

/// Whether a condition on another node holds. A node without programs has started as soon as it is there.
fn holds(nodes: &BTreeMap<String, NodeRuns>, after: &After) -> bool {
    let Some(node) = nodes.get(&after.node) else { return after.when == Condition::Started };
    match after.when {
        Condition::Started => node.runs.iter().all(|run| !run.is_starting()),
        Condition::Healthy => node.health.as_ref().is_some_and(|it| it.health.verdict() == Verdict::Healthy),
        Condition::Done => node.runs.first().is_some_and(|run| {
            run.service.state() == State::Finished && run.service.last().is_some_and(Outcome::is_success)
        }),
    }
}

/// Whether a node waits for another before its first start.
fn is_blocked(nodes: &BTreeMap<String, NodeRuns>, node: &NodeRuns) -> bool {
    let first = node
        .runs
        .iter()
        .any(|run| matches!(run.service.state(), State::Waiting(_)) && run.service.starts() == 0);
    first && node.wanted.after.iter().any(|after| !holds(nodes, after))
}

/// Whether what a node waits for cannot come true by itself any more.
fn in_vain(nodes: &BTreeMap<String, NodeRuns>, node: &NodeRuns) -> bool {
    let dead = |after: &After| {
        !holds(nodes, after)
            && nodes.get(&after.node).is_none_or(|other| {
                let over = other.runs.first().is_none_or(|run| run.service.state() == State::Finished);
                let unasked = after.when == Condition::Healthy && other.health.is_none();
                over || unasked || in_vain(nodes, other)
            })
    };
    is_blocked(nodes, node) && node.wanted.after.iter().any(dead)
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

/// A question that is due, or the process of one that has taken too long.
enum Question {
    Ask { node: String, question: u64, wanted: Box<Wanted>, input: Arc<PipeReader> },
    GiveUp(ProcessId),
}

fn questions(nodes: &mut BTreeMap<String, NodeRuns>, now: u64) -> Vec<Question> {
    let mut all = Vec::new();
    for (name, node) in nodes.iter_mut().filter(|(_, node)| !node.paused) {
        let Some(it) = &mut node.health else { continue };
        match it.health.poll(now) {
            health::Due::Nothing => {}
            health::Due::Ask => {
                it.question += 1;
                it.asked = None;
                let (question, wanted) = (it.question, Box::new(node.wanted.clone()));
                all.push(Question::Ask {
                    node: name.clone(),
                    question,
                    wanted,
                    input: Arc::clone(&node.input),
                });
            }
            health::Due::GiveUp => match it.asked {
                Some(process) => all.push(Question::GiveUp(process)),
                // It has not even been started: that is an answer, too.
                None => it.health.handle_answer(false, now),
            },
        }
    }
    all
}

/// What is to be started now; it counts as running.
fn due(nodes: &mut BTreeMap<String, NodeRuns>, now: u64) -> Vec<Due> {
    let mut all = Vec::new();
    let blocked: Vec<String> =
        nodes.iter().filter(|(_, node)| is_blocked(nodes, node)).map(|(name, _)| name.clone()).collect();
    for (name, node) in nodes.iter_mut().filter(|(name, node)| !node.paused && !blocked.contains(*name)) {
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

/// Changes the health of a node if the question is still the one that was asked.
fn answered(shared: &Weak<Shared>, node: &str, question: u64, change: impl FnOnce(&mut NodeHealth)) {
    let Some(shared) = shared.upgrade() else { return };
    if let Some(it) = shared.lock().get_mut(node).and_then(|node| node.health.as_mut())
        && it.question == question
    {
        change(it);
    }
    shared.news.notify_all();
}

/// Changes a run if it still is the one that was started: known by its output.
fn tell(
    shared: &Weak<Shared>,
    (node, index, output): &(String, usize, Weak<PipeWriter>),
    change: impl FnOnce(&mut Whole<'_>, &mut Run, &PipeWriter),
) {
    let (Some(shared), Some(output)) = (shared.upgrade(), output.upgrade()) else { return };
    if let Some(node) = shared.lock().get_mut(node).filter(|node| Arc::ptr_eq(&node.output, &output))
        && let Some(run) = node.runs.get_mut(*index)
    {
        let is_container = node.wanted.stop.is_some();
        let mut whole = Whole { health: &mut node.health, sweep: node.sweep, is_container };
        change(&mut whole, run, &output);
        node.sweep = whole.sweep;
    }
    shared.news.notify_all();
}

/// What of a node changes with one of its programs.
struct Whole<'a> {
    health: &'a mut Option<NodeHealth>,
    sweep: bool,
    is_container: bool,
}

fn begun(run: &mut Run, output: &PipeWriter, command: &str, started: Result<Started, SpawnError>) {
    match started {
        Ok(started) => {
            run.process = Some((started.id, started.pid().and_then(|pid| u32::try_from(pid).ok())));
            (run.refused, run.reason) = (None, None);
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
