//! What is kept for a guest while it moves: one logical port, of which one back end takes frames at a time.
//!
//! ```text
//! off      a guest that is not there gets nothing, and the link is down
//! away     the link is up, frames are refused: the guest is to come here, and is still elsewhere
//! keeping  frames for a guest that stands still wait, in order, and are given to it, or taken from here to where it is
//! ```
//! The port's worker keeps and gives; another thread says which of the three it is, takes what is kept, or adds what was kept
//! elsewhere. Nothing of it is looked at for a frame that the guest's rings take.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_datapath::Frame;
use netloom_packet::VNET_HDR;
use netloom_sys::HostError;
use netloom_sys::clock;
use netloom_sys::eventfd::EventFd;

/// Bytes that are kept at most: what 1 Gbit/s brings in half a second.
const MOST_KEPT: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub struct Hold {
    mode: AtomicU8,
    inner: Mutex<Inner>,
    /// When the guest's rings were served last, in nanoseconds; 0: they are, or never were.
    still: AtomicU64,
    /// Rung when there is something for the port to do.
    pub(super) bell: EventFd,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    kept: u64,
    lost: u64,
    address: [u8; 6],
    announce: Vec<Vec<u8>>,
}

/// How many frames there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HoldCount {
    /// Kept since it began.
    pub kept: u64,
    /// Of more bytes than are kept.
    pub lost: u64,
}

