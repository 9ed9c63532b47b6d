//! Copies: what is done to one does not show in the packet that goes on.
//!
//! Edits of header fields are undone by the next output, which writes only what differs. A change of structure (a
//! label pushed or popped) cannot be undone so: then all that was done to the copy goes into a [`DpAction::Clone`].

use netloom_flow::{Action, DpAction};

use super::egress::Stage;
use super::flow::Flow;
use super::frame::Frame;
use super::{Translator, Visiting};

/// What is restored at the end of a copy.
#[derive(Debug, Clone)]
pub(crate) struct Kept<'a> {
    flow: Box<Flow>,
    stack: Vec<u128>,
    set: Vec<&'a Action>,
    is_opaque: bool,
    is_tracked: bool,
    is_remarked: bool,
    stage: Stage,
    pub(super) mark: Mark,
}

/// The datapath's side of a copy's beginning.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// Branches that were open.
    pub(super) open: usize,
    /// Actions in the list that is being made.
    pub(super) actions: usize,
    /// The packet in the datapath.
    pub(super) sent: Flow,
    /// Whether its structure had been changed already.
    pub(super) reshaped: bool,
}

impl<'a> Translator<'a> {
    /// Begins a copy: its end is the frame this pushes. What the copy is for goes on top of it.
    pub(super) fn begin_copy(&mut self, visiting: &mut Visiting<'a>) {
        let mark = self.mark();
        let kept = Kept {
            flow: visiting.flow.clone(),
            stack: visiting.stack.clone(),
            set: visiting.set.clone(),
            is_opaque: visiting.is_opaque,
            is_tracked: visiting.is_tracked,
            is_remarked: visiting.is_remarked,
            stage: visiting.stage,
            mark,
        };
        visiting.frames.push(Frame::Restore(Box::new(kept)));
    }

    /// Ends a copy.
    pub(super) fn end_copy(&mut self, visiting: &mut Visiting<'a>, kept: Kept<'a>) {
        self.back_to(&kept.mark);
        visiting.flow = kept.flow;
        visiting.stack = kept.stack;
        visiting.set = kept.set;
        visiting.is_opaque = kept.is_opaque;
        visiting.is_tracked = kept.is_tracked;
        visiting.is_remarked = kept.is_remarked;
        visiting.stage = kept.stage;
    }

    pub(super) fn mark(&mut self) -> Mark {
        let reshaped = std::mem::take(&mut self.reshaped);
        Mark { open: self.open.len(), actions: self.actions.len(), sent: self.sent.clone(), reshaped }
    }

    /// Closes the branches opened since, and puts what changed the packet's structure since into a clone.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.close_to(mark.open);
        if self.reshaped {
            let inner = self.actions.split_off(mark.actions.min(self.actions.len()));
            self.actions.push(DpAction::Clone(inner.into()));
            self.sent = mark.sent.clone();
        }
        self.reshaped = mark.reshaped;
    }
}
