//! What happens when.

use netloom_flow::Nanos;
use serde::{Deserialize, Serialize};

use super::nanos;
use crate::settings::SettingsPatch;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub when: When,
    /// What.
    pub what: Happening,
    /// Line of the file, from 1.
    pub line: u32,
}

/// When an event happens, counted from clock 0: the moment the untimed expectations hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Once.
    At(#[serde(with = "nanos")] Nanos),
    /// Again and again, the first time after this span.
    Every(#[serde(with = "nanos")] Nanos),
}

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Happening {
    /// Settings of a link change.
    Link {
        /// [`Link::id`](super::Link::id).
        link: String,
        /// From the left end to the right.
        forth: Box<SettingsPatch>,
        /// From the right end to the left.
        back: Box<SettingsPatch>,
    },
    /// A node starts, stops ...
    Node {
        /// [`Node::name`](super::Node::name).
        node: String,
        /// What it does.
        change: NodeChange,
    },
    /// A command runs in a node.
    Run {
        /// [`Node::name`](super::Node::name).
        node: String,
        /// For a shell.
        command: String,
    },
}

words!(/// What happens to a node.
NodeChange {
    /// It starts.
    #[default]
    Start,
    /// It stops.
    Stop,
    /// Both.
    Restart,
    /// Its processes stand still.
    Pause,
    /// They go on.
    Resume,
});
