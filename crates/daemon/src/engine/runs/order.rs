//! The order of starts: who waits for whom (`after:`).

use std::collections::BTreeMap;

use netloom_container::health::Verdict;
use netloom_container::service::{Outcome, State};
use netloom_lab::container::{After, Condition};

use super::node::NodeRuns;

/// Whether a condition on another node holds. A node without programs has started as soon as it is there.
pub(super) fn holds(nodes: &BTreeMap<String, NodeRuns>, after: &After) -> bool {
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
pub(super) fn is_blocked(nodes: &BTreeMap<String, NodeRuns>, node: &NodeRuns) -> bool {
    let first = node
        .runs
        .iter()
        .any(|run| matches!(run.service.state(), State::Waiting(_)) && run.service.starts() == 0);
    first && node.wanted.after.iter().any(|after| !holds(nodes, after))
}

/// Whether what a node waits for cannot come true by itself any more.
pub(super) fn in_vain(nodes: &BTreeMap<String, NodeRuns>, node: &NodeRuns) -> bool {
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
