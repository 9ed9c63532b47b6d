//! The action set: written by tables on the way, carried out at the end in an order of its own.

use std::rc::Rc;

use netloom_flow::{Action, OfPort, word};

use super::frame::{Actions, Frame, Place};
use super::{Translator, Visiting};

/// What `actset_output` holds while the set sends nowhere (`OFPP_UNSET`).
pub(super) const UNSET: u32 = 0xffff_fff7;

/// Orders actions as an action set, or a bucket of a group, has them carried out: of each kind the last one, but all
/// changes of fields; and an output only if there is no group.
///
/// Source: OpenFlow 1.5.1 section 5.6; for kinds of its own `ofpacts_execute_action_set` of OVS.
pub(super) fn ordered<'a>(actions: impl Iterator<Item = &'a Action>) -> Vec<&'a Action> {
    let mut slots: Vec<(u8, &Action)> = Vec::new();
    for action in actions {
        let Some((rank, repeats)) = rank(action) else { continue };
        if !repeats {
            slots.retain(|(other, _)| *other != rank);
        }
        slots.push((rank, action));
    }
    slots.sort_by_key(|(rank, _)| *rank);
    // Of those that send the packet away only the first kind that is there.
    let end = slots.iter().position(|(rank, _)| *rank >= GROUP).map_or(slots.len(), |at| at + 1);
    slots.truncate(end);
    slots.into_iter().map(|(_, action)| action).collect()
}

const GROUP: u8 = 40;

/// The place of an action in the order, and whether several of it are carried out.
const fn rank(action: &Action) -> Option<(u8, bool)> {
    Some(match action {
        Action::CopyTtlIn => (0, false),
        Action::PopVlan => (1, false),
        Action::PopMpls { .. } => (2, false),
        Action::PopPbb => (3, false),
        Action::Decap { .. } => (4, false),
        Action::PushMpls { .. } => (10, false),
        Action::Encap(_) => (11, false),
        Action::PushPbb => (12, false),
        Action::PushVlan { .. } => (13, false),
        Action::CopyTtlOut => (20, false),
        Action::DecTtl { .. } => (21, false),
        Action::DecMplsTtl => (22, false),
        Action::DecNshTtl => (23, false),
        Action::SetField { .. }
        | Action::SetVlanVid(_)
        | Action::SetVlanPcp(_)
        | Action::Load { .. }
        | Action::Move { .. }
        | Action::DeleteField(_) => (30, true),
        Action::SetQueue(_) => (31, false),
        Action::Group(_) => (GROUP, false),
        Action::Output(_)
        | Action::OutputMax { .. }
        | Action::OutputReg { .. }
        | Action::OutputTrunc { .. }
        | Action::Controller(_) => (GROUP + 1, false),
        Action::Bundle(_) => (GROUP + 2, false),
        Action::Resubmit { .. } => (GROUP + 3, false),
        Action::Ct(_) => (GROUP + 4, false),
        _ => return None,
    })
}

impl<'a> Translator<'a> {
    pub(super) fn write_actions(&mut self, visiting: &mut Visiting<'a>, actions: &'a [Action]) {
        visiting.set.extend(actions);
        show_output(visiting);
    }

    pub(super) fn clear_actions(visiting: &mut Visiting<'a>) {
        visiting.set.clear();
        show_output(visiting);
    }

    /// The end of the pipeline.
    pub(super) fn carry_out_set(visiting: &mut Visiting<'a>, place: Place) {
        if visiting.set.is_empty() {
            return;
        }
        let set = std::mem::take(&mut visiting.set);
        let actions: Rc<[&'a Action]> = ordered(set.into_iter()).into();
        visiting.frames.push(Frame::list(Actions::Ordered(actions), place));
    }
}

/// Keeps the field `actset_output` true.
pub(super) fn show_output(visiting: &mut Visiting<'_>) {
    let last = ordered(visiting.set.iter().copied()).pop();
    let port = match last {
        Some(Action::Output(OfPort(port))) => *port,
        Some(Action::OutputMax { port, .. } | Action::OutputTrunc { port, .. }) => port.0,
        Some(Action::Controller(_)) => OfPort::CONTROLLER.0,
        _ => UNSET,
    };
    visiting.flow.write(word::CONJ, port.into(), 0xffff_ffff);
}
