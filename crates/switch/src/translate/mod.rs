//! From a packet the datapath does not know to what it does with all packets like it.
//!
//! ```text
//! ingress port ─► bridge ─► table 0 ─► rule ─► actions ─┬─► output ─► datapath action
//!    ▲                         ▲                        │
//!    │                         └── resubmit, goto ──────┤
//!    └───────── the other end of a plain link ◄─────────┘   path fusion
//! ```
//!
//! Translating changes nothing. It collects an answer: which bits were looked at (`mask`), what the datapath does
//! (`actions`), what the answer rests on (`dependencies`) and what each packet means to counters and MAC tables
//! (`effects`). A packet that crosses to another switch waits in a queue until the switch it left is done, as it
//! would on a wire; so a long path takes no deep stack.

mod action_set;
mod branch;
mod commit;
mod conntrack;
mod copy;
mod egress;
mod encap;
mod flow;
mod fragment;
mod frame;
mod fusion;
mod group;
mod hash;
mod in_band;
mod learn;
mod mirror;
mod mpls;
mod next_header;
mod normal;
mod options;
mod output;
mod pause;
mod pbb;
mod pipeline;
mod punt;
mod recirc;
mod serve;
mod set;
mod solicit;
mod vlan;

use std::collections::VecDeque;

use netloom_flow::{
    Action, BridgeId, Dependency, DpAction, DropReason, Effect, FlowMask, Hits, OfPort, PacketKey,
    PacketMask, PortId, RecircId, Translation, Upcall, word,
};

use self::action_set::UNSET;
use self::branch::Open;
pub(crate) use self::egress::Stage;
pub(crate) use self::encap::has_room;
use self::flow::{Flow, tag_bytes, unwildcard};
pub(crate) use self::frame::Place;
use self::frame::{Actions, Frame};
use self::fusion::{Trail, Visit};
use crate::model::{Bridge, Port, Role};
use crate::recorder::{Event, Recorder};
use crate::switch::Switch;

/// Lookups and groups nested in each other. Source: `MAX_DEPTH` of OVS.
const MAX_DEPTH: u32 = 64;

/// A translation in the making.
pub(crate) struct Translator<'a> {
    switch: &'a Switch,
    recorder: &'a mut dyn Recorder,
    /// Whether the recorder listens.
    is_watched: bool,
    mask: PacketMask,
    actions: Vec<DpAction>,
    dependencies: Vec<Dependency>,
    effects: Vec<Effect>,
    /// What the packet is in the datapath after the actions so far.
    sent: Flow,
    /// Bytes of VLAN headers where packets are counted: at ingress, or where the present branch begins.
    base: i32,
    /// Branches in the making, within each other.
    open: Vec<Open>,
    /// Choices that both sides of are being followed, within each other.
    forks: u32,
    /// The structure of the packet in the datapath was changed, in the present copy.
    reshaped: bool,
    /// Outputs send so many bytes only.
    max_len: Option<u32>,
    outputs: usize,
    /// Where copies go on.
    waiting: VecDeque<Visit<'a>>,
    trail: Trail,
}

/// A packet in one bridge.
#[derive(Debug, Clone)]
struct Visiting<'a> {
    bridge: &'a Bridge,
    /// Large: it is moved about by its address.
    flow: Box<Flow>,
    /// What is still to be done, the last first.
    frames: Vec<Frame<'a>>,
    /// What was pushed.
    stack: Vec<u128>,
    /// The action set, as it was written.
    set: Vec<&'a Action>,
    /// Lookups beside the pipeline so far.
    resubmits: u32,
    /// Some copy has gone somewhere, or was dropped for a reason.
    settled: bool,
    /// The last lookup found nothing.
    missed: bool,
    /// The packet's inner headers are not known before it is parsed again.
    is_opaque: bool,
    /// What the key says of its connection is so.
    is_tracked: bool,
    /// A meter may have changed the packet's DSCP, which the key does not show.
    is_remarked: bool,
    stage: Stage,
    /// The mirrors that have their copy.
    mirrored: u32,
}

impl<'a> Visiting<'a> {
    fn new(bridge: &'a Bridge, mut flow: Box<Flow>) -> Self {
        flow.write(word::CONJ, UNSET.into(), u64::MAX);
        Self {
            bridge,
            flow,
            frames: Vec::with_capacity(8),
            stack: Vec::new(),
            set: Vec::new(),
            resubmits: 0,
            settled: false,
            missed: false,
            is_opaque: false,
            is_tracked: false,
            is_remarked: false,
            stage: Stage::Ingress,
            mirrored: 0,
        }
    }

