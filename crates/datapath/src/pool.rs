//! Memory for packets that must wait, in a few sizes and with a limit for the whole lab.
//!
//! Buffers are allocated when first needed and reused; each worker has a pool of its own, all draw on one
//! [`PoolLimit`]. A buffer remembers the limit it was charged to and gives back its bytes when it is dropped, so
//! packets may end their life anywhere. When the limit is reached, packets are dropped and counted
//! ([`netloom_flow::DropReason::PoolExhausted`]): memory stays bounded whatever the lab does.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use netloom_flow::Nanos;
use netloom_packet::Offload;

use crate::frame::{Frame, HEADROOM, Meta, State};

/// Buffer sizes in bytes, headroom included: small packets, one MTU, a unit of a fast link, a super-packet.
const CLASSES: [usize; 4] = [256, 2_048, 16_384, 66_048];

/// Bytes of unused buffers a pool keeps per class; more go back to the allocator.
const KEEP: usize = 4 << 20;

/// How many bytes the packets of a lab may hold; shared by its workers.
#[derive(Debug, Clone)]
pub struct PoolLimit(Arc<Charge>);

#[derive(Debug)]
struct Charge {
    used: AtomicUsize,
    limit: usize,
}

impl PoolLimit {
    /// A limit of `bytes`, buffers kept for reuse included.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Charge { used: AtomicUsize::new(0), limit: bytes }))
    }

    /// Bytes held now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    fn allocate(&self, bytes: usize) -> Option<Buffer> {
        let before = self.0.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.0.limit {
            self.0.used.fetch_sub(bytes, Ordering::Relaxed);
            return None;
        }
        Some(Buffer { bytes: vec![0; bytes].into_boxed_slice(), charge: Arc::clone(&self.0) })
    }
}

/// A piece of packet memory; dropping it gives its bytes back to the limit.
struct Buffer {
    bytes: Box<[u8]>,
    charge: Arc<Charge>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.charge.used.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// A frame that owns its memory and may wait: in a queue, on a link, on its way to another worker.
pub struct Packet {
    buffer: Buffer,
    start: u32,
    end: u32,
    pub(crate) offload: Offload,
    pub(crate) meta: Meta,
}

impl Packet {
    /// The packet as a frame, to be looked at, edited or sent.
    #[must_use]
    pub fn frame(&mut self) -> Frame<'_> {
        let range = self.start as usize..self.end as usize;
        Frame::new(&mut self.buffer.bytes, range, self.offload)
            .expect("a packet's range was checked when it was made")
            .with_meta(self.meta)
    }

    /// The moment the packet is at in the emulated network.
    #[must_use]
    pub(crate) const fn at(&self) -> Nanos {
        self.meta.at
    }

    /// Takes over what was changed about the packet by way of its frame.
    pub(crate) fn settle(&mut self, state: State) {
        let len = u32::try_from(self.buffer.bytes.len()).unwrap_or(u32::MAX);
        self.start = u32::try_from(state.start).unwrap_or(u32::MAX).min(len);
        self.end = u32::try_from(state.end).unwrap_or(u32::MAX).clamp(self.start, len);
        (self.offload, self.meta) = (state.offload, state.meta);
    }

    /// The bytes, from the first of the destination address.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.buffer.bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Bytes of data.
    #[must_use]
    pub const fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there is no data.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.end == self.start
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet").field("len", &self.len()).field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// One worker's packet memory.
pub(crate) struct Pool {
    free: [Vec<Buffer>; CLASSES.len()],
    limit: PoolLimit,
}

impl Pool {
    pub(crate) fn new(limit: PoolLimit) -> Self {
        Self { free: Default::default(), limit }
    }

    /// Copies `frame` into memory of its own; `None` when the limit is reached.
    pub(crate) fn own(&mut self, frame: &Frame<'_>) -> Option<Packet> {
        let mut packet = self.blank(frame.len())?;
        packet.offload = frame.offload;
        packet.meta = frame.meta;
        frame.copy_to(packet.buffer.bytes.get_mut(HEADROOM..HEADROOM + frame.len())?);
        Some(packet)
    }

