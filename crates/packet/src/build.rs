//! Writing whole packets: values in, bytes out, lengths and checksums right.
//!
//! ```
//! use netloom_packet::build::{Frame, Ip};
//! use netloom_packet::Mac;
//!
//! let ip = Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).udp(4000, 53, b"question");
//! let frame = Frame::ip(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), ip).vlan(100);
//! let mut buffer = [0; 128];
//! assert_eq!(frame.emit(&mut buffer), Some(18 + 20 + 8 + 8));
//! ```
//!
//! It writes no IP options, extension headers or fragments, and no padding to 60 bytes: tests that need those
//! write bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bytes::{put, put16, put32};
use crate::checksum::{Sum, pseudo_v4, pseudo_v6};
use crate::ethernet::eth_type;
use crate::parse::ip_proto;
use crate::vlan::Tag;
use crate::{Csum, Mac, Offload, arp, icmp, ipv4, ipv6, nd, sctp, tcp, udp};

/// Most tags a [`Frame`] takes.
const TAGS: usize = 3;

/// An Ethernet frame to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Source.
    pub src: Mac,
    /// Destination.
    pub dst: Mac,
    tags: [Option<Tag>; TAGS],
    /// What is in it.
    pub body: Body<'a>,
}

/// What is in a [`Frame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// ARP for IPv4.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip<'a>),
    /// Anything.
    Raw {
        /// Ethernet type, or 802.3 length.
        eth_type: u16,
        /// Its payload.
        bytes: &'a [u8],
    },
}

/// An ARP packet to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// [`arp::REQUEST`] or [`arp::REPLY`].
    pub op: u16,
    /// Sender's Ethernet address.
    pub sha: Mac,
    /// Sender's IPv4 address.
    pub spa: Ipv4Addr,
    /// Target's Ethernet address.
    pub tha: Mac,
    /// Target's IPv4 address.
    pub tpa: Ipv4Addr,
}

/// Source and destination, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// IPv4.
    V4(Ipv4Addr, Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr, Ipv6Addr),
}

/// An IPv4 or IPv6 packet to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip<'a> {
    /// Addresses.
    pub ends: Ends,
    /// TTL or hop limit.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// IPv4's identification.
    pub id: u16,
    /// IPv4's flags and fragment offset; [`ipv4::DF`] unless changed.
    pub fragment: u16,
    /// IPv6's flow label.
    pub label: u32,
    /// What is in it.
    pub l4: L4<'a>,
}

/// What is in an [`Ip`] packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L4<'a> {
    /// Anything.
    Raw {
        /// IP protocol.
        proto: u8,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Echo request or reply, of ICMP or ICMPv6 as the addresses are.
    Echo {
        /// A reply, not a request.
        reply: bool,
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
        /// Data to be sent back.
        data: &'a [u8],
    },
    /// Neighbour solicitation, over IPv6.
    Solicit {
        /// The address asked for.
        target: Ipv6Addr,
        /// Source link-layer address; none in duplicate address detection.
        sll: Option<Mac>,
    },
    /// Neighbour advertisement, over IPv6.
    Advert {
        /// The address answered for.
        target: Ipv6Addr,
        /// Target link-layer address.
        tll: Option<Mac>,
        /// Router 0x80, solicited 0x40, override 0x20.
        flags: u8,
    },
    /// TCP.
    Tcp(Tcp<'a>),
    /// UDP.
    Udp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
        /// Payload.
        data: &'a [u8],
    },
    /// SCTP.
    Sctp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
        /// Verification tag.
        tag: u32,
        /// Chunks.
        data: &'a [u8],
    },
}

