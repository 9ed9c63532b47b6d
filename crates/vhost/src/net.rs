//! Frames out of and into queues (virtio 1.3 §5.1.6): each is preceded by the 12-byte header of
//! [`Offload`](netloom_packet::Offload), which is passed on as it is.

use std::sync::atomic::AtomicU8;

use netloom_packet::VNET_HDR;

use crate::memory::{GuestMemory, Unmapped};
use crate::ring::{Broken, Chain, Queue};

/// What came of looking for a frame of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// There is none.
    Nothing,
    /// Header and frame, this many bytes, are at the front of the buffer.
    Frame(usize),
    /// There was one that cannot be: shorter than a header, or longer than the buffer. It was thrown away.
    Malformed,
}

/// Takes the next frame that the guest sends out of `queue` and copies it, header first, to the front of `buffer`.
///
/// The guest has its buffer back at once; it sees so after [`Queue::publish`].
///
/// # Errors
/// [`Broken`]: the ring is not to be served any more.
pub fn take<M: GuestMemory + ?Sized>(
    queue: &mut Queue,
    memory: &M,
    chain: &mut Chain,
    buffer: &mut [u8],
) -> Result<Taken, Broken> {
    let most = buffer.len();
    take_front(queue, memory, chain, buffer, most)
}

/// The same for a frame of up to `most` bytes, header included, of which only what fits into `front` is copied. The rest is
/// in the guest's buffers ([`Chain::pieces`]) until [`Queue::publish`] is called.
///
/// # Errors
/// [`Broken`]: the ring is not to be served any more.
pub fn take_front<M: GuestMemory + ?Sized>(
    queue: &mut Queue,
    memory: &M,
    chain: &mut Chain,
    front: &mut [u8],
    most: usize,
) -> Result<Taken, Broken> {
    if !queue.pop(memory, chain)? {
        return Ok(Taken::Nothing);
    }
    let length = usize::try_from(chain.readable_bytes()).unwrap_or(usize::MAX);
    let taken = if (VNET_HDR..=most).contains(&length) {
        chain.read(memory, front)?;
        Taken::Frame(length)
    } else {
        Taken::Malformed
    };
    queue.push(memory, chain, 0)?;
    Ok(taken)
}

/// What became of a frame for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// It has it, once [`Queue::publish`] is called.
    Whole,
    /// It offers too little room now.
    Full,
    /// It never has room for it: its buffers do not merge, and the next one is too small.
    TooLong,
}

/// A frame for a guest: the bytes at hand, and those that are in another guest's memory.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// The front of it.
    pub front: &'a [u8],
    /// The rest: the first `length` bytes of these.
    pub pieces: &'a [&'a [AtomicU8]],
    /// Bytes of the rest.
    pub length: usize,
}

impl<'a> Load<'a> {
    /// A frame that is all at hand.
    #[must_use]
    pub const fn whole(frame: &'a [u8]) -> Self {
        Self { front: frame, pieces: &[], length: 0 }
    }
}

/// Buffers of the guest that one frame goes to, kept for the next frame.
#[derive(Debug, Default)]
pub struct Room {
    chains: Vec<Chain>,
}

