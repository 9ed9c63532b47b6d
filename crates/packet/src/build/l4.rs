//! What is in an IP packet: TCP, UDP, SCTP, echoes, neighbour discovery.

use std::net::Ipv6Addr;

use crate::bytes::{put, put16, put32};
use crate::checksum::Sum;
use crate::parse::ip_proto;
use crate::{Csum, Mac, icmp, nd, sctp, tcp, udp};

/// What is in an [`Ip`](super::Ip) packet.
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

impl L4<'_> {
    pub(super) const fn len(&self) -> usize {
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

    pub(super) const fn proto(&self, v6: bool) -> u8 {
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
    pub(super) fn write(
        &self,
        out: &mut [u8],
        v6: bool,
        pseudo: Sum,
        partial: Option<usize>,
    ) -> Option<Csum> {
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
