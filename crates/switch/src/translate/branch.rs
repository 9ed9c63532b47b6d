//! Branches: only the packet itself, or a meter, tells what becomes of it. Both ways are translated.

use std::sync::Arc;

use netloom_flow::{Branch, Dependency, DpAction, DropReason, Effect, MeterRef, Subfield};

use super::flow::Flow;
use super::frame::Frame;
use super::{Translator, Visiting};
use crate::recorder::Event;

/// Choices within each other that are followed. Each doubles the work.
const MAX_FORKS: u32 = 6;

/// A branch in the making, and the list it interrupted.
pub(super) struct Open {
    /// The meter that lets packets in; `None`: closed by who opened it.
    meter: Option<MeterRef>,
    actions: Vec<DpAction>,
    effects: Vec<Effect>,
    sent: Flow,
    base: i32,
    reshaped: bool,
}

impl<'a> Translator<'a> {
    /// From here on a meter decides. Without such a meter the packet is dropped.
    pub(super) fn meter(&mut self, visiting: &mut Visiting<'a>, id: u32) {
        match self.find_meter(visiting, id) {
            Some(meter) => {
                visiting.is_remarked |= meter.0.remarks();
                self.open(Some(meter));
            }
            None => {
                self.drop(visiting, DropReason::Meter, visiting.flow.in_port());
                visiting.stop();
            }
        }
    }

    pub(super) fn find_meter(&mut self, visiting: &Visiting<'a>, id: u32) -> Option<MeterRef> {
        let found = visiting.bridge.meters.get(&id);
        let version = found.map_or(0, |entry| entry.version);
        self.depend(Dependency::Meter { bridge: visiting.bridge.id, meter: id, version });
        found.map(|entry| MeterRef(Arc::clone(&entry.meter)))
    }

    /// Writes whether the packet is longer, and goes on for both.
    pub(super) fn check_larger(&mut self, visiting: &mut Visiting<'a>, len: u16, target: Subfield) {
        if self.forks >= MAX_FORKS {
            self.drop(visiting, DropReason::ResubmitLimit, visiting.flow.in_port());
            return visiting.stop();
        }
        self.forks += 1;
        let mut shorter = visiting.clone();
        self.recorder.record(Event::Side { len, longer: true });
        let longer = self.side(visiting, target, 1);
        self.recorder.record(Event::Side { len, longer: false });
        let other = self.side(&mut shorter, target, 0);
        self.recorder.record(Event::SideEnd);
        self.forks -= 1;
        self.actions.push(DpAction::CheckLength { len, longer, other });
        visiting.settled = true;
    }

    /// One side of a choice, to its end.
    fn side(&mut self, visiting: &mut Visiting<'a>, target: Subfield, bit: u128) -> Arc<Branch> {
        self.aside(|this| {
            let (open, sent) = (this.open.len(), this.sent.clone());
            for frame in &mut visiting.frames {
                // Copies that end within this side end here, not where they began.
                if let Frame::Restore(kept) = frame {
                    let mark = &mut kept.mark;
                    (mark.open, mark.actions, mark.sent) = (open, 0, sent.clone());
                }
            }
            this.write(visiting, target, bit);
            this.go(visiting);
            this.settle(visiting);
        })
    }

    /// What `make` adds, as a branch for some packets only.
    pub(super) fn aside(&mut self, make: impl FnOnce(&mut Self)) -> Arc<Branch> {
        self.open(None);
        let open = self.open.len();
        make(self);
        self.close_to(open);
        let Some(open) = self.open.pop() else { return Arc::default() };
        Arc::new(self.leave(open).1)
    }

    fn open(&mut self, meter: Option<MeterRef>) {
        let base = std::mem::replace(&mut self.base, self.sent.shim_bytes());
        self.open.push(Open {
            meter,
            actions: std::mem::take(&mut self.actions),
            effects: std::mem::take(&mut self.effects),
            sent: self.sent.clone(),
            base,
            reshaped: std::mem::take(&mut self.reshaped),
        });
    }

    /// Closes branches until so many are open.
    pub(super) fn close_to(&mut self, count: usize) {
        while self.open.len() > count {
            let Some(open) = self.open.pop() else { return };
            if let (Some(meter), branch) = self.leave(open) {
                self.actions.push(DpAction::Meter { meter, passed: Arc::new(branch) });
            }
        }
    }

    /// Back to the list that a branch interrupted. The packet there is as it was: a branch is carried out on a copy.
    fn leave(&mut self, open: Open) -> (Option<MeterRef>, Branch) {
        let actions = std::mem::replace(&mut self.actions, open.actions).into();
        let effects = std::mem::replace(&mut self.effects, open.effects).into();
        (self.sent, self.base, self.reshaped) = (open.sent, open.base, open.reshaped);
        (open.meter, Branch { actions, effects, ..Branch::default() })
    }
}
