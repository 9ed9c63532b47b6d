//! A chain of buffers, read from the guest once.

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
            let take = rest.len().min(usize::try_from(span.length).unwrap_or(usize::MAX));
            memory.read(span.address, rest.get_mut(..take).unwrap_or_default())?;
            done += take;
        }
        Ok(done)
    }

    /// Copies as much of `from` as there is room for, beginning `skip` bytes into the room; how much that was.
    ///
    /// # Errors
    /// [`Unmapped`] for a buffer that is not in the guest's memory.
    pub fn write<M: GuestMemory + ?Sized>(
        &self,
        memory: &M,
        skip: usize,
        from: &[u8],
    ) -> Result<usize, Unmapped> {
        let (mut skip, mut done) = (skip, 0);
        for span in &self.writable {
            let length = usize::try_from(span.length).unwrap_or(usize::MAX);
            if skip >= length {
                skip -= length;
                continue;
            }
            let rest = from.get(done..).unwrap_or_default();
            let take = rest.len().min(length - skip);
            let address = span.address.checked_add(skip as u64).ok_or(Unmapped(span.address))?;
            memory.write(address, rest.get(..take).unwrap_or_default())?;
            skip = 0;
            done += take;
        }
        Ok(done)
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
