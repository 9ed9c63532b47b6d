//! From a frame and its headers to a [`PacketKey`]: the hot step before every lookup.
//!
//! What is read, and what counts as there, follows OVS (`miniflow_extract`), so that the same flows match. A
//! header that is not there leaves zeros.

use netloom_packet::bytes::{array, be16, be32};
use netloom_packet::ethernet::eth_type;
use netloom_packet::nsh::{self, Nsh};
use netloom_packet::parse::{Headers, ip_proto};

use crate::{PacketKey, PortId, RecircId, TenantId, extension, word};

/// What is known of a packet besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PacketMeta {
    /// The port it came in by.
    pub in_port: PortId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// What it was recirculated under.
    pub recirc: RecircId,
    /// Its mark.
    pub pkt_mark: u32,
}

/// The Ethernet type of backbone headers.
const PBB: u16 = 0x88e7;

/// The most options of a neighbour discovery message that are read. A longer list has no addresses for us.
const ND_OPTIONS: usize = 32;

/// Reads the key of a frame whose headers are known.
#[inline]
#[must_use]
pub fn extract(frame: &[u8], headers: &Headers, meta: &PacketMeta) -> PacketKey {
    let mut key = PacketKey::default();
    extract_into(&mut key, frame, headers, meta);
    key
}

/// As [`extract`], into a key of zeros where it is to be: on the hot path, returning one would copy it.
#[inline]
pub fn extract_into(key: &mut PacketKey, frame: &[u8], headers: &Headers, meta: &PacketMeta) {
    let words = &mut key.0;
    words[word::IN_PORT] = u64::from(meta.in_port.0) << 32 | u64::from(meta.recirc.0);
    words[word::TENANT] = u64::from(meta.tenant.0) << 48;
    words[word::PKT_MARK] = u64::from(meta.pkt_mark) << 32;
    let Some(ethernet) = array::<12>(frame, 0) else { return };
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *ethernet;
    let [t0, t1] = headers.eth_type.to_be_bytes();
    words[word::ETH_DST] = u64::from_be_bytes([d0, d1, d2, d3, d4, d5, t0, t1]);
    words[word::ETH_SRC] = u64::from_be_bytes([s0, s1, s2, s3, s4, s5, 0, 0]);
    if headers.vlans > 0 {
        vlans(frame, headers, words);
    }
    match headers.eth_type {
        eth_type::IPV4 if headers.l3 > 0 => ipv4(frame, headers, words),
        eth_type::IPV6 if headers.l3 > 0 => ipv6(frame, headers, words),
        eth_type::ARP | eth_type::RARP if headers.l3 > 0 => arp(frame, headers, words),
        eth_type::MPLS | eth_type::MPLS_MCAST => mpls(frame, headers, words),
        nsh::TYPE => service(frame, headers, words),
        PBB => pbb(frame, headers, words),
        _ => {}
    }
}

type Words = [u64; word::PACKET_WORDS];

fn vlans(frame: &[u8], headers: &Headers, words: &mut Words) {
    const PRESENT: u64 = 0x1000;
    let read = |at: usize| be16(frame, at).map_or(0, u64::from);
    words[word::ETH_SRC] |= read(14) | PRESENT;
    words[word::VLAN] = read(12) << 48;
    if headers.vlans > 1 {
        words[word::VLAN] |= read(16) << 32 | (read(18) | PRESENT) << 16;
    }
}

