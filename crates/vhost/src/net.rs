//! Frames out of and into queues (virtio 1.3 §5.1.6): each is preceded by the 12-byte header of
//! [`Offload`](netloom_packet::Offload), which is passed on as it is.

use netloom_packet::VNET_HDR;

use crate::memory::GuestMemory;
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
    if !queue.pop(memory, chain)? {
        return Ok(Taken::Nothing);
    }
    let length = usize::try_from(chain.readable_bytes()).unwrap_or(usize::MAX);
    let taken = if (VNET_HDR..=buffer.len()).contains(&length) {
        Taken::Frame(chain.read(memory, buffer)?)
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
        frame: &[u8],
        mergeable: bool,
    ) -> Result<Given, Broken> {
        let wanted = (VNET_HDR + frame.len()) as u64;
        let most = if mergeable { u16::MAX } else { 1 };
        let (mut count, mut room) = (0_u16, 0);
        while room < wanted && count < most {
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
        }
        let chains = self.chains.get(..usize::from(count)).unwrap_or_default();
        if room < wanted {
            return refuse(queue, memory, chains);
        }
        let mut header = *header;
        if let Some(number) = header.last_chunk_mut() {
            *number = count.to_le_bytes();
        }
        fill(queue, memory, chains, &header, frame)?;
        Ok(Given::Whole)
    }
}

/// Gives the buffers back empty: a device that keeps them would wait for ever.
fn refuse<M: GuestMemory + ?Sized>(queue: &mut Queue, memory: &M, chains: &[Chain]) -> Result<Given, Broken> {
    for chain in chains {
        queue.push(memory, chain, 0)?;
    }
    Ok(Given::TooLong)
}

fn fill<M: GuestMemory + ?Sized>(
    queue: &mut Queue,
    memory: &M,
    chains: &[Chain],
    header: &[u8],
    frame: &[u8],
) -> Result<(), Broken> {
    let (mut header, mut frame) = (header, frame);
    for chain in chains {
        let front = chain.write(memory, 0, header)?;
        let back = chain.write(memory, front, frame)?;
        header = header.get(front..).unwrap_or_default();
        frame = frame.get(back..).unwrap_or_default();
        queue.push(memory, chain, u32::try_from(front + back).unwrap_or(u32::MAX))?;
    }
    Ok(())
}
