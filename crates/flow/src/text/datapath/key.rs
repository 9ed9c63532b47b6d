//! The key of a cached flow.

use super::attribute::{Attribute, Masked, Style, flags, single};
use crate::{FLOW_WORDS, FieldId, FlowKey, FlowMask, PacketKey, PacketMask, word};

/// Bits of `ct_state`, as Open vSwitch orders them.
const CT_STATES: [(u128, &str); 8] = [
    (0x01, "new"),
    (0x02, "est"),
    (0x04, "rel"),
    (0x08, "rpl"),
    (0x10, "inv"),
    (0x20, "trk"),
    (0x40, "snat"),
    (0x80, "dnat"),
];
const TCP_FLAGS: [(u128, &str); 9] = [
    (0x001, "fin"),
    (0x002, "syn"),
    (0x004, "rst"),
    (0x008, "psh"),
    (0x010, "ack"),
    (0x020, "urg"),
    (0x040, "ece"),
    (0x080, "cwr"),
    (0x100, "ns"),
];

/// A key and its mask. `port` is what the ingress port is called; `is_whole`: fields that do not matter are shown, too.
#[must_use]
pub fn key(key: &PacketKey, mask: &PacketMask, port: &str, is_whole: bool) -> String {
    let masked = Shown::new(&key.0, &mask.0, is_whole);
    let mut parts = masked.metadata();
    let recirc = u32::try_from(key.0[word::IN_PORT] & 0xffff_ffff).unwrap_or_default();
    parts.push(if recirc == 0 { "recirc_id(0)".to_owned() } else { format!("recirc_id({recirc:#x})") });
    parts.push(format!("in_port({port})"));
    let packet_type = masked.of(FieldId::PacketType).value;
    parts.push(
        format!("packet_type(ns={},id={:#x})", packet_type >> 16, packet_type & 0xffff).replace("0x0)", "0)"),
    );
    parts.extend(masked.headers());
    parts.join(",")
}

/// A key with its mask, field by field.
pub(super) struct Shown {
    key: FlowKey,
    mask: FlowMask,
    /// Bits whose values are known besides: a field that the mask has in part is then shown whole.
    known: FlowMask,
    is_whole: bool,
}

impl Shown {
    pub(super) fn new(key: &[u64], mask: &[u64], is_whole: bool) -> Self {
        let mut shown =
            Self { key: FlowKey::default(), mask: FlowMask::default(), known: FlowMask::default(), is_whole };
        for (to, from) in shown.key.0.iter_mut().zip(key) {
            *to = *from;
        }
        for (to, from) in shown.mask.0.iter_mut().zip(mask) {
            *to = *from;
        }
        shown
    }

    fn of(&self, id: FieldId) -> Masked {
        let field = id.field();
        let read = |words: &[u64; FLOW_WORDS]| field.read(&FlowKey(*words));
        let masked = Masked { value: read(&self.key.0), mask: read(&self.mask.0), width: field.width.into() };
        let whole = Masked { mask: masked.mask | read(&self.known.0), ..masked };
        if masked.mask != 0 && whole.is_exact() { whole } else { masked }
    }

    /// The same, where more is known of the key than the mask says.
    pub(super) const fn knowing(mut self, known: FlowMask) -> Self {
        self.known = known;
        self
    }

    const fn attribute(&self, name: &'static str) -> Attribute {
        Attribute::new(name, self.is_whole)
    }

    /// Whether an attribute of one field is shown.
    const fn shows(&self, masked: Masked) -> bool {
        masked.mask != 0 || self.is_whole
    }