/// A TCP segment to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tcp<'a> {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Bits of [`tcp::flag`].
    pub flags: u16,
    /// Receive window.
    pub window: u16,
    /// Options: at most 40 bytes, a multiple of 4.
    pub options: &'a [u8],
    /// Payload.
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame around `body`, untagged.
    #[must_use]
    pub const fn new(src: Mac, dst: Mac, body: Body<'a>) -> Self {
        Self { src, dst, tags: [None; TAGS], body }
    }

    /// A frame around an IP packet.
    #[must_use]
    pub const fn ip(src: Mac, dst: Mac, ip: Ip<'a>) -> Self {
        Self::new(src, dst, Body::Ip(ip))
    }

    /// Asks everybody for the Ethernet address of `target`.
    #[must_use]
    pub const fn arp_request(sha: Mac, spa: Ipv4Addr, target: Ipv4Addr) -> Self {
        let arp = Arp { op: arp::REQUEST, sha, spa, tha: Mac::ZERO, tpa: target };
        Self::new(sha, Mac::BROADCAST, Body::Arp(arp))
    }

    /// Answers `to`, who asked for the Ethernet address of `spa`: it is `sha`.
    #[must_use]
    pub const fn arp_reply(sha: Mac, spa: Ipv4Addr, to: Mac, tpa: Ipv4Addr) -> Self {
        Self::new(sha, to, Body::Arp(Arp { op: arp::REPLY, sha, spa, tha: to, tpa }))
    }

    /// Asks the solicited-node group for the Ethernet address of `target`.
    #[must_use]
    pub fn nd_solicit(src: Mac, from: Ipv6Addr, target: Ipv6Addr) -> Self {
        let [.., a, b, c] = target.octets();
        let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
        let sll = (!from.is_unspecified()).then_some(src);
        let ip = Ip { ttl: 255, ..Ip::new(Ends::V6(from, group), L4::Solicit { target, sll }) };
        Self::ip(src, Mac([0x33, 0x33, 0xff, a, b, c]), ip)
    }

    /// Answers `to` at `to_ip`, who asked for the Ethernet address of `target`: it is `src`.
    #[must_use]
    pub const fn nd_advert(src: Mac, target: Ipv6Addr, to: Mac, to_ip: Ipv6Addr) -> Self {
        let l4 = L4::Advert { target, tll: Some(src), flags: 0x60 };
        Self::ip(src, to, Ip { ttl: 255, ..Ip::new(Ends::V6(target, to_ip), l4) })
    }

    /// With an 802.1Q tag of this id in front of the other tags.
    #[must_use]
    pub fn vlan(self, vid: u16) -> Self {
        self.tag(eth_type::VLAN, vid)
    }

    /// With a tag in front of the other tags. A fourth pushes the innermost out.
    #[must_use]
    pub fn tag(mut self, tpid: u16, tci: u16) -> Self {
        self.tags.rotate_right(1);
        self.tags[0] = Some(Tag { tpid, tci });
        self
    }

    /// Bytes of the frame.
    #[must_use]
    pub fn len(&self) -> usize {
        let body = match &self.body {
            Body::Arp(_) => arp::LEN,
            Body::Ip(ip) => ip.len(),
            Body::Raw { bytes, .. } => bytes.len(),
        };
        crate::ethernet::HEADER + 4 * self.tags.iter().flatten().count() + body
    }

    /// Never: there is always an Ethernet header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Writes the frame at the front of `out`, and returns its length. `None` if it does not fit, or cannot be:
    /// neighbour discovery over IPv4, TCP options of an odd length, more than a length field holds.
    pub fn emit(&self, out: &mut [u8]) -> Option<usize> {
        self.write(out, false).map(|_| self.len())
    }

    /// Writes the frame as a host hands it over that leaves the checksum to the device: with the pseudo header's
    /// sum in the field, where there is one. An IP packet may be up to 4 GiB long; its length field is then 0.
    pub fn emit_partial(&self, out: &mut [u8]) -> Option<(usize, Offload)> {
        let csum = self.write(out, true)?;
        Some((self.len(), Offload { csum, ..Offload::PLAIN }))
    }

    /// The frame's bytes. `None` as [`Self::emit`].
    #[must_use]
    pub fn to_vec(&self) -> Option<Vec<u8>> {
        let mut out = vec![0; self.len()];
        self.emit(&mut out).map(|_| out)
    }

    fn write(&self, out: &mut [u8], partial: bool) -> Option<Csum> {
        let out = out.get_mut(..self.len())?;
        put(out, 0, self.dst.0);
        put(out, 6, self.src.0);
        let mut at = 12;
        for tag in self.tags.iter().flatten() {
            put16(out, at, tag.tpid);
            put16(out, at + 2, tag.tci);
            at += 4;
        }
        let (kind, rest) = (at, out.get_mut(at + 2..)?);
        let l3 = at + 2;
        let (eth_type, csum) = match &self.body {
            Body::Raw { eth_type, bytes } => {
                rest.copy_from_slice(bytes);
                (*eth_type, Csum::Complete)
            }
            Body::Arp(arp) => {
                arp.write(rest);
                (eth_type::ARP, Csum::Complete)
            }
            Body::Ip(ip) => (ip.eth_type(), ip.write(rest, partial, l3)?),
        };
        put16(out, kind, eth_type);
        Some(csum)
    }
}

