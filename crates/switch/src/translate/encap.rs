//! Headers that go around a whole packet, and what a packet is called without them: its *packet type*.
//!
//! A packet without its Ethernet header is *bare*. The datapath knows frames only, so there it keeps an Ethernet header
//! that no flow sees; that it is bare is known here, and across a recirculation by what was put aside. `encap(ethernet)`
//! clears the addresses; only a frame can leave by a port.
//!
//! ```text
//! (0,0) Ethernet ─decap─► (1,type) ─encap(nsh)─► (1,0x894f) ─encap(ethernet)─► (0,0)
//! ```
//!
//! Source: `xlate_generic_encap_action`, `xlate_generic_decap_action` of OVS; ovs-actions(7).

use netloom_flow::action::{Encap, NshTlv};
use netloom_flow::{DpAction, DropReason, PACKET_WORDS, word};
use netloom_packet::nsh::{self, Nsh, next};

use super::flow::{PacketType, tag_bytes};
use super::{Translator, Visiting};

/// Another Ethernet header follows (Transparent Ethernet Bridging).
const BRIDGED: u16 = 0x6558;
/// The address in the words of an Ethernet header.
const ADDRESS: u64 = !0xffff;
/// What a new label has besides the bottom of the stack: label 0, class 0. Source: `flow_push_mpls` of OVS.
const FIRST_TTL: u32 = 64;
const BOTTOM: u32 = 0x100;
const ETHERNET: i32 = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// The TTL of a new Network Service Header, and its service index. Source: `rewrite_flow_push_nsh` of OVS.
const NSH_TTL: u8 = 63;
const NSH_INDEX: u8 = 255;

impl<'a> Translator<'a> {
    pub(super) fn encap(&mut self, visiting: &mut Visiting<'a>, encap: &Encap) {
        match encap {
            Encap::Ethernet => self.encap_ethernet(visiting),
            Encap::Nsh { md_type, tlvs } => self.encap_nsh(visiting, *md_type, tlvs),
            Encap::Mpls => self.encap_mpls(visiting, 0x8847),
            Encap::MplsMulticast => self.encap_mpls(visiting, 0x8848),
        }
    }

    /// The packet is of a type that this is not defined for.
    pub(super) fn refuse_type(&mut self, visiting: &mut Visiting<'a>) {
        self.drop(visiting, DropReason::PacketType, visiting.flow.in_port());
        visiting.stop();
    }

    fn encap_ethernet(&mut self, visiting: &mut Visiting<'a>) {
        if !visiting.flow.is_bare() {
            return self.refuse_type(visiting);
        }
        for index in [word::ETH_DST, word::ETH_SRC] {
            self.look(&visiting.flow, index, ADDRESS);
            visiting.flow.write(index, 0, ADDRESS);
        }
        visiting.flow.set_packet_type(PacketType::Ethernet);
    }

    fn encap_nsh(&mut self, visiting: &mut Visiting<'a>, md_type: Option<u8>, tlvs: &[NshTlv]) {
        let next = match visiting.flow.packet_type() {
            PacketType::Ethernet => next::ETHERNET,
            PacketType::Bare(IPV4) => next::IPV4,
            PacketType::Bare(IPV6) => next::IPV6,
            PacketType::Bare(nsh::TYPE) => next::NSH,
            PacketType::Bare(_) | PacketType::Other => return self.refuse_type(visiting),
        };
        let md_type = md_type.unwrap_or(1);
        let header = Nsh { ttl: NSH_TTL, md_type, next, index: NSH_INDEX, ..Nsh::default() };
        let Some(bytes) = header.emit(&metadata(md_type, tlvs)) else { return self.refuse_type(visiting) };
        let len = i32::try_from(bytes.len()).unwrap_or(0);
        let around = self.push_around(visiting);
        self.actions.push(DpAction::PushNsh(bytes.into()));
        let flow = &mut visiting.flow;
        for index in word::MPLS..PACKET_WORDS {
            flow.write(index, 0, u64::MAX);
        }
        let [ttl, md_type, next, index] = [NSH_TTL, md_type, next, NSH_INDEX];
        flow.write(word::NSH, u64::from_be_bytes([0, ttl, md_type, next, 0, 0, 0, index]), u64::MAX);
        self.became(visiting, nsh::TYPE, around + len);
        visiting.is_opaque = false;
    }

    fn encap_mpls(&mut self, visiting: &mut Visiting<'a>, ethertype: u16) {
        let mut stack = match visiting.flow.packet_type() {
            PacketType::Ethernet => Vec::new(),
            PacketType::Bare(_) => self.stack_of(visiting),
            PacketType::Other => return self.refuse_type(visiting),
        };
        let lse = match stack.first() {
            Some(outer) => outer & !BOTTOM,
            None => FIRST_TTL | BOTTOM,
        };
        let around = self.push_around(visiting);
        self.actions.push(DpAction::PushMpls { ethertype, lse });
        stack.insert(0, lse);
        self.reshape(visiting, ethertype, &stack, 4);
        self.became(visiting, ethertype, around);
        visiting.is_opaque = false;
    }

    /// Brings the packet up to date, and if it is a frame, puts an Ethernet header around it that no flow sees. How many
    /// bytes longer that makes it, VLAN headers that are no longer seen included.
    fn push_around(&mut self, visiting: &mut Visiting<'a>) -> i32 {
        self.commit(&visiting.flow);
        if visiting.flow.is_bare() {
            return 0;
        }
        self.look_at_tags(&visiting.flow);
        let flow = &mut visiting.flow;
        let hidden = tag_bytes(&flow.key.0);
        self.actions.push(DpAction::PushEth { ethertype: BRIDGED });
        flow.set_tags([None, None]);
        flow.write(word::ETH_DST, 0, ADDRESS);
        flow.write(word::ETH_SRC, 0, ADDRESS);
        ETHERNET + hidden
    }

