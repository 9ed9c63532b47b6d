//! What all gateways of a tenant have together, so that one with many networks leaves room for others.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Flows of a tenant at once.
const MOST: usize = 65_536;

/// How many flows the gateways of a tenant have.
#[derive(Debug, Default)]
pub struct GatewayShare {
    used: AtomicUsize,
}

impl GatewayShare {
    /// Takes room for one; `false`: there is none.
    pub(super) fn take(&self) -> bool {
        let more = |used: usize| (used < MOST).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives room back.
    pub(super) fn give(&self, count: usize) {
        self.used.fetch_sub(count, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}
