//! Datagrams of one UDP flow put together to a super-packet: the opposite of [`crate::segment`].
//!
//! ```text
//! | headers | s bytes |  | headers | s bytes |  | headers | rest |
//! | headers | s bytes | s bytes | rest |            gso_size = s
//! ```
//!
//! A device that takes UDP super-packets spares its kernel a system call, a route and a socket lookup for each of them.
//! What comes out is what went in: only datagrams that follow each other and differ in nothing but their payload are
//! put together, and only those whose checksum is still to be computed, so that a damaged one stays damaged. The
//! exception is the IPv4 id of datagrams that must not be fragmented, which means nothing (RFC 6864 §4.1) and counts up
//! from the first one's.
//!
//! As Linux does it for received packets (`udp_gro_receive`), with its limit of 64 datagrams.

use crate::bytes::{be16, put16};
use crate::checksum::Sum;
use crate::ethernet::{HEADER, eth_type};
use crate::parse::ip_proto;
use crate::{Csum, Gso, Offload};

/// Datagrams in a train; what every kernel that takes any of them takes.
const MOST: usize = 64;
/// Bytes of a train with its headers.
const LONGEST: usize = 16 << 10;
const UDP_HEADER: usize = 8;
/// Where UDP begins behind IPv4 and IPv6 without options and extensions.
const V4: usize = HEADER + 20;
const V6: usize = HEADER + 40;
/// Where the checksum is in the UDP header.
const CHECK: u16 = 6;
const DONT_FRAGMENT: u16 = 0x4000;

/// A super-packet in the making. Empty until [`Self::start`].
#[derive(Debug, Default)]
pub struct Train {
    /// Room for a header of the driver's, then the frame.
    bytes: Vec<u8>,
    front: usize,
    /// The UDP header, from the beginning of the frame.
    l4: usize,
    /// Payload bytes of every datagram but the last.
    size: usize,
    count: usize,
    /// A shorter datagram ended it, or it is full.
    closed: bool,
}

/// A datagram that could be part of a train: where its UDP header is.
fn candidate(frame: &[u8], offload: &Offload) -> Option<usize> {
    let Csum::Partial { start, offset: CHECK } = offload.csum else { return None };
    if offload.gso != Gso::None {
        return None;
    }
    let (l4, ip) = match be16(frame, HEADER - 2)? {
        // Without options, not a fragment, nothing behind it.
        eth_type::IPV4 => {
            let [version, _, _, _, _, _, fragment, fragment_low, _, proto] =
                *frame.get(HEADER..)?.first_chunk()?;
            let fragment = u16::from_be_bytes([fragment, fragment_low]);
            let sound = version == 0x45 && proto == ip_proto::UDP && fragment & !DONT_FRAGMENT == 0;
            (V4, sound.then_some(usize::from(be16(frame, HEADER + 2)?))?)
        }
        eth_type::IPV6 => {
            let sound = *frame.get(HEADER + 6)? == ip_proto::UDP;
            (V6, sound.then_some(40 + usize::from(be16(frame, HEADER + 4)?))?)
        }
        _ => return None,
    };
    let whole = usize::from(start) == l4
        && HEADER + ip == frame.len()
        && usize::from(be16(frame, l4 + 4)?) == frame.len() - l4
        && frame.len() > l4 + UDP_HEADER;
    (whole && sums_hold(frame, l4)).then_some(l4)
}

/// Whether the IPv4 checksum is right and the UDP one holds the sum of the pseudo header: both are made anew.
fn sums_hold(frame: &[u8], l4: usize) -> bool {
    let ip = l4 != V4 || frame.get(HEADER..V4).is_some_and(|ip| Sum::ZERO.bytes(ip).fold() == 0xffff);
    ip && be16(frame, l4 + usize::from(CHECK)) == be16(frame, l4 + 4).map(|length| pseudo(frame, l4, length))
}

/// The sum of the pseudo header of a datagram of `length` bytes.
fn pseudo(frame: &[u8], l4: usize, length: u16) -> u16 {
    let from = if l4 == V4 { HEADER + 12 } else { HEADER + 8 };
    let addresses = Sum::ZERO.bytes(frame.get(from..l4).unwrap_or_default());
    addresses.word(u16::from(ip_proto::UDP)).word(length).fold()
}