    /// The packet is bare, of this type, and so it is in the datapath.
    fn became(&mut self, visiting: &mut Visiting<'a>, ethertype: u16, pushed: i32) {
        let flow = &mut visiting.flow;
        flow.write(word::ETH_DST, ethertype.into(), 0xffff);
        flow.set_packet_type(PacketType::Bare(ethertype));
        flow.reshaped(pushed);
        self.sent.clone_from(flow);
        self.reshaped = true;
    }

    /// Takes the outermost header off. What a flow says of the type of what is inside counts for MPLS only, which does
    /// not say it itself.
    pub(super) fn decap(&mut self, visiting: &mut Visiting<'a>, inner: Option<u32>) {
        match visiting.flow.packet_type() {
            PacketType::Ethernet => self.decap_ethernet(visiting),
            PacketType::Bare(nsh::TYPE) => self.decap_nsh(visiting),
            PacketType::Bare(0x8847 | 0x8848) => self.decap_mpls(visiting, inner),
            PacketType::Bare(_) | PacketType::Other => self.refuse_type(visiting),
        }
    }

    fn decap_ethernet(&mut self, visiting: &mut Visiting<'a>) {
        self.look_at_tags(&visiting.flow);
        if visiting.flow.tags()[0].is_some() {
            return self.refuse_type(visiting);
        }
        self.look(&visiting.flow, word::ETH_DST, 0xffff);
        let kind = visiting.flow.eth_type();
        visiting.flow.set_packet_type(PacketType::Bare(kind));
    }

    fn decap_nsh(&mut self, visiting: &mut Visiting<'a>) {
        self.look(&visiting.flow, word::NSH, 0xff << 32);
        let [_, _, _, next, ..] = visiting.flow.key.0[word::NSH].to_be_bytes();
        let inner = match next {
            next::ETHERNET => PacketType::Ethernet,
            next::IPV4 => PacketType::Bare(IPV4),
            next::IPV6 => PacketType::Bare(IPV6),
            next::NSH => PacketType::Bare(nsh::TYPE),
            _ => return self.refuse_type(visiting),
        };
        self.commit(&visiting.flow);
        self.actions.push(DpAction::PopNsh { ethertype: inner.ethertype() });
        self.reveal(visiting, inner);
    }

    fn decap_mpls(&mut self, visiting: &mut Visiting<'a>, inner: Option<u32>) {
        let inner = inner.map_or(PacketType::Other, PacketType::from);
        if inner == PacketType::Other || self.stack_of(visiting).is_empty() {
            return self.refuse_type(visiting);
        }
        self.commit(&visiting.flow);
        self.actions.push(DpAction::PopMpls { ethertype: inner.ethertype() });
        self.reveal(visiting, inner);
    }

    /// What was inside is known once the packet was parsed again.
    fn reveal(&mut self, visiting: &mut Visiting<'a>, inner: PacketType) {
        if inner == PacketType::Ethernet {
            self.actions.push(DpAction::PopEth);
        }
        visiting.flow.set_packet_type(inner);
        visiting.flow.reshaped(0);
        self.sent.clone_from(&visiting.flow);
        self.reshaped = true;
        self.recirculate(visiting);
    }

    /// Lowers the TTL of a Network Service Header. `false`: it ran out, and the rest of the list is not for this packet.
    pub(super) fn dec_nsh_ttl(&mut self, visiting: &mut Visiting<'a>) -> bool {
        const SHIFT: u32 = 48;
        self.look(&visiting.flow, word::ETH_DST, 0xffff);
        if visiting.flow.eth_type() != nsh::TYPE {
            return true;
        }
        self.look(&visiting.flow, word::NSH, 0xff << SHIFT);
        let ttl = visiting.flow.key.0[word::NSH] >> SHIFT & 0xff;
        if ttl <= 1 {
            self.drop(visiting, DropReason::TtlExpired, visiting.flow.in_port());
            return false;
        }
        visiting.flow.write(word::NSH, (ttl - 1) << SHIFT, 0xff << SHIFT);
        true
    }
}

impl PacketType {
    /// The Ethernet type of the header that such a packet is behind in the datapath.
    const fn ethertype(self) -> u16 {
        match self {
            Self::Bare(kind) => kind,
            Self::Ethernet | Self::Other => BRIDGED,
        }
    }
}

/// Metadata of type 2 in bytes; of type 1 there is none but the contexts.
fn metadata(md_type: u8, tlvs: &[NshTlv]) -> Vec<u8> {
    let tlvs = tlvs.iter().filter(|_| md_type == 2);
    tlvs.filter_map(|NshTlv { class, kind, value }| nsh::tlv(*class, *kind, value)).flatten().collect()
}

/// Whether the headers that `encap(nsh)` pushes fit where a frame has room for them: there is none behind it.
pub(crate) fn has_room(md_type: Option<u8>, tlvs: &[NshTlv]) -> bool {
    /// Headroom of a frame less Ethernet and the base header: `netloom_datapath::frame::HEADROOM`.
    const ROOM: usize = 64 - 14 - nsh::BASE;
    metadata(md_type.unwrap_or(1), tlvs).len() <= ROOM
}