    /// Nothing more is done with the packet, but for ending copies.
    fn stop(&mut self) {
        self.frames.retain(|frame| matches!(frame, Frame::Restore(_)));
    }

    /// No further action is carried out on this copy, but for the action set.
    fn exit(&mut self) {
        while matches!(self.frames.last(), Some(Frame::List(_))) {
            self.frames.pop();
        }
    }
}

impl<'a> Translator<'a> {
    pub(crate) fn translate(
        switch: &'a Switch,
        upcall: &Upcall<'_>,
        recorder: &'a mut dyn Recorder,
    ) -> Translation {
        let (port, recirc) = split(upcall.key.0[word::IN_PORT]);
        let frozen = switch.frozen.get(RecircId(recirc));
        let mut translator = Translator::new(switch, upcall.key, recorder);
        let cacheable = match (&frozen, recirc) {
            (None, 0) => translator.run(upcall.key, PortId(port)),
            (None, _) => translator.refuse(DropReason::NoRecirc),
            (Some(frozen), _) => {
                translator.thaw(Box::new(Flow::new(upcall.key, frozen.in_port)), frozen);
                translator.serve_waiting();
                true
            }
        };
        if recirc != 0 {
            translator.depend(Dependency::Recirc(RecircId(recirc)));
        }
        translator.finish(cacheable)
    }

    /// What a controller's actions do to a packet that it sends. `key.in_port` is not looked at.
    pub(crate) fn translate_out(
        switch: &'a Switch,
        bridge: &'a Bridge,
        in_port: OfPort,
        actions: &'a [Action],
        key: &PacketKey,
        recorder: &'a mut dyn Recorder,
    ) -> Translation {
        let mut translator = Translator::new(switch, key, recorder);
        translator.trail.go(bridge.id);
        let mut visiting = Visiting::new(bridge, Box::new(Flow::new(key, in_port)));
        if let Some(port) = bridge.port(in_port) {
            translator.mirror(&mut visiting, port, port.mirrored.src);
        }
        visiting.frames.push(Frame::list(Actions::Written(actions), Place::packet_out()));
        translator.finish_visit(visiting);
        translator.serve_waiting();
        translator.finish(false)
    }

    fn new(switch: &'a Switch, key: &PacketKey, recorder: &'a mut dyn Recorder) -> Self {
        let mut mask = PacketMask::default();
        // Who came in where is always part of the question.
        mask.0[word::IN_PORT] = u64::MAX;
        mask.0[word::TENANT] = 0xffff << 48;
        Self {
            switch,
            is_watched: recorder.listens(),
            recorder,
            mask,
            // Most often there is one output.
            actions: Vec::with_capacity(1),
            dependencies: Vec::with_capacity(16),
            effects: Vec::with_capacity(16),
            sent: Flow::new(key, OfPort::NONE),
            base: tag_bytes(&key.0),
            open: Vec::new(),
            forks: 0,
            reshaped: false,
            max_len: None,
            outputs: 0,
            waiting: VecDeque::new(),
            trail: Trail::default(),
        }
    }

    fn run(&mut self, key: &PacketKey, port: PortId) -> bool {
        let Some((bridge, number)) = self.switch.dp_ports.get(&port).copied() else {
            return self.refuse(DropReason::NoPort);
        };
        self.trail.go(bridge);
        // Not by way of the queue: most packets come to one switch, and then it takes no memory.
        self.visit(bridge, Box::new(Flow::new(key, number)));
        self.serve_waiting();
        true
    }

    fn serve_waiting(&mut self) {
        while let Some(Visit { bridge, flow, gate, .. }) = self.waiting.pop_front() {
            match gate {
                None => self.visit(bridge, flow),
                Some(gate) => self.pass_gate(&gate, flow),
            }
        }
    }

    /// An answer that no model stands behind: for this packet only.
    fn refuse(&mut self, reason: DropReason) -> bool {
        self.recorder.record(Event::Drop { reason, port: OfPort::NONE });
        self.actions.push(DpAction::Drop(reason));
        false
    }

    fn finish(self, cacheable: bool) -> Translation {
        Translation {
            mask: self.mask,
            actions: self.actions.into(),
            // Copied, not shrunk: to cut memory off its end takes an allocator longer than to give some out.
            dependencies: self.dependencies.as_slice().into(),
            effects: self.effects.as_slice().into(),
            cacheable,
            stamp: self.switch.log.stamp().into(),
            hits: Hits::default(),
        }
    }

