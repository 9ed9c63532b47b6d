//! What is told of the programs of a node.

use netloom_container::health::Verdict;
use netloom_container::service::{Outcome, State};

use super::node::{NodeRuns, Run};
use super::{Runs, order};

impl Runs {
    /// Process id of the first program of a node that runs, as the machine sees it.
    pub(in crate::engine) fn pid(&self, node: &str) -> Option<u32> {
        self.look(node, |node| node.runs.iter().find_map(|run| run.process?.1)).flatten()
    }

    /// How often programs of a node were started again.
    pub(in crate::engine) fn restarts(&self, node: &str) -> u32 {
        let again =
            |node: &NodeRuns| node.runs.iter().map(|run| run.service.starts().saturating_sub(1)).sum::<u64>();
        self.look(node, again).map_or(0, |again| u32::try_from(again).unwrap_or(u32::MAX))
    }

    /// Whether a program of a node has ended badly and is not started again.
    pub(in crate::engine) fn has_failed(&self, node: &str) -> bool {
        let failed = |run: &Run| {
            run.service.state() == State::Finished
                && !run.signalled
                && run.service.last().is_some_and(|last| !last.is_success())
        };
        self.look(node, |node| node.runs.iter().any(failed)).unwrap_or(false)
    }

    /// How the last program of a node that is not started again has ended, or why it was not started.
    pub(in crate::engine) fn ending(&self, node: &str) -> Option<String> {
        let ended = |run: &Run| {
            let last = run.service.last().filter(|_| run.service.state() == State::Finished);
            let why = run.reason.iter().map(|reason| format!(": {reason}")).collect::<String>();
            run.refused.clone().or_else(|| last.map(|last| format!("{}{why}", words(last))))
        };
        self.look(node, |node| node.runs.iter().find_map(ended)).flatten()
    }

    /// The exit code of a container's program, if it does not run.
    pub(in crate::engine) fn exit_code(&self, node: &str) -> Option<i32> {
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
    pub(in crate::engine) fn reason(&self, node: &str) -> Option<String> {
        self.look(node, |node| node.runs.iter().find_map(|run| run.reason.clone())).flatten()
    }

    /// Whether the program of a container has done its work and is not started again.
    pub(in crate::engine) fn has_exited(&self, node: &str) -> bool {
        let over = |node: &NodeRuns| {
            let main = node.runs.first().filter(|_| node.wanted.stop.is_some());
            main.is_some_and(|run| run.service.state() == State::Finished && run.service.starts() > 0)
        };
        self.look(node, over).unwrap_or(false)
    }

    /// What the program of a container that does not run is about to do: to start once others are ready (`waiting`), or again
    /// after its end (`restarting`).
    pub(in crate::engine) fn pending(&self, node: &str) -> Option<&'static str> {
        let crew = self.crew.get()?;
        let nodes = crew.shared.lock();
        let node = nodes.get(node).filter(|node| node.wanted.stop.is_some())?;
        let main = node.runs.first().filter(|run| matches!(run.service.state(), State::Waiting(_)))?;
        if main.service.starts() > 0 {
            return Some("restarting");
        }
        order::is_blocked(&nodes, node).then_some("waiting")
    }

    /// How a node is, if it is asked.
    pub(in crate::engine) fn health(&self, node: &str) -> Option<Verdict> {
        self.look(node, |node| node.health.as_ref().map(|it| it.health.verdict())).flatten()
    }

    fn look<T>(&self, node: &str, look: impl FnOnce(&NodeRuns) -> T) -> Option<T> {
        self.crew.get().and_then(|crew| crew.shared.lock().get(node).map(look))
    }
}

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ended(ending) => format!("it has ended with {ending}"),
        Outcome::NotStarted(_) => "it could not be started".to_owned(),
    }
}
