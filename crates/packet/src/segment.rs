//! Software segmentation: a super-packet becomes the packets it stands for, or smaller super-packets.
//!
//! ```text
//! | headers | payload                                  |        gso_size = s
//! | headers | s    | s    |   | headers | s    | rest  |        units of n = 2 segments
//! ```
//!
//! Each unit is written whole into a buffer of the caller's: headers with their lengths, IPv4 id, TCP sequence
//! number and flags put right, and its share of the payload. A unit of more than one segment keeps super-packet
//! metadata. The payload is never summed: a unit's checksum is [`Csum::Partial`], which costs nothing to carry and
//! [`crate::checksum::complete`] finishes where it must.
//!
//! As Linux does it (`tcp_gso_segment`, `__udp_gso_segment`, `inet_gso_segment`): FIN and PSH only in the last
//! segment, CWR only in the first, the IPv4 id counts up by one a segment, and all other bits are copied.

use std::fmt;
use std::num::NonZeroU32;

use crate::bytes::{be16, be32, put, put16, put32, u8_at};
use crate::checksum::{self, Sum, update};
use crate::tcp::flag;
use crate::{BadOffload, Csum, Gso, Headers, Offload};

/// The buffer does not hold the next unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSmall {
    /// Bytes the unit needs.
    pub needed: usize,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The next unit needs {} bytes", self.needed)
    }
}

impl std::error::Error for TooSmall {}

/// A unit, as it was written into the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Bytes written.
    pub len: usize,
    /// Packets on the wire: segments of the super-packet.
    pub segments: u32,
    /// What is still to be done to it.
    pub offload: Offload,
}

/// Cuts a frame into units of at most `per_unit` segments.
///
/// A frame that is no super-packet is one unit, unchanged with its padding. Padding of a super-packet is left out.
///
/// # Errors
/// [`BadOffload`] if the metadata contradicts the frame ([`Offload::check`]), or a complete checksum would have to
/// be split whose destination stands in a routing header ([`BadOffload::GsoHeaders`]).
pub fn cut<'a>(
    frame: &'a [u8],
    headers: &'a Headers,
    offload: &Offload,
    per_unit: NonZeroU32,
) -> Result<Cutter<'a>, BadOffload> {
    offload.check(frame.len(), headers)?;
    if headers.end as usize > frame.len() || usize::from(headers.payload) > headers.end as usize {
        return Err(BadOffload::GsoHeaders); // headers of another frame
    }
    if offload.gso == Gso::None {
        return Ok(Cutter {
            frame,
            headers,
            offload: *offload,
            fixed: 0,
            total: frame.len(),
            step: usize::MAX,
            done: 0,
            ended: false,
        });
    }
    if !matches!(offload.csum, Csum::Partial { .. }) && headers.routed {
        return Err(BadOffload::GsoHeaders);
    }
    let per_unit = usize::try_from(per_unit.get()).unwrap_or(usize::MAX);
    let step = per_unit.saturating_mul(usize::from(offload.gso_size));
    let (fixed, total) = (usize::from(headers.payload), headers.payload_len());
    Ok(Cutter { frame, headers, offload: *offload, fixed, total, step, done: 0, ended: false })
}

/// A frame being cut; see [`cut`].
#[derive(Debug, Clone)]
pub struct Cutter<'a> {
    frame: &'a [u8],
    headers: &'a Headers,
    offload: Offload,
    /// Bytes of all headers, repeated in each unit.
    fixed: usize,
    /// Bytes to share out behind them.
    total: usize,
    /// Bytes a full unit takes of them.
    step: usize,
    /// Bytes shared out.
    done: usize,
    ended: bool,
}

