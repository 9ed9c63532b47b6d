//! A token bucket that loses nothing to rounding.

use netloom_flow::Nanos;

/// Tokens in one thing, be it a bit or a packet: a rate in things per second is then one in tokens per nanosecond.
const TOKENS: i64 = 1_000_000_000;
/// The largest burst: what a bucket holds stays far inside 64 bits.
const MAX_BURST: u64 = 8_000_000_000;

/// A token bucket for bits or packets.
///
/// It is open while it is not in debt, and may then be charged for any amount. So a packet larger than the burst passes
/// like any other, and the debt is what keeps the rate exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    rate: u64,
    burst: i64,
    tokens: i64,
    at: Nanos,
}

impl Bucket {
    /// A full bucket: `rate` things a second, at most `burst` things saved up.
    #[must_use]
    pub fn new(rate: u64, burst: u64, now: Nanos) -> Self {
        let burst = tokens(burst);
        Self { rate, burst, tokens: burst, at: now }
    }

    /// Other settings from `now` on. Debts stay; savings are cut to the new burst.
    pub fn change(&mut self, rate: u64, burst: u64, now: Nanos) {
        self.refill(now);
        self.rate = rate;
        self.burst = tokens(burst);
        self.tokens = self.tokens.min(self.burst);
    }

    /// Adds what has come in until `now`.
    #[inline]
    pub fn refill(&mut self, now: Nanos) {
        let gained = u128::from(now.since(self.at).0) * u128::from(self.rate);
        let room = u128::from(self.burst.abs_diff(self.tokens));
        // Both fit: what is gained is at most the room up to a burst that fits.
        self.tokens = match i64::try_from(gained) {
            Ok(gained) if gained.unsigned_abs() < u64::try_from(room).unwrap_or(u64::MAX) => {
                self.tokens + gained
            }
            _ => self.burst,
        };
        self.at = self.at.max(now);
    }

    /// Whether something may pass, as of the last refill.
    #[inline]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.tokens >= 0
    }

    /// The same for one to whom a debt of `things` does not count.
    #[inline]
    #[must_use]
    pub fn is_open_but_for(&self, things: u64) -> bool {
        self.tokens.saturating_add(tokens(things)) >= 0
    }

    /// Takes out `things`.
    #[inline]
    pub fn charge(&mut self, things: u64) {
        self.tokens = self.tokens.saturating_sub(tokens(things));
    }

    /// When it is open; [`Nanos::MAX`] if never.
    #[must_use]
    pub fn opens_at(&self) -> Nanos {
        self.opens_but_for(0)
    }

    /// When it is open for one to whom a debt of `things` does not count; [`Nanos::MAX`] if never.
    #[must_use]
    pub fn opens_but_for(&self, things: u64) -> Nanos {
        let counts = self.tokens.saturating_add(tokens(things));
        match (u64::try_from(counts.saturating_neg()), self.rate) {
            (Err(_) | Ok(0), _) => self.at,
            (Ok(_), 0) => Nanos::MAX,
            (Ok(debt), rate) => self.at + Nanos(debt.div_ceil(rate)),
        }
    }
}

fn tokens(things: u64) -> i64 {
    i64::try_from(things.min(MAX_BURST)).unwrap_or(i64::MAX).saturating_mul(TOKENS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always charged the moment it opens, it passes exactly what its rate says, rounding up to a nanosecond each.
    #[test]
    fn no_drift() {
        for rate in [1_000, 1_000_000, 999_999_937, 2_000_000_000, 400_000_000_000] {
            let mut bucket = Bucket::new(rate, 0, Nanos::ZERO);
            let mut now = Nanos::ZERO;
            for _ in 0..10_000 {
                bucket.refill(now);
                assert!(bucket.is_open());
                bucket.charge(12_112);
                now = bucket.opens_at();
            }
            let exact = 12_112 * 10_000 * 1_000_000_000 / u128::from(rate);
            let error = u128::from(now.0).abs_diff(exact);
            assert!(error <= 10_000, "{error} ns at {rate}");
        }
    }

    #[test]
    fn savings_end_at_the_burst() {
        let mut bucket = Bucket::new(1_000_000, 8_000, Nanos::ZERO);
        bucket.refill(Nanos::from_secs(1 << 30));
        bucket.charge(8_000);
        assert!(bucket.is_open());
        bucket.charge(1);
        assert!(!bucket.is_open());
        assert_eq!(bucket.opens_at() - Nanos::from_secs(1 << 30), Nanos(1_000));
        bucket.refill(Nanos::ZERO);
        assert!(!bucket.is_open(), "time does not run backwards");
    }

    #[test]
    fn a_debt_may_count_for_some_and_not_for_others() {
        let mut bucket = Bucket::new(1_000, 0, Nanos::ZERO);
        bucket.charge(1_000);
        assert!(!bucket.is_open() && !bucket.is_open_but_for(999) && bucket.is_open_but_for(1_000));
        assert_eq!(bucket.opens_but_for(400), Nanos::from_millis(600));
        assert_eq!(bucket.opens_but_for(1_000), Nanos::ZERO);
        bucket.charge(500);
        assert_eq!(bucket.opens_but_for(1_000), Nanos::from_millis(500));
    }

    #[test]
    fn a_change_keeps_debts() {
        let mut bucket = Bucket::new(1_000, 0, Nanos::ZERO);
        bucket.charge(1_000);
        bucket.change(2_000, 50, Nanos::from_millis(500));
        assert_eq!(bucket.opens_at(), Nanos::from_millis(750));
        bucket.change(0, 0, Nanos::from_millis(600));
        assert_eq!(bucket.opens_at(), Nanos::MAX);
    }
}
