//! How true a link's timing was: a histogram of errors, and a verdict for every second.
//!
//! A packet's error is how late it left, measured against the schedule that the settings give it, plus how long it
//! may have lain unread before anyone knew of it (an upper bound). A second with at least [`ENOUGH`] packets is
//! faithful if the 99th percentile of its errors is at most the larger of 1 ms and 5 % of the link's delay.

use std::sync::atomic::{AtomicU64, Ordering};

use netloom_flow::Nanos;

use crate::counters::Counter;

/// Fewer packets in a second are not judged.
pub(crate) const ENOUGH: u64 = 100;

/// Parts of every power of two: a bucket is at most an eighth wide.
const PARTS: usize = 8;
/// The smallest error told apart, as a power of two of nanoseconds: 1,024 ns.
const UNIT_BITS: u32 = 10;
/// Buckets: below 8 units one each, then 8 for each of 27 powers of two, to 2^40 ns (18 minutes).
const BUCKETS: usize = PARTS * 28;

/// The error at most which a link of this delay is faithful.
#[must_use]
pub(crate) fn limit(delay: Nanos) -> Nanos {
    Nanos::from_millis(1).max(Nanos(delay.0 / 20))
}

/// Errors of one link direction since it was first shaped. One writer, any readers.
#[derive(Debug)]
pub struct Fidelity {
    buckets: [AtomicU64; BUCKETS],
    judged: Counter,
    failed: Counter,
    worst_p99: Counter,
}

impl Default for Fidelity {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            judged: Counter::default(),
            failed: Counter::default(),
            worst_p99: Counter::default(),
        }
    }
}

/// What a link's timing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Seconds with enough packets to be judged.
    pub judged: u64,
    /// Those of them that were not faithful.
    pub failed: u64,
    /// The largest 99th percentile of any judged second, rounded up to its bucket.
    pub worst_p99: Nanos,
}

impl Fidelity {
    /// The verdict so far.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict {
            judged: self.judged.read(),
            failed: self.failed.read(),
            worst_p99: Nanos(self.worst_p99.read()),
        }
    }

    /// The error that `share` (0 to 1) of all packets stayed within, rounded up to its bucket (an eighth at most);
    /// `None` without packets.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Nanos> {
        let counts = self.counts();
        quantile(&counts, counts.iter().sum(), share)
    }

    /// Packets measured.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.counts().iter().sum()
    }

    fn counts(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed))
    }
}

/// The writer's side: the present second.
#[derive(Debug)]
pub(crate) struct Second {
    counts: Box<[u32; BUCKETS]>,
    packets: u64,
    since: Nanos,
    /// The limit in force; the most lenient of the second, if the delay was changed within it.
    limit: Nanos,
}

impl Default for Second {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), packets: 0, since: Nanos::ZERO, limit: Nanos::ZERO }
    }
}

impl Second {
    /// Notes the error of `packets` wire packets that left together at `now`.
    pub(crate) fn note(&mut self, now: Nanos, error: Nanos, packets: u32, delay: Nanos, into: &Fidelity) {
        self.close(now, into);
        if self.packets == 0 {
            self.since = now;
            self.limit = Nanos::ZERO;
        }
        self.limit = self.limit.max(limit(delay));
        self.packets += u64::from(packets);
        if let Some(count) = self.counts.get_mut(bucket(error)) {
            *count = count.saturating_add(packets);
        }
    }

    /// Judges the present second if it is over at `now`.
    pub(crate) fn close(&mut self, now: Nanos, into: &Fidelity) {
        if self.packets == 0 || now.since(self.since) < Nanos::from_secs(1) {
            return;
        }
        self.judge(into);
    }

    /// Judges what there is of the present second.
    pub(crate) fn judge(&mut self, into: &Fidelity) {
        let counts: [u64; BUCKETS] = std::array::from_fn(|at| u64::from(self.counts[at]));
        if self.packets >= ENOUGH
            && let Some(p99) = quantile(&counts, self.packets, 0.99)
        {
            into.judged.add(1);
            into.failed.add(u64::from(p99 > self.limit));
            into.worst_p99.raise_to(p99.0);
        }
        for (total, count) in into.buckets.iter().zip(counts) {
            if count > 0 {
                total.store(total.load(Ordering::Relaxed) + count, Ordering::Relaxed);
            }
        }
        self.counts.fill(0);
        self.packets = 0;
    }
}