impl Arp {
    fn write(&self, out: &mut [u8]) {
        put(out, 0, [0, 1, 8, 0, 6, 4]);
        put16(out, 6, self.op);
        put(out, 8, self.sha.0);
        put(out, 14, self.spa.octets());
        put(out, 18, self.tha.0);
        put(out, 24, self.tpa.octets());
    }
}

impl<'a> Ip<'a> {
    /// A packet between `ends`, TTL 64, don't fragment, all else 0.
    #[must_use]
    pub const fn new(ends: Ends, l4: L4<'a>) -> Self {
        Self { ends, ttl: 64, tos: 0, id: 0, fragment: ipv4::DF, label: 0, l4 }
    }

    /// An IPv4 packet, empty yet.
    #[must_use]
    pub fn v4(src: impl Into<Ipv4Addr>, dst: impl Into<Ipv4Addr>) -> Self {
        Self::new(Ends::V4(src.into(), dst.into()), L4::Raw { proto: 59, bytes: &[] })
    }

    /// An IPv6 packet, empty yet.
    #[must_use]
    pub fn v6(src: impl Into<Ipv6Addr>, dst: impl Into<Ipv6Addr>) -> Self {
        Self::new(Ends::V6(src.into(), dst.into()), L4::Raw { proto: 59, bytes: &[] })
    }

    /// A packet between addresses of one family, empty yet. `None` if they differ in it.
    #[must_use]
    pub fn between(src: IpAddr, dst: IpAddr) -> Option<Self> {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Some(Self::v4(src, dst)),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Some(Self::v6(src, dst)),
            _ => None,
        }
    }

    /// With UDP in it.
    #[must_use]
    pub const fn udp(self, src: u16, dst: u16, data: &'a [u8]) -> Self {
        Self { l4: L4::Udp { src, dst, data }, ..self }
    }

    /// With TCP in it.
    #[must_use]
    pub const fn tcp(self, tcp: Tcp<'a>) -> Self {
        Self { l4: L4::Tcp(tcp), ..self }
    }

    /// With an echo request in it.
    #[must_use]
    pub const fn echo(self, id: u16, seq: u16, data: &'a [u8]) -> Self {
        Self { l4: L4::Echo { reply: false, id, seq, data }, ..self }
    }

    /// With this TTL or hop limit.
    #[must_use]
    pub const fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    /// Bytes of the packet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.header_len() + self.l4.len()
    }

    /// Never: there is always an IP header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    const fn header_len(&self) -> usize {
        match self.ends {
            Ends::V4(..) => ipv4::HEADER,
            Ends::V6(..) => ipv6::HEADER,
        }
    }

    const fn eth_type(&self) -> u16 {
        match self.ends {
            Ends::V4(..) => eth_type::IPV4,
            Ends::V6(..) => eth_type::IPV6,
        }
    }

    /// `out` is exactly the packet, which begins at `l3` of its frame.
    fn write(&self, out: &mut [u8], partial: bool, l3: usize) -> Option<Csum> {
        let v6 = matches!(self.ends, Ends::V6(..));
        let proto = self.l4.proto(v6);
        let (head, l4) = out.split_at_mut_checked(self.header_len())?;
        let len = u32::try_from(l4.len()).ok()?;
        let field = |len: usize| match u16::try_from(len) {
            Err(_) if partial => Some(0),
            len => len.ok(),
        };
        let pseudo = match self.ends {
            Ends::V4(src, dst) => {
                put(head, 0, [0x45, self.tos]);
                put16(head, 2, field(self.len())?);
                put16(head, 4, self.id);
                put16(head, 6, self.fragment);
                put(head, 8, [self.ttl, proto, 0, 0]);
                put(head, 12, src.octets());
                put(head, 16, dst.octets());
                let check = Sum::ZERO.bytes(head).finish();
                put16(head, 10, check);
                pseudo_v4(src.octets(), dst.octets(), proto, len)
            }
            Ends::V6(src, dst) => {
                put32(head, 0, 0x6000_0000 | u32::from(self.tos) << 20 | self.label & 0x000f_ffff);
                put16(head, 4, field(l4.len())?);
                put(head, 6, [proto, self.ttl]);
                put(head, 8, src.octets());
                put(head, 24, dst.octets());
                pseudo_v6(&src.octets(), &dst.octets(), proto, len)
            }
        };
        let partial = partial.then_some(l3 + self.header_len());
        self.l4.write(l4, v6, pseudo, partial)
    }
}

