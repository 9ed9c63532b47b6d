//! Carries out what the slow path said: one primitive action after the other.

mod clone;
mod drop;
mod output;
mod recirculate;
mod set;
mod vlan;

use netloom_flow::{DpAction, PortId, RecircId};
use netloom_packet::{Csum, Gso, Headers, Wire, checksum, wire};

use crate::frame::Frame;
use crate::wiring::Wiring;

/// A frame and what is known of it, kept true by every action.
#[derive(Debug)]
pub(crate) struct Carried<'a, 'b> {
    pub(crate) frame: &'a mut Frame<'b>,
    pub(crate) headers: Headers,
    pub(crate) wire: Wire,
    pub(crate) in_port: PortId,
}

impl Carried<'_, '_> {
    /// After an action that made the frame longer or shorter.
    fn recount(&mut self) {
        self.wire = wire(self.frame.len(), &self.headers, &self.frame.offload);
    }
}

/// What becomes of the frame itself after a list of actions. The last action is not carried out on the spot but
/// handed back: the frame is needed no more, so whoever has it may send it on without a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    Done,
    /// It leaves by a port.
    Send(PortId),
    /// It is looked up again.
    Again(RecircId),
}

/// Carries out a list of actions.
#[inline]
pub(crate) fn run(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, actions: &[DpAction]) -> Next {
    let Some((last, before)) = actions.split_last() else { return Next::Done };
    if !before.iter().all(|action| step(wiring, carried, action, 0)) {
        return Next::Done;
    }
    match last {
        DpAction::Output(port) => Next::Send(*port),
        DpAction::Recirculate(id) => Next::Again(*id),
        action => {
            step(wiring, carried, action, 0);
            Next::Done
        }
    }
}

/// Carries out one action here and now; `false` if the frame can go no further. `depth` counts the lists this
/// action is in.
fn step(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, action: &DpAction, depth: u8) -> bool {
    match action {
        DpAction::Output(port) => output::copy(wiring, carried, *port),
        DpAction::Set(set) => set::apply(carried, set),
        DpAction::PushVlan { tpid, tci } => return vlan::push(wiring, carried, *tpid, *tci),
        DpAction::PopVlan => vlan::pop(carried),
        DpAction::Clone(actions) => clone::run(wiring, carried, actions, depth),
        DpAction::Recirculate(id) => recirculate::copy(wiring, carried, *id),
        DpAction::Drop(reason) => drop::count(wiring, carried, *reason),
    }
    true
}

impl Carried<'_, '_> {
    /// Completes a checksum whose field lies beyond the first `head` bytes (behind long IPv6 extension headers).
    fn finish_far_checksum(&mut self, head: usize) {
        if let Csum::Partial { start, offset } = self.frame.offload.csum
            && usize::from(start) + usize::from(offset) + 2 > head
            && self.frame.offload.gso == Gso::None
        {
            let mut offload = self.frame.offload;
            if checksum::complete(self.frame.data_mut(), &mut offload).is_ok() {
                self.frame.offload = offload;
            }
        }
    }
}
