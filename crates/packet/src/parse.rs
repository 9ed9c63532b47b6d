//! One pass over a frame that finds its headers.
//!
//! ```text
//! 0                l2_len     l3            l4            payload                 end      frame.len()
//! | dst src tags type | [MPLS] | IP + options | TCP/UDP/... | ...                  | padding |
//! ```
//!
//! A switch forwards what it does not understand, so only a frame too short for an Ethernet header is an error.
//! A deeper header that is cut short or lies about its length ends the pass: its offset stays 0, "not there", and
//! nobody reads it. What counts as there follows OVS (`miniflow_extract`), so that the same flows match.
//!
//! It does not verify checksums, and it looks neither behind MPLS labels nor into tunnels.

use std::fmt;

use crate::bytes::{array, be16, u8_at};
use crate::ethernet::{HEADER, eth_type};

/// Fragment of a datagram, first or later: bit of [`Headers::frag`], as in OVS.
pub const FRAG_ANY: u8 = 1;
/// Not the first fragment: it has no L4 header. Bit of [`Headers::frag`], always with [`FRAG_ANY`].
pub const FRAG_LATER: u8 = 2;

/// Most VLAN tags looked at. A third is payload, its TPID the [`Headers::eth_type`].
pub const MAX_VLANS: u8 = 2;
/// Most MPLS labels counted.
pub const MAX_LABELS: u8 = 16;
/// Most IPv6 extension headers walked. Longer chains have no L4 header for us.
pub const MAX_EXTENSIONS: usize = 8;

/// Numbers of IP protocols and IPv6 extension headers.
pub mod ip_proto {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Authentication header.
    pub const AH: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options.
    pub const DEST_OPTIONS: u8 = 60;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// Where a frame's headers are: offsets in bytes from the Ethernet header, 0 for a header that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Headers {
    /// End of L2: Ethernet, VLAN tags, and LLC/SNAP if it gives the type. MPLS labels begin here.
    pub l2_len: u16,
    /// IPv4, IPv6 or ARP (an Ethernet/IPv4 one) header, its fixed part and length field checked.
    pub l3: u16,
    /// TCP, UDP, SCTP, ICMP, ICMPv6 or IGMP header, its fixed part inside the L3 packet. 0 in a later fragment.
    pub l4: u16,
    /// Behind the L4 header and its options. 0 if there is no L4 header or its length is a lie.
    pub payload: u16,
    /// End of the L3 packet by its length field, so that padding is not payload; else the frame's length.
    pub end: u32,
    /// The type behind the VLAN tags; [`eth_type::NONE`] for 802.3 frames without one.
    pub eth_type: u16,
    /// VLAN tags, 0 to 2: the outermost TPID at 12, the next at 16.
    pub vlans: u8,
    /// MPLS labels at `l2_len`, 4 bytes each, up to and with the bottom of the stack.
    pub mpls: u8,
    /// IPv4 protocol or IPv6 upper-layer header; [`ip_proto::FRAGMENT`] in a later IPv6 fragment, as in OVS.
    /// Where an IPv6 chain is cut short or too long, the header that could not be walked.
    pub ip_proto: u8,
    /// [`FRAG_ANY`], [`FRAG_LATER`].
    pub frag: u8,
    /// An IPv6 routing header with segments left: the destination is not the one in the transport checksum.
    pub routed: bool,
}

impl Headers {
    /// Bytes of L4 payload, without padding. 0 if there is no L4 header.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        if self.payload == 0 { 0 } else { (self.end as usize).saturating_sub(usize::from(self.payload)) }
    }

    /// Whether there is a checked IPv4 header at `l3`.
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.l3 != 0 && self.eth_type == eth_type::IPV4
    }

    /// Whether there is a checked IPv6 header at `l3`.
    #[must_use]
    pub const fn is_ipv6(&self) -> bool {
        self.l3 != 0 && self.eth_type == eth_type::IPV6
    }

    /// Whether there is a checked ARP packet at `l3`.
    #[must_use]
    pub const fn is_arp(&self) -> bool {
        self.l3 != 0 && matches!(self.eth_type, eth_type::ARP | eth_type::RARP)
    }
}