impl L4<'_> {
    const fn len(&self) -> usize {
        match self {
            L4::Raw { bytes, .. } => bytes.len(),
            L4::Echo { data, .. } => icmp::HEADER + data.len(),
            L4::Solicit { sll: lla, .. } | L4::Advert { tll: lla, .. } => {
                icmp::HEADER + 16 + if lla.is_some() { 8 } else { 0 }
            }
            L4::Tcp(tcp) => tcp::HEADER + tcp.options.len() + tcp.data.len(),
            L4::Udp { data, .. } => udp::HEADER + data.len(),
            L4::Sctp { data, .. } => sctp::HEADER + data.len(),
        }
    }

    const fn proto(&self, v6: bool) -> u8 {
        match self {
            L4::Raw { proto, .. } => *proto,
            L4::Echo { .. } if !v6 => ip_proto::ICMP,
            L4::Echo { .. } | L4::Solicit { .. } | L4::Advert { .. } => ip_proto::ICMPV6,
            L4::Tcp(_) => ip_proto::TCP,
            L4::Udp { .. } => ip_proto::UDP,
            L4::Sctp { .. } => ip_proto::SCTP,
        }
    }

    /// `out` is exactly the L4 packet. It begins at `partial` of its frame if its checksum is left to the device.
    fn write(&self, out: &mut [u8], v6: bool, pseudo: Sum, partial: Option<usize>) -> Option<Csum> {
        match self {
            L4::Raw { bytes, .. } => {
                out.copy_from_slice(bytes);
                Some(Csum::Complete)
            }
            L4::Echo { reply, id, seq, data } => {
                let kind = match (v6, reply) {
                    (false, false) => icmp::ECHO_REQUEST,
                    (false, true) => icmp::ECHO_REPLY,
                    (true, false) => icmp::ECHO_REQUEST_V6,
                    (true, true) => icmp::ECHO_REPLY_V6,
                };
                put(out, 0, [kind, 0, 0, 0]);
                put16(out, 4, *id);
                put16(out, 6, *seq);
                out.get_mut(8..)?.copy_from_slice(data);
                // A host sums an echo itself.
                seal(out, 2, if v6 { pseudo } else { Sum::ZERO }, None)
            }
            L4::Solicit { target, sll } if v6 => {
                write_nd(out, nd::SOLICIT, 0, *target, nd::SOURCE_LLA, *sll);
                seal(out, 2, pseudo, None)
            }
            L4::Advert { target, tll, flags } if v6 => {
                write_nd(out, nd::ADVERT, *flags, *target, nd::TARGET_LLA, *tll);
                seal(out, 2, pseudo, None)
            }
            L4::Solicit { .. } | L4::Advert { .. } => None,
            L4::Tcp(tcp) => {
                tcp.write(out)?;
                seal(out, 16, pseudo, partial)
            }
            L4::Udp { src, dst, data } => {
                put16(out, 0, *src);
                put16(out, 2, *dst);
                let len = u16::try_from(out.len()).or(partial.map(|_| 0).ok_or(())).ok()?;
                put16(out, 4, len);
                put16(out, 6, 0);
                out.get_mut(8..)?.copy_from_slice(data);
                seal(out, 6, pseudo, partial)
            }
            L4::Sctp { src, dst, tag, data } => {
                put16(out, 0, *src);
                put16(out, 2, *dst);
                put32(out, 4, *tag);
                out.get_mut(12..)?.copy_from_slice(data);
                let crc = sctp::crc(out)?;
                put(out, 8, crc.to_le_bytes());
                Some(Csum::Complete)
            }
        }
    }
}

impl Tcp<'_> {
    fn write(&self, out: &mut [u8]) -> Option<()> {
        let words = u16::try_from(self.options.len() / 4).ok().filter(|n| *n <= 10)?;
        if !self.options.len().is_multiple_of(4) {
            return None;
        }
        put16(out, 0, self.src);
        put16(out, 2, self.dst);
        put32(out, 4, self.seq);
        put32(out, 8, self.ack);
        put16(out, 12, (5 + words) << 12 | self.flags & 0x0fff);
        put16(out, 14, self.window);
        put32(out, 16, 0);
        let (options, data) = out.get_mut(tcp::HEADER..)?.split_at_mut_checked(self.options.len())?;
        options.copy_from_slice(self.options);
        data.copy_from_slice(self.data);
        Some(())
    }
}

