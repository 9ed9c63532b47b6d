//! "Packet too big": what a router says of a packet that its next link cannot take.
//!
//! ```text
//! ICMP    type 3, code 4 | checksum | 0 16 | MTU 16 | the packet's IP header and as much as 576 bytes leave
//! ICMPv6  type 2, code 0 | checksum | MTU 32       | the packet, as much as 1,280 bytes leave
//! ```
//!
//! Source: RFC 1191 §4 and RFC 1812 §4.3.2 (IPv4), RFC 4443 §2.4 and §3.2 (IPv6).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::build::{Ends, Frame, Ip, L4};
use crate::bytes::{array_mut, put16};
use crate::checksum::{Sum, checksum, pseudo_v6};
use crate::icmp;
use crate::ipv4::{self, Ipv4};
use crate::ipv6::{self, Ipv6};
use crate::parse::{FRAG_LATER, ip_proto};
use crate::{Headers, Mac};

/// Most bytes of the IPv4 packet that says it.
pub const MAX_V4: usize = 576;
/// Most bytes of the IPv6 packet that says it: the least MTU of any link.
pub const MAX_V6: usize = 1280;
/// Bytes that hold the frame in any case.
pub const MAX_FRAME: usize = 14 + 2 * crate::vlan::TAG + MAX_V6;

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Router {
    /// Its address on the link the packet came from.
    pub mac: Mac,
    /// Its address, of the packet's family.
    pub ip: IpAddr,
}

impl Router {
    /// The receiver of a frame, for who has no address of its own: the answer looks as if that one gave it. Its addresses
    /// are known where the frame came from anyway. `None` if the frame is not of IP.
    #[must_use]
    pub fn receiver(frame: &[u8], headers: &Headers) -> Option<Self> {
        let mac = Mac(*frame.first_chunk()?);
        let ip = match (Ipv4::of(frame, headers), Ipv6::of(frame, headers)) {
            (Some(ip), _) => IpAddr::from(ip.dst()),
            (_, Some(ip)) => IpAddr::from(ip.dst()),
            _ => return None,
        };
        Some(Self { mac, ip })
    }
}

/// Why nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Silent {
    /// The packet is not IP.
    NotIp,
    /// The packet may be fragmented.
    MayFragment,
    /// The packet is an ICMP error, or cannot be told from one.
    IcmpError,
    /// The packet is a fragment other than the first.
    Fragment,
    /// The packet comes from, or goes to, what is not a single host.
    NotUnicast,
    /// The router has no address of this family.
    NoAddress,
    /// The buffer is too small.
    NoRoom,
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotIp => "The packet is not IP",
            Self::MayFragment => "The packet may be fragmented",
            Self::IcmpError => "The packet is an ICMP error itself",
            Self::Fragment => "The packet is a fragment other than the first",
            Self::NotUnicast => "The packet is not from one host to one host",
            Self::NoAddress => "The router has no address to say it from",
            Self::NoRoom => "There is no room for the answer",
        })
    }
}

impl std::error::Error for Silent {}

/// Writes the answer to a frame that does not fit through a link with `mtu`: to its sender, with its VLAN tags. Returns
/// the length.
///
/// A super-packet or an open checksum is quoted as it stands; what its sender looks for, addresses, ports and sequence
/// number, is right in it.
///
/// # Errors
/// [`Silent`] where the RFCs forbid an answer.
pub fn emit(
    frame: &[u8],
    headers: &Headers,
    router: &Router,
    mtu: u16,
    out: &mut [u8],
) -> Result<usize, Silent> {
    let packet = frame.get(headers.l3.into()..headers.end as usize).unwrap_or_default();
    if headers.frag & FRAG_LATER != 0 {
        return Err(Silent::Fragment);
    }
    if let Some(ip) = Ipv4::of(frame, headers) {
        let IpAddr::V4(own) = router.ip else { return Err(Silent::NoAddress) };
        check_v4(frame, headers, ip)?;
        let quote = packet.get(..packet.len().min(MAX_V4 - ipv4::HEADER - icmp::HEADER)).unwrap_or_default();
        let [m0, m1] = mtu.to_be_bytes();
        let mut message = [0; MAX_V4];
        let message = write(&mut message, [3, 4, 0, 0, 0, 0, m0, m1], quote)?;
        let sum = checksum(message);
        put16(message, 2, sum);
        answer(frame, headers, router, Ends::V4(own, ip.src().into()), ip_proto::ICMP, message, out)
    } else if let Some(ip) = Ipv6::of(frame, headers) {
        let IpAddr::V6(own) = router.ip else { return Err(Silent::NoAddress) };
        check_v6(frame, headers, ip)?;
        let quote = packet.get(..packet.len().min(MAX_V6 - ipv6::HEADER - icmp::HEADER)).unwrap_or_default();
        let [m0, m1] = mtu.to_be_bytes();
        let mut message = [0; MAX_V6];
        let message = write(&mut message, [2, 0, 0, 0, 0, 0, m0, m1], quote)?;
        let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let sum: Sum = pseudo_v6(&own.octets(), &ip.src(), ip_proto::ICMPV6, len).bytes(message);
        put16(message, 2, sum.finish());
        answer(frame, headers, router, Ends::V6(own, ip.src().into()), ip_proto::ICMPV6, message, out)
    } else {
        Err(Silent::NotIp)
    }
}