impl Hold {
    /// One that is off.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn new() -> Result<Arc<Self>, HostError> {
        let (mode, inner, still) = (AtomicU8::new(OFF), Mutex::default(), AtomicU64::new(0));
        Ok(Arc::new(Self { mode, inner, still, bell: EventFd::new()? }))
    }

    /// The guest with this address is to come here: the link is up, nothing is kept yet.
    pub fn expect(&self, address: [u8; 6]) {
        *self.inner() = Inner { address, ..Inner::default() };
        self.mode.store(AWAY, Ordering::Release);
    }

    /// From now on frames for the guest with this address are kept while it stands still. What it sent itself is not for it.
    pub fn keep(&self, address: [u8; 6]) {
        let mut inner = self.inner();
        if !self.is_keeping() {
            *inner = Inner { address, ..Inner::default() };
        }
        self.mode.store(KEEPING, Ordering::Release);
    }

    /// It is off; how many frames there were, what is still kept counted as lost.
    pub fn end(&self) -> HoldCount {
        self.mode.store(OFF, Ordering::Release);
        let inner = std::mem::take(&mut *self.inner());
        HoldCount { kept: inner.kept, lost: inner.lost + inner.frames.len() as u64 }
    }

    /// Sent as if by the guest, once it is served here.
    pub fn announce(&self, frames: Vec<Vec<u8>>) {
        self.inner().announce = frames;
        self.bell.signal();
    }

    /// Takes what is kept, each frame behind its 12-byte header.
    pub fn take(&self) -> VecDeque<Vec<u8>> {
        let mut inner = self.inner();
        inner.bytes = 0;
        std::mem::take(&mut inner.frames)
    }

    /// Keeps a frame, behind its header, that was kept elsewhere.
    pub fn add(&self, frame: Vec<u8>) {
        if frame.len() > VNET_HDR {
            self.inner().push(frame);
            self.bell.signal();
        }
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner().frames.is_empty()
    }

    /// Since when the guest stands still, by the clock of this machine; `None`: it does not.
    #[must_use]
    pub fn still_since(&self) -> Option<u64> {
        Some(self.still.load(Ordering::Acquire)).filter(|since| *since > 0)
    }

    /// Whether the link is up though nobody is there.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.mode.load(Ordering::Acquire) != OFF
    }

    pub(super) fn is_keeping(&self) -> bool {
        self.mode.load(Ordering::Acquire) == KEEPING
    }

    /// Keeps a frame that the guest cannot be given now.
    pub(super) fn keep_frame(&self, frame: &mut Frame<'_>) {
        frame.fill();
        let mut inner = self.inner();
        // An announcement of its own new place comes here, too.
        if frame.data().get(6..12) == Some(&inner.address[..]) {
            return;
        }
        let mut bytes = vec![0; VNET_HDR + frame.len()];
        if let Some((header, rest)) = bytes.split_first_chunk_mut::<VNET_HDR>() {
            frame.offload.emit(header);
            rest.copy_from_slice(frame.data());
        }
        inner.push(bytes);
    }

    /// The frame that is kept longest.
    pub(super) fn next(&self) -> Option<Vec<u8>> {
        let mut inner = self.inner();
        let frame = inner.frames.pop_front()?;
        inner.bytes -= frame.len();
        Some(frame)
    }

    /// It could not be given after all.
    pub(super) fn put_back(&self, frame: Vec<u8>) {
        let mut inner = self.inner();
        inner.bytes += frame.len();
        inner.frames.push_front(frame);
    }

    pub(super) fn take_announced(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.inner().announce)
    }

    /// The guest is served, or stands still.
    pub(super) fn set_served(&self, served: bool) {
        if served {
            self.still.store(0, Ordering::Release);
        } else if self.still.load(Ordering::Relaxed) == 0 {
            self.still.store(clock::now().max(1), Ordering::Release);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(&mut self, frame: Vec<u8>) {
        if self.bytes + frame.len() > MOST_KEPT {
            self.lost += 1;
            return;
        }
        self.bytes += frame.len();
        self.kept += 1;
        self.frames.push_back(frame);
    }
}

const OFF: u8 = 0;
const AWAY: u8 = 1;
const KEEPING: u8 = 2;

#[cfg(test)]
mod tests {
    use netloom_packet::Offload;

    use super::*;

    fn keep(hold: &Hold, bytes: &[u8]) {
        let mut buffer = [vec![0; 64], bytes.to_vec()].concat();
        let end = buffer.len();
        hold.keep_frame(&mut Frame::new(&mut buffer, 64..end, Offload::PLAIN).unwrap());
    }

    #[test]
    fn frames_wait_in_order_and_those_of_the_guest_itself_do_not() {
        let hold = Hold::new().unwrap();
        hold.keep([2, 0, 0, 0, 0, 1]);
        let from = |last: u8| [[0xff; 6], [2, 0, 0, 0, 0, last]].concat();
        for last in 1..=3 {
            keep(&hold, &from(last));
        }
        // Said twice, it loses nothing.
        hold.keep([2, 0, 0, 0, 0, 1]);
        let first = hold.next().unwrap();
        assert_eq!(first[VNET_HDR..], from(2));
        hold.put_back(first);
        let taken: Vec<u8> = hold.take().into_iter().map(|frame| frame[VNET_HDR + 11]).collect();
        assert_eq!(taken, [2, 3]);
        hold.add(vec![0; VNET_HDR]);
        assert!(hold.is_empty(), "a header alone is no frame");
        assert_eq!(hold.end(), HoldCount { kept: 2, lost: 0 });
        assert!(!hold.is_on());
    }

    #[test]
    fn what_is_kept_is_bounded_and_counted() {
        let hold = Hold::new().unwrap();
        hold.keep([2; 6]);
        let long = vec![0; 1 << 20];
        for _ in 0..80 {
            hold.add(long.clone());
        }
        assert_eq!(hold.inner().bytes, MOST_KEPT);
        assert_eq!(hold.end(), HoldCount { kept: 64, lost: 16 + 64 });
    }

    #[test]
    fn since_when_a_guest_stands_still() {
        let hold = Hold::new().unwrap();
        assert_eq!(hold.still_since(), None);
        hold.set_served(false);
        let since = hold.still_since().unwrap();
        hold.set_served(false);
        assert_eq!(hold.still_since(), Some(since), "from the first on");
        hold.set_served(true);
        assert_eq!(hold.still_since(), None);
    }
}