fn write_nd(out: &mut [u8], kind: u8, flags: u8, target: Ipv6Addr, option: u8, lla: Option<Mac>) {
    put(out, 0, [kind, 0, 0, 0, flags, 0, 0, 0]);
    put(out, 8, target.octets());
    if let Some(mac) = lla {
        put(out, 24, [option, 1]);
        put(out, 26, mac.0);
    }
}

/// Writes the checksum of an L4 packet whose field at `field` is 0, or leaves it to the device.
fn seal(out: &mut [u8], field: u16, pseudo: Sum, partial: Option<usize>) -> Option<Csum> {
    if let Some(start) = partial {
        put16(out, field.into(), pseudo.fold());
        return Some(Csum::Partial { start: u16::try_from(start).ok()?, offset: field });
    }
    let check = match pseudo.bytes(out).finish() {
        0 if field == 6 => 0xffff, // UDP's 0 would say that there is none
        check => check,
    };
    put16(out, field.into(), check);
    Some(Csum::Complete)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checksum, parse};

    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn emitted(frame: &Frame<'_>) -> Vec<u8> {
        let mut out = vec![0xa5; frame.len() + 4];
        assert_eq!(frame.emit(&mut out), Some(frame.len()));
        assert_eq!(out.split_off(frame.len()), [0xa5; 4], "nothing behind the frame");
        assert_eq!(frame.to_vec().as_ref(), Some(&out));
        assert_eq!(frame.emit(&mut vec![0; frame.len() - 1]), None);
        out
    }

    #[test]
    fn arp_request_bytes() {
        let frame = Frame::arp_request(A, [10, 0, 0, 1].into(), [10, 0, 0, 2].into()).vlan(5);
        #[rustfmt::skip]
        let wanted = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 8, 6,
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
        ];
        assert_eq!(emitted(&frame), wanted);
    }

    #[test]
    fn arp_reply_reads_back() {
        let out = emitted(&Frame::arp_reply(A, [10, 0, 0, 1].into(), B, [10, 0, 0, 2].into()));
        let headers = parse(&out).unwrap();
        let arp = crate::arp::Arp::of(&out, &headers).unwrap();
        assert_eq!((arp.op(), arp.sha(), arp.tha()), (arp::REPLY, A, B));
        assert_eq!((arp.spa(), arp.tpa()), ([10, 0, 0, 1], [10, 0, 0, 2]));
    }

    #[test]
    fn echo_bytes() {
        let frame = Frame::ip(A, B, Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).echo(0x1234, 1, b"ab"));
        #[rustfmt::skip]
        let wanted = [
            2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
            0x45, 0, 0, 30, 0, 0, 0x40, 0, 64, 1, 0x26, 0xdd, 10, 0, 0, 1, 10, 0, 0, 2,
            8, 0, 0x84, 0x68, 0x12, 0x34, 0, 1, 0x61, 0x62,
        ];
        assert_eq!(emitted(&frame), wanted);
    }

    #[test]
    fn everything_verifies_and_reads_back() {
        let v4 = Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]);
        let v6 = Ip::v6([0xfd00, 0, 0, 0, 0, 0, 0, 1], [0xfd00, 0, 0, 0, 0, 0, 0, 2]);
        let tcp = Tcp {
            src: 1,
            dst: 2,
            seq: 3,
            ack: 4,
            flags: tcp::flag::SYN,
            window: 5,
            options: &[2, 4, 5, 0xb4],
            data: b"abc",
        };
        for ip in [v4, v6] {
            let bodies = [ip.udp(7, 8, b"odd"), ip.udp(7, 8, b""), ip.tcp(tcp), ip.echo(1, 2, b"data!")];
            for body in bodies {
                let out = emitted(&Frame::ip(A, B, body).vlan(9).tag(0x88a8, 3));
                let h = parse(&out).unwrap();
                assert_eq!((h.vlans, h.end as usize), (2, out.len()));
                assert_eq!(checksum::verify_l4(&out, &h), Some(true), "{body:?}");
                assert_ne!(checksum::verify_ipv4(&out, &h), Some(false));
            }
            let out = emitted(&Frame::ip(A, B, ip.tcp(tcp)));
            let h = parse(&out).unwrap();
            let view = crate::tcp::Tcp::of(&out, &h).unwrap();
            assert_eq!((view.src(), view.dst(), view.seq(), view.ack()), (1, 2, 3, 4));
            assert_eq!((view.flags(), view.window(), h.payload_len()), (tcp::flag::SYN, 5, 3));
            let out = emitted(&Frame::ip(A, B, ip.udp(7, 8, b"odd")));
            let view =
                crate::udp::Udp::of(&out, &parse(&out).unwrap()).map(|u| (u.src(), u.dst(), u.length()));
            assert_eq!(view, Some((7, 8, 11)));
            let sctp = L4::Sctp { src: 7, dst: 8, tag: 1, data: &[0; 20] };
            let out = emitted(&Frame::ip(A, B, Ip { l4: sctp, ..ip }));
            let h = parse(&out).unwrap();
            let view = crate::sctp::Sctp::of(&out, &h).unwrap();
            assert_eq!((view.src(), view.dst()), (7, 8));
            assert_eq!(Some(view.crc()), crate::sctp::crc(&out[h.l4.into()..]));
            let out = emitted(&Frame::ip(A, B, ip.echo(0x1234, 9, b"")));
            let view = crate::icmp::Icmp::of(&out, &parse(&out).unwrap()).unwrap();
            let kind = if matches!(ip.ends, Ends::V4(..)) { 8 } else { 128 };
            assert_eq!((view.kind(), view.code(), view.id(), view.seq()), (kind, 0, 0x1234, 9));
        }
    }

    #[test]
    fn neighbours() {
        let (a, b) = ("fd00::1".parse().unwrap(), "fd00::12:3456".parse().unwrap());
        let out = emitted(&Frame::nd_solicit(A, a, b));
        let h = parse(&out).unwrap();
        assert_eq!(out[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!(checksum::verify_l4(&out, &h), Some(true));
        let solicit = crate::nd::Nd::of(&out, &h).unwrap();
        assert_eq!((solicit.kind, solicit.sll, solicit.tll), (nd::SOLICIT, Some(A), None));
        assert_eq!(solicit.target, b.octets());

        let out = emitted(&Frame::nd_advert(B, b, A, a));
        let h = parse(&out).unwrap();
        assert_eq!(checksum::verify_l4(&out, &h), Some(true));
        let advert = crate::nd::Nd::of(&out, &h).unwrap();
        assert_eq!((advert.kind, advert.sll, advert.tll), (nd::ADVERT, None, Some(B)));

        let probe = emitted(&Frame::nd_solicit(A, Ipv6Addr::UNSPECIFIED, b));
        let probe = crate::nd::Nd::of(&probe, &parse(&probe).unwrap()).unwrap();
        assert_eq!(probe.sll, None, "duplicate address detection names no address");
    }

    #[test]
    fn malformed_options_are_no_discovery() {
        let (a, b) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let good = emitted(&Frame::nd_solicit(A, a, b));
        let h = parse(&good).unwrap();
        for units in [0, 2] {
            let mut bad = good.clone();
            bad[usize::from(h.l4) + 25] = units;
            assert_eq!(crate::nd::Nd::of(&bad, &h), None, "an option of {units} units");
        }
        let mut twice = good.clone();
        twice.extend_from_slice(&good[good.len() - 8..]);
        twice[19] += 8;
        assert_eq!(crate::nd::Nd::of(&twice, &parse(&twice).unwrap()), None);
    }

    #[test]
    fn what_cannot_be_is_not_written() {
        let v4 = Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]);
        let nd = L4::Solicit { target: Ipv6Addr::LOCALHOST, sll: None };
        let odd = v4.tcp(Tcp { options: &[1, 1, 1], ..Tcp::default() });
        let long = vec![0; 70_000];
        for ip in [Ip { l4: nd, ..v4 }, odd, v4.udp(1, 2, &long)] {
            assert_eq!(Frame::ip(A, B, ip).to_vec(), None);
        }
        assert!(Ip::between(Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()).is_none());
    }

    #[test]
    fn partial_is_completed_to_the_same_bytes() {
        for ip in [
            Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).udp(7, 8, b"payload"),
            Ip::v6([1; 8], [2; 8]).tcp(Tcp { data: b"payload", ..Tcp::default() }),
        ] {
            let frame = Frame::ip(A, B, ip).vlan(3);
            let mut out = vec![0xa5; frame.len()];
            let (len, mut offload) = frame.emit_partial(&mut out).unwrap();
            assert_eq!(len, out.len());
            assert_ne!(Some(&out), frame.to_vec().as_ref());
            checksum::complete(&mut out, &mut offload).unwrap();
            assert_eq!(Some(out), frame.to_vec());
        }
    }
}
