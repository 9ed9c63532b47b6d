//! A list of actions, one after the other.

use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{DpAction, PortId, RecircId};
use netloom_packet::Gso;

use crate::execute::branch::Taken;
use crate::execute::carried::Carried;
use crate::execute::{
    branch, clone, conntrack, drop, encap, mpls, next_header, output, pbb, recirculate, set, trunc, tunnel,
    userspace, vlan, wire,
};
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
    let mut actions = actions;
    if carried.frame.has_body() && !actions.iter().all(leaves_body) {
        carried.frame.fill();
    }
    loop {
        let Some((last, before)) = actions.split_last() else { return Next::Done };
        if carried.frame.offload.gso != Gso::None && actions.iter().any(cuts) {
            steps(wiring, carried, actions, 0);
            return Next::Done;
        }
        let may_be_apart = carried.frame.offload.gso != Gso::None && wiring.tracker.helps();
        if (may_be_apart || conntrack::is_fragment(carried)) && actions.iter().any(tracks) {
            steps(wiring, carried, actions, 0);
            return Next::Done;
        }
        if !steps(wiring, carried, before, 0) {
            return Next::Done;
        }
        let taken = match last {
            DpAction::Output(port) => return Next::Send(*port),
            DpAction::Tunnel { port, queue: DEFAULT_QUEUE, key, max_len: None, .. } => {
                carried.frame.meta.tunnel = Some(**key);
                return Next::Send(*port);
            }
            DpAction::Recirculate(id) => return Next::Again(*id),
            // Nothing comes after the branch, so it is carried out on the frame itself.
            DpAction::Meter { meter, passed } => branch::meter(wiring, carried, &meter.0, passed, 0),
            DpAction::CheckLength { len, longer, other } => {
                branch::check_length(wiring, carried, *len, [longer, other], 0)
            }
            action => {
                step(wiring, carried, action, 0);
                return Next::Done;
            }
        };
        let Taken::Whole(branch) = taken else { return Next::Done };
        branch::count(wiring, carried, branch);
        actions = &branch.actions;
    }
}

/// Whether an action has to do with a frame's front only.
const fn leaves_body(action: &DpAction) -> bool {
    matches!(
        action,
        DpAction::Output(_)
            | DpAction::Enqueue { .. }
            | DpAction::Set(_)
            | DpAction::PushVlan { .. }
            | DpAction::PopVlan
            | DpAction::Recirculate(_)
            | DpAction::Drop(_)
    )
}

/// Whether from this action on each wire packet has to go alone: no device cuts what is behind MPLS,
/// another Ethernet header, or a header that says something else of it.
const fn cuts(action: &DpAction) -> bool {
    matches!(
        action,
        DpAction::PushMpls { .. }
            | DpAction::PushPbb { .. }
            | DpAction::PushEth { .. }
            | DpAction::PushNsh(_)
            | DpAction::SetNext(_)
    )
}

/// Whether it may hold fragments back.
const fn tracks(action: &DpAction) -> bool {
    matches!(action, DpAction::Ct(_))
}

/// Carries out a list of actions here and now; `false` if the frame can go no further. `depth` counts the lists this
/// one is in.
pub(super) fn steps(
    wiring: &mut Wiring,
    carried: &mut Carried<'_, '_>,
    actions: &[DpAction],
    depth: u8,
) -> bool {
    for (at, action) in actions.iter().enumerate() {
        let is_cut = match action {
            DpAction::Ct(wanted) => conntrack::is_apart(wiring, carried, wanted),
            action => carried.frame.offload.gso != Gso::None && cuts(action),
        };
        if is_cut {
            let rest = actions.get(at..).unwrap_or_default();
            wire::each(wiring, carried, &mut |wiring, carried| {
                steps(wiring, carried, rest, depth);
            });
            return false;
        }
        if let DpAction::Ct(wanted) = action
            && conntrack::is_fragment(carried)
        {
            let rest = actions.get(at + 1..).unwrap_or_default();
            conntrack::fragment(wiring, carried, wanted, rest, depth);
            return false;
        }
        if !step(wiring, carried, action, depth) {
            return false;
        }
    }
    true
}

/// Carries out one action here and now; `false` if the frame can go no further.
fn step(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, action: &DpAction, depth: u8) -> bool {
    match action {
        DpAction::Output(port) => output::copy(wiring, carried, *port),
        DpAction::Enqueue { port, queue } => output::enqueue(wiring, carried, *port, *queue),
        DpAction::OutputTrunc { port, queue, max_len } => {
            trunc::copy(wiring, carried, *port, *queue, *max_len);
        }
        DpAction::Tunnel { port, queue, key, max_len, .. } => {
            tunnel::copy(wiring, carried, *port, *queue, key, *max_len);
        }
        DpAction::Set(set) => set::apply(carried, set),
        DpAction::PushVlan { tpid, tci } => return vlan::push(wiring, carried, *tpid, *tci),
        DpAction::PopVlan => vlan::pop(carried),
        DpAction::PushMpls { ethertype, lse } => return mpls::push(wiring, carried, *ethertype, *lse),
        DpAction::PopMpls { ethertype } => mpls::pop(carried, *ethertype),
        DpAction::PushPbb { itag } => return pbb::push(wiring, carried, *itag),
        DpAction::PopPbb => pbb::pop(carried),
        DpAction::PushEth { ethertype } => return encap::push_eth(wiring, carried, *ethertype),
        DpAction::PopEth => return encap::pop_eth(wiring, carried),
        DpAction::PushNsh(header) => return encap::push_nsh(wiring, carried, header),
        DpAction::PopNsh { ethertype } => return encap::pop_nsh(wiring, carried, *ethertype),
        DpAction::CopyTtl(direction) => mpls::copy_ttl(carried, *direction),
        DpAction::SetNext(next) => next_header::set(carried, *next),
        DpAction::Clone(actions) => clone::run(wiring, carried, actions, depth),
        DpAction::Userspace(punt) => userspace::copy(wiring, carried, punt),
        DpAction::Meter { meter, passed } => {
            if let Taken::Whole(branch) = branch::meter(wiring, carried, &meter.0, passed, depth) {
                branch::take(wiring, carried, branch, depth);
            }
        }
        DpAction::CheckLength { len, longer, other } => {
            if let Taken::Whole(branch) = branch::check_length(wiring, carried, *len, [longer, other], depth)
            {
                branch::take(wiring, carried, branch, depth);
            }
        }
        DpAction::Ct(wanted) => return conntrack::track(wiring, carried, wanted),
        DpAction::CtClear => carried.ct = None,
        DpAction::Recirculate(id) => recirculate::copy(wiring, carried, *id),
        DpAction::Drop(reason) => drop::count(wiring, carried, *reason),
    }
    true
}