fn write<'a>(buffer: &'a mut [u8], head: [u8; icmp::HEADER], quote: &[u8]) -> Result<&'a mut [u8], Silent> {
    let message = buffer.get_mut(..icmp::HEADER + quote.len()).ok_or(Silent::NoRoom)?;
    *array_mut(message, 0).ok_or(Silent::NoRoom)? = head;
    message.get_mut(icmp::HEADER..).ok_or(Silent::NoRoom)?.copy_from_slice(quote);
    Ok(message)
}

fn answer(
    frame: &[u8],
    headers: &Headers,
    router: &Router,
    ends: Ends,
    proto: u8,
    bytes: &[u8],
    out: &mut [u8],
) -> Result<usize, Silent> {
    let to = crate::bytes::array::<6>(frame, 6).map_or(Mac::BROADCAST, |mac| Mac(*mac));
    let ip = Ip { fragment: 0, tos: 0, ..Ip::new(ends, L4::Raw { proto, bytes }) };
    let mut answer = Frame::ip(router.mac, to, ip);
    for tag in (0..usize::from(headers.vlans)).rev() {
        let at = crate::ethernet::HEADER - 2 + tag * crate::vlan::TAG;
        if let Some((tpid, tci)) = crate::bytes::be16(frame, at).zip(crate::bytes::be16(frame, at + 2)) {
            answer = answer.tag(tpid, tci);
        }
    }
    answer.emit(out).ok_or(Silent::NoRoom)
}

/// RFC 1812 §4.3.2.7: no error about these.
fn check_v4(frame: &[u8], headers: &Headers, ip: Ipv4<'_>) -> Result<(), Silent> {
    let (src, dst) = (Ipv4Addr::from(ip.src()), Ipv4Addr::from(ip.dst()));
    let one = |ip: Ipv4Addr| !(ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified());
    let class_e = src.octets().first().is_some_and(|byte| *byte >= 240);
    let link = frame.first().is_some_and(|byte| byte & 1 == 1);
    match () {
        () if ip.fragment() & ipv4::DF == 0 => Err(Silent::MayFragment),
        () if !one(src) || !one(dst) || src.is_loopback() || class_e || link => Err(Silent::NotUnicast),
        () if headers.ip_proto == ip_proto::ICMP && !icmp::Icmp::of(frame, headers).is_some_and(asks_v4) => {
            Err(Silent::IcmpError)
        }
        () => Ok(()),
    }
}

/// ICMP messages that are not errors: echo, timestamp, information, address mask, router discovery.
const fn asks_v4(icmp: icmp::Icmp<'_>) -> bool {
    matches!(icmp.kind(), 0 | 8 | 9 | 10 | 13..=18)
}

/// RFC 4443 §2.4 (e): no error about these; a multicast destination is no obstacle for this one.
fn check_v6(frame: &[u8], headers: &Headers, ip: Ipv6<'_>) -> Result<(), Silent> {
    let src = Ipv6Addr::from(ip.src());
    // Redirects are no errors by number, but are not answered either.
    let answered = |icmp: icmp::Icmp<'_>| icmp.kind() >= 128 && icmp.kind() != 137;
    match () {
        () if src.is_multicast() || src.is_unspecified() || src.is_loopback() => Err(Silent::NotUnicast),
        () if headers.ip_proto == ip_proto::ICMPV6
            && !icmp::Icmp::of(frame, headers).is_some_and(answered) =>
        {
            Err(Silent::IcmpError)
        }
        () => Ok(()),
    }
}
