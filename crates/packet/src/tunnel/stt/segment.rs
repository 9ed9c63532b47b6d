//! The TCP-like header of a piece of an STT frame.

use crate::build::Ends;
use crate::bytes::{be16, put, put16, put32};
use crate::checksum::{Sum, pseudo_v4, pseudo_v6};
use crate::ethernet::HEADER as ETHERNET;
use crate::parse::ip_proto;
use crate::tcp::{self, Tcp, flag};
use crate::tunnel::parse::{Underlay, outer_is_right, underlay};
use crate::tunnel::{BadTunnel, stt};
use crate::{Csum, Headers};

/// The TCP port IANA gave to STT.
pub const PORT: u16 = 7471;

/// Where the checksum is in a TCP header.
const CHECK: usize = 16;

/// A piece of an STT frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The outer packet.
    pub underlay: Underlay,
    /// Bytes of the whole STT frame, its header included.
    pub total: u16,
    /// Where in the STT frame this piece begins.
    pub offset: u16,
    /// Which frame of its sender this is a piece of.
    pub id: u32,
    /// The piece; it lies inside the frame.
    pub bytes: &'a [u8],
}

impl<'a> Segment<'a> {
    /// The piece in a packet of the underlay. One that came as a super-packet of TCP is a longer piece.
    ///
    /// # Errors
    /// [`BadTunnel`]: not TCP or a fragment, TCP options or a flag of a connection's ([`BadTunnel::SttTcp`]), a wrong
    /// checksum, a frame that is too short ([`BadTunnel::SttLength`]), a piece outside ([`BadTunnel::SttPiece`]).
    pub fn of(frame: &'a [u8], headers: &Headers, csum: Csum) -> Result<Self, BadTunnel> {
        let underlay = underlay(frame, headers)?;
        Tcp::of(frame, headers).ok_or(BadTunnel::NotThisTunnel)?;
        let packet = frame.get(headers.l4.into()..headers.end as usize).unwrap_or_default();
        let segment = Self::parse(packet, underlay)?;
        if outer_is_right(frame, headers, csum) { Ok(segment) } else { Err(BadTunnel::OuterChecksum) }
    }

    /// The piece in what a socket of IP handed over: `packet` from the TCP-like header on, and what IP said. Nobody says
    /// how its checksum stands, so it is right, or open: a super-packet's holds the pseudo header's sum, since the
    /// underlay never left the machine or the kernel has put verified segments together.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn received(packet: &'a [u8], underlay: Underlay) -> Result<Self, BadTunnel> {
        let segment = Self::parse(packet, underlay)?;
        let pseudo = pseudo(underlay.ends, packet.len());
        let is_open = be16(packet, CHECK) == Some(pseudo.fold());
        if is_open || pseudo.bytes(packet).finish() == 0 {
            Ok(segment)
        } else {
            Err(BadTunnel::OuterChecksum)
        }
    }

    /// All but the checksum.
    fn parse(packet: &'a [u8], mut underlay: Underlay) -> Result<Self, BadTunnel> {
        let (header, bytes) = packet.split_first_chunk::<{ tcp::HEADER }>().ok_or(BadTunnel::SttTcp)?;
        let [s0, s1, d0, d1, t0, t1, o0, o1, a0, a1, a2, a3, length, flags, ..] = *header;
        if length >> 4 != 5 || u16::from(flags) & (flag::SYN | flag::FIN | flag::RST) != 0 {
            return Err(BadTunnel::SttTcp);
        }
        (underlay.src_port, underlay.dst_port) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
        let (total, offset) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([o0, o1]));
        if usize::from(total) < stt::HEADER + ETHERNET {
            return Err(BadTunnel::SttLength(total));
        }
        if bytes.is_empty() || usize::from(offset) + bytes.len() > usize::from(total) {
            return Err(BadTunnel::SttPiece);
        }
        Ok(Self { underlay, total, offset, id: u32::from_be_bytes([a0, a1, a2, a3]), bytes })
    }

    /// Whether this piece is all of its frame.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.bytes.len() == self.total as usize
    }
}

/// The TCP-like header of a piece, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceHeader {
    /// By the flow inside; see [`entropy::source_port`](crate::tunnel::entropy::source_port).
    pub src_port: u16,
    /// [`PORT`], mostly.
    pub dst_port: u16,
    /// Bytes of the whole STT frame.
    pub total: u16,
    /// Where in it the piece begins.
    pub offset: u16,
    /// Which frame of its sender it is a piece of.
    pub id: u32,
    /// It is the last: PSH, which ends what a receiver's kernel puts together.
    pub is_last: bool,
}

impl PieceHeader {
    /// Writes it at the front of `out`, 20 bytes; its checksum is left 0. `false` if it does not fit.
    pub fn emit(&self, out: &mut [u8]) -> bool {
        let [_, flags] = (flag::ACK | if self.is_last { flag::PSH } else { 0 }).to_be_bytes();
        out.len() >= tcp::HEADER
            && put16(out, 0, self.src_port)
            && put16(out, 2, self.dst_port)
            && put32(out, 4, u32::from(self.total) << 16 | u32::from(self.offset))
            && put32(out, 8, self.id)
            && put(out, 12, [0x50, flags, 0xff, 0xff, 0, 0, 0, 0])
    }

    /// Writes it at the front of `packet`, behind which the piece lies already, with its checksum for a packet between
    /// `ends`. `false` if there is no room.
    pub fn emit_summed(&self, packet: &mut [u8], ends: Ends) -> bool {
        if !self.emit(packet) {
            return false;
        }
        let sum = pseudo(ends, packet.len()).bytes(packet).finish();
        put16(packet, CHECK, sum)
    }
}

/// The sum of the pseudo header of a TCP-like packet of `len` bytes.
fn pseudo(ends: Ends, len: usize) -> Sum {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    match ends {
        Ends::V4(src, dst) => pseudo_v4(src.octets(), dst.octets(), ip_proto::TCP, len),
        Ends::V6(src, dst) => pseudo_v6(&src.octets(), &dst.octets(), ip_proto::TCP, len),
    }
}