impl Room {
    /// Copies a frame with its header into buffers that the guest offers in `queue`: into as many as it takes if they are
    /// `mergeable`, else into one.
    ///
    /// # Errors
    /// [`Broken`]: the ring is not to be served any more.
    pub fn give<M: GuestMemory + ?Sized>(
        &mut self,
        queue: &mut Queue,
        memory: &M,
        header: &[u8; VNET_HDR],
        load: &Load<'_>,
        mergeable: bool,
    ) -> Result<Given, Broken> {
        let wanted = (VNET_HDR + load.front.len() + load.length) as u64;
        let most = if mergeable { MERGED } else { 1 };
        let (mut count, mut room, mut spans) = (0_u16, 0, 0);
        while room < wanted && count < most && spans < SPANS {
            let place = usize::from(count);
            if self.chains.len() == place {
                self.chains.push(Chain::default());
            }
            let Some(chain) = self.chains.get_mut(place) else { break };
            if !queue.pop(memory, chain)? {
                queue.put_back(count);
                return Ok(Given::Full);
            }
            count += 1;
            room += chain.writable_bytes();
            spans += chain.readable().len() + chain.writable().len();
        }
        let chains = self.chains.get(..usize::from(count)).unwrap_or_default();
        if room < wanted {
            return refuse(queue, memory, chains);
        }
        let mut header = *header;
        if let Some(number) = header.last_chunk_mut() {
            *number = count.to_le_bytes();
        }
        let mut pen = Pen { memory, chains, span: 0, at: 0 };
        pen.write(&header)?;
        pen.write(load.front)?;
        pen.copy(load.pieces, load.length)?;
        give_back(queue, memory, chains, wanted)
    }
}

/// Gives the buffers back empty: a device that keeps them would wait for ever.
fn refuse<M: GuestMemory + ?Sized>(queue: &mut Queue, memory: &M, chains: &[Chain]) -> Result<Given, Broken> {
    for chain in chains {
        queue.push(memory, chain, 0)?;
    }
    Ok(Given::TooLong)
}

/// Gives the buffers back with `length` bytes in all of them together.
fn give_back<M: GuestMemory + ?Sized>(
    queue: &mut Queue,
    memory: &M,
    chains: &[Chain],
    length: u64,
) -> Result<Given, Broken> {
    let mut left = length;
    for chain in chains {
        let here = left.min(chain.writable_bytes());
        queue.push(memory, chain, u32::try_from(here).unwrap_or(u32::MAX))?;
        left -= here;
    }
    Ok(Given::Whole)
}

/// A place in the buffers of chains, from which on to write.
struct Pen<'a, M: ?Sized> {
    memory: &'a M,
    chains: &'a [Chain],
    /// The buffer of the first of the chains, and how much of it is full.
    span: usize,
    at: usize,
}

impl<M: GuestMemory + ?Sized> Pen<'_, M> {
    fn write(&mut self, from: &[u8]) -> Result<(), Unmapped> {
        let mut rest = from;
        while let Some((address, take)) = self.room(rest.len())? {
            let (now, later) = rest.split_at(take);
            self.memory.write(address, now)?;
            rest = later;
        }
        Ok(())
    }

    fn copy(&mut self, pieces: &[&[AtomicU8]], length: usize) -> Result<(), Unmapped> {
        let mut left = length;
        for piece in pieces {
            let mut rest = piece.get(..left).unwrap_or(piece);
            left -= rest.len();
            while let Some((address, take)) = self.room(rest.len())? {
                let (now, later) = rest.split_at(take);
                self.memory.copy_in(address, now)?;
                rest = later;
            }
        }
        Ok(())
    }

    /// Where the next bytes go, and how many of `wanted` in one piece; `None` for none, or at the end.
    fn room(&mut self, wanted: usize) -> Result<Option<(u64, usize)>, Unmapped> {
        if wanted == 0 {
            return Ok(None);
        }
        loop {
            let Some((chain, others)) = self.chains.split_first() else { return Ok(None) };
            let Some(span) = chain.writable().get(self.span) else {
                (self.chains, self.span) = (others, 0);
                continue;
            };
            let take = wanted.min(span.len() - self.at);
            let address = span.address.checked_add(self.at as u64).ok_or(Unmapped(span.address))?;
            self.at += take;
            if self.at == span.len() {
                (self.span, self.at) = (self.span + 1, 0);
            }
            if take > 0 {
                return Ok(Some((address, take)));
            }
        }
    }
}

/// Buffers that one frame is spread over at most: the longest in pieces of 256 bytes.
const MERGED: u16 = 258;
/// And pieces these are in, together: no driver makes so many, and each takes time.
const SPANS: usize = 2_048;
