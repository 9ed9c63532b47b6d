//! When a controller is called again.

use netloom_flow::Nanos;

/// The first pause as OVS has it, and the least time that a call may take.
const FIRST: Nanos = Nanos::from_secs(1);

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing until this moment.
    Waiting(Nanos),
    /// A call is on its way; after this moment it is given up.
    Calling(Nanos),
    /// There is a connection, since this moment.
    Connected(Nanos),
}

/// The calls to one controller.
///
/// ```text
///            poll: due                handle_connected
///  Waiting ─────────────▶ Calling ─────────────────────▶ Connected
///     ▲                      │ handle_end, or too late       │ handle_end
///     └──────────────────────┴───────────────────────────────┘
///       1 s, 2 s, 4 s ... the longest; from the beginning after a connection that outlived its pause
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    first: Nanos,
    longest: Nanos,
    pause: Nanos,
    phase: Phase,
    /// When the pause that led to this call, counted again from its beginning, is over.
    proven_at: Nanos,
}

impl Reconnect {
    /// Calls at once; pauses are `longest` at most, as OVS has it in `max_backoff` (8 s by default there), and 1 s at
    /// least.
    #[must_use]
    pub fn new(longest: Nanos, now: Nanos) -> Self {
        let longest = longest.max(FIRST);
        Self { first: FIRST, longest, pause: Nanos::ZERO, phase: Phase::Waiting(now), proven_at: now }
    }

    /// The same, with another first pause: shorter for somebody who is just being started.
    #[must_use]
    pub const fn with_first(mut self, first: Nanos) -> Self {
        self.first = first;
        self
    }

    /// What is going on.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// When [`Self::poll`] has something to say.
    #[must_use]
    pub const fn deadline(&self) -> Nanos {
        match self.phase {
            Phase::Waiting(until) | Phase::Calling(until) => until,
            Phase::Connected(_) => Nanos::MAX,
        }
    }

    /// Lets time pass. `true`: call now.
    pub fn poll(&mut self, now: Nanos) -> bool {
        match self.phase {
            Phase::Waiting(until) if now >= until => {
                let patience = self.pause.max(FIRST);
                self.proven_at = now + patience;
                self.phase = Phase::Calling(now + patience);
                true
            }
            Phase::Calling(until) if now >= until => {
                self.handle_end(now);
                false
            }
            _ => false,
        }
    }

    /// The call was answered.
    pub const fn handle_connected(&mut self, now: Nanos) {
        self.phase = Phase::Connected(now);
    }

    /// The call failed, or the connection has ended.
    pub fn handle_end(&mut self, now: Nanos) {
        let has_lasted = matches!(self.phase, Phase::Connected(_)) && now >= self.proven_at;
        self.pause = if has_lasted || self.pause == Nanos::ZERO {
            self.first
        } else {
            Nanos(self.pause.0.saturating_mul(2)).min(self.longest)
        };
        self.phase = Phase::Waiting(now + self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = Nanos::from_secs(100);
    const MAX_BACKOFF: Nanos = Nanos::from_secs(8);

    fn secs(nanos: Nanos) -> u64 {
        nanos.0 / 1_000_000_000
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut calls = Reconnect::new(MAX_BACKOFF, START);
        let mut now = START;
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert!(calls.poll(now), "due at its deadline");
            calls.handle_end(now);
            pauses.push(secs(calls.deadline().since(now)));
            assert!(!calls.poll(calls.deadline() - Nanos(1)), "and not before");
            now = calls.deadline();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
    }

    #[test]
    fn a_call_that_takes_too_long_has_failed() {
        let mut calls = Reconnect::new(MAX_BACKOFF, START);
        assert!(calls.poll(START));
        assert_eq!(calls.phase(), Phase::Calling(START + Nanos::from_secs(1)));
        let late = calls.deadline();
        assert!(!calls.poll(late));
        assert_eq!(calls.phase(), Phase::Waiting(late + Nanos::from_secs(1)));
    }

    #[test]
    fn only_a_connection_that_lasts_begins_the_pauses_anew() {
        let mut calls = Reconnect::new(MAX_BACKOFF, START);
        let mut now = START;
        for _ in 0..3 {
            assert!(calls.poll(now));
            calls.handle_end(now);
            now = calls.deadline();
        }
        // Accepted and hung up at once, as by a port that forwards to nobody.
        assert!(calls.poll(now));
        calls.handle_connected(now);
        assert_eq!((calls.phase(), calls.deadline()), (Phase::Connected(now), Nanos::MAX));
        calls.handle_end(now + Nanos::from_secs(3));
        assert_eq!(secs(calls.deadline().since(now)), 3 + 8);
        now = calls.deadline();
        assert!(calls.poll(now));
        calls.handle_connected(now);
        let end = now + Nanos::from_secs(8);
        calls.handle_end(end);
        assert_eq!(secs(calls.deadline().since(end)), 1);
    }

    #[test]
    fn the_longest_pause_is_never_under_a_second() {
        let mut calls = Reconnect::new(Nanos::ZERO, START);
        for _ in 0..3 {
            let now = calls.deadline();
            assert!(calls.poll(now));
            calls.handle_end(now);
            assert_eq!(secs(calls.deadline().since(now)), 1);
        }
    }
}
