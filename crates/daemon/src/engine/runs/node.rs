//! A node that runs something, and one of its programs.

use std::io::{PipeReader, PipeWriter};
use std::sync::Arc;

use netloom_container::ProcessId;
use netloom_container::service::{Service, State};

use super::health::NodeHealth;
use super::wanted::Wanted;

/// What a node runs.
pub(super) struct NodeRuns {
    pub(super) wanted: Wanted,
    /// The end of their output that they write to, and the daemon's own notes.
    pub(super) output: Arc<PipeWriter>,
    /// An input that is at its end.
    pub(super) input: Arc<PipeReader>,
    pub(super) paused: bool,
    pub(super) runs: Vec<Run>,
    pub(super) health: Option<NodeHealth>,
    /// Its first program, which it all is about, has ended: what else is there must end.
    pub(super) sweep: bool,
}

/// One of its programs.
pub(super) struct Run {
    pub(super) service: Service,
    /// Known while the program runs.
    pub(super) process: Option<(ProcessId, Option<u32>)>,
    /// It was told to end: then its end is no failure.
    pub(super) signalled: bool,
    pub(super) refused: Option<String>,
    /// Why the kernel ended it.
    pub(super) reason: Option<String>,
}

impl NodeRuns {
    /// Whether a program of it is on its way, not merely waiting for its time.
    pub(super) fn is_being_started(&self) -> bool {
        let starting = |run: &Run| matches!(run.service.state(), State::Running(_)) && run.process.is_none();
        self.runs.iter().any(starting)
    }
}

impl Run {
    pub(super) fn is_starting(&self) -> bool {
        match self.service.state() {
            State::Waiting(_) => self.service.starts() == 0,
            State::Running(_) => self.process.is_none(),
            State::Finished => false,
        }
    }

    /// Its process, which is about to be told to end.
    pub(super) fn signal(&mut self) -> Option<(ProcessId, Option<u32>)> {
        self.signalled |= self.process.is_some();
        self.process
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(self.service.state(), State::Running(_))
    }
}
