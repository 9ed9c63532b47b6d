//! A chain of buffers, read from the guest once.

use std::sync::atomic::AtomicU8;

use super::Broken;
use super::descriptor::Descriptor;
use crate::memory::{GuestMemory, Unmapped};

/// A buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where the guest has it.
    pub address: u64,
    /// Bytes.
    pub length: u32,
}

impl Span {
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }
}

/// Pieces of a guest's memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pieces<'m> {
    pieces: [&'m [AtomicU8]; PIECES],
    count: usize,
}

impl<'m> Pieces<'m> {
    fn push(&mut self, piece: &'m [AtomicU8]) -> bool {
        let Some(place) = self.pieces.get_mut(self.count) else { return false };
        *place = piece;
        self.count += 1;
        true
    }

    /// All of them, in order.
    #[must_use]
    pub fn all(&self) -> &[&'m [AtomicU8]] {
        self.pieces.get(..self.count).unwrap_or_default()
    }
}

/// Pieces of one frame at most: Linux sends none in more than 19.
const PIECES: usize = 32;

/// What the guest offered under one head: buffers to read, and buffers to write.
///
/// It is filled by [`Queue::pop`](super::Queue::pop) and meant to be used again for the next.
#[derive(Debug, Default)]
pub struct Chain {
    pub(super) head: u16,
    readable: Vec<Span>,
    writable: Vec<Span>,
}

impl Chain {
    /// Buffers to read, in order.
    #[must_use]
    pub fn readable(&self) -> &[Span] {
        &self.readable
    }

    /// Buffers to write, in order.
    #[must_use]
    pub fn writable(&self) -> &[Span] {
        &self.writable
    }

    /// Bytes there are to read.
    #[must_use]
    pub fn readable_bytes(&self) -> u64 {
        bytes(&self.readable)
    }

    /// Bytes there is room for.
    #[must_use]
    pub fn writable_bytes(&self) -> u64 {
        bytes(&self.writable)
    }

    /// Copies what there is to read to the front of `to`; how much that was. What does not fit is left out.
    ///
    /// # Errors
    /// [`Unmapped`] for a buffer that is not in the guest's memory.
    pub fn read<M: GuestMemory + ?Sized>(&self, memory: &M, to: &mut [u8]) -> Result<usize, Unmapped> {
        let mut done = 0;
        for span in &self.readable {
            let rest = to.get_mut(done..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let take = rest.len().min(span.len());
            memory.read(span.address, rest.get_mut(..take).unwrap_or_default())?;
            done += take;
        }
        Ok(done)
    }

    /// What there is to read behind the first `skip` bytes, where it is; `None` if it is in too many pieces.
    ///
    /// # Errors
    /// [`Unmapped`] for a buffer that is not in the guest's memory.
    pub fn pieces<'m, M: GuestMemory + ?Sized>(
        &self,
        memory: &'m M,
        skip: usize,
    ) -> Result<Option<Pieces<'m>>, Unmapped> {
        let (mut all, mut skip) = (Pieces::default(), skip);
        for span in &self.readable {
            let mut at = skip.min(span.len());
            skip -= at;
            while at < span.len() {
                let address = span.address.checked_add(at as u64).ok_or(Unmapped(span.address))?;
                let piece = memory.piece(address, span.len() - at)?;
                if piece.is_empty() || !all.push(piece) {
                    return Ok(None);
                }
                at += piece.len();
            }
        }
        Ok(Some(all))
    }

    pub(super) fn begin(&mut self, head: u16) {
        self.head = head;
        self.readable.clear();
        self.writable.clear();
    }

    pub(super) fn add(&mut self, descriptor: &Descriptor) -> Result<(), Broken> {
        let span = Span { address: descriptor.address, length: descriptor.length };
        if descriptor.is_for_writing() {
            self.writable.push(span);
        } else if self.writable.is_empty() {
            self.readable.push(span);
        } else {
            return Err(Broken::Order);
        }
        Ok(())
    }
}

fn bytes(spans: &[Span]) -> u64 {
    spans.iter().map(|span| u64::from(span.length)).sum()
}
