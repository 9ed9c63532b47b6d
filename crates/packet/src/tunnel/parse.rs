//! From a packet of the underlay to the packet inside.

use std::ops::Range;

use super::bad::{BadTunnel, Layer};
use super::encap::Header;
use super::erspan::Erspan;
use super::geneve::Geneve;
use super::gre::{self, Gre};
use super::vxlan::{Extension, Next, Vxlan};
use crate::build::Ends;
use crate::ethernet::eth_type;
use crate::ipv4::{self, Ipv4};
use crate::ipv6::{self, Ipv6};
use crate::parse::ip_proto;
use crate::udp::{self, Udp};
use crate::{Csum, Headers, checksum};

/// What is expected of a packet: the tunnel that listens where it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// VXLAN over UDP, with this extension.
    Vxlan(Extension),
    /// Geneve over UDP.
    Geneve,
    /// GRE over IP, ERSPAN with it.
    Gre,
}

/// What is inside a tunnel packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payload {
    /// An Ethernet frame.
    Ethernet,
    /// An IPv4 packet.
    Ipv4,
    /// An IPv6 packet.
    Ipv6,
}

/// What the underlay said about a tunnel packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Underlay {
    /// The ends of the tunnel, the sender first.
    pub ends: Ends,
    /// DSCP and ECN.
    pub tos: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4's "don't fragment".
    pub df: bool,
    /// UDP or TCP source port, 0 with GRE.
    pub src_port: u16,
    /// UDP or TCP destination port, 0 with GRE.
    pub dst_port: u16,
    /// There was a checksum, of UDP, TCP or GRE.
    pub csum: bool,
}

/// A tunnel packet, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The outer packet.
    pub underlay: Underlay,
    /// The tunnel's header.
    pub header: Header<'a>,
    /// What is inside.
    pub payload: Payload,
    /// Where it is: bytes of the frame.
    pub inner: Range<usize>,
    /// The inner packet's transport checksum; `start` counts from the inner packet's first byte.
    pub csum: Csum,
}

/// Takes a packet of the underlay apart: `frame`, whose headers are `headers` and whose checksum is `csum`.
///
/// A checksum in place is verified from scratch; one that is vouched for is not. `zero_csum6` says whether UDP over
/// IPv6 may come without (RFC 6935). A super-packet of the underlay is to be cut first, and options of Geneve are to
/// be looked at by the caller ([`Geneve::check_critical`]).
///
/// # Errors
/// [`BadTunnel`], with what is wrong first.
pub fn parse<'a>(
    frame: &'a [u8],
    headers: &Headers,
    csum: Csum,
    kind: Kind,
    zero_csum6: bool,
) -> Result<Parsed<'a>, BadTunnel> {
    let mut underlay = underlay(frame, headers)?;
    let end = headers.end as usize;
    let (header, payload, at) = if kind == Kind::Gre {
        gre(frame, headers, csum, &mut underlay)?
    } else {
        datagram(frame, headers, csum, zero_csum6, &mut underlay)?;
        let at = usize::from(headers.l4) + udp::HEADER;
        let bytes = frame.get(at..end).unwrap_or_default();
        let (header, payload) = match kind {
            Kind::Vxlan(extension) => vxlan(bytes, extension)?,
            _ => geneve(bytes)?,
        };
        (header, payload, at + header.len())
    };
    let least = match payload {
        Payload::Ethernet => crate::ethernet::HEADER,
        Payload::Ipv4 => ipv4::HEADER,
        Payload::Ipv6 => ipv6::HEADER,
    };
    if end < at + least {
        return Err(BadTunnel::Truncated(Layer::Inner));
    }
    Ok(Parsed { underlay, header, payload, inner: at..end, csum: inner_csum(csum, at) })
}

/// IP of the underlay; ports and checksum are not known yet.
pub(super) fn underlay(frame: &[u8], headers: &Headers) -> Result<Underlay, BadTunnel> {
    let (ends, tos, ttl, df) = if let Some(ip) = Ipv4::of(frame, headers) {
        let df = ip.fragment() & ipv4::DF != 0;
        (Ends::V4(ip.src().into(), ip.dst().into()), ip.tos(), ip.ttl(), df)
    } else if let Some(ip) = Ipv6::of(frame, headers) {
        (Ends::V6(ip.src().into(), ip.dst().into()), ip.tos(), ip.ttl(), false)
    } else {
        return Err(BadTunnel::NotThisTunnel);
    };
    if headers.frag != 0 {
        return Err(BadTunnel::Fragment);
    }
    if headers.end as usize > frame.len() {
        return Err(BadTunnel::NotThisTunnel); // headers of another frame
    }
    Ok(Underlay { ends, tos, ttl, df, src_port: 0, dst_port: 0, csum: true })
}

