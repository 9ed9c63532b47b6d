//! Receive buffers, one set per thread: frames are lent for the length of a call only, so all ports of a worker share one,
//! which stays in the processor's cache.

use std::cell::RefCell;

use netloom_datapath::Frame;
use netloom_packet::train::Train;
use netloom_packet::{Offload, VNET_HDR};
use netloom_sys::packet_socket::{FRONT, ReceiveBatch, SLOT};

/// Trains that a thread keeps for the next round.
const TRAINS: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Train>> = const { RefCell::new(Vec::new()) };
    static BUFFER: RefCell<Option<Box<[u8]>>> = const { RefCell::new(None) };
    static BATCH: RefCell<Option<Box<ReceiveBatch>>> = const { RefCell::new(None) };
}

/// Runs `work` with this thread's buffer for one frame, [`SLOT`] bytes.
pub(crate) fn with_buffer<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    // Taken out while in use: a driver called from within another one gets a buffer of its own.
    let mut buffer = BUFFER.take().unwrap_or_else(|| vec![0; SLOT].into_boxed_slice());
    let result = work(&mut buffer);
    BUFFER.set(Some(buffer));
    result
}

/// Runs `work` with this thread's buffers for a batch.
pub(crate) fn with_batch<R>(work: impl FnOnce(&mut ReceiveBatch) -> R) -> R {
    let mut batch = BATCH.take().unwrap_or_default();
    let result = work(&mut batch);
    BATCH.set(Some(batch));
    result
}

/// An empty train with room for a virtio-net header, to be given back with [`give_back`].
pub(crate) fn train() -> Train {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Train::new(VNET_HDR))
}

/// Takes an empty train back.
pub(crate) fn give_back(train: Train) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < TRAINS {
            spare.push(train);
        }
    });
}

/// The frame in `buffer`, of which `length` bytes were read, the header included; none if it makes no sense.
pub(crate) fn lend(buffer: &mut [u8], length: usize) -> Option<Frame<'_>> {
    let end = FRONT + length.checked_sub(VNET_HDR)?;
    let header = buffer.get(FRONT - VNET_HDR..)?.first_chunk()?;
    let offload = Offload::parse(header).ok()?;
    // A frame that fills the buffer to the last byte was cut.
    if end >= buffer.len() {
        return None;
    }
    Frame::new(buffer, FRONT..end, offload)
}

#[cfg(test)]
mod tests {
    use netloom_packet::{Csum, Gso};

    use super::*;

    #[test]
    fn header_and_frame_are_told_apart() {
        let mut buffer = vec![0; FRONT + 128];
        buffer[FRONT - VNET_HDR..FRONT].copy_from_slice(&[1, 1, 66, 0, 0xa8, 5, 34, 0, 16, 0, 0, 0]);
        buffer[FRONT..FRONT + 3].copy_from_slice(b"abc");
        let frame = lend(&mut buffer, VNET_HDR + 3).unwrap();
        assert_eq!((frame.data(), frame.headroom()), (&b"abc"[..], FRONT));
        assert_eq!(frame.offload.gso, Gso::Tcp4);
        assert_eq!(frame.offload.csum, Csum::Partial { start: 34, offset: 16 });
    }

    #[test]
    fn cut_frames_and_senseless_headers_are_malformed() {
        let mut buffer = vec![0; FRONT + 128];
        for length in 0..VNET_HDR {
            assert!(lend(&mut buffer, length).is_none(), "{length}");
        }
        assert!(lend(&mut buffer, VNET_HDR + 127).is_some());
        assert!(lend(&mut buffer, VNET_HDR + 128).is_none());
        buffer[FRONT - VNET_HDR + 1] = 0x7f;
        assert!(lend(&mut buffer, VNET_HDR + 60).is_none());
    }
}
