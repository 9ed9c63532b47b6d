//! A frame on its way through: one contiguous buffer with headroom, lent by the driver that received it.
//!
//! ```text
//! |<-- headroom -->|<------ data ------>|<- tailroom ->|
//! 0              start                 end            len
//! ```
//!
//! Headers grow into the headroom, so pushing a VLAN tag moves 12 bytes and not 64 KB. A frame that must wait
//! becomes a [`crate::Packet`], which owns a pooled buffer.
//!
//! Of a long frame of a virtual machine only the front is in the buffer, and the rest, its [`Body`], is where the guest
//! has it: whoever takes the frame copies it from there, once. Who has to see all of it calls [`Frame::fill`] first.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::AtomicU8;

use netloom_flow::{DropReason, Nanos, PortId, TenantId, TunnelKey};
use netloom_packet::Offload;

/// Free bytes in front of the data that a driver should leave: enough for tags and for an overlay header.
pub const HEADROOM: usize = 64;

/// Bytes of a frame that are in the buffer at least, if it is as long: more than headers take that anything is decided by.
pub const FRONT: usize = 256;

/// An Ethernet frame without FCS, in a buffer that somebody else owns.
#[derive(Debug)]
pub struct Frame<'a> {
    buffer: &'a mut [u8],
    start: usize,
    end: usize,
    /// What is not in the buffer yet.
    body: Option<Rest<'a>>,
    /// What is still to do before the frame is what a wire would carry: checksum, segmentation.
    pub offload: Offload,
    pub(crate) meta: Meta,
    pub(crate) arrival: Arrival,
}

/// Bytes that lie where somebody else may change them at any time: each is to be read once at most.
pub trait Body {
    /// Copies out `to.len()` bytes, beginning with byte `skip`. The caller asks for no more than there are.
    fn read(&self, skip: usize, to: &mut [u8]);

    /// The bytes where they are, piece by piece.
    fn pieces(&self) -> &[&[AtomicU8]];
}

/// A frame's [`Body`].
#[derive(Clone, Copy)]
struct Rest<'a> {
    body: &'a dyn Body,
    /// Where in the buffer its first byte belongs, and up to where it reaches.
    start: usize,
    end: usize,
}

impl fmt::Debug for Rest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("start", &self.start).field("end", &self.end).finish_non_exhaustive()
    }
}

/// How a frame came in, if not simply by the port that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Arrival {
    /// By the port that was read.
    #[default]
    Here,
    /// By a tunnel whose door the port is.
    By(PortId),
    /// It is no frame for anybody.
    Refused(Option<PortId>, DropReason),
}

/// What travels beside a frame's bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meta {
    /// The moment the frame is at, in the emulated network: when it was read, then when each link let it go by
    /// its own schedule. Late departures therefore do not add up over many links.
    pub(crate) at: Nanos,
    /// Upper bound of the nanoseconds it lay unread at its first port.
    pub(crate) unread: u32,
    /// Lookups made for it so far, over all switches.
    pub(crate) hops: u16,
    /// The tenant of the port it first came in by.
    pub(crate) tenant: TenantId,
    /// What the tunnel it came by said; or, at a tunnel port it leaves by, what flows want.
    pub(crate) tunnel: Option<TunnelKey>,
}

/// All of a frame but its buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) offload: Offload,
    pub(crate) meta: Meta,
}

impl<'a> Frame<'a> {
    /// A frame in `data` of `buffer`; at least [`HEADROOM`] bytes should be free in front of it.
    ///
    /// `None` if `data` is not within the buffer.
    #[must_use]
    pub fn new(buffer: &'a mut [u8], data: Range<usize>, offload: Offload) -> Option<Self> {
        let fits = data.start <= data.end && data.end <= buffer.len();
        fits.then_some(Self {
            buffer,
            start: data.start,
            end: data.end,
            body: None,
            offload,
            meta: Meta::default(),
            arrival: Arrival::Here,
        })
    }

