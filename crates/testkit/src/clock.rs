//! Time that passes when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netloom_flow::Nanos;

/// A clock for tests. Copies share the time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock at `now`.
    #[must_use]
    pub fn at(now: Nanos) -> Self {
        Self(Arc::new(AtomicU64::new(now.0)))
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Nanos {
        Nanos(self.0.load(Ordering::SeqCst))
    }

    /// Lets `span` pass and returns the new time.
    pub fn advance(&self, span: Nanos) -> Nanos {
        Nanos(self.0.fetch_add(span.0, Ordering::SeqCst)) + span
    }

    /// Moves on to `then`, and returns it.
    ///
    /// # Panics
    /// If `then` lies in the past: a deadline that was missed.
    #[track_caller]
    pub fn advance_to(&self, then: Nanos) -> Nanos {
        let before = Nanos(self.0.swap(then.0, Ordering::SeqCst));
        assert!(then >= before, "time went back from {before:?} to {then:?}");
        then
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_the_time() {
        let clock = ManualClock::at(Nanos(5));
        let copy = clock.clone();
        assert_eq!(clock.advance(Nanos::from_micros(1)), Nanos(1005));
        assert_eq!(copy.now(), Nanos(1005));
        assert_eq!(copy.advance_to(Nanos(2000)), clock.now());
    }

    #[test]
    #[should_panic(expected = "time went back")]
    fn time_does_not_go_back() {
        ManualClock::at(Nanos(5)).advance_to(Nanos(4));
    }
}
