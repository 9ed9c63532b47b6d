//! Starting what is due, and what becomes of it.

use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use netloom_container::service::Outcome;
use netloom_container::{SpawnError, Started};
use netloom_sys::clock;

use super::SIGKILL;
use super::health::NodeHealth;
use super::node::{NodeRuns, Run};
use super::order::is_blocked;
use super::shared::Shared;
use super::wanted::{Wanted, process};

/// One start that is due.
pub(super) struct Due {
    node: String,
    index: usize,
    wanted: Wanted,
    output: Arc<PipeWriter>,
    input: Arc<PipeReader>,
}

/// What is to be started now; it counts as running.
pub(super) fn due(nodes: &mut BTreeMap<String, NodeRuns>, now: u64) -> Vec<Due> {
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

impl Shared {
    /// Starts one program; what becomes of it is told by the thread that reads the spawner.
    pub(super) fn start(self: &Arc<Self>, due: Due) {
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