impl Cutter<'_> {
    /// Bytes of the longest unit to come.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.fixed + self.step.min(self.total - self.done)
    }

    /// Units to come.
    #[must_use]
    pub fn remaining(&self) -> usize {
        if self.ended { 0 } else { (self.total - self.done).div_ceil(self.step).max(1) }
    }

    /// Writes the next unit at the front of `out`. `None` behind the last.
    ///
    /// # Errors
    /// [`TooSmall`]; the unit is not lost, a larger buffer gets it.
    pub fn next_into(&mut self, out: &mut [u8]) -> Result<Option<Unit>, TooSmall> {
        if self.ended {
            return Ok(None);
        }
        let share = self.step.min(self.total - self.done);
        let len = self.fixed + share;
        let from = self.fixed + self.done;
        let (Some(head), Some(body)) = (self.frame.get(..self.fixed), self.frame.get(from..from + share))
        else {
            return Ok(None); // `cut` checked it
        };
        let out = out.get_mut(..len).ok_or(TooSmall { needed: len })?;
        if let Some((to_head, to_body)) = out.split_at_mut_checked(self.fixed) {
            to_head.copy_from_slice(head);
            to_body.copy_from_slice(body);
        }
        let mut unit = Unit { len, segments: 1, offload: self.offload };
        if self.offload.gso != Gso::None {
            self.rewrite(out, share, &mut unit);
        }
        self.done += share;
        self.ended = self.done >= self.total;
        Ok(Some(unit))
    }

    /// Makes the copied headers those of the unit in `out`, whose payload is `share` bytes.
    fn rewrite(&self, out: &mut [u8], share: usize, unit: &mut Unit) {
        let size = usize::from(self.offload.gso_size);
        unit.segments = u32::try_from(share.div_ceil(size)).unwrap_or(u32::MAX).max(1);
        self.rewrite_ip(out);
        let field =
            if self.offload.gso == Gso::Udp { self.rewrite_udp(out) } else { self.rewrite_tcp(out, share) };
        unit.offload.csum = self.rewrite_checksum(out, field);
        if unit.segments == 1 {
            unit.offload.gso = Gso::None;
            unit.offload.gso_size = 0;
        }
        unit.offload.ecn &= self.done == 0 && unit.segments > 1;
    }

    fn rewrite_ip(&self, out: &mut [u8]) {
        let l3 = usize::from(self.headers.l3);
        let len = out.len().saturating_sub(l3);
        if self.headers.is_ipv6() {
            put16(out, l3 + 4, short(len.saturating_sub(crate::ipv6::HEADER)));
            return;
        }
        // The unit's first segment counts, modulo 2^16.
        let [.., high, low] = (self.done / usize::from(self.offload.gso_size).max(1)).to_be_bytes();
        let (Some(old_len), Some(old_id), Some(check)) =
            (be16(out, l3 + 2), be16(out, l3 + 4), be16(out, l3 + 10))
        else {
            return;
        };
        let new_len = short(len);
        let new_id = old_id.wrapping_add(u16::from_be_bytes([high, low]));
        put16(out, l3 + 2, new_len);
        put16(out, l3 + 4, new_id);
        put16(out, l3 + 10, update(update(check, old_len, new_len), old_id, new_id));
    }

    /// Returns where in the TCP header its checksum is.
    fn rewrite_tcp(&self, out: &mut [u8], share: usize) -> u16 {
        let l4 = usize::from(self.headers.l4);
        if let (Some(seq), Some(flags)) = (be32(out, l4 + 4), u8_at(out, l4 + 13)) {
            let done = u32::try_from(self.done).unwrap_or(u32::MAX);
            let mut keep = 0xffff;
            if self.done + share < self.total {
                keep &= !(flag::FIN | flag::PSH);
            }
            if self.done > 0 {
                keep &= !flag::CWR;
            }
            put32(out, l4 + 4, seq.wrapping_add(done));
            put(out, l4 + 13, [flags & keep.to_be_bytes()[1]]);
        }
        16
    }

    /// Returns where in the UDP header its checksum is.
    fn rewrite_udp(&self, out: &mut [u8]) -> u16 {
        let l4 = usize::from(self.headers.l4);
        let len = out.len().saturating_sub(l4);
        put16(out, l4 + 4, short(len));
        6
    }

    /// The sum of the pseudo header with the unit's length, in the checksum field.
    fn rewrite_checksum(&self, out: &mut [u8], field: u16) -> Csum {
        let (l4, at) = (self.headers.l4, usize::from(self.headers.l4) + usize::from(field));
        let length = |bytes: usize| u32::try_from(bytes.saturating_sub(l4.into())).unwrap_or(u32::MAX);
        let (old, new) = (length(self.headers.end as usize), length(out.len()));
        let check = be16(out, at).unwrap_or(0);
        let sum = match self.offload.csum {
            // The field holds a pseudo header's sum with the length of the whole super-packet.
            Csum::Partial { .. } => Some(Sum::ZERO.word(check).long(!old).long(new)),
            _ if self.offload.gso == Gso::Udp && check == 0 => return self.offload.csum,
            _ => checksum::pseudo(out, self.headers, new),
        };
        put16(out, at, sum.map_or(check, Sum::fold));
        Csum::Partial { start: l4, offset: field }
    }
}

/// A length field; 0 where it has no room (super-packets above 64 KiB).
fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(0)
}