impl Train {
    /// An empty one that keeps `front` bytes free in front of the frame.
    #[must_use]
    pub fn new(front: usize) -> Self {
        Self { front, ..Self::default() }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Datagrams in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Begins with a frame, if it is a datagram that others could follow. The train must be empty.
    #[must_use]
    pub fn start(&mut self, frame: &[u8], offload: &Offload) -> bool {
        let Some(l4) = candidate(frame, offload).filter(|_| self.is_empty() && frame.len() <= LONGEST) else {
            return false;
        };
        self.bytes.clear();
        self.bytes.resize(self.front, 0);
        self.bytes.extend_from_slice(frame);
        (self.l4, self.size) = (l4, frame.len() - l4 - UDP_HEADER);
        (self.count, self.closed) = (1, false);
        true
    }

    /// Adds a frame, if it is the datagram that could follow. The train must not be empty.
    #[must_use]
    pub fn append(&mut self, frame: &[u8], offload: &Offload) -> bool {
        let Some(l4) =
            candidate(frame, offload).filter(|l4| *l4 == self.l4 && !self.closed && self.count > 0)
        else {
            return false;
        };
        let Some(payload) = frame.get(l4 + UDP_HEADER..).filter(|payload| payload.len() <= self.size) else {
            return false;
        };
        let length = self.bytes.len() - self.front;
        if length + payload.len() > LONGEST || !self.follows(frame) {
            return false;
        }
        self.closed = payload.len() < self.size || self.count + 1 == MOST;
        self.bytes.extend_from_slice(payload);
        self.count += 1;
        true
    }

    /// Whether the headers are those of the next datagram.
    fn follows(&self, next: &[u8]) -> bool {
        let first = self.bytes.get(self.front..).unwrap_or_default();
        let same = |range: std::ops::Range<usize>| first.get(range.clone()) == next.get(range);
        let ip = if self.l4 == V4 {
            let count = u16::try_from(self.count).unwrap_or(u16::MAX);
            let id = |frame| be16(frame, HEADER + 4).unwrap_or_default();
            let fragment = be16(next, HEADER + 6).unwrap_or_default();
            let counts = fragment & DONT_FRAGMENT != 0 || id(next) == id(first).wrapping_add(count);
            // Not the length and the checksum.
            counts && same(HEADER..HEADER + 2) && same(HEADER + 6..HEADER + 10) && same(HEADER + 12..V4)
        } else {
            same(HEADER..HEADER + 4) && same(HEADER + 6..V6)
        };
        ip && same(0..HEADER) && same(self.l4..self.l4 + 4)
    }

    /// Completes the headers. Gives the free bytes and the frame, in one piece, and what is still to be done to the
    /// frame. The train is empty afterwards.
    #[must_use]
    pub fn finish(&mut self) -> (&mut [u8], Offload) {
        let count = std::mem::take(&mut self.count);
        let l4 = u16::try_from(self.l4).unwrap_or_default();
        let csum = Csum::Partial { start: l4, offset: CHECK };
        let plain = Offload { csum, ..Offload::PLAIN };
        if count < 2 {
            return (&mut self.bytes, plain);
        }
        self.set_lengths();
        let gso_size = u16::try_from(self.size).unwrap_or_default();
        let hdr_len = l4.saturating_add(8);
        (&mut self.bytes, Offload { gso: Gso::Udp, gso_size, hdr_len, ..plain })
    }

    /// Lengths, and the sums that contain them.
    fn set_lengths(&mut self) {
        let Some(frame) = self.bytes.get_mut(self.front..) else { return };
        // A train is shorter than 64 KiB.
        let length = |from: usize| u16::try_from(frame.len().saturating_sub(from)).unwrap_or(u16::MAX);
        let (ip, udp) = (length(HEADER), length(self.l4));
        if self.l4 == V4 {
            put16(frame, HEADER + 2, ip);
            put16(frame, HEADER + 10, 0);
            let sum = Sum::ZERO.bytes(frame.get(HEADER..V4).unwrap_or_default());
            put16(frame, HEADER + 10, sum.finish());
        } else {
            put16(frame, HEADER + 4, udp);
        }
        put16(frame, self.l4 + 4, udp);
        let sum = pseudo(frame, self.l4, udp);
        put16(frame, self.l4 + usize::from(CHECK), sum);
    }
}