    /// The same for a frame that begins with `front` of `buffer` and goes on with `len` bytes of `body`. There must be
    /// room for these in the buffer, too, and `front` should be at least [`FRONT`] bytes.
    ///
    /// `None` if there is no such room.
    #[must_use]
    pub fn with_body(
        buffer: &'a mut [u8],
        front: Range<usize>,
        body: &'a dyn Body,
        len: usize,
        offload: Offload,
    ) -> Option<Self> {
        let (start, end) = (front.end, front.end.checked_add(len)?);
        let frame = Self::new(buffer, front.start..end, offload).filter(|_| front.start <= front.end)?;
        Some(Self { body: (len > 0).then_some(Rest { body, start, end }), ..frame })
    }

    pub(crate) fn with_meta(mut self, meta: Meta) -> Self {
        self.meta = meta;
        self
    }

    /// The bytes, from the first of the destination address. The frame has no [`Body`], or was [filled](Self::fill).
    #[must_use]
    pub fn data(&self) -> &[u8] {
        debug_assert!(self.body.is_none(), "all of a frame is looked at that is not all there");
        self.front()
    }

    /// The same, to be rewritten in place.
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        debug_assert!(self.body.is_none(), "all of a frame is changed that is not all there");
        self.front_mut()
    }

    /// The bytes as far as they are in the buffer: all, or the headers at least.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        // `new` and `push_front`, `pop_front`, `truncate` keep start <= end <= buffer.len().
        self.buffer.get(self.start..self.front_end()).unwrap_or_default()
    }

    /// The same, to be rewritten in place.
    #[must_use]
    pub fn front_mut(&mut self) -> &mut [u8] {
        let range = self.start..self.front_end();
        self.buffer.get_mut(range).unwrap_or_default()
    }

    fn front_end(&self) -> usize {
        self.body.map_or(self.end, |rest| rest.start.min(self.end))
    }

    /// What is behind [`Self::front`], and how many bytes of it.
    #[must_use]
    pub fn body(&self) -> Option<(&dyn Body, usize)> {
        self.body.map(|rest| (rest.body, self.end.saturating_sub(rest.start))).filter(|(_, len)| *len > 0)
    }

    /// Whether something is behind [`Self::front`].
    #[must_use]
    pub const fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Copies the body behind the front, so that all of the frame is there.
    pub fn fill(&mut self) {
        let Some(Rest { body, start, end }) = self.body.take() else { return };
        // All of it, also what is cut off now: the cut may be undone.
        if let Some(to) = self.buffer.get_mut(start..end) {
            body.read(0, to);
        }
    }

    /// Copies all of the frame to the front of `to`, which has room for it.
    pub(crate) fn copy_to(&self, to: &mut [u8]) {
        let front = self.front();
        let Some((head, rest)) = to.split_at_mut_checked(front.len()) else { return };
        head.copy_from_slice(front);
        if let Some((body, len)) = self.body()
            && let Some(rest) = rest.get_mut(..len)
        {
            body.read(0, rest);
        }
    }

    /// Bytes of data.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is no data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Free bytes in front of the data.
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.start
    }

    /// The whole buffer and where in it the data is: for drivers that put their own header in front.
    #[must_use]
    pub fn parts_mut(&mut self) -> (&mut [u8], Range<usize>) {
        debug_assert!(self.body.is_none(), "a frame is taken whole that is not all there");
        (self.buffer, self.start..self.end)
    }

    /// Grows the data by `bytes` at the front, with whatever the headroom holds; `false` if it is too small.
    #[must_use]
    pub fn push_front(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.start;
        if fits {
            self.start -= bytes;
        }
        fits
    }

    /// Takes `bytes` off the front; `false` if there are fewer.
    #[must_use]
    pub fn pop_front(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.len();
        if fits {
            if self.start + bytes > self.front_end() {
                self.fill();
            }
            self.start += bytes;
        }
        fits
    }

    /// Shortens the data to `len` bytes; longer is left as it is.
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start.saturating_add(len));
    }

    /// All of the frame but its bytes.
    pub(crate) const fn state(&self) -> State {
        State { start: self.start, end: self.end, offload: self.offload, meta: self.meta }
    }

    /// Back to an earlier state of the same buffer.
    pub(crate) fn restore(&mut self, state: State) {
        self.end = state.end.min(self.buffer.len());
        self.start = state.start.min(self.end);
        (self.offload, self.meta) = (state.offload, state.meta);
    }

    /// The moment the frame is at in the emulated network.
    #[must_use]
    pub const fn at(&self) -> Nanos {
        self.meta.at
    }

    /// What flows want of the tunnel that it leaves by.
    #[must_use]
    pub const fn tunnel(&self) -> Option<&TunnelKey> {
        self.meta.tunnel.as_ref()
    }

    /// Says, in [`crate::Port::receive`] of a door that tunnels share, by which of their ports the frame came in and
    /// what its outer headers said.
    pub fn came_by(&mut self, port: PortId, tunnel: TunnelKey) {
        self.arrival = Arrival::By(port);
        self.meta.tunnel = Some(tunnel);
    }

    /// Says likewise that the packet is to be dropped and counted, at the port of its tunnel if it is known.
    pub fn refuse(&mut self, port: Option<PortId>, reason: DropReason) {
        self.arrival = Arrival::Refused(port, reason);
    }

    /// The tenant of the port it first came in by.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.meta.tenant
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    fn offload() -> Offload {
        Offload::default()
    }

    #[test]
    fn a_range_outside_the_buffer_is_refused() {
        let mut buffer = [0; 32];
        assert!(Frame::new(&mut buffer, 8..33, offload()).is_none());
        #[expect(clippy::reversed_empty_ranges, reason = "what a careless driver might pass")]
        let reversed = 9..8;
        assert!(Frame::new(&mut buffer, reversed, offload()).is_none());
        assert_eq!(Frame::new(&mut buffer, 8..32, offload()).unwrap().len(), 24);
    }

    #[test]
    fn the_front_moves_within_the_buffer_only() {
        let mut buffer = [0xa5; 32];
        let mut frame = Frame::new(&mut buffer, 8..16, offload()).unwrap();
        let before = frame.state();
        assert!(!frame.push_front(9));
        assert!(frame.push_front(4));
        assert_eq!((frame.headroom(), frame.len()), (4, 12));
        assert!(!frame.pop_front(13));
        assert!(frame.pop_front(12));
        assert!(frame.is_empty() && frame.data().is_empty());
        frame.restore(before);
        frame.truncate(3);
        assert_eq!((frame.headroom(), frame.data()), (8, &[0xa5; 3][..]));
    }

    /// Five bytes of somebody else's.
    struct Five([AtomicU8; 5]);

    impl Body for Five {
        fn read(&self, skip: usize, to: &mut [u8]) {
            to.iter_mut().zip(&self.0[skip..]).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
        }

        fn pieces(&self) -> &[&[AtomicU8]] {
            &[]
        }
    }

    #[test]
    fn a_body_is_behind_the_front_and_comes_when_it_is_asked_for() {
        let body = Five([1, 2, 3, 4, 5].map(AtomicU8::new));
        let mut buffer = [0xa5; 16];
        assert!(Frame::with_body(&mut buffer, 8..12, &body, 5, offload()).is_none(), "no room to fill");
        let mut frame = Frame::with_body(&mut buffer, 8..11, &body, 5, offload()).unwrap();
        let before = frame.state();
        assert_eq!((frame.len(), frame.front()), (8, &[0xa5; 3][..]));
        frame.truncate(5);
        assert_eq!(frame.body().map(|(_, len)| len), Some(2));
        let mut copy = [0; 5];
        frame.copy_to(&mut copy);
        assert_eq!(copy, [0xa5, 0xa5, 0xa5, 1, 2]);
        frame.truncate(2);
        assert_eq!((frame.front().len(), frame.body().is_none()), (2, true));
        frame.restore(before);
        assert!(frame.pop_front(4), "into the body");
        assert_eq!(frame.data(), [2, 3, 4, 5]);
        frame.restore(before);
        assert_eq!(frame.data(), [0xa5, 0xa5, 0xa5, 1, 2, 3, 4, 5]);
    }
}