    /// What is known besides the packet's bytes.
    pub(super) fn metadata(&self) -> Vec<String> {
        let mut parts: Vec<String> = self.tunnel().into_iter().collect();
        for (name, id, style) in [
            ("skb_mark", FieldId::PktMark, Style::Hexadecimal),
            ("ct_state", FieldId::CtState, Style::Hexadecimal),
            ("ct_zone", FieldId::CtZone, Style::Hexadecimal),
            ("ct_mark", FieldId::CtMark, Style::Hexadecimal),
            ("ct_label", FieldId::CtLabel, Style::Hexadecimal),
        ] {
            let masked = self.of(id);
            if !self.shows(masked) {
                continue;
            }
            parts.push(match id {
                FieldId::CtState if !self.is_whole => format!("{name}({})", flags(masked, &CT_STATES)),
                _ => single(name, masked, style),
            });
        }
        parts.extend(self.original_tuple());
        parts
    }

    fn tunnel(&self) -> Option<String> {
        let bits =
            |words: &[u64]| words.iter().take(word::PKT_MARK).skip(word::TUN_ID).any(|word| *word != 0);
        // A packet that came by none has no such attribute, although translations look at it.
        if !bits(&self.key.0) || !bits(&self.mask.0) {
            return None;
        }
        let mut tunnel = self.attribute("tunnel");
        tunnel.field("tun_id", self.of(FieldId::TunId), Style::Hexadecimal);
        if self.is_mapped(word::TUN_DST) {
            tunnel.field("src", self.of(FieldId::TunSrc), Style::V4);
            tunnel.field("dst", self.of(FieldId::TunDst), Style::V4);
        } else {
            tunnel.field("ipv6_src", self.of(FieldId::TunIpv6Src), Style::V6);
            tunnel.field("ipv6_dst", self.of(FieldId::TunIpv6Dst), Style::V6);
        }
        tunnel.field("tos", self.of(FieldId::TunTos), Style::Hexadecimal);
        tunnel.field("ttl", self.of(FieldId::TunTtl), Style::Decimal);
        tunnel.text()
    }

    /// Whether the address at these words is one of IPv4, or none.
    fn is_mapped(&self, at: usize) -> bool {
        let [high, low] = [at, at + 1].map(|at| self.key.0.get(at).copied().unwrap_or_default());
        high == 0 && matches!(low >> 32, 0 | 0xffff)
    }

    fn original_tuple(&self) -> Option<String> {
        let ids =
            [FieldId::CtNwProto, FieldId::CtTpSrc, FieldId::CtTpDst, FieldId::CtIpv6Src, FieldId::CtIpv6Dst];
        if ids.iter().all(|id| self.of(*id).mask == 0) {
            return None;
        }
        let is_v4 = self.is_mapped(word::CT_SRC);
        let mut tuple = self.attribute(if is_v4 { "ct_tuple4" } else { "ct_tuple6" });
        if is_v4 {
            tuple.field("src", self.of(FieldId::CtNwSrc), Style::V4);
            tuple.field("dst", self.of(FieldId::CtNwDst), Style::V4);
        } else {
            tuple.field("src", self.of(FieldId::CtIpv6Src), Style::V6);
            tuple.field("dst", self.of(FieldId::CtIpv6Dst), Style::V6);
        }
        tuple.field("proto", self.of(FieldId::CtNwProto), Style::Decimal);
        tuple.field("tp_src", self.of(FieldId::CtTpSrc), Style::Decimal);
        tuple.field("tp_dst", self.of(FieldId::CtTpDst), Style::Decimal);
        tuple.text()
    }

    /// What the packet's headers say.
    pub(super) fn headers(&self) -> Vec<String> {
        let mut parts: Vec<String> = self.ethernet().into_iter().collect();
        let tags = self.tags();
        let mut inner = Vec::new();
        let eth_type = self.of(FieldId::EthType);
        if self.shows(eth_type) {
            inner.push(format!("eth_type({:#06x})", eth_type.value));
        }
        inner.extend(self.layer3(eth_type.value));
        if tags.is_empty() {
            parts.extend(inner);
            return parts;
        }
        // Each tag holds what follows it.
        let mut text = inner.join(",");
        for tag in tags.iter().rev() {
            text = format!("{tag},encap({text})");
        }
        parts.push(text);
        parts
    }

