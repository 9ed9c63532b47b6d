//! Frames that the switch hands up, as far as they are for the service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netloom_packet::arp::{self, Arp};
use netloom_packet::bytes::{be16, u8_at};
use netloom_packet::icmp::{ECHO_REQUEST, ECHO_REQUEST_V6};
use netloom_packet::ipv4::Ipv4;
use netloom_packet::ipv6::Ipv6;
use netloom_packet::nd::{self, Nd};
use netloom_packet::parse::ip_proto;
use netloom_packet::tcp::{self, Tcp};
use netloom_packet::udp::{self, Udp};
use netloom_packet::{Headers, Mac, checksum, parse};

use crate::tally::Refusal;

/// Router solicitation, the type of ICMPv6 (RFC 4861 section 4.1).
const ROUTER_SOLICIT: u8 = 133;

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// Who has the IPv4 address?
    Arp { sha: Mac, spa: Ipv4Addr, target: Ipv4Addr },
    /// Who has the IPv6 address? From the unspecified address: is it taken?
    Solicit { from: Ipv6Addr, target: Ipv6Addr },
    /// Which routers are there?
    RouterSolicit { from: Ipv6Addr },
    /// An echo request.
    Echo { from: IpAddr, to: IpAddr, id: u16, seq: u16, data: &'a [u8] },
    /// A UDP datagram.
    Datagram { from: (IpAddr, u16), to: (IpAddr, u16), data: &'a [u8] },
    /// What nobody answers: an answer, or an error. So does the kernel of a client speak whose program takes DHCP's messages
    /// past it: nobody listens at their port.
    Notice,
    /// A TCP segment; `mss`: the longest that its sender takes, if it says so.
    Segment {
        from: (IpAddr, u16),
        to: (IpAddr, u16),
        seq: u32,
        ack: u32,
        flags: u16,
        window: u16,
        mss: Option<u16>,
        data: &'a [u8],
    },
}

/// Reads a frame; the sender's link-layer address, and what it says.
///
/// # Errors
/// [`Refusal::Malformed`] if it is none, or a checksum is wrong; [`Refusal::NotServed`] for all that no service is for.
pub(crate) fn read(frame: &[u8]) -> Result<(Mac, Incoming<'_>), Refusal> {
    let headers = parse(frame).map_err(|_| Refusal::Malformed)?;
    let src = Mac(*netloom_packet::bytes::array(frame, 6).ok_or(Refusal::Malformed)?);
    if src.is_multicast() || src == Mac::ZERO {
        return Err(Refusal::Malformed);
    }
    if headers.vlans != 0 || headers.frag != 0 {
        return Err(Refusal::NotServed);
    }
    if checksum::verify_ipv4(frame, &headers) == Some(false)
        || checksum::verify_l4(frame, &headers) == Some(false)
    {
        return Err(Refusal::Malformed);
    }
    if let Some(arp) = Arp::of(frame, &headers) {
        return match arp.op() {
            arp::REQUEST => {
                Ok((src, Incoming::Arp { sha: arp.sha(), spa: arp.spa().into(), target: arp.tpa().into() }))
            }
            _ => Ok((src, Incoming::Notice)),
        };
    }
    let (from, to) = ends(frame, &headers).ok_or(Refusal::NotServed)?;
    let incoming = match headers.ip_proto {
        ip_proto::UDP => datagram(frame, &headers, from, to),
        ip_proto::TCP => segment(frame, &headers, from, to),
        ip_proto::ICMP if headers.is_ipv4() => echo(frame, &headers, from, to, ECHO_REQUEST),
        ip_proto::ICMPV6 if headers.is_ipv6() => match (u8_at(frame, usize::from(headers.l4)), from, to) {
            (Some(ROUTER_SOLICIT), IpAddr::V6(from), _) => {
                on_link(frame, &headers).map(|()| Incoming::RouterSolicit { from })
            }
            (Some(nd::SOLICIT), IpAddr::V6(from), _) => solicit(frame, &headers, from),
            _ => echo(frame, &headers, from, to, ECHO_REQUEST_V6),
        },
        _ => Err(Refusal::NotServed),
    };
    Ok((src, incoming?))
}

fn ends(frame: &[u8], headers: &Headers) -> Option<(IpAddr, IpAddr)> {
    if headers.l4 == 0 {
        return None;
    }
    let v4 = Ipv4::of(frame, headers).map(|ip| (IpAddr::from(ip.src()), IpAddr::from(ip.dst())));
    v4.or_else(|| Ipv6::of(frame, headers).map(|ip| (IpAddr::from(ip.src()), IpAddr::from(ip.dst()))))
}

/// The payload behind the L4 header, without padding.
fn payload<'a>(frame: &'a [u8], headers: &Headers) -> Option<&'a [u8]> {
    if headers.payload == 0 {
        return None;
    }
    frame.get(usize::from(headers.payload)..usize::try_from(headers.end).ok()?)
}

