//! A packet that waits for a controller: what is left to be done becomes a list of actions, which the controller keeps.
//!
//! Nothing is kept here, so a controller may take its time, and answer for a switch that has forgotten everything else.
//! What a list alone cannot say is lost: which flow an action came from.
//!
//! Source: `NXAST_CONTROLLER2` with `pause`, ovs-actions(7); `frozen_state` of OVS.

use netloom_flow::action::PacketInReason;
use netloom_flow::{
    Action, FLOW_WORDS, FlowKey, OfPort, PACKET_WORDS, PacketKey, Paused, TableId, Translation, word,
};

use super::flow::Flow;
use super::frame::{Actions, Frame, List, Place};
use super::{Translator, Visiting};
use crate::model::Bridge;
use crate::recorder::Recorder;
use crate::switch::Switch;

impl<'a> Translator<'a> {
    /// Puts the rest of the present copy aside. What comes behind it goes on here.
    pub(super) fn pause(visiting: &mut Visiting<'a>) -> Paused {
        let end = visiting.frames.iter().rposition(|frame| matches!(frame, Frame::Restore(_)));
        let rest = visiting.frames.split_off(end.map_or(0, |at| at + 1));
        let mut actions = Vec::new();
        for frame in rest.iter().rev() {
            match frame {
                Frame::List(List { actions: list, at, place }) => {
                    let left = (*at..).map_while(|at| list.get(at));
                    actions.extend(left.map(|action| placed(action, place.table)));
                }
                Frame::Enter(table) => actions.push(resubmit(*table)),
                // The set is carried out in the end; buckets still to come are copies beside this one.
                Frame::Set(_) | Frame::Bucket(..) | Frame::Egress(_) | Frame::Restore(_) => {}
            }
        }
        // Only the last of them leads the packet away for good.
        let count = actions.len().saturating_sub(1);
        for action in actions.iter_mut().take(count) {
            if let Action::GotoTable(table) = *action {
                *action = resubmit(table);
            }
        }
        let set = visiting.set.iter().copied().cloned().collect();
        let (stack, is_tracked) = (visiting.stack.clone(), visiting.is_tracked);
        visiting.settled = true;
        Paused { bridge: visiting.bridge.config.uuid.0, stack, set, actions, is_tracked }
    }

    /// Goes on with a packet that a controller gives back. `own` is what it says of it besides the packet.
    pub(crate) fn translate_paused(
        switch: &'a Switch,
        bridge: &'a Bridge,
        in_port: OfPort,
        paused: &'a Paused,
        (key, own): (&PacketKey, &FlowKey),
        recorder: &'a mut dyn Recorder,
    ) -> Translation {
        let mut translator = Translator::new(switch, key, recorder);
        translator.trail.go(bridge.id);
        let mut visiting = Visiting::new(bridge, Box::new(Flow::new(key, in_port)));
        // They had their copies when it came in.
        visiting.mirrored = bridge.port(in_port).map_or(0, |port| port.mirrored.src);
        let tunnel_and_mark = word::TUN_ID..=word::PKT_MARK;
        let conjunction = word::CONJ..=word::CONJ;
        for index in tunnel_and_mark.chain(PACKET_WORDS..FLOW_WORDS).filter(|at| !conjunction.contains(at)) {
            visiting.flow.write(index, own.0[index], u64::MAX);
        }
        visiting.is_tracked = paused.is_tracked;
        if paused.is_tracked {
            for index in word::CT..=word::CT_L4 {
                visiting.flow.write(index, own.0[index], u64::MAX);
            }
            visiting.flow.write(word::TENANT, own.0[word::TENANT], 0xffff << 32);
        }
        visiting.flow.write(word::TENANT, own.0[word::TENANT], 0xffff_ffff);
        visiting.stack.clone_from(&paused.stack);
        visiting.set = paused.set.iter().collect();
        let place = Place { reason: PacketInReason::Action, ..Place::packet_out() };
        visiting.frames.push(Frame::Set(Place { reason: PacketInReason::ActionSet, ..place }));
        visiting.frames.push(Frame::list(Actions::Written(&paused.actions), place));
        translator.finish_visit(visiting);
        translator.serve_waiting();
        translator.finish(false)
    }
}

const fn resubmit(table: TableId) -> Action {
    Action::Resubmit { port: None, table: Some(table), ct: false }
}

/// An action that does the same wherever it stands.
fn placed(action: &Action, table: TableId) -> Action {
    match action {
        Action::Resubmit { port, table: None, ct } => {
            Action::Resubmit { port: *port, table: Some(table), ct: *ct }
        }
        other => other.clone(),
    }
}
