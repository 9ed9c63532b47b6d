//! One setter per field.

use std::fmt;

use crate::bytes::{array, array_mut, be16, be32, put, put16};
use crate::nd::Nd;
use crate::nsh::{self, Nsh};
use crate::parse::{FRAG_ANY, ip_proto};
use crate::vlan::TAG;
use crate::{Csum, Headers, Mac, checksum, sctp};

/// The TTL or hop limit is 0 or 1: the packet must not be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TtlExpired;

impl fmt::Display for TtlExpired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The packet's TTL ran out")
    }
}

impl std::error::Error for TtlExpired {}

/// Which checksums cover a field.
#[derive(Clone, Copy)]
enum Cover {
    /// None.
    None,
    /// The IPv4 header's.
    Ip,
    /// The IPv4 header's and, by the pseudo header, L4's.
    IpAndPseudo,
    /// L4's, by the pseudo header.
    Pseudo,
    /// L4's.
    L4,
}

/// A frame whose fields are being changed.
#[derive(Debug)]
pub struct Edit<'a> {
    frame: &'a mut [u8],
    headers: &'a Headers,
    csum: Csum,
}

impl<'a> Edit<'a> {
    /// Edits `frame`, whose headers are `headers` and whose checksum's state is `csum`.
    #[inline]
    pub fn new(frame: &'a mut [u8], headers: &'a Headers, csum: Csum) -> Self {
        Self { frame, headers, csum }
    }

    /// Ethernet destination.
    pub fn eth_dst(&mut self, mac: Mac) -> bool {
        put(self.frame, 0, mac.0)
    }

    /// Ethernet source.
    pub fn eth_src(&mut self, mac: Mac) -> bool {
        put(self.frame, 6, mac.0)
    }

    /// Priority, drop-eligible bit and id of tag `n`, 0 the outermost.
    pub fn vlan_tci(&mut self, n: u8, tci: u16) -> bool {
        n < self.headers.vlans && put16(self.frame, 14 + TAG * usize::from(n), tci)
    }

    /// The TPID of tag `n`, 0 the outermost: 0x8100 or 0x88a8, or the headers must be found anew.
    pub fn vlan_tpid(&mut self, n: u8, tpid: u16) -> bool {
        n < self.headers.vlans && put16(self.frame, 12 + TAG * usize::from(n), tpid)
    }

    /// Entry `n` of the MPLS label stack, 0 the outermost. The bottom-of-stack bit stays as it is.
    pub fn mpls(&mut self, n: u8, entry: u32) -> bool {
        let at = usize::from(self.headers.l2_len) + 4 * usize::from(n);
        match be32(self.frame, at) {
            Some(old) if n < self.headers.mpls => {
                put(self.frame, at, (entry & !0x100 | old & 0x100).to_be_bytes())
            }
            _ => false,
        }
    }

    /// The I-SID and the "use customer addresses" bit of a backbone header's service tag.
    ///
    /// 4 bytes, big-endian: priority u3, drop eligible u1, use customer addresses u1, reserved u3, I-SID u24; the rest
    /// stays as it is.
    ///
    /// Source: IEEE 802.1Q-2018 §9.7.
    pub fn pbb(&mut self, isid: u32, uca: bool) -> bool {
        let at = usize::from(self.headers.l2_len);
        match be32(self.frame, at) {
            Some(old) if self.headers.eth_type == 0x88e7 => {
                let new = u32::from(uca) << 27 | isid & 0x00ff_ffff;
                put(self.frame, at, (old & !0x08ff_ffff | new).to_be_bytes())
            }
            _ => false,
        }
    }

    /// Flags, TTL, path, index and contexts of a Network Service Header; its length, types and whatever else stay.
    pub fn nsh(&mut self, new: &Nsh) -> bool {
        let header = self.frame.get_mut(usize::from(self.headers.l2_len)..).unwrap_or_default();
        self.headers.eth_type == nsh::TYPE && new.rewrite(header)
    }

    /// IPv4 source.
    pub fn ipv4_src(&mut self, ip: [u8; 4]) -> bool {
        self.headers.is_ipv4() && self.write(self.l3(12), ip, Cover::IpAndPseudo)
    }

    /// IPv4 destination.
    pub fn ipv4_dst(&mut self, ip: [u8; 4]) -> bool {
        self.headers.is_ipv4() && self.write(self.l3(16), ip, Cover::IpAndPseudo)
    }

    /// IPv6 source.
    pub fn ipv6_src(&mut self, ip: [u8; 16]) -> bool {
        self.headers.is_ipv6() && self.write(self.l3(8), ip, Cover::Pseudo)
    }

    /// IPv6 destination.
    pub fn ipv6_dst(&mut self, ip: [u8; 16]) -> bool {
        let cover = if self.headers.routed { Cover::None } else { Cover::Pseudo };
        self.headers.is_ipv6() && self.write(self.l3(24), ip, cover)
    }

