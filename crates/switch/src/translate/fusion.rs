//! Path fusion: translation goes on at the other end of a plain link to another switch.
//!
//! A lab owns all its switches, so a chain of a hundred of them can cost one lookup. What each hop would have
//! counted and learned becomes effects. Where the packet itself has to be somewhere, fusion is *cut*: the packet
//! is handed to the link and looked up again at its other end. It is never dropped for being long under way.
//!
//! A tunnel between two switches of the lab is such a link, too, and what it says of packets is written to the fields that
//! the other end sees. Only a packet says whether it would have fitted in: one that would not is handed to the link, which
//! drops and answers it.

use std::sync::Arc;

use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{BridgeId, DpAction, Effect, OptionSet, TunnelKey, word};
use netloom_packet::ethernet;

use super::flow::{Flow, PRESENT};
use super::{Translator, Visiting};
use crate::model::{Peer, Port};
use crate::recorder::{Cut, Event};

/// Links crossed, and copies sent, in one translation.
const MAX_HOPS: usize = 128;
const MAX_OUTPUTS: usize = 1024;

/// A packet that waits to come in to a bridge.
pub(super) struct Visit<'a> {
    pub(super) bridge: BridgeId,
    pub(super) flow: Box<Flow>,
    /// Only packets that are short enough come in.
    pub(super) gate: Option<Box<Gate<'a>>>,
    /// The tunnel options that it comes with, which are not forgotten while it waits.
    _options: Option<Arc<OptionSet>>,
}

/// The way into a tunnel between two switches of the lab.
pub(super) struct Gate<'a> {
    from: BridgeId,
    /// The port that leads there.
    port: &'a Port,
    to: Peer,
    /// The packet at that port.
    flow: Box<Flow>,
    /// What the other end is told.
    said: TunnelKey,
    options: Option<Arc<OptionSet>>,
    /// The longest frame that fits in.
    len: u16,
}

/// The bridges a packet has been to, by whatever branch.
///
/// What a copy leaves behind at a bridge, such as a learned address, is not there until the translation is done.
/// So a second copy must not be there before: it waits in the link, as it would behind the first on a wire.
#[derive(Debug, Default)]
pub(super) struct Trail(Vec<BridgeId>);

impl Trail {
    pub(super) fn go(&mut self, bridge: BridgeId) {
        self.0.push(bridge);
    }

    fn hops(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    fn has_been_to(&self, bridge: BridgeId) -> bool {
        self.0.contains(&bridge)
    }
}

impl<'a> Translator<'a> {
    /// Where a packet sent by `port` comes in again, if translation can go on there; else why not. No reason is
    /// given for a port that does not lead to another switch.
    pub(super) fn far_end(&mut self, visiting: &Visiting<'a>, port: &Port) -> Result<Peer, Option<Cut>> {
        let Some(peer) = port.peer else { return Err(None) };
        let is_captured = self.switch.port_at(peer).is_none_or(|far| far.link.captured);
        let cut = if !self.switch.settings.fusion {
            Cut::Off
        } else if !port.link.up {
            Cut::Down
        } else if !port.link.plain || port.qos.is_some() {
            Cut::Shaped
        } else if port.link.captured || is_captured {
            Cut::Captured
        } else if self.is_for_the_packet(&visiting.flow, port) {
            Cut::Tunnel
        } else if self.trail.hops() >= MAX_HOPS || self.outputs >= MAX_OUTPUTS {
            Cut::Budget
        } else if self.trail.has_been_to(peer.bridge) {
            Cut::Visited
        } else if self.max_len.is_some() || !self.open.is_empty() {
            Cut::Branch
        } else if visiting.flow.is_reshaped()
            || visiting.flow.is_translated()
            || self.must_parse(&visiting.flow)
        {
            Cut::Reparse
        } else {
            return Ok(peer);
        };
        Err(Some(cut))
    }