fn quantile(counts: &[u64; BUCKETS], total: u64, share: f64) -> Option<Nanos> {
    #[expect(clippy::cast_precision_loss, reason = "counts of packets")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and total")]
    let rank = ((total as f64 * share.clamp(0.0, 1.0)).ceil() as u64).clamp(1, total.max(1));
    let mut seen = 0;
    let at = counts.iter().position(|count| {
        seen += count;
        seen >= rank
    })?;
    (total > 0).then(|| upper_edge(at))
}

/// Log-linear: the three bits below the highest set bit choose among the eight parts of a power of two.
fn bucket(error: Nanos) -> usize {
    let units = error.0 >> UNIT_BITS;
    let Ok(small) = usize::try_from(units) else { return BUCKETS - 1 };
    if small < PARTS {
        return small;
    }
    let power = units.ilog2(); // >= 3
    let part = usize::try_from(units >> (power - 3)).unwrap_or(0) - PARTS;
    ((power as usize - 2) * PARTS + part).min(BUCKETS - 1)
}

/// The largest error that falls into a bucket.
fn upper_edge(bucket: usize) -> Nanos {
    let next = bucket as u64 + 1;
    let units = if next <= PARTS as u64 {
        next
    } else {
        let power = next / PARTS as u64 + 2;
        (PARTS as u64 + next % PARTS as u64) << (power - 3)
    };
    Nanos((units << UNIT_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_without_gaps() {
        let mut before = 0;
        for error in (0..1_000_000u64).chain((1_000_000..60_000_000_000).step_by(7_654_321)) {
            let at = bucket(Nanos(error));
            assert!(at == before || at == before + 1 || error > 1_000_000, "{error}");
            before = at;
            let edge = upper_edge(at).0;
            assert!(edge >= error, "{error} above its bucket's edge {edge}");
            assert!(edge as f64 <= (error as f64 * 1.13).max(error as f64 + 1_100.0), "{error} {edge}");
        }
        assert_eq!(bucket(Nanos::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_second_is_judged_by_its_99th_percentile() {
        let (mut second, fidelity) = (Second::default(), Fidelity::default());
        let at = |ms: u64| Nanos::from_millis(ms);
        // 1,000 packets in the first second, 10 of them 5 ms late: 1 % is allowed.
        for n in 0..1_000u64 {
            let error = if n % 100 == 0 { at(5) } else { Nanos(10_000) };
            second.note(at(n), error, 1, Nanos::ZERO, &fidelity);
        }
        second.close(at(1_000), &fidelity);
        assert_eq!((fidelity.verdict().judged, fidelity.verdict().failed), (1, 0));
        // 20 of 1,000: not faithful, unless the link's delay makes 5 ms small.
        for (start, delay) in [(1_000, at(0)), (2_000, at(200))] {
            for n in 0..1_000u64 {
                let error = if n % 50 == 0 { at(5) } else { Nanos(10_000) };
                second.note(at(start + n), error, 1, delay, &fidelity);
            }
            second.close(at(start + 1_000), &fidelity);
        }
        assert_eq!((fidelity.verdict().judged, fidelity.verdict().failed), (3, 1));
        assert!(fidelity.verdict().worst_p99 >= at(5));
        assert_eq!(fidelity.packets(), 3_000);
        assert!(fidelity.quantile(0.5).unwrap() < Nanos(12_000));
    }

    #[test]
    fn few_packets_are_counted_and_not_judged() {
        let (mut second, fidelity) = (Second::default(), Fidelity::default());
        (0..99).for_each(|n| second.note(Nanos(n), Nanos::from_secs(1), 1, Nanos::ZERO, &fidelity));
        second.close(Nanos::from_secs(2), &fidelity);
        assert_eq!(fidelity.verdict(), Verdict::default());
        assert_eq!(fidelity.packets(), 99);
    }
}
