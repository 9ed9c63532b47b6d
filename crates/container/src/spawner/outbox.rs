//! Replies on their way to the daemon: kept while it does not read, so that a stopped daemon never stops the spawner.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use netloom_sys::Errno;
use netloom_sys::seqpacket::SeqPacket;

use crate::protocol::{Reply, emit};

/// Replies in order, each with its descriptors.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
}

impl Outbox {
    /// Adds a reply at the end.
    pub(super) fn push(&mut self, reply: &Reply, fds: Vec<OwnedFd>) {
        // Replies are short: every one fits.
        if let Some(bytes) = emit(reply) {
            self.waiting.push_back((bytes, fds));
        }
    }

    /// Sends what the socket takes. `false` when nobody will ever read it.
    pub(super) fn flush(&mut self, socket: &SeqPacket) -> bool {
        while let Some((bytes, fds)) = self.waiting.front() {
            let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            match socket.send(bytes, &borrowed, true) {
                Ok(()) => drop(self.waiting.pop_front()),
                // Too many descriptors on their way is as passing as a full socket.
                Err(Errno::AGAIN | Errno::TOOMANYREFS | Errno::NOBUFS | Errno::NOMEM) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
