//! Recirculation: what is to be done with a packet waits until the datapath has parsed it again.

use netloom_flow::{
    Action, Dependency, DpAction, DropReason, FLOW_WORDS, FieldId, OfPort, PACKET_WORDS, RecircId, TunnelKey,
    word,
};

use super::flow::Flow;
use super::frame::{Actions, Frame, List};
use super::{Translator, Visiting};
use crate::model::{Frozen, FrozenFrame};
use crate::recorder::Event;

/// The packet type in [`word::TENANT`].
const PACKET_TYPE: u64 = 0xffff_ffff;

impl<'a> Translator<'a> {
    /// Puts the rest aside under a number, with which the datapath looks the packet up again. What comes behind the
    /// present copy goes on here.
    pub(super) fn recirculate(&mut self, visiting: &mut Visiting<'a>) {
        let end = visiting.frames.iter().rposition(|frame| matches!(frame, Frame::Restore(_)));
        let rest = visiting.frames.split_off(end.map_or(0, |at| at + 1));
        visiting.settled = true;
        let Some(frames) = rest.iter().map(frozen).collect::<Option<Vec<_>>>() else {
            return self.drop(visiting, DropReason::NoRecirc, visiting.flow.in_port());
        };
        let id = self.freeze(visiting, frames, visiting.is_tracked);
        self.recorder.record(Event::Recirculate(id));
    }

    /// Has the datapath look the packet up again, and these frames carried out then.
    pub(super) fn freeze(
        &mut self,
        visiting: &Visiting<'a>,
        frames: Vec<FrozenFrame>,
        is_tracked: bool,
    ) -> RecircId {
        self.commit(&visiting.flow);
        self.look(&visiting.flow, word::PKT_MARK, u64::MAX);
        if !visiting.bridge.tlv_map.is_empty() {
            // They are among the pipeline's own words.
            self.look(&visiting.flow, word::TUN_OPTIONS, u64::MAX);
        }
        let mut own = [0; FLOW_WORDS - PACKET_WORDS];
        own.copy_from_slice(&visiting.flow.key.0[PACKET_WORDS..]);
        let frozen = Frozen {
            bridge: visiting.bridge.id,
            in_port: visiting.flow.in_port(),
            own,
            packet_type: visiting.flow.key.0[word::TENANT] & PACKET_TYPE,
            mark: visiting.flow.key.0[word::PKT_MARK],
            tunnel: self.written_tunnel(&visiting.flow),
            stack: visiting.stack.clone(),
            set: visiting.set.iter().copied().cloned().collect(),
            frames,
            resubmits: visiting.resubmits,
            is_tracked,
            stage: visiting.stage,
            mirrored: visiting.mirrored,
        };
        let id = self.switch.frozen.freeze(frozen);
        self.depend(Dependency::Recirc(id));
        self.actions.push(DpAction::Recirculate(id));
        id
    }

    /// What the tunnel fields say, if that is not what the packet was received with.
    fn written_tunnel(&mut self, flow: &Flow) -> Option<TunnelKey> {
        if !flow.is_told_anew() {
            return None;
        }
        if !flow.has_crossed() {
            (word::TUN_ID..word::PKT_MARK).for_each(|index| self.look(flow, index, !0));
        }
        Some(TunnelKey::of(&flow.key))
    }