/// Whether the outer checksum is right, or vouched for. One that is open inside the tunnel is of our own making, and
/// the outer one was computed for what the bytes will be.
pub(super) fn outer_is_right(frame: &[u8], headers: &Headers, csum: Csum) -> bool {
    csum != Csum::Complete || checksum::verify_l4(frame, headers) != Some(false)
}

/// What is still to be done inside.
fn inner_csum(csum: Csum, at: usize) -> Csum {
    let Csum::Partial { start, offset } = csum else { return Csum::Complete };
    let within = u16::try_from(at).ok().and_then(|at| start.checked_sub(at));
    within.map_or(Csum::Complete, |start| Csum::Partial { start, offset })
}

fn datagram(
    frame: &[u8],
    headers: &Headers,
    csum: Csum,
    zero_csum6: bool,
    underlay: &mut Underlay,
) -> Result<(), BadTunnel> {
    let udp = Udp::of(frame, headers).ok_or(BadTunnel::NotThisTunnel)?;
    let there = (headers.end as usize).saturating_sub(headers.l4.into());
    if usize::from(udp.length()) != there {
        return Err(BadTunnel::UdpLength(udp.length()));
    }
    (underlay.src_port, underlay.dst_port) = (udp.src(), udp.dst());
    underlay.csum = udp.checksum() != 0;
    match underlay.csum {
        false if headers.is_ipv6() && !zero_csum6 => Err(BadTunnel::ZeroChecksum),
        true if !outer_is_right(frame, headers, csum) => Err(BadTunnel::OuterChecksum),
        _ => Ok(()),
    }
}

fn vxlan<'a>(bytes: &[u8], extension: Extension) -> Result<(Header<'a>, Payload), BadTunnel> {
    let vxlan = Vxlan::parse(bytes, extension)?;
    let payload = match vxlan.next {
        None | Some(Next::Ethernet) => Payload::Ethernet,
        Some(Next::Ipv4) => Payload::Ipv4,
        Some(Next::Ipv6) => Payload::Ipv6,
    };
    Ok((Header::Vxlan(vxlan), payload))
}

fn geneve(bytes: &[u8]) -> Result<(Header<'_>, Payload), BadTunnel> {
    let geneve = Geneve::parse(bytes)?;
    Ok((Header::Geneve(geneve), payload_of(geneve.protocol)))
}

fn gre<'a>(
    frame: &'a [u8],
    headers: &Headers,
    csum: Csum,
    underlay: &mut Underlay,
) -> Result<(Header<'a>, Payload, usize), BadTunnel> {
    let at = if headers.is_ipv4() {
        usize::from(headers.l3) + Ipv4::of(frame, headers).map_or(ipv4::HEADER, Ipv4::header_len)
    } else {
        usize::from(headers.l3) + ipv6::HEADER
    };
    // Extension headers of the underlay would have to be walked again: nobody sends them in front of GRE.
    let direct =
        headers.is_ipv4() || Ipv6::of(frame, headers).is_some_and(|ip| ip.next_header() == gre::PROTO);
    if headers.ip_proto != gre::PROTO || !direct {
        return Err(BadTunnel::NotThisTunnel);
    }
    let bytes = frame.get(at..headers.end as usize).unwrap_or_default();
    let gre = Gre::parse(bytes, csum == Csum::Complete)?;
    underlay.csum = gre.csum;
    if !matches!(gre.protocol, gre::ERSPAN | gre::ERSPAN_3) {
        return Ok((Header::Gre(gre), payload_of(gre.protocol), at + gre.len()));
    }
    let erspan = Erspan::parse(bytes.get(gre.len()..).unwrap_or_default(), &gre)?;
    Ok((Header::Erspan { gre, erspan }, Payload::Ethernet, at + gre.len() + erspan.len()))
}

const fn payload_of(protocol: u16) -> Payload {
    match protocol {
        eth_type::IPV4 => Payload::Ipv4,
        eth_type::IPV6 => Payload::Ipv6,
        _ => Payload::Ethernet,
    }
}

impl Kind {
    /// The IP protocol that carries it.
    #[must_use]
    pub const fn ip_proto(self) -> u8 {
        match self {
            Self::Gre => gre::PROTO,
            Self::Vxlan(_) | Self::Geneve => ip_proto::UDP,
        }
    }
}