#[inline]
fn ipv4(frame: &[u8], headers: &Headers, words: &mut Words) {
    let Some(ip) = array::<20>(frame, usize::from(headers.l3)) else { return };
    let [_, tos, _, _, _, _, _, _, ttl, proto, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = *ip;
    words[word::IPV4] = u64::from_be_bytes([s0, s1, s2, s3, d0, d1, d2, d3]);
    words[word::IP] = u64::from_be_bytes([proto, tos, ttl, headers.frag, 0, 0, 0, 0]);
    if headers.l4 > 0 {
        transport(frame, headers, words);
    }
}

#[inline]
fn ipv6(frame: &[u8], headers: &Headers, words: &mut Words) {
    let at = usize::from(headers.l3);
    let Some(ip) = array::<8>(frame, at) else { return };
    let [first, second, label1, label0, _, _, next, ttl] = *ip;
    let tos = first << 4 | second >> 4;
    words[word::IP] =
        u64::from_be_bytes([headers.ip_proto, tos, ttl, headers.frag, 0, second & 0x0f, label1, label0]);
    for (i, word) in words.iter_mut().skip(word::IPV6_SRC).take(4).enumerate() {
        *word = be64(frame, at + 8 + 8 * i);
    }
    if extension::bit(next).is_some() {
        words[word::IP] |= u64::from(extension::headers(frame, headers)) << 20;
    }
    if headers.l4 > 0 {
        transport(frame, headers, words);
    }
}

#[inline]
fn transport(frame: &[u8], headers: &Headers, words: &mut Words) {
    let at = usize::from(headers.l4);
    let Some([a, b, c, d]) = array::<4>(frame, at) else { return };
    words[word::L4] = match headers.ip_proto {
        ip_proto::TCP => {
            let flags = be16(frame, at + 12).unwrap_or(0) & 0x0fff;
            u64::from_be_bytes([*a, *b, *c, *d, 0, 0, 0, 0]) | u64::from(flags) << 16
        }
        ip_proto::UDP | ip_proto::SCTP => u64::from_be_bytes([*a, *b, *c, *d, 0, 0, 0, 0]),
        // Type and code, each in the low byte of a port.
        _ => u64::from_be_bytes([0, *a, 0, *b, 0, 0, 0, 0]),
    };
    if headers.ip_proto == ip_proto::ICMPV6 && matches!((*a, *b), (135 | 136, 0)) {
        neighbour(frame, headers, words);
    }
}

/// Target and link-layer addresses of a neighbour solicitation or advertisement, its reserved word and the type of its
/// first link-layer option; nothing if it is malformed.
///
/// Source: RFC 4861 §4.3, §4.4, §4.6.1; `parse_icmpv6` of OVS.
fn neighbour(frame: &[u8], headers: &Headers, words: &mut Words) {
    let at = usize::from(headers.l4);
    let end = usize::try_from(headers.end).unwrap_or(usize::MAX);
    let Some(packet) = frame.get(..end) else { return };
    if packet.len() < at + 24 {
        return;
    }
    let (mut addresses, mut first_kind) = ([0_u64; 2], 0);
    let mut at = at + 24;
    for _ in 0..ND_OPTIONS {
        let Some([kind, length, a, b, c, d, e, f]) = array::<8>(packet, at) else { break };
        let size = usize::from(*length) * 8;
        if size == 0 || at + size > packet.len() {
            return;
        }
        if let (1 | 2, 1) = (kind, length) {
            let address = &mut addresses[usize::from(kind - 1)];
            if *address != 0 {
                return; // given twice: believe neither
            }
            *address = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, 0, 0]);
            first_kind = if first_kind == 0 { *kind } else { first_kind };
        }
        at += size;
    }
    if array::<8>(packet, at).is_some() {
        return; // more options than we read
    }
    let target = usize::from(headers.l4) + 8;
    words[word::ND_TARGET] = be64(packet, target);
    words[word::ND_TARGET + 1] = be64(packet, target + 8);
    [words[word::ARP_SHA], words[word::ARP_THA]] = addresses;
    words[word::ARP_SHA] |= u64::from(first_kind);
    words[word::L4] |= be32(packet, usize::from(headers.l4) + 4).map_or(0, u64::from);
}

fn arp(frame: &[u8], headers: &Headers, words: &mut Words) {
    let Some(arp) = array::<28>(frame, usize::from(headers.l3)) else { return };
    let field = |at: usize| {
        array::<6>(arp, at).map_or(0, |[a, b, c, d, e, f]| u64::from_be_bytes([*a, *b, *c, *d, *e, *f, 0, 0]))
    };
    let address = |at: usize| be32(arp, at).map_or(0, u64::from);
    // Only operations of one byte are told apart, as in OVS.
    if arp[6] == 0 {
        words[word::IP] = u64::from(arp[7]) << 56;
    }
    words[word::IPV4] = address(14) << 32 | address(24);
    words[word::ARP_SHA] = field(8);
    words[word::ARP_THA] = field(18);
}

fn mpls(frame: &[u8], headers: &Headers, words: &mut Words) {
    let label = |n: u8| {
        let at = usize::from(headers.l2_len) + 4 * usize::from(n);
        if n < headers.mpls { be32(frame, at).map_or(0, u64::from) } else { 0 }
    };
    words[word::MPLS] = label(0) << 32 | label(1);
    words[word::MPLS + 1] = label(2) << 32;
}

/// The base header of NSH, and the contexts of metadata of type 1.
fn service(frame: &[u8], headers: &Headers, words: &mut Words) {
    let Some(nsh) = Nsh::of(frame, headers) else { return };
    let [_, s0, s1, s2] = nsh.path.to_be_bytes();
    words[word::NSH] = u64::from_be_bytes([nsh.flags, nsh.ttl, nsh.md_type, nsh.next, s0, s1, s2, nsh.index]);
    let [a, b, c, d] = nsh.contexts.map(u64::from);
    words[word::NSH_CONTEXT] = a << 32 | b;
    words[word::NSH_CONTEXT + 1] = c << 32 | d;
}