    /// Takes up again what was put aside.
    pub(super) fn thaw(&mut self, flow: Box<Flow>, frozen: &'a Frozen) {
        let Some(bridge) = self.switch.bridges.get(frozen.bridge) else {
            self.refuse(DropReason::NoRecirc);
            return;
        };
        self.trail.go(frozen.bridge);
        let mut visiting = Visiting::new(bridge, flow);
        for (index, value) in (PACKET_WORDS..FLOW_WORDS).zip(frozen.own) {
            visiting.flow.write(index, value, u64::MAX);
        }
        visiting.flow.write(word::PKT_MARK, frozen.mark, u64::MAX);
        if let Some(tunnel) = &frozen.tunnel {
            visiting.flow.set_tunnel(tunnel);
        }
        if frozen.packet_type != 0 {
            visiting.flow.write(word::TENANT, frozen.packet_type, PACKET_TYPE);
        }
        visiting.is_tracked = frozen.is_tracked;
        visiting.stage = frozen.stage;
        visiting.mirrored = frozen.mirrored;
        if !frozen.is_tracked {
            visiting.flow.untrack();
        }
        visiting.stack.clone_from(&frozen.stack);
        visiting.set = frozen.set.iter().collect();
        visiting.resubmits = frozen.resubmits;
        visiting.frames = frozen.frames.iter().map(thawed).collect();
        self.recorder.record(Event::Resume { bridge: &bridge.config.name, key: &visiting.flow.key });
        self.finish_visit(visiting);
    }

    /// Whether an action may look at the packet's DSCP, or write to it: behind a meter that may have changed it, the packet
    /// has to be parsed again first.
    pub(super) fn sees_dscp(action: &Action) -> bool {
        let is_dscp = |field: FieldId| matches!(field, FieldId::NwTos | FieldId::IpDscp);
        match action {
            Action::Resubmit { .. }
            | Action::GotoTable(_)
            | Action::Group(_)
            | Action::Bundle(_)
            | Action::Multipath(_)
            | Action::Learn(_) => true,
            Action::Move { source, .. } if is_dscp(source.field) => true,
            Action::StackPush(source) | Action::OutputReg { source, .. } => is_dscp(source.field),
            edit => edit.writes().is_some_and(is_dscp),
        }
    }

    /// Whether an action can be carried out although the packet's inner headers are not known.
    pub(super) fn is_shallow(action: &Action) -> bool {
        match action {
            Action::Output(port) | Action::OutputMax { port, .. } => {
                *port <= OfPort::MAX || matches!(*port, OfPort::IN_PORT | OfPort::CONTROLLER)
            }
            Action::Controller(_)
            | Action::OutputTrunc { .. }
            | Action::Enqueue { .. }
            | Action::PushVlan { .. }
            | Action::PopVlan
            | Action::SetVlanVid(_)
            | Action::SetVlanPcp(_)
            | Action::SetQueue(_)
            | Action::PopQueue
            | Action::Note(_)
            | Action::Exit
            | Action::ClearActions
            | Action::WriteActions(_)
            | Action::WriteMetadata { .. }
            | Action::Meter(_)
            | Action::Clone(_) => true,
            edit => edit.writes().is_some_and(|field| {
                let at = usize::from(field.field().word);
                let is_constant = matches!(edit, Action::SetField { .. } | Action::Load { .. });
                is_constant && (at >= PACKET_WORDS || matches!(at, word::ETH_DST | word::ETH_SRC))
            }),
        }
    }
}

fn frozen(frame: &Frame<'_>) -> Option<FrozenFrame> {
    match frame {
        Frame::List(List { actions, at, place }) => {
            let rest = (*at..).map_while(|at| actions.get(at)).cloned().collect();
            Some(FrozenFrame::List(rest, *place))
        }
        Frame::Set(place) => Some(FrozenFrame::Set(*place)),
        Frame::Enter(table) => Some(FrozenFrame::Enter(*table)),
        // Buckets that are still to come are copies beside this one, behind its end.
        // So is what leaves by a port with egress tables.
        Frame::Bucket(..) | Frame::Egress(_) | Frame::Restore(_) => None,
    }
}

fn thawed(frame: &FrozenFrame) -> Frame<'_> {
    match frame {
        FrozenFrame::List(actions, place) => Frame::list(Actions::Written(actions), *place),
        FrozenFrame::Set(place) => Frame::Set(*place),
        FrozenFrame::Enter(table) => Frame::Enter(*table),
    }
}