    pub(super) fn ethernet(&self) -> Option<String> {
        let mut ethernet = self.attribute("eth");
        ethernet.field("src", self.of(FieldId::EthSrc), Style::Mac);
        ethernet.field("dst", self.of(FieldId::EthDst), Style::Mac).text()
    }

    /// The tags that are there, the outer one first.
    fn tags(&self) -> Vec<String> {
        let (key, mask) = (&self.key.0, &self.mask.0);
        let outer = (key[word::VLAN] >> 48, key[word::ETH_SRC] & 0xffff, mask[word::ETH_SRC] & 0xffff);
        let inner =
            (key[word::VLAN] >> 32 & 0xffff, key[word::VLAN] >> 16 & 0xffff, mask[word::VLAN] >> 16 & 0xffff);
        let tag = |(tpid, tci, mask): (u64, u64, u64)| {
            (tci & 0x1000 != 0 && mask & 0x1000 != 0).then(|| tag(tpid, tci, mask, self.is_whole))
        };
        [outer, inner].into_iter().filter_map(tag).collect()
    }

    /// What stands behind an Ethernet type.
    pub(super) fn layer3(&self, eth_type: u128) -> Vec<String> {
        match eth_type {
            0x0800 => self.ip(&["ipv4", "tos", "ttl"], [FieldId::Ipv4Src, FieldId::Ipv4Dst], Style::V4),
            0x86dd => self.ip(&["ipv6", "tclass", "hlimit"], [FieldId::Ipv6Src, FieldId::Ipv6Dst], Style::V6),
            0x0806 | 0x8035 => self.arp().into_iter().collect(),
            0x8847 | 0x8848 => self.mpls().into_iter().collect(),
            0x894f => self.nsh().into_iter().collect(),
            0x88e7 => {
                let mut tag = self.attribute("pbb");
                tag.field("isid", self.of(FieldId::PbbIsid), Style::Hexadecimal).text().into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn ip(&self, names: &[&'static str; 3], ends: [FieldId; 2], style: Style) -> Vec<String> {
        let [name, tos, ttl] = *names;
        let mut ip = self.attribute(name);
        let [src, dst] = ends.map(|end| self.of(end));
        ip.field("src", src, style).field("dst", dst, style);
        if style == Style::V6 {
            ip.field("label", self.of(FieldId::Ipv6Label), Style::Hexadecimal);
        }
        let proto = self.of(FieldId::NwProto);
        ip.field("proto", proto, Style::Decimal);
        ip.field(tos, self.of(FieldId::NwTos), Style::Hexadecimal);
        ip.field(ttl, self.of(FieldId::NwTtl), Style::Decimal);
        let frag = self.of(FieldId::NwFrag);
        ip.word(
            "frag",
            frag,
            match frag.value {
                0 => "no",
                1 => "first",
                _ => "later",
            },
        );
        let mut parts: Vec<String> = ip.text().into_iter().collect();
        parts.extend(self.layer4(proto.value));
        parts
    }

    /// What stands behind an IP header.
    pub(super) fn layer4(&self, proto: u128) -> Vec<String> {
        let ports = |name, ids: [FieldId; 2], names: [&str; 2]| {
            let mut ports = self.attribute(name);
            for (id, name) in ids.into_iter().zip(names) {
                ports.field(name, self.of(id), Style::Decimal);
            }
            ports.text()
        };
        let ends = ["src", "dst"];
        let mut parts: Vec<String> = match proto {
            6 => ports("tcp", [FieldId::TcpSrc, FieldId::TcpDst], ends),
            17 => ports("udp", [FieldId::UdpSrc, FieldId::UdpDst], ends),
            132 => ports("sctp", [FieldId::SctpSrc, FieldId::SctpDst], ends),
            1 => ports("icmp", [FieldId::IcmpType, FieldId::IcmpCode], ["type", "code"]),
            58 => ports("icmpv6", [FieldId::Icmpv6Type, FieldId::Icmpv6Code], ["type", "code"]),
            _ => None,
        }
        .into_iter()
        .collect();
        let seen = self.of(FieldId::TcpFlags);
        if proto == 6 && self.shows(seen) {
            parts.push(format!("tcp_flags({})", flags(seen, &TCP_FLAGS)));
        }
        if proto == 58 && matches!(self.of(FieldId::Icmpv6Type).value, 135 | 136) {
            parts.extend(self.neighbour());
        }
        parts
    }

    fn neighbour(&self) -> Option<String> {
        let mut neighbour = self.attribute("nd");
        neighbour.field("target", self.of(FieldId::NdTarget), Style::V6);
        neighbour.field("sll", self.of(FieldId::NdSll), Style::Mac);
        neighbour.field("tll", self.of(FieldId::NdTll), Style::Mac).text()
    }

    fn arp(&self) -> Option<String> {
        let mut arp = self.attribute("arp");
        arp.field("sip", self.of(FieldId::ArpSpa), Style::V4);
        arp.field("tip", self.of(FieldId::ArpTpa), Style::V4);
        // One byte of the operation is known.
        arp.field("op", self.of(FieldId::NwProto), Style::Decimal);
        arp.field("sha", self.of(FieldId::ArpSha), Style::Mac);
        arp.field("tha", self.of(FieldId::ArpTha), Style::Mac).text()
    }

    fn mpls(&self) -> Option<String> {
        let mut mpls = self.attribute("mpls");
        mpls.field("label", self.of(FieldId::MplsLabel), Style::Decimal);
        mpls.field("tc", self.of(FieldId::MplsTc), Style::Decimal);
        mpls.field("ttl", self.of(FieldId::MplsTtl), Style::Decimal);
        mpls.field("bos", self.of(FieldId::MplsBos), Style::Decimal).text()
    }

    fn nsh(&self) -> Option<String> {
        let mut nsh = self.attribute("nsh");
        for (name, id, style) in [
            ("flags", FieldId::NshFlags, Style::Decimal),
            ("ttl", FieldId::NshTtl, Style::Decimal),
            ("mdtype", FieldId::NshMdtype, Style::Decimal),
            ("np", FieldId::NshNp, Style::Decimal),
            ("spi", FieldId::NshSpi, Style::Hexadecimal),
            ("si", FieldId::NshSi, Style::Decimal),
            ("c1", FieldId::NshC1, Style::Hexadecimal),
            ("c2", FieldId::NshC2, Style::Hexadecimal),
            ("c3", FieldId::NshC3, Style::Hexadecimal),
            ("c4", FieldId::NshC4, Style::Hexadecimal),
        ] {
            nsh.field(name, self.of(id), style);
        }
        nsh.text()
    }
}

/// `eth_type(0x8100),vlan(vid=5,pcp=0)`
fn tag(tpid: u64, tci: u64, mask: u64, is_whole: bool) -> String {
    let masked = |value: u64, mask: u64, width| Masked { value: value.into(), mask: mask.into(), width };
    let mut vlan = Attribute::new("vlan", is_whole);
    vlan.field("vid", masked(tci & 0xfff, mask & 0xfff, 12), Style::Decimal);
    vlan.field("pcp", masked(tci >> 13, mask >> 13, 3), Style::Decimal);
    let vlan = vlan.text().unwrap_or_else(|| "vlan()".to_owned());
    format!("eth_type({tpid:#06x}),{vlan}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{no_names, parse_filter};

    /// The key and mask of a match.
    fn shown(text: &str, is_whole: bool) -> String {
        let found = parse_filter(text, &no_names).unwrap().matches;
        let (mut packet, mut mask) = (PacketKey::default(), PacketMask::default());
        for (at, word) in packet.0.iter_mut().enumerate() {
            *word = found.key().0[at];
            mask.0[at] = found.mask().0[at];
        }
        key(&packet, &mask, "2", is_whole)
    }

    const FRONT: &str = "recirc_id(0),in_port(2),packet_type(ns=0,id=0)";

    #[test]
    fn what_matters_is_shown_in_the_syntax_of_dpctl() {
        for (flow, rest) in [
            ("dl_src=02:00:00:00:00:01", "eth(src=02:00:00:00:00:01)"),
            ("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", "eth(dst=01:00:00:00:00:00/01:00:00:00:00:00)"),
            ("ip,nw_dst=10.1.0.0/16", "eth_type(0x0800),ipv4(dst=10.1.0.0/255.255.0.0)"),
            ("tcp,tp_dst=80,nw_frag=no", "eth_type(0x0800),ipv4(proto=6,frag=no),tcp(dst=80)"),
            ("udp,tp_src=0x1000/0xf000", "eth_type(0x0800),ipv4(proto=17),udp(src=4096/0xf000)"),
            ("tcp,tcp_flags=+syn-ack", "eth_type(0x0800),ipv4(proto=6),tcp_flags(+syn-ack)"),
            ("icmp,icmp_type=8", "eth_type(0x0800),ipv4(proto=1),icmp(type=8)"),
            ("arp,arp_op=1,arp_tpa=10.0.0.1", "eth_type(0x0806),arp(tip=10.0.0.1,op=1)"),
            (
                "icmp6,icmp_type=135,icmp_code=0,nd_target=fd00::1",
                "eth_type(0x86dd),ipv6(proto=58),icmpv6(type=135,code=0),nd(target=fd00::1)",
            ),
            ("mpls,mpls_label=7,mpls_bos=1", "eth_type(0x8847),mpls(label=7,bos=1)"),
        ] {
            assert_eq!(shown(flow, false), format!("{FRONT},{rest}"), "{flow}");
        }
        assert_eq!(
            shown("ct_state=+trk+new-est,ct_zone=3,ip", false),
            format!("ct_state(+new-est+trk),ct_zone(0x3),{FRONT},eth_type(0x0800)")
        );
        assert_eq!(
            shown("tun_id=5,tun_src=10.0.0.1,tun_dst=10.0.0.2", false),
            format!("tunnel(tun_id=0x5,src=10.0.0.1,dst=10.0.0.2),{FRONT}")
        );
    }

    #[test]
    fn tags_hold_what_follows_them() {
        let (mut packet, mut mask) = (PacketKey::default(), PacketMask::default());
        packet.0[word::ETH_SRC] = 0x3005;
        packet.0[word::VLAN] = 0x88a8_0000_0000_0000 | 0x8100_0000_0000 | 0x1007_0000;
        packet.0[word::ETH_DST] = 0x0800;
        (mask.0[word::ETH_SRC], mask.0[word::VLAN], mask.0[word::ETH_DST]) = (0xffff, u64::MAX, 0xffff);
        assert_eq!(
            key(&packet, &mask, "br0", false),
            "recirc_id(0),in_port(br0),packet_type(ns=0,id=0),eth_type(0x88a8),vlan(vid=5,pcp=1),\
             encap(eth_type(0x8100),vlan(vid=7,pcp=0),encap(eth_type(0x0800)))"
        );
    }

    #[test]
    fn everything_is_shown_when_it_is_asked_for() {
        let text = shown("udp,tp_dst=53", true);
        assert_eq!(
            text,
            "skb_mark(0/0),ct_state(0/0),ct_zone(0/0),ct_mark(0/0),ct_label(0/0),recirc_id(0),in_port(2),\
             packet_type(ns=0,id=0),eth(src=00:00:00:00:00:00/00:00:00:00:00:00,\
             dst=00:00:00:00:00:00/00:00:00:00:00:00),eth_type(0x0800),ipv4(src=0.0.0.0/0.0.0.0,\
             dst=0.0.0.0/0.0.0.0,proto=17,tos=0/0,ttl=0/0,frag=no),udp(src=0/0,dst=53)"
        );
    }
}
