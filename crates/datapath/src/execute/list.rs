//! A list of actions, one after the other.

use netloom_flow::{DpAction, PortId, RecircId};

use crate::execute::carried::Carried;
use crate::execute::{clone, drop, output, recirculate, set, vlan};
use crate::wiring::Wiring;

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
pub(super) fn step(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, action: &DpAction, depth: u8) -> bool {
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