    /// IPv6 flow label, its low 20 bits.
    pub fn ipv6_label(&mut self, label: u32) -> bool {
        self.first_ipv6_word(0x000f_ffff, label)
    }

    /// DSCP and ECN of IPv4 or IPv6.
    pub fn tos(&mut self, tos: u8) -> bool {
        if self.headers.is_ipv6() {
            return self.first_ipv6_word(0x0ff0_0000, u32::from(tos) << 20);
        }
        match array(self.frame, self.l3(0)) {
            Some([version, _]) if self.headers.is_ipv4() => {
                let word = [*version, tos];
                self.write(self.l3(0), word, Cover::Ip)
            }
            _ => false,
        }
    }

    /// TTL of IPv4 or hop limit of IPv6.
    pub fn ttl(&mut self, ttl: u8) -> bool {
        if self.headers.is_ipv6() {
            return put(self.frame, self.l3(7), [ttl]);
        }
        match array(self.frame, self.l3(8)) {
            Some([_, proto]) if self.headers.is_ipv4() => {
                let word = [ttl, *proto];
                self.write(self.l3(8), word, Cover::Ip)
            }
            _ => false,
        }
    }

    /// One less of TTL or hop limit; `Ok(false)` for a frame without.
    ///
    /// # Errors
    /// [`TtlExpired`], and nothing written, if none would be left.
    pub fn dec_ttl(&mut self) -> Result<bool, TtlExpired> {
        let at = match () {
            () if self.headers.is_ipv4() => self.l3(8),
            () if self.headers.is_ipv6() => self.l3(7),
            () => return Ok(false),
        };
        match self.frame.get(at) {
            Some(0 | 1) => Err(TtlExpired),
            Some(ttl) => Ok(self.ttl(ttl - 1)),
            None => Ok(false),
        }
    }

    /// ARP operation.
    pub fn arp_op(&mut self, op: u16) -> bool {
        self.arp(6, op.to_be_bytes())
    }

    /// ARP sender's Ethernet address.
    pub fn arp_sha(&mut self, mac: Mac) -> bool {
        self.arp(8, mac.0)
    }

    /// ARP sender's IPv4 address.
    pub fn arp_spa(&mut self, ip: [u8; 4]) -> bool {
        self.arp(14, ip)
    }

    /// ARP target's Ethernet address.
    pub fn arp_tha(&mut self, mac: Mac) -> bool {
        self.arp(18, mac.0)
    }

    /// ARP target's IPv4 address.
    pub fn arp_tpa(&mut self, ip: [u8; 4]) -> bool {
        self.arp(24, ip)
    }

    /// The target of a neighbour solicitation or advertisement.
    pub fn nd_target(&mut self, ip: [u8; 16]) -> bool {
        Nd::of(self.frame, self.headers).is_some_and(|nd| self.write(nd.target_at, ip, Cover::L4))
    }

    /// The source link-layer address option of neighbour discovery, where there is one.
    pub fn nd_sll(&mut self, mac: Mac) -> bool {
        let at = Nd::of(self.frame, self.headers).and_then(|nd| nd.sll_at);
        at.is_some_and(|at| self.write(at, mac.0, Cover::L4))
    }

    /// The target link-layer address option of neighbour discovery, where there is one.
    pub fn nd_tll(&mut self, mac: Mac) -> bool {
        let at = Nd::of(self.frame, self.headers).and_then(|nd| nd.tll_at);
        at.is_some_and(|at| self.write(at, mac.0, Cover::L4))
    }

    /// Source port of TCP, UDP or SCTP.
    pub fn l4_src(&mut self, port: u16) -> bool {
        self.port(0, port)
    }

    /// Destination port of TCP, UDP or SCTP.
    pub fn l4_dst(&mut self, port: u16) -> bool {
        self.port(2, port)
    }

    /// The identifier of an ICMP or ICMPv6 query.
    pub fn icmp_id(&mut self, id: u16) -> bool {
        let there =
            self.headers.l4 != 0 && matches!(self.headers.ip_proto, ip_proto::ICMP | ip_proto::ICMPV6);
        there && self.write(self.l4(4), id.to_be_bytes(), Cover::L4)
    }

    /// A 32-bit number of the TCP header or its options, `at` bytes from its beginning, an even number.
    pub fn tcp_word(&mut self, at: usize, word: u32) -> bool {
        let there = self.headers.l4 != 0 && self.headers.ip_proto == ip_proto::TCP && at.is_multiple_of(2);
        there && self.write(self.l4(at), word.to_be_bytes(), Cover::L4)
    }

    /// Type of ICMP or ICMPv6.
    pub fn icmp_type(&mut self, kind: u8) -> bool {
        self.icmp(|[_, code]| [kind, code])
    }

    /// Code of ICMP or ICMPv6.
    pub fn icmp_code(&mut self, code: u8) -> bool {
        self.icmp(|[kind, _]| [kind, code])
    }

    fn l3(&self, at: usize) -> usize {
        usize::from(self.headers.l3) + at
    }

    fn l4(&self, at: usize) -> usize {
        usize::from(self.headers.l4) + at
    }

