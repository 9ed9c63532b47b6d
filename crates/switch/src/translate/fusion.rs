//! Path fusion: translation goes on at the other end of a plain link to another switch.
//!
//! A lab owns all its switches, so a chain of a hundred of them can cost one lookup. What each hop would have
//! counted and learned becomes effects. Where the packet itself has to be somewhere, fusion is *cut*: the packet
//! is handed to the link and looked up again at its other end. It is never dropped for being long under way.

use netloom_flow::{BridgeId, Effect, word};

use super::flow::Flow;
use super::{Translator, Visiting};
use crate::model::{Peer, Port};
use crate::recorder::{Cut, Event};

/// Links crossed, and copies sent, in one translation.
const MAX_HOPS: usize = 128;
const MAX_OUTPUTS: usize = 1024;

/// A packet that waits to come in to a bridge.
pub(super) struct Visit {
    pub(super) bridge: BridgeId,
    pub(super) flow: Flow,
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
        } else if port.inner.is_some() {
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

    /// The packet crosses the link behind `port`.
    pub(super) fn cross(&mut self, visiting: &Visiting<'a>, port: &'a Port, peer: Peer) {
        let extra = self.extra(&visiting.flow);
        self.recorder.record(Event::Cross { port: &port.name });
        self.effects.push(Effect::Hop {
            from: visiting.bridge.id,
            out_port: port.number,
            to: peer.bridge,
            in_port: peer.port,
            extra,
        });
        self.trail.go(peer.bridge);
        let flow = visiting.flow.crossed(peer.port);
        self.waiting.push_back(Visit { bridge: peer.bridge, flow });
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