/// The tag of the service instance.
///
/// 4 bytes, big-endian: priority u3, drop eligible u1, use customer addresses u1, reserved u3, I-SID u24.
///
/// Source: IEEE 802.1Q-2018 §9.7.
fn pbb(frame: &[u8], headers: &Headers, words: &mut Words) {
    let tag = be32(frame, usize::from(headers.l2_len)).map_or(0, u64::from);
    words[word::PBB] = (tag >> 27 & 1) << 24 | (tag & 0x00ff_ffff);
}

#[inline]
fn be64(bytes: &[u8], at: usize) -> u64 {
    array(bytes, at).map_or(0, |b| u64::from_be_bytes(*b))
}

#[cfg(test)]
mod tests {
    use netloom_packet::parse;

    use super::*;
    use crate::{FLOW_WORDS, FieldId, FlowKey};

    const META: PacketMeta =
        PacketMeta { in_port: PortId(7), tenant: TenantId(3), recirc: RecircId(9), pkt_mark: 0x55 };

    /// The key of hexadecimal bytes, as a pipeline key so that fields can be read from it.
    fn key(hex: &str) -> FlowKey {
        let frame = bytes(hex);
        let headers = parse::parse(&frame).unwrap();
        let mut words = [0; FLOW_WORDS];
        words[..word::PACKET_WORDS].copy_from_slice(&extract(&frame, &headers, &META).0);
        FlowKey(words)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|d| u8::try_from(d[0] << 4 | d[1]).unwrap()).collect()
    }

    #[track_caller]
    fn expect(key: &FlowKey, fields: &[(FieldId, u128)]) {
        for (id, value) in fields {
            assert_eq!(id.field().read(key), *value, "{id:?}: {:#x}", id.field().read(key));
        }
    }

    const ETH: &str = "020000000002 020000000001";
    const TCP4: &str = "0800 4510 0028 0000 4000 4006 0000 0a000001 0a000002
        3039 0050 00000001 00000000 5012 ffff 0000 0000";

    #[test]
    fn tcp_over_ipv4() {
        let key = key(&format!("{ETH} {TCP4}"));
        expect(
            &key,
            &[
                (FieldId::EthDst, 0x0200_0000_0002),
                (FieldId::EthSrc, 0x0200_0000_0001),
                (FieldId::EthType, 0x0800),
                (FieldId::VlanTci, 0),
                (FieldId::Ipv4Src, 0x0a00_0001),
                (FieldId::Ipv4Dst, 0x0a00_0002),
                (FieldId::NwProto, 6),
                (FieldId::NwTos, 0x10),
                (FieldId::IpDscp, 4),
                (FieldId::NwTtl, 64),
                (FieldId::TcpSrc, 12345),
                (FieldId::TcpDst, 80),
                (FieldId::TcpFlags, 0x012),
                (FieldId::PktMark, 0x55),
                (FieldId::RecircId, 9),
                (FieldId::InPortOxm, 7),
            ],
        );
        assert_eq!(key.0[word::TENANT] >> 48, 3);
    }

    #[test]
    fn two_vlan_tags() {
        let key = key(&format!("{ETH} 88a8 6064 8100 0005 {TCP4}"));
        expect(&key, &[(FieldId::DlVlan, 100), (FieldId::VlanTci, 0x7064), (FieldId::DlVlanPcp, 3)]);
        expect(&key, &[(FieldId::EthType, 0x0800), (FieldId::TcpDst, 80)]);
        assert_eq!(key.0[word::VLAN], 0x88a8_8100_1005_0000);
    }

    #[test]
    fn fragments_have_ports_only_if_they_are_first() {
        let first = key(&format!("{ETH} {}", TCP4.replace("4000 4006", "2000 4006")));
        expect(&first, &[(FieldId::NwFrag, 1), (FieldId::TcpDst, 80)]);
        let later = key(&format!("{ETH} {}", TCP4.replace("4000 4006", "0001 4006")));
        expect(&later, &[(FieldId::NwFrag, 3), (FieldId::TcpDst, 0), (FieldId::NwProto, 6)]);
    }

    #[test]
    fn arp_request() {
        let key =
            key(&format!("{ETH} 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002"));
        expect(
            &key,
            &[
                (FieldId::ArpOp, 1),
                (FieldId::ArpSpa, 0x0a00_0001),
                (FieldId::ArpTpa, 0x0a00_0002),
                (FieldId::ArpSha, 0x0200_0000_0001),
                (FieldId::ArpTha, 0),
            ],
        );
    }

    const NS: &str =
        "86dd 6c012345 0020 3a ff fe800000000000000000000000000001 ff0200000000000000000001ff000002
        87 00 0000 00000000 fe800000000000000000000000000002 ";

    #[test]
    fn neighbour_solicitation() {
        let key = key(&format!("{ETH} {NS} 01 01 020000000001"));
        expect(
            &key,
            &[
                (FieldId::NwProto, 58),
                (FieldId::NwTos, 0xc0),
                (FieldId::Ipv6Label, 0x12345),
                (FieldId::NwTtl, 255),
                (FieldId::Ipv6Src, 0xfe80_0000_0000_0000_0000_0000_0000_0001),
                (FieldId::Ipv6Dst, 0xff02_0000_0000_0000_0000_0001_ff00_0002),
                (FieldId::Icmpv6Type, 135),
                (FieldId::NdTarget, 0xfe80_0000_0000_0000_0000_0000_0000_0002),
                (FieldId::NdSll, 0x0200_0000_0001),
                (FieldId::NdTll, 0),
                (FieldId::NdReserved, 0),
                (FieldId::NdOptionsType, 1),
            ],
        );
        let flags = NS.replace("87 00 0000 00000000", "88 00 0000 60000000");
        let advertisement = self::key(&format!("{ETH} {flags} 02 01 020000000003"));
        expect(&advertisement, &[(FieldId::NdReserved, 0x6000_0000), (FieldId::NdOptionsType, 2)]);
        expect(
            &advertisement,
            &[(FieldId::NdTll, 0x0200_0000_0003), (FieldId::TcpFlags, 0x6000_0000 >> 16 & 0xfff)],
        );
        // An option of length 0 makes the whole message unreadable.
        let bad = self::key(&format!("{ETH} {NS} 01 00 020000000001"));
        expect(&bad, &[(FieldId::Icmpv6Type, 135), (FieldId::NdTarget, 0), (FieldId::NdSll, 0)]);
    }

    #[test]
    fn icmp_type_and_code() {
        let key =
            key(&format!("{ETH} 0800 4500 001c 0000 0000 4001 0000 0a000001 0a000002 0301 0000 00000000"));
        expect(&key, &[(FieldId::IcmpType, 3), (FieldId::IcmpCode, 1), (FieldId::TcpFlags, 0)]);
    }

    #[test]
    fn three_labels() {
        let key = key(&format!("{ETH} 8847 00064a40 000c8040 00012d3f"));
        expect(
            &key,
            &[(FieldId::MplsLabel, 100), (FieldId::MplsTc, 5), (FieldId::MplsBos, 0), (FieldId::MplsTtl, 64)],
        );
        assert_eq!(key.0[word::MPLS + 1], 0x0001_2d3f_0000_0000);
    }

    const NSH1: &str = "894f 2fc6 01 03 000102 fe 00000001 00000002 00000003 00000004";
    const PBB1: &str = "88e7 08abcdef 020000000004 020000000003 0800";

    #[test]
    fn network_service_header() {
        let nsh = key(&format!("{ETH} {NSH1}"));
        expect(
            &nsh,
            &[
                (FieldId::NshFlags, 2),
                (FieldId::NshTtl, 63),
                (FieldId::NshMdtype, 1),
                (FieldId::NshNp, 3),
                (FieldId::NshSpi, 0x102),
                (FieldId::NshSi, 0xfe),
                (FieldId::NshC1, 1),
                (FieldId::NshC2, 2),
                (FieldId::NshC3, 3),
                (FieldId::NshC4, 4),
            ],
        );
        let lies = key(&format!("{ETH} {}", NSH1.replace("2fc6", "2fc7")));
        expect(&lies, &[(FieldId::NshTtl, 0), (FieldId::NshC4, 0)]);
        let variable = key(&format!("{ETH} {}", NSH1.replace("c6 01", "c6 02")));
        expect(&variable, &[(FieldId::NshMdtype, 2), (FieldId::NshC1, 0)]);
    }

    #[test]
    fn service_instance_of_a_backbone() {
        let pbb = key(&format!("{ETH} {PBB1}"));
        expect(&pbb, &[(FieldId::PbbIsid, 0xab_cdef), (FieldId::PbbUca, 1), (FieldId::Ipv4Src, 0)]);
    }

    #[test]
    fn every_truncation_is_survived() {
        for hex in [
            format!("{ETH} 8100 0005 {TCP4}"),
            format!("{ETH} {NS} 01 01 020000000001"),
            format!("{ETH} {NSH1}"),
            format!("{ETH} {PBB1}"),
        ] {
            let frame = bytes(&hex);
            let whole = parse::parse(&frame).unwrap();
            for len in 0..frame.len() {
                // Even with headers that promise more than there is.
                let _ = extract(&frame[..len], &whole, &META);
                if let Ok(headers) = parse::parse(&frame[..len]) {
                    let key = extract(&frame[..len], &headers, &META);
                    assert_eq!(key.0[word::ETH_SRC] >> 16, 0x0200_0000_0001);
                }
            }
        }
    }
}