fn datagram<'a>(
    frame: &'a [u8],
    headers: &Headers,
    from: IpAddr,
    to: IpAddr,
) -> Result<Incoming<'a>, Refusal> {
    let udp = Udp::of(frame, headers).ok_or(Refusal::Malformed)?;
    let len = usize::from(udp.length()).checked_sub(udp::HEADER).ok_or(Refusal::Malformed)?;
    let data = payload(frame, headers).and_then(|data| data.get(..len)).ok_or(Refusal::Malformed)?;
    Ok(Incoming::Datagram { from: (from, udp.src()), to: (to, udp.dst()), data })
}

fn segment<'a>(
    frame: &'a [u8],
    headers: &Headers,
    from: IpAddr,
    to: IpAddr,
) -> Result<Incoming<'a>, Refusal> {
    let tcp = Tcp::of(frame, headers).ok_or(Refusal::Malformed)?;
    let data = payload(frame, headers).ok_or(Refusal::Malformed)?;
    Ok(Incoming::Segment {
        from: (from, tcp.src()),
        to: (to, tcp.dst()),
        seq: tcp.seq(),
        ack: tcp.ack(),
        flags: tcp.flags(),
        window: tcp.window(),
        mss: mss(frame, headers),
        data,
    })
}

/// The option of the longest segment (RFC 9293 section 3.2), kind 2.
fn mss(frame: &[u8], headers: &Headers) -> Option<u16> {
    let mut at = usize::from(headers.l4) + tcp::HEADER;
    let end = usize::from(headers.payload);
    while at < end {
        match u8_at(frame, at)? {
            0 => return None,
            1 => at += 1,
            2 => return be16(frame, at + 2).filter(|_| at + 4 <= end && u8_at(frame, at + 1) == Some(4)),
            _ => at += usize::from(u8_at(frame, at + 1)?).max(2),
        }
    }
    None
}

fn echo<'a>(
    frame: &'a [u8],
    headers: &Headers,
    from: IpAddr,
    to: IpAddr,
    request: u8,
) -> Result<Incoming<'a>, Refusal> {
    let at = usize::from(headers.l4);
    match u8_at(frame, at) {
        Some(kind) if kind == request => {}
        Some(kind) if is_notice(kind, request) => return Ok(Incoming::Notice),
        _ => return Err(Refusal::NotServed),
    }
    let end = usize::try_from(headers.end).unwrap_or(0);
    let (Some(id), Some(seq), Some(data)) =
        (be16(frame, at + 4), be16(frame, at + 6), frame.get(at + 8..end))
    else {
        return Err(Refusal::Malformed);
    };
    Ok(Incoming::Echo { from, to, id, seq, data })
}

/// Errors (RFC 792; RFC 4443 section 2.1: below 128), echo replies and neighbour advertisements.
const fn is_notice(kind: u8, request: u8) -> bool {
    match request {
        ECHO_REQUEST => matches!(kind, 0 | 3 | 4 | 11 | 12),
        _ => matches!(kind, 0..=127 | 129 | nd::ADVERT),
    }
}

/// Nothing of neighbour discovery counts that a router may have passed on (RFC 4861 sections 6.1.1 and 7.1.1).
fn on_link(frame: &[u8], headers: &Headers) -> Result<(), Refusal> {
    match Ipv6::of(frame, headers) {
        Some(ip) if ip.ttl() == 255 => Ok(()),
        _ => Err(Refusal::Malformed),
    }
}

fn solicit<'a>(frame: &[u8], headers: &Headers, from: Ipv6Addr) -> Result<Incoming<'a>, Refusal> {
    on_link(frame, headers)?;
    let nd = Nd::of(frame, headers).ok_or(Refusal::Malformed)?;
    Ok(Incoming::Solicit { from, target: nd.target.into() })
}