/// Why a frame, or a packet in it, is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Ends inside the header.
    Truncated,
    /// A field has a value it cannot have: a version, or a length that is too short or points outside.
    Field,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "The packet ends inside its header",
            Self::Field => "A header field has a value it cannot have",
        })
    }
}

impl std::error::Error for Malformed {}

/// Finds the headers of a frame.
///
/// # Errors
/// [`Malformed::Truncated`] under 14 bytes. Anything deeper that is wrong is "not there".
#[inline]
pub fn parse(frame: &[u8]) -> Result<Headers, Malformed> {
    parse_front(frame, frame.len())
}

/// The same of a frame of `len` bytes of which only the front is at hand: a header beyond it is "not there".
///
/// # Errors
/// As [`parse()`].
#[inline]
pub fn parse_front(frame: &[u8], len: usize) -> Result<Headers, Malformed> {
    let mut headers = link(frame, len).ok_or(Malformed::Truncated)?;
    // The pass ends at the first header that is not whole; what was found before it stands.
    let _ = match headers.eth_type {
        eth_type::IPV4 => ipv4(frame, len, &mut headers),
        eth_type::IPV6 => ipv6(frame, len, &mut headers),
        eth_type::ARP | eth_type::RARP => arp(frame, &mut headers),
        eth_type::MPLS | eth_type::MPLS_MCAST => mpls(frame, &mut headers),
        _ => None,
    };
    Ok(headers)
}

/// Ethernet, VLAN tags, LLC/SNAP.
#[inline]
fn link(frame: &[u8], len: usize) -> Option<Headers> {
    let mut at = HEADER;
    let mut kind = be16(frame, 12)?;
    let mut vlans = 0;
    while matches!(kind, eth_type::VLAN | eth_type::QINQ) && vlans < MAX_VLANS {
        let Some(inner) = be16(frame, at + 2) else { break };
        kind = inner;
        at += 4;
        vlans += 1;
    }
    if kind < eth_type::MIN {
        (kind, at) = llc(frame, at);
    }
    let end = u32::try_from(len).unwrap_or(u32::MAX);
    Some(Headers { l2_len: offset(at)?, end, eth_type: kind, vlans, ..Headers::default() })
}

/// The type of an 802.3 frame whose LLC header is at `at`, and where its payload begins.
#[cold]
fn llc(frame: &[u8], at: usize) -> (u16, usize) {
    // dsap, ssap: SNAP; control: unnumbered information; organization 0: an Ethernet type follows.
    match array::<8>(frame, at) {
        Some([0xaa, 0xaa, 0x03, 0, 0, 0, a, b]) if u16::from_be_bytes([*a, *b]) >= eth_type::MIN => {
            (u16::from_be_bytes([*a, *b]), at + 8)
        }
        _ => (eth_type::NONE, at),
    }
}

fn arp(frame: &[u8], headers: &mut Headers) -> Option<()> {
    let at = usize::from(headers.l2_len);
    // Hardware type Ethernet, protocol type IPv4, and their address lengths.
    if array::<28>(frame, at)?.first_chunk() == Some(&[0, 1, 0x08, 0x00, 6, 4]) {
        headers.l3 = headers.l2_len;
    }
    Some(())
}

fn mpls(frame: &[u8], headers: &mut Headers) -> Option<()> {
    let mut at = usize::from(headers.l2_len);
    while headers.mpls < MAX_LABELS {
        let [_, _, bottom, _] = array::<4>(frame, at)?;
        headers.mpls += 1;
        at += 4;
        if bottom & 1 == 1 {
            break;
        }
    }
    Some(())
}