    /// Whether a tunnel within the lab has more to do with a packet than to tell whether it fits in: then the packet goes
    /// there itself. So does one whose way is told.
    fn is_for_the_packet(&mut self, flow: &Flow, port: &Port) -> bool {
        let Some(inner) = &port.inner else { return false };
        if inner.clamp || self.is_watched {
            return true;
        }
        // Tags count for the tunnel, and where lengths are checked they do not.
        inner.mtu.is_some() && {
            self.look(flow, word::ETH_SRC, PRESENT.into());
            flow.tci() & PRESENT != 0
        }
    }

    /// The packet crosses the link behind `port`.
    pub(super) fn cross(&mut self, visiting: &mut Visiting<'a>, port: &'a Port, peer: Peer) {
        let options = match self.options_to_send(visiting, port) {
            Ok(options) => options,
            Err(reason) => return self.drop(visiting, reason, port.number),
        };
        let said = self.said(visiting, port, options.as_deref());
        self.recorder.record(Event::Cross { port: &port.name });
        self.trail.go(peer.bridge);
        let mut flow = visiting.flow.crossed(peer.port);
        if let Some(said) = &said {
            flow.set_tunnel(said);
        }
        let mtu = port.inner.as_ref().and_then(|inner| inner.mtu);
        let gate = said.zip(mtu).map(|(said, mtu)| {
            let len = u16::try_from(usize::from(mtu) + ethernet::HEADER).unwrap_or(u16::MAX);
            let (from, flow) = (visiting.bridge.id, visiting.flow.clone());
            Box::new(Gate { from, port, to: peer, flow, said, options: options.clone(), len })
        });
        if gate.is_none() {
            self.hop(visiting.bridge.id, port, peer, &visiting.flow);
        }
        self.waiting.push_back(Visit { bridge: peer.bridge, flow, gate, _options: options });
    }

    /// A packet is about to enter a tunnel within the lab: it comes out at the other end if it fits in, else it is handed to
    /// the link.
    pub(super) fn pass_gate(&mut self, gate: &Gate<'a>, flow: Box<Flow>) {
        let Gate { from, port, to, flow: near, said, options, len } = gate;
        let longer = self.aside(|this| {
            this.commit(near);
            this.actions.push(DpAction::Tunnel {
                port: port.dp_port,
                queue: DEFAULT_QUEUE,
                key: Box::new(*said),
                max_len: None,
                options: options.clone(),
            });
        });
        let other = self.aside(|this| {
            this.hop(*from, port, *to, near);
            this.visit(to.bridge, flow);
        });
        self.actions.push(DpAction::CheckLength { len: *len, longer, other });
    }

    /// Both ends of the link behind `port` count the packet.
    fn hop(&mut self, from: BridgeId, port: &Port, to: Peer, flow: &Flow) {
        let extra = self.extra(flow);
        self.effects.push(Effect::Hop {
            from,
            out_port: port.number,
            to: to.bridge,
            in_port: to.port,
            extra,
        });
    }

    /// Whether the next switch would see other fields than the key has: a third VLAN header may have come to
    /// light; the type of an ICMPv6 message was rewritten, which decides what follows it; or an option of neighbour
    /// discovery was, which the packet may not have.
    fn must_parse(&mut self, flow: &Flow) -> bool {
        let is_rewritten = |index: usize| flow.rewritten() >> index & 1 == 1;
        if is_rewritten(word::VLAN) {
            self.look(flow, word::ETH_DST, 0xffff);
            if matches!(flow.eth_type(), 0x8100 | 0x88a8) {
                return true;
            }
        }
        // Whoever wrote to one of these has looked at the type, and at the protocol.
        flow.eth_type() == 0x86dd
            && (is_rewritten(word::L4) && flow.key.0[word::IP] >> 56 == 58
                || is_rewritten(word::ARP_SHA)
                || is_rewritten(word::ARP_THA))
    }
}
