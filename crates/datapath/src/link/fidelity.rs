//! How true a link's timing was: a histogram of errors, and a verdict for every second.
//!
//! A packet's error is how late it left, measured against the schedule that the settings give it, plus how long it
//! may have lain unread before anyone knew of it (an upper bound). A second with at least [`ENOUGH`] packets is
//! faithful if the 99th percentile of its errors is at most the larger of 1 ms and 5 % of the link's delay.
//!
//! That percentile is the larger of two: of the packets that were there, and of packets evenly spread over the second
//! (by [`Stalls`]). A sender that waits for answers sends nothing while the emulation stands still, so that few of its
//! packets are late; those it would have sent were.

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
    stalls: Stalls,
}

impl Default for Second {
    fn default() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            packets: 0,
            since: Nanos::ZERO,
            limit: Nanos::ZERO,
            stalls: Stalls::default(),
        }
    }
}

/// Times in which nothing left although something should have: one begins when the next packet was due, or when the
/// one before it left, and ends when the next one leaves.
#[derive(Debug)]
struct Stalls {
    lengths: Vec<Nanos>,
    /// When something last left.
    left: Nanos,
}

impl Default for Stalls {
    fn default() -> Self {
        Self { lengths: Vec::with_capacity(STALLS), left: Nanos::ZERO }
    }
}

/// Stalls of a second that are told apart; what is more counts for the last of them.
const STALLS: usize = 128;
/// A hundredth of a second: what may be later than the 99th percentile.
const HUNDREDTH: Nanos = Nanos::from_millis(10);

impl Stalls {
    /// A packet leaves at `now`, late by `error`. What is shorter than `limit` is no stall.
    #[inline]
    fn note(&mut self, now: Nanos, error: Nanos, limit: Nanos) {
        let due = Nanos(now.0.saturating_sub(error.0));
        let stall = now.since(due.max(self.left));
        self.left = now;
        if stall > limit {
            self.keep(stall);
        }
    }

    #[cold]
    fn keep(&mut self, stall: Nanos) {
        let full = self.lengths.len() >= STALLS;
        match self.lengths.last_mut() {
            Some(last) if full => *last += stall,
            _ => self.lengths.push(stall),
        }
    }

    /// The 99th percentile of the lateness of packets evenly spread over a second. One that is due `t` after a stall of
    /// length `l` began is late by `l - t`: so of a stall, `l - x` is later than `x`.
    fn p99(&mut self) -> Nanos {
        self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        let (mut sum, mut result) = (0, Nanos::ZERO);
        for (n, length) in (1..).zip(&self.lengths) {
            sum += length.0;
            result = result.max(Nanos(sum.saturating_sub(HUNDREDTH.0) / n));
        }
        result
    }

    fn clear(&mut self) {
        self.lengths.clear();
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
        self.stalls.note(now, error, self.limit);
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
            let p99 = p99.max(self.stalls.p99());
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
        self.stalls.clear();
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
    fn standing_still_shows_although_nobody_sends_meanwhile() {
        let ms = Nanos::from_millis;
        let judged = |stop: Nanos| {
            let (mut second, fidelity) = (Second::default(), Fidelity::default());
            (0..400).for_each(|n| second.note(ms(n), Nanos(10_000), 1, Nanos::ZERO, &fidelity));
            // One packet waits for all of the stop, the next was due in the middle of it: 2 of 1,000.
            second.note(ms(400) + stop, stop, 1, Nanos::ZERO, &fidelity);
            second.note(ms(400) + stop, Nanos(stop.0 / 2), 1, Nanos::ZERO, &fidelity);
            (500..1_100).for_each(|n| second.note(ms(n), Nanos(10_000), 1, Nanos::ZERO, &fidelity));
            fidelity.verdict()
        };
        assert_eq!(judged(ms(50)), Verdict { judged: 1, failed: 1, worst_p99: ms(40) });
        assert_eq!(judged(ms(10)).failed, 0, "a hundredth of the second");
    }

    #[test]
    fn stalls_are_told_apart_and_weighed() {
        let ms = Nanos::from_millis;
        let p99 = |lengths: &[u64]| {
            let mut stalls = Stalls::default();
            let ends = lengths.iter().scan(0, |at, length| {
                *at += 1_000 + length;
                Some((ms(*at), ms(*length)))
            });
            ends.for_each(|(end, length)| stalls.note(end, length, ms(1)));
            stalls.p99()
        };
        assert_eq!(p99(&[]), Nanos::ZERO);
        assert_eq!(p99(&[4, 3, 2]), Nanos::ZERO);
        assert_eq!(p99(&[30]), ms(20));
        assert_eq!(p99(&[30, 30]), ms(25));
        assert_eq!(p99(&[2, 30, 1]), ms(20), "short ones matter less");
        assert_eq!(p99(&[5; 4]), Nanos(2_500_000));
        assert!(p99(&[2; 4 * STALLS]) >= ms(1), "more than are told apart");
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
