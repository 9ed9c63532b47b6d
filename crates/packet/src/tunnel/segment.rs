//! A super-packet into a tunnel without offload: cut first, each segment with headers of its own.
//!
//! ```text
//! packets  | outer | tunnel | inner headers | s |  | outer | tunnel | inner headers | s |  ...
//! train    | outer | tunnel | inner headers | s | tunnel | inner headers | s | ...      outer UDP_L4 super-packet
//! ```
//!
//! A *train* is what `UDP_SEGMENT` takes apart again: the outer UDP payloads one behind the other, all of the same
//! length but the last. It crosses an underlay of kernel links in one piece.
//!
//! STT needs none of this for TCP: there the encapsulated super-packet is itself one of TCP, and
//! [`crate::segment`] cuts it into pieces that a [`Reassembly`](super::stt::Reassembly) puts together.

use std::num::NonZeroU32;

use super::encap::{CannotPush, Encap, Header};
use crate::bytes::put16;
use crate::parse::ip_proto;
use crate::segment::{self, TooSmall, Unit};
use crate::{BadOffload, Csum, Gso, Headers, Offload, checksum, udp};

/// Most datagrams in a train, as Linux has it (`UDP_MAX_SEGMENTS`).
pub const MAX_TRAIN: usize = 128;

/// Why the next packet was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotWritten {
    /// The buffer does not hold it; a larger one gets it.
    TooSmall {
        /// Bytes that are needed.
        needed: usize,
    },
    /// Its headers cannot be.
    Cannot(CannotPush),
}

impl std::fmt::Display for NotWritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooSmall { needed } => write!(f, "The next tunnel packet needs {needed} bytes"),
            Self::Cannot(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for NotWritten {}

impl From<TooSmall> for NotWritten {
    fn from(small: TooSmall) -> Self {
        Self::TooSmall { needed: small.needed }
    }
}

/// Begins to cut a frame on its way into a tunnel. A frame that is no super-packet is one segment.
///
/// # Errors
/// As [`segment::cut`].
pub fn cut<'a>(
    encap: Encap<'a>,
    frame: &'a [u8],
    headers: &'a Headers,
    offload: &Offload,
) -> Result<Cutter<'a>, BadOffload> {
    Ok(Cutter { encap, inner: segment::cut(frame, headers, offload, NonZeroU32::MIN)? })
}

/// A frame being cut into tunnel packets; see [`cut`].
#[derive(Debug, Clone)]
pub struct Cutter<'a> {
    encap: Encap<'a>,
    inner: segment::Cutter<'a>,
}

impl Cutter<'_> {
    /// Segments to come.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.inner.remaining()
    }

    /// Bytes of the longest tunnel packet to come.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.encap.len() + self.inner.longest()
    }

    /// Writes the next tunnel packet at the front of `out`. `None` behind the last.
    ///
    /// IPv4's identification and GRE's sequence number count on by one a packet. The inner checksum stays open.
    ///
    /// # Errors
    /// [`NotWritten`]; if the buffer was too small, nothing is lost.
    pub fn next_into(&mut self, out: &mut [u8]) -> Result<Option<Unit>, NotWritten> {
        let head = self.encap.len();
        if self.remaining() > 0 && out.len() < self.longest() {
            return Err(NotWritten::TooSmall { needed: self.longest() });
        }
        let Some(room) = out.get_mut(head..) else { return Ok(None) };
        let Some(unit) = self.inner.next_into(room)? else { return Ok(None) };
        let packet = out.get_mut(..head + unit.len).unwrap_or_default();
        let pushed = self.encap.push(packet, head, &unit.offload).map_err(NotWritten::Cannot)?;
        self.count_on();
        Ok(Some(Unit { len: head + unit.len, segments: 1, offload: pushed.offload }))
    }

    /// Writes the next segments as a train at the front of `out`: one frame with the outer headers once, its offload
    /// saying how the underlay takes it apart. `None` behind the last. Takes as many as fit.
    ///
    /// # Errors
    /// [`NotWritten`]; [`CannotPush::SuperPacket`] unless the tunnel is one over UDP with a checksum (the kernel cuts
    /// no train without).
    pub fn train_into(&mut self, out: &mut [u8]) -> Result<Option<Unit>, NotWritten> {
        let (proto, _) = self.encap.header.transport();
        if proto != ip_proto::UDP || !self.encap.outer.csum {
            return Err(NotWritten::Cannot(CannotPush::SuperPacket));
        }
        if self.remaining() == 0 {
            return Ok(None);
        }
        if out.len() < self.longest() {
            return Err(NotWritten::TooSmall { needed: self.longest() });
        }
        let l4 = self.encap.outer.len();
        // UDP's length field, and IPv4's, speak of the whole train.
        let limit = out.len().min(crate::ethernet::HEADER + usize::from(u16::MAX));
        let (mut end, mut count, mut size) = (l4 + udp::HEADER, 0, 0);
        while count < MAX_TRAIN && self.remaining() > 0 {
            let longest = self.encap.header.len() + self.inner.longest();
            if count > 0 && (longest > limit.saturating_sub(end) || longest > size) {
                break;
            }
            let wrote = self.wagon(out.get_mut(end..limit).unwrap_or_default())?;
            size = if count == 0 { wrote } else { size };
            (end, count) = (end + wrote, count + 1);
        }
        let frame = out.get_mut(..end).unwrap_or_default();
        self.encap.write(frame).map_err(NotWritten::Cannot)?;
        let sum = self.encap.outer.pseudo(ip_proto::UDP, end - l4).fold();
        put16(frame, l4 + 6, sum);
        (0..count).for_each(|_| self.count_on());
        Ok(Some(Unit {
            len: end,
            segments: u32::try_from(count).unwrap_or(1),
            offload: train(l4, size, count),
        }))
    }

    /// One UDP payload: tunnel header and segment, its checksum completed. Returns its length.
    fn wagon(&mut self, out: &mut [u8]) -> Result<usize, NotWritten> {
        let header = self.encap.header.len();
        let (head, body) = out.split_at_mut_checked(header).ok_or(NotWritten::TooSmall { needed: header })?;
        if !self.encap.header.emit(head) {
            return Err(NotWritten::Cannot(CannotPush::Contradiction));
        }
        let Some(unit) = self.inner.next_into(body)? else { return Ok(0) };
        let mut offload = unit.offload;
        let segment = body.get_mut(..unit.len).unwrap_or_default();
        let completed = checksum::complete(segment, &mut offload);
        completed.map_err(|_| NotWritten::Cannot(CannotPush::Contradiction))?;
        Ok(header + unit.len)
    }

    fn count_on(&mut self) {
        self.encap.outer.id = self.encap.outer.id.wrapping_add(1);
        if let Header::Gre(gre) | Header::Erspan { gre, .. } = &mut self.encap.header {
            gre.seq = gre.seq.map(|seq| seq.wrapping_add(1));
        }
        if let Header::Stt { id, .. } = &mut self.encap.header {
            *id = id.wrapping_add(1);
        }
    }
}

/// The metadata of a train whose wagons are `size` bytes.
fn train(l4: usize, size: usize, count: usize) -> Offload {
    let start = u16::try_from(l4).unwrap_or_default();
    let plain = Offload { csum: Csum::Partial { start, offset: 6 }, ..Offload::PLAIN };
    if count < 2 {
        return plain;
    }
    let gso_size = u16::try_from(size).unwrap_or_default();
    Offload { gso: Gso::Udp, gso_size, hdr_len: start.saturating_add(8), ..plain }
}
