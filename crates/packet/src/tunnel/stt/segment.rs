//! The TCP-like header of a piece of an STT frame.

use crate::bytes::{put, put16, put32};
use crate::ethernet::HEADER as ETHERNET;
use crate::tcp::{self, Tcp, flag};
use crate::tunnel::outer::Outer;
use crate::tunnel::parse::{Underlay, outer_is_right, underlay};
use crate::tunnel::{BadTunnel, stt};
use crate::{Csum, Headers};

/// The TCP port IANA gave to STT.
pub const PORT: u16 = 7471;

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
        let mut underlay = underlay(frame, headers)?;
        let header = Tcp::of(frame, headers).ok_or(BadTunnel::NotThisTunnel)?;
        let connection = header.flags() & (flag::SYN | flag::FIN | flag::RST) != 0;
        if connection || usize::from(headers.payload) != usize::from(headers.l4) + tcp::HEADER {
            return Err(BadTunnel::SttTcp);
        }
        if !outer_is_right(frame, headers, csum) {
            return Err(BadTunnel::OuterChecksum);
        }
        (underlay.src_port, underlay.dst_port) = (header.src(), header.dst());
        let [t0, t1, o0, o1] = header.seq().to_be_bytes();
        let (total, offset) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([o0, o1]));
        if usize::from(total) < stt::HEADER + ETHERNET {
            return Err(BadTunnel::SttLength(total));
        }
        let bytes = frame.get(headers.payload.into()..headers.end as usize).unwrap_or_default();
        if bytes.is_empty() || usize::from(offset) + bytes.len() > usize::from(total) {
            return Err(BadTunnel::SttPiece);
        }
        Ok(Self { underlay, total, offset, id: header.ack(), bytes })
    }

    /// Whether this piece is all of its frame.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.bytes.len() == self.total as usize
    }
}

/// Writes the TCP-like header of a whole STT frame of `total` bytes at the front of `out`; its checksum is left 0.
/// `false` if it does not fit.
pub fn emit_tcp(out: &mut [u8], outer: &Outer, total: u16, id: u32) -> bool {
    let flags = (flag::ACK | flag::PSH).to_be_bytes()[1];
    out.len() >= tcp::HEADER
        && put16(out, 0, outer.src_port)
        && put16(out, 2, outer.dst_port)
        && put32(out, 4, u32::from(total) << 16)
        && put32(out, 8, id)
        && put(out, 12, [0x50, flags, 0xff, 0xff, 0, 0, 0, 0])
}
