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

mod commit;
mod flow;
mod fusion;
mod normal;
mod output;
mod pipeline;
mod set;
mod solicit;

use std::collections::VecDeque;

use netloom_flow::{
    Dependency, DpAction, DropReason, Effect, FlowMask, Hits, OfPort, PacketKey, PacketMask, Translation,
    Upcall, word,
};

use self::flow::{Flow, tag_bytes, unwildcard};
use self::fusion::{Trail, Visit};
use crate::model::{Bridge, Port, Role};
use crate::recorder::{Event, Recorder};
use crate::switch::Switch;

/// A translation in the making.
pub(crate) struct Translator<'a> {
    switch: &'a Switch,
    recorder: &'a mut dyn Recorder,
    mask: PacketMask,
    actions: Vec<DpAction>,
    dependencies: Vec<Dependency>,
    effects: Vec<Effect>,
    /// What the packet is in the datapath after the actions so far.
    sent: Flow,
    /// Bytes of VLAN headers at ingress.
    tags: i32,
    outputs: usize,
    /// Where copies go on.
    waiting: VecDeque<Visit>,
    trail: Trail,
}

/// A packet in one bridge.
struct Visiting<'a> {
    bridge: &'a Bridge,
    flow: Flow,
    /// Lookups so far, and how deep the present one is nested.
    resubmits: u32,
    depth: u32,
    /// Some copy has gone somewhere, or was dropped for a reason.
    settled: bool,
    /// The last lookup found nothing.
    missed: bool,
    /// No further action is carried out.
    done: bool,
}

impl<'a> Translator<'a> {
    pub(crate) fn translate(
        switch: &'a Switch,
        upcall: &Upcall<'_>,
        recorder: &'a mut dyn Recorder,
    ) -> Translation {
        let mut mask = PacketMask::default();
        // Who came in where is always part of the question.
        mask.0[word::IN_PORT] = u64::MAX;
        mask.0[word::TENANT] = 0xffff << 48;
        let mut translator = Self {
            switch,
            recorder,
            mask,
            actions: Vec::with_capacity(4),
            dependencies: Vec::with_capacity(16),
            effects: Vec::with_capacity(16),
            sent: Flow::new(upcall.key, OfPort::NONE),
            tags: tag_bytes(&upcall.key.0),
            outputs: 0,
            waiting: VecDeque::new(),
            trail: Trail::default(),
        };
        let cacheable = translator.run(upcall.key);
        translator.finish(cacheable)
    }

    fn run(&mut self, key: &PacketKey) -> bool {
        let (port, recirc) = split(key.0[word::IN_PORT]);
        if recirc != 0 {
            return self.refuse(DropReason::NoRecirc);
        }
        let Some((bridge, number)) = self.switch.dp_ports.get(&netloom_flow::PortId(port)).copied() else {
            return self.refuse(DropReason::NoPort);
        };
        self.trail.go(bridge);
        self.waiting.push_back(Visit { bridge, flow: Flow::new(key, number) });
        while let Some(visit) = self.waiting.pop_front() {
            self.visit(visit);
        }
        true
    }

    /// An answer that no model stands behind: for this packet only.
    fn refuse(&mut self, reason: DropReason) -> bool {
        self.recorder.record(Event::Drop(reason));
        self.actions.push(DpAction::Drop(reason));
        false
    }

    fn finish(self, cacheable: bool) -> Translation {
        Translation {
            mask: self.mask,
            actions: self.actions.into(),
            dependencies: self.dependencies.into(),
            effects: self.effects.into(),
            cacheable,
            stamp: self.switch.log.stamp().into(),
            hits: Hits::default(),
        }
    }

    /// A packet comes in to a bridge.
    fn visit(&mut self, visit: Visit) {
        let Some(bridge) = self.switch.bridges.get(visit.bridge) else { return };
        let mut visiting = Visiting {
            bridge,
            flow: visit.flow,
            resubmits: 0,
            depth: 0,
            settled: false,
            missed: false,
            done: false,
        };
        let Some(port) = self.port(bridge, visiting.flow.in_port()) else { return };
        let (name, number) = (port.name.as_str(), port.number);
        self.recorder.record(Event::Enter { bridge: &bridge.config.name, port: name, number });
        if port.role == Role::Blocked {
            return self.drop(&mut visiting, DropReason::Blocked, number);
        }
        self.start_pipeline(&mut visiting);
        if !visiting.settled {
            let reason = if visiting.missed { DropReason::TableMiss } else { DropReason::FlowAction };
            self.drop(&mut visiting, reason, number);
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
        self.recorder.record(Event::Drop(reason));
        self.effects.push(Effect::Drop { reason, bridge: visiting.bridge.id, port });
    }

    /// Bytes a packet is longer now than it was at ingress.
    fn extra(&self, flow: &Flow) -> i32 {
        tag_bytes(&flow.key.0) - self.tags
    }
}

/// The two halves of a word.
#[expect(clippy::cast_possible_truncation, reason = "the word is cut in two")]
const fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
