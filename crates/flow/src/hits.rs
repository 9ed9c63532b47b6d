//! What a cached flow has carried.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Nanos;

/// Counters of one cached flow: one writer (the worker that owns the cache), readers anywhere.
///
/// Packets and bytes are those of the *wire*: a super-packet of 45 segments counts 45 packets, each with its
/// own headers, as if every wire packet had passed alone. Bytes are L2 bytes without FCS at ingress.
#[derive(Debug, Default)]
pub struct Hits {
    packets: AtomicU64,
    bytes: AtomicU64,
    used: AtomicU64,
    /// OR of the TCP flags seen, for `fin_timeout` and for dumps.
    tcp_flags: AtomicU64,
    /// The cache has let go of the flow: what is read now is final.
    retired: AtomicU64,
}

/// One reading of [`Hits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HitsRead {
    /// Wire packets.
    pub packets: u64,
    /// Wire bytes (L2, without FCS), as received.
    pub bytes: u64,
    /// When the last one passed.
    pub used: Nanos,
    /// OR of the TCP flags seen.
    pub tcp_flags: u16,
    /// No more will come.
    pub retired: bool,
}

impl Hits {
    /// Adds `packets` wire packets of `bytes` in all. Only the owning worker may call this: it is a load and a
    /// store, not a locked add.
    pub fn add(&self, packets: u64, bytes: u64, tcp_flags: u16, now: Nanos) {
        let bump = |cell: &AtomicU64, by: u64| {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
        };
        bump(&self.packets, packets);
        bump(&self.bytes, bytes);
        self.used.store(now.0, Ordering::Relaxed);
        if tcp_flags != 0 {
            let flags = self.tcp_flags.load(Ordering::Relaxed) | u64::from(tcp_flags);
            self.tcp_flags.store(flags, Ordering::Relaxed);
        }
    }

    /// Says that the cache no longer holds the flow.
    pub fn retire(&self) {
        self.retired.store(1, Ordering::Release);
    }

    /// Reads all counters. Fields may be from different moments by one packet, unless retired.
    #[must_use]
    pub fn read(&self) -> HitsRead {
        // `retired` first: if it is set, every later load sees the final values.
        let retired = self.retired.load(Ordering::Acquire) != 0;
        HitsRead {
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            used: Nanos(self.used.load(Ordering::Relaxed)),
            tcp_flags: u16::try_from(self.tcp_flags.load(Ordering::Relaxed)).unwrap_or(u16::MAX),
            retired,
        }
    }
}