    /// A packet of `len` bytes of unspecified content, with headroom.
    pub(crate) fn blank(&mut self, len: usize) -> Option<Packet> {
        let buffer = self.take(HEADROOM.checked_add(len)?)?;
        let start = u32::try_from(HEADROOM).ok()?;
        let end = u32::try_from(HEADROOM + len).ok()?;
        Some(Packet { buffer, start, end, offload: Offload::default(), meta: Meta::default() })
    }

    /// Takes the memory of a packet that is done.
    pub(crate) fn recycle(&mut self, packet: Packet) {
        let size = packet.buffer.bytes.len();
        let class = CLASSES.iter().position(|c| *c == size);
        if let Some(free) = class.and_then(|class| self.free.get_mut(class))
            && free.len() < (KEEP / size).max(1)
        {
            free.push(packet.buffer);
        }
    }

    fn take(&mut self, bytes: usize) -> Option<Buffer> {
        let Some(class) = CLASSES.iter().position(|c| *c >= bytes) else {
            return self.allocate(bytes);
        };
        match self.free.get_mut(class).and_then(Vec::pop) {
            Some(buffer) => Some(buffer),
            None => self.allocate(CLASSES.get(class).copied()?),
        }
    }

    /// New memory; at the limit, unused buffers of other classes make room first.
    fn allocate(&mut self, bytes: usize) -> Option<Buffer> {
        if let Some(buffer) = self.limit.allocate(bytes) {
            return Some(buffer);
        }
        self.free.iter_mut().for_each(Vec::clear);
        self.limit.allocate(bytes)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pool: &mut Pool, data: &[u8]) -> Option<Packet> {
        let mut buffer = data.to_vec();
        let len = buffer.len();
        pool.own(&Frame::new(&mut buffer, 0..len, Offload::default()).unwrap())
    }

    #[test]
    fn a_packet_keeps_bytes_and_gains_headroom() {
        let mut pool = Pool::new(PoolLimit::new(1 << 20));
        for len in [0, 1, 192, 193, 1_514, 9_000, 65_549, 100_000] {
            let data: Vec<u8> = (0..=250).cycle().take(len).collect();
            let mut packet = own(&mut pool, &data).unwrap();
            let frame = packet.frame();
            assert_eq!(frame.data(), &data[..]);
            assert_eq!(frame.headroom(), HEADROOM);
            pool.recycle(packet);
        }
    }

    #[test]
    fn the_limit_holds_and_dropped_packets_give_back() {
        let limit = PoolLimit::new(3 * 2_048);
        let mut pool = Pool::new(limit.clone());
        let held: Vec<Packet> = (0..3).map(|_| own(&mut pool, &[0; 1_000]).unwrap()).collect();
        assert!(own(&mut pool, &[0; 1_000]).is_none());
        assert_eq!(limit.used(), 3 * 2_048);
        drop(held);
        assert_eq!(limit.used(), 0);
        assert!(own(&mut pool, &[0; 1_000]).is_some());
    }

    #[test]
    fn unused_buffers_of_one_size_make_room_for_another() {
        let mut pool = Pool::new(PoolLimit::new(70_000));
        let small: Vec<Packet> = (0..100).map(|_| own(&mut pool, &[0; 60]).unwrap()).collect();
        small.into_iter().for_each(|packet| pool.recycle(packet));
        assert!(own(&mut pool, &[0; 60_000]).is_some());
    }

    #[test]
    fn a_recycled_buffer_is_used_again() {
        let limit = PoolLimit::new(1 << 20);
        let mut pool = Pool::new(limit.clone());
        for _ in 0..1_000 {
            let packet = own(&mut pool, &[7; 500]).unwrap();
            pool.recycle(packet);
        }
        assert_eq!(limit.used(), 2_048);
    }
}