#[inline]
fn ipv4(frame: &[u8], len: usize, headers: &mut Headers) -> Option<()> {
    let at = usize::from(headers.l2_len);
    let ip = array::<20>(frame, at)?;
    let length = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let header = usize::from(ip[0] & 0x0f) * 4;
    let end = match length {
        // A TCP super-packet above 64 KiB ("BIG TCP") has no room for its length.
        0 if len.saturating_sub(at) > 0xffff => len,
        _ => at + length,
    };
    if ip[0] >> 4 != 4 || header < 20 || end > len || at + header > end {
        return None;
    }
    headers.l3 = headers.l2_len;
    headers.end = u32::try_from(end).ok()?;
    headers.ip_proto = ip[9];
    let fragment = u16::from_be_bytes([ip[6], ip[7]]);
    if fragment & 0x3fff != 0 {
        headers.frag = if fragment & 0x1fff == 0 { FRAG_ANY } else { FRAG_ANY | FRAG_LATER };
    }
    if headers.frag & FRAG_LATER == 0 { transport(frame, headers, at + header, end) } else { None }
}

#[inline]
fn ipv6(frame: &[u8], len: usize, headers: &mut Headers) -> Option<()> {
    let at = usize::from(headers.l2_len);
    let ip = array::<40>(frame, at)?;
    let length = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
    let end = match length {
        0 if len.saturating_sub(at) > 0xffff => len,
        _ => at + 40 + length,
    };
    if ip[0] >> 4 != 6 || end > len {
        return None;
    }
    headers.l3 = headers.l2_len;
    headers.end = u32::try_from(end).ok()?;
    headers.ip_proto = ip[6];
    let at = match ip[6] {
        ip_proto::TCP | ip_proto::UDP | ip_proto::ICMPV6 => at + 40,
        _ => extensions(frame.get(..end.min(frame.len()))?, headers, at + 40)?,
    };
    transport(frame, headers, at, end)
}

/// Walks IPv6 extension headers from `at`. `packet` ends where the L3 packet does. The upper-layer header's place.
fn extensions(packet: &[u8], headers: &mut Headers, mut at: usize) -> Option<usize> {
    for _ in 0..MAX_EXTENSIONS {
        let unit = match headers.ip_proto {
            ip_proto::HOP_BY_HOP | ip_proto::ROUTING | ip_proto::DEST_OPTIONS | ip_proto::FRAGMENT => 8,
            ip_proto::AH => 4,
            _ => return Some(at),
        };
        // Every extension header is at least 8 bytes long: next header, length, and 6 of its own.
        let [next, length, b, c, ..] = *array::<8>(packet, at)?;
        let mut size = (usize::from(length) + 1) * unit;
        match headers.ip_proto {
            ip_proto::ROUTING => headers.routed |= c != 0,
            ip_proto::AH => size += 4,
            ip_proto::FRAGMENT => {
                size = 8; // RFC 8200 §4.5: the second byte is reserved
                let fragment = u16::from_be_bytes([b, c]);
                if fragment & !7 != 0 {
                    headers.frag = FRAG_ANY | FRAG_LATER;
                    return None;
                }
                // Offset 0 and no more to come is an atomic fragment: a whole datagram.
                headers.frag = u8::from(fragment & 1 != 0) * FRAG_ANY;
            }
            _ => {}
        }
        packet.get(at..at + size)?;
        headers.ip_proto = next;
        at += size;
    }
    None
}

/// The L4 header at `at` in an L3 packet that ends at `end`, which lies inside the frame.
#[inline]
fn transport(frame: &[u8], headers: &mut Headers, at: usize, end: usize) -> Option<()> {
    let room = end.checked_sub(at)?;
    let size = match headers.ip_proto {
        ip_proto::TCP => 20,
        ip_proto::SCTP => 12,
        ip_proto::UDP | ip_proto::IGMP => 8,
        ip_proto::ICMP if headers.eth_type == eth_type::IPV4 => 8,
        ip_proto::ICMPV6 if headers.eth_type == eth_type::IPV6 => 8,
        _ => return None,
    };
    if room < size {
        return None;
    }
    headers.l4 = offset(at)?;
    let whole = match headers.ip_proto {
        ip_proto::TCP => usize::from(u8_at(frame, at + 12)? >> 4) * 4,
        _ => size,
    };
    if (size..=room).contains(&whole) {
        headers.payload = offset(at + whole)?;
    }
    Some(())
}

#[inline]
fn offset(at: usize) -> Option<u16> {
    u16::try_from(at).ok()
}
