//! The Ethernet frame: addresses, tags, and ARP or IP or anything in it.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::build::{Ends, Ip, L4};
use crate::bytes::{put, put16};
use crate::ethernet::eth_type;
use crate::vlan::Tag;
use crate::{Csum, Mac, Offload, arp};

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

    /// Tells all nodes that nobody asked (RFC 4861 §7.2.6): the Ethernet address of `target` is `src`, whatever it was before.
    #[must_use]
    pub const fn nd_announcement(src: Mac, target: Ipv6Addr) -> Self {
        const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let l4 = L4::Advert { target, tll: Some(src), flags: 0x20 };
        let ip = Ip { ttl: 255, ..Ip::new(Ends::V6(target, ALL_NODES), l4) };
        Self::ip(src, Mac([0x33, 0x33, 0, 0, 0, 1]), ip)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::Tcp;
    use crate::{checksum, nd, parse, tcp};

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
