//! Whether the links did what they were told, and what it means for the run if not.

use netloom_flow::Nanos;

use super::trial::{Outcome, Verdict};
use crate::lab::Fidelity;

/// Least packets in a second for its lateness to count.
const ENOUGH: u64 = 100;
/// Lateness that is always allowed.
const ALLOWED: Nanos = Nanos::from_millis(1);

/// What was seen of one direction of a link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkRecord {
    /// The link, with its direction, as it is to be named.
    pub link: String,
    /// Its delay.
    pub delay: Nanos,
    /// Per second: packets, and the 99th percentile of their lateness.
    pub seconds: Vec<(u64, Nanos)>,
    /// The rate that was set and the one that was kept while the queue was never empty, if it was so long enough.
    pub rate: Option<(u64, u64)>,
    /// Packets dropped that the link's model did not drop: by netloom, or by a device's queue.
    pub foreign_drops: u64,
}

/// What is wrong with a link; empty if it was faithful.
#[must_use]
pub fn judge_link(record: &LinkRecord) -> Vec<String> {
    let limit = limit(record.delay);
    let mut out = Vec::new();
    if let Some(worst) = record.worst().filter(|worst| *worst > limit) {
        out.push(format!("{}: lateness p99 {}, limit {}", record.link, show(worst), show(limit)));
    }
    if let Some((set, kept)) = record.rate
        && set.abs_diff(kept) > set / 100
    {
        let (kept, set) = (crate::quantity::show_rate(kept / 1_000 * 1_000), crate::quantity::show_rate(set));
        out.push(format!("{}: rate {kept} instead of {set}", record.link));
    }
    if record.foreign_drops > 0 {
        out.push(format!(
            "{}: {} packets lost that the link did not lose",
            record.link, record.foreign_drops
        ));
    }
    out
}

/// The lateness a link may have.
#[must_use]
pub fn limit(delay: Nanos) -> Nanos {
    ALLOWED.max(Nanos(delay.0 / 20))
}

impl LinkRecord {
    /// The worst 99th percentile of a second that had enough packets.
    #[must_use]
    pub fn worst(&self) -> Option<Nanos> {
        self.seconds.iter().filter(|(packets, _)| *packets >= ENOUGH).map(|(_, p99)| *p99).max()
    }
}

/// What a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunVerdict {
    /// Everything holds: exit code 0.
    Holds,
    /// Something does not: 1.
    Fails,
    /// Nothing fails, but what was measured is not to be trusted: 5.
    NotFaithful,
}

impl RunVerdict {
    /// The exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Fails => 1,
            Self::NotFaithful => 5,
        }
    }
}

/// Joins outcomes and links to a verdict. `outcomes`: whether each measures, and what came of it; those that
/// measured on unfaithful links and hold become [`Verdict::NotTrusted`].
pub fn conclude(mode: Fidelity, outcomes: &mut [(bool, Outcome)], links: &[LinkRecord]) -> RunVerdict {
    let wrong: Vec<String> = links.iter().flat_map(judge_link).collect();
    if mode != Fidelity::Report && !wrong.is_empty() {
        for (measures, outcome) in outcomes.iter_mut() {
            if *measures && outcome.verdict == Verdict::Holds {
                outcome.verdict = Verdict::NotTrusted;
                outcome.explain.clone_from(&wrong);
            }
        }
    }
    let any = |verdict| outcomes.iter().any(|(_, o)| o.verdict == verdict);
    if any(Verdict::Fails) {
        RunVerdict::Fails
    } else if any(Verdict::NotTrusted) || (mode == Fidelity::Strict && !wrong.is_empty()) {
        RunVerdict::NotFaithful
    } else {
        RunVerdict::Holds
    }
}

fn show(time: Nanos) -> String {
    super::judge::show_time(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(p99: Nanos, packets: u64) -> LinkRecord {
        LinkRecord { link: "core".into(), seconds: vec![(packets, p99)], ..LinkRecord::default() }
    }

    fn outcome(verdict: Verdict) -> Outcome {
        Outcome { verdict, measured: String::new(), explain: Vec::new(), took: Nanos::ZERO, culprit: None }
    }

    #[test]
    fn lateness_counts_where_there_are_packets_enough() {
        assert!(judge_link(&record(Nanos::from_millis(1), 100)).is_empty());
        assert_eq!(
            judge_link(&record(Nanos::from_millis(2), 100)),
            ["core: lateness p99 2.00 ms, limit 1.00 ms"]
        );
        assert!(judge_link(&record(Nanos::from_millis(2), 99)).is_empty());
        let slow = LinkRecord { delay: Nanos::from_millis(100), ..record(Nanos::from_millis(5), 1_000) };
        assert!(judge_link(&slow).is_empty(), "5 % of the delay");
        let rate = |kept| LinkRecord { rate: Some((1_000_000, kept)), ..LinkRecord::default() };
        assert!(judge_link(&rate(990_000)).is_empty());
        assert_eq!(judge_link(&rate(980_000)).len(), 1);
        assert_eq!(judge_link(&LinkRecord { foreign_drops: 1, ..LinkRecord::default() }).len(), 1);
    }

    #[test]
    fn only_what_measures_can_become_untrusted() {
        let bad = [record(Nanos::from_millis(50), 1_000)];
        let run =
            |mode, outcomes: &mut [(bool, Outcome)], links: &[LinkRecord]| conclude(mode, outcomes, links);
        let mut functional = [(false, outcome(Verdict::Holds))];
        assert_eq!(run(Fidelity::Auto, &mut functional, &bad), RunVerdict::Holds);
        assert_eq!(run(Fidelity::Strict, &mut functional, &bad), RunVerdict::NotFaithful);
        let mut measured = [(true, outcome(Verdict::Holds)), (false, outcome(Verdict::Holds))];
        assert_eq!(run(Fidelity::Report, &mut measured, &bad), RunVerdict::Holds);
        assert_eq!(run(Fidelity::Auto, &mut measured, &bad).exit_code(), 5);
        assert_eq!(measured[0].1.verdict, Verdict::NotTrusted);
        let mut failed = [(true, outcome(Verdict::Holds)), (false, outcome(Verdict::Fails))];
        assert_eq!(run(Fidelity::Auto, &mut failed, &bad).exit_code(), 1);
    }
}