    fn first_ipv6_word(&mut self, mask: u32, value: u32) -> bool {
        match be32(self.frame, self.l3(0)) {
            Some(old) if self.headers.is_ipv6() => {
                put(self.frame, self.l3(0), (old & !mask | value & mask).to_be_bytes())
            }
            _ => false,
        }
    }

    fn arp<const N: usize>(&mut self, at: usize, value: [u8; N]) -> bool {
        self.headers.is_arp() && put(self.frame, self.l3(at), value)
    }

    fn icmp(&mut self, change: impl FnOnce([u8; 2]) -> [u8; 2]) -> bool {
        let there =
            self.headers.l4 != 0 && matches!(self.headers.ip_proto, ip_proto::ICMP | ip_proto::ICMPV6);
        match array(self.frame, self.l4(0)) {
            Some(old) if there => {
                let new = change(*old);
                self.write(self.l4(0), new, Cover::L4)
            }
            _ => false,
        }
    }

    fn port(&mut self, at: usize, port: u16) -> bool {
        match self.headers.ip_proto {
            _ if self.headers.l4 == 0 => false,
            ip_proto::TCP | ip_proto::UDP => self.write(self.l4(at), port.to_be_bytes(), Cover::L4),
            ip_proto::SCTP => self.sctp_port(at, port),
            _ => false,
        }
    }

    /// A CRC cannot be updated from the changed words alone, and not at all in a fragment.
    fn sctp_port(&mut self, at: usize, port: u16) -> bool {
        let range = self.l4(0)..self.headers.end as usize;
        let Some(packet) = self.frame.get_mut(range).filter(|_| self.headers.frag & FRAG_ANY == 0) else {
            return false;
        };
        let (Some(before), Some(field)) = (sctp::crc(packet), array::<4>(packet, 8).copied()) else {
            return false;
        };
        put16(packet, at, port);
        let after = sctp::crc(packet).unwrap_or(before);
        // The difference of two right ones, so that a wrong CRC stays wrong.
        put(packet, 8, (u32::from_le_bytes(field) ^ before ^ after).to_le_bytes())
    }

    /// Writes at `at`, an even distance from the start of what its checksums cover. `N` is even.
    #[inline]
    fn write<const N: usize>(&mut self, at: usize, new: [u8; N], cover: Cover) -> bool {
        let Some(slot) = array_mut::<N>(self.frame, at) else { return false };
        let old = std::mem::replace(slot, new);
        let change = Change::between(&old, &new);
        match cover {
            Cover::None => {}
            Cover::Ip => self.ip_checksum(change),
            Cover::IpAndPseudo => {
                self.ip_checksum(change);
                self.l4_checksum(change, true);
            }
            Cover::Pseudo => self.l4_checksum(change, true),
            Cover::L4 => self.l4_checksum(change, false),
        }
        true
    }

    fn ip_checksum(&mut self, change: Change) {
        let at = self.l3(10);
        if let Some(check) = be16(self.frame, at) {
            put16(self.frame, at, change.complete(check));
        }
    }

    fn l4_checksum(&mut self, change: Change, pseudo: bool) {
        // ICMP and IGMP over IPv4 have no pseudo header.
        if pseudo && matches!(self.headers.ip_proto, ip_proto::ICMP | ip_proto::IGMP) {
            return;
        }
        let Some(at) = checksum::l4_field(self.headers) else { return };
        let Some(check) = be16(self.frame, at) else { return };
        let partial = matches!(self.csum, Csum::Partial { start, offset }
            if usize::from(start) + usize::from(offset) == at);
        let udp = self.headers.ip_proto == ip_proto::UDP;
        // Without a pseudo header everything summed may be 0, and then only 0xffff is right. Elsewhere both zeros are.
        let no_zero = matches!(self.headers.ip_proto, ip_proto::UDP | ip_proto::ICMP | ip_proto::IGMP);
        let new = match () {
            () if partial && pseudo => change.partial(check),
            () if partial => return,
            () if udp && check == 0 => return,
            () => match change.complete(check) {
                0 if no_zero => 0xffff,
                check => check,
            },
        };
        put16(self.frame, at, new);
    }
}

/// The sum of the changed words: each old one's complement and each new one.
#[derive(Clone, Copy)]
struct Change(checksum::Sum);

impl Change {
    #[inline]
    fn between<const N: usize>(old: &[u8; N], new: &[u8; N]) -> Self {
        let (old, new) = (old.as_chunks::<2>().0, new.as_chunks::<2>().0);
        let words = old.iter().zip(new);
        Self(words.fold(checksum::Sum::ZERO, |sum, (old, new)| {
            sum.word(!u16::from_be_bytes(*old)).word(u16::from_be_bytes(*new))
        }))
    }

    #[inline]
    fn partial(self, sum: u16) -> u16 {
        self.0.word(sum).fold()
    }

    #[inline]
    fn complete(self, check: u16) -> u16 {
        !self.partial(!check)
    }
}
