//! Receive buffers, one set per thread: frames are lent for the length of a call only, so all ports of a worker share one,
//! which stays in the processor's cache.

use std::cell::RefCell;

use netloom_packet::VNET_HDR;
use netloom_packet::train::Train;
use netloom_sys::packet_socket::{ReceiveBatch, SLOT};

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
