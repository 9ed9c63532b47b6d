//! One number that says whether anything a cached flow could depend on has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by the switch, which advances it with every change, and the caches, which compare it on every hit.
///
/// A hit whose entry was stamped with the present epoch needs no further check. Otherwise the entry's
/// dependencies decide, and the entry is stamped anew.
#[derive(Debug, Clone, Default)]
pub struct Epoch(Arc<AtomicU64>);

impl Epoch {
    /// A new epoch, at 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The present epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Moves on by one and returns the new epoch. Call it after the change is visible to readers of the model.
    pub fn advance(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Release) + 1
    }
}