    /// A packet comes in to a bridge.
    fn visit(&mut self, bridge: BridgeId, flow: Box<Flow>) {
        let Some(bridge) = self.switch.bridges.get(bridge) else { return };
        let mut visiting = Visiting::new(bridge, flow);
        let Some(port) = self.port(bridge, visiting.flow.in_port()) else { return };
        let (name, number) = (port.name.as_str(), port.number);
        let (bridge_name, key) = (bridge.config.name.as_str(), &visiting.flow.key);
        self.recorder.record(Event::Enter { bridge: bridge_name, port: name, number, key });
        if port.role == Role::Blocked {
            return self.drop(&mut visiting, DropReason::Blocked, number);
        }
        if !port.config.receives() {
            return self.drop(&mut visiting, DropReason::PortConfig, number);
        }
        if !self.read_options(&mut visiting) {
            return self.drop(&mut visiting, DropReason::TunnelOptions, number);
        }
        if self.drops_fragment(&visiting) {
            return self.drop(&mut visiting, DropReason::FragmentPolicy, number);
        }
        if port.mirrored.is_output {
            return self.drop(&mut visiting, DropReason::MirrorOutput, number);
        }
        self.mirror(&mut visiting, port, port.mirrored.src);
        if self.is_in_band(&visiting) {
            self.recorder.record(Event::InBand);
            visiting.stage = Stage::Beside;
            self.normal(&mut visiting);
        } else if let Some(served) = self.asks_service(&visiting) {
            self.serve(&mut visiting, served);
        } else {
            self.start_pipeline(&mut visiting);
        }
        self.finish_visit(visiting);
    }

    /// Does what is to be done with a packet in a bridge.
    fn finish_visit(&mut self, mut visiting: Visiting<'a>) {
        let mark = self.mark();
        self.go(&mut visiting);
        self.settle(&mut visiting);
        self.close_to(mark.open);
        if !self.waiting.is_empty() {
            self.back_to(&mark);
        }
    }

    /// A packet that went nowhere was dropped.
    fn settle(&mut self, visiting: &mut Visiting<'a>) {
        if !visiting.settled {
            let reason = if visiting.missed { DropReason::TableMiss } else { DropReason::FlowAction };
            self.drop(visiting, reason, visiting.flow.in_port());
        }
    }

    /// A port of a bridge, on which the answer depends from now on.
    fn port(&mut self, bridge: &'a Bridge, number: OfPort) -> Option<&'a Port> {
        let port = bridge.port(number);
        self.depend(match port {
            Some(port) => Dependency::Port { bridge: bridge.id, port: number, version: port.version },
            None => Dependency::Bridge { bridge: bridge.id, version: bridge.version },
        });
        port
    }

    /// The answer depends on the bridge as a whole.
    fn depend_on_bridge(&mut self, bridge: &Bridge) {
        self.depend(Dependency::Bridge { bridge: bridge.id, version: bridge.version });
    }

    fn depend(&mut self, dependency: Dependency) {
        // A handful of neighbours catches the repetitions of a pipeline with many tables.
        if !self.dependencies.iter().rev().take(8).any(|known| *known == dependency) {
            self.dependencies.push(dependency);
        }
    }

    /// The answer depends on some bits of a word, as far as they are still the packet's own.
    fn look(&mut self, flow: &Flow, index: usize, bits: u64) {
        if let Some(mask) = self.mask.0.get_mut(index) {
            *mask |= bits & flow.own(index);
        }
    }

    fn look_at(&mut self, flow: &Flow, seen: &FlowMask) {
        unwildcard(&mut self.mask, flow, seen);
    }

    /// A copy ends here.
    fn drop(&mut self, visiting: &mut Visiting<'a>, reason: DropReason, port: OfPort) {
        visiting.settled = true;
        self.recorder.record(Event::Drop { reason, port });
        self.effects.push(Effect::Drop { reason, bridge: visiting.bridge.id, port });
    }

    /// Bytes a packet is longer now than it was at ingress.
    fn extra(&self, flow: &Flow) -> i32 {
        flow.shim_bytes() - self.base
    }
}

/// The two halves of a word.
#[expect(clippy::cast_possible_truncation, reason = "the word is cut in two")]
const fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
