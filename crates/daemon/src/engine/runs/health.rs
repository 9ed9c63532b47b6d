//! Asking nodes whether they are well: when is decided by a pure state machine (`container/health.rs`), here are the
//! commands that are asked and what became of them.

use std::collections::BTreeMap;
use std::io::PipeReader;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};

use netloom_container::health::{self, Health};
use netloom_container::{Ending, ProcessId};
use netloom_sys::clock;

use super::node::NodeRuns;
use super::shared::Shared;
use super::wanted::{Wanted, process};
use super::{Check, SIGKILL};

/// How a node is.
pub(super) struct NodeHealth {
    pub(super) health: Health,
    /// The command that is being asked.
    pub(super) asked: Option<ProcessId>,
    /// The question it was; an answer to an earlier one is none.
    pub(super) question: u64,
}

impl NodeHealth {
    /// Of a node that has not been asked yet.
    pub(super) fn new(check: &Check) -> Self {
        Self { health: Health::new(check.rule), asked: None, question: 0 }
    }
}

/// A question that is due, or the process of one that has taken too long.
pub(super) enum Question {
    Ask { node: String, question: u64, wanted: Box<Wanted>, input: Arc<PipeReader> },
    GiveUp(ProcessId),
}

/// What is to be asked now, and what has taken too long.
pub(super) fn questions(nodes: &mut BTreeMap<String, NodeRuns>, now: u64) -> Vec<Question> {
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

impl Shared {
    /// Asks a node whether it is well, or ends the command that does not answer.
    pub(super) fn ask(self: &Arc<Self>, question: Question) {
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
