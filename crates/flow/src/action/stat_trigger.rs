//! When a flow tells how much it has counted, without being asked.

use crate::Nanos;

/// What a flow has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// How long it is there.
    pub duration: Nanos,
}

/// Thresholds of a flow's counters: whoever wants to know is told when one is reached. A threshold of 0 is none.
///
/// Source: OpenFlow 1.5.1 §5.8, `OFPIT_STAT_TRIGGER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StatTrigger {
    /// Also at each multiple of a threshold.
    pub periodic: bool,
    /// Only at the first threshold that is reached.
    pub only_first: bool,
    /// The thresholds.
    pub thresholds: Tally,
}

impl StatTrigger {
    /// Whether there is something to tell, as the counters went from `before` to `after`.
    #[must_use]
    pub fn fires(&self, before: &Tally, after: &Tally) -> bool {
        let [thresholds, before, after] = [&self.thresholds, before, after].map(numbers);
        let mut all =
            thresholds.into_iter().zip(before).zip(after).filter(|((threshold, _), _)| *threshold != 0);
        if self.only_first {
            let is_late = all.clone().any(|((threshold, before), _)| before >= threshold);
            return !is_late && all.any(|((threshold, _), after)| after >= threshold);
        }
        all.any(|((threshold, before), after)| {
            if self.periodic {
                after / threshold > before / threshold
            } else {
                before < threshold && after >= threshold
            }
        })
    }

    /// How long a flow is there when its age is to be looked at next, if that is among the thresholds.
    #[must_use]
    pub fn next_age(&self, age: Nanos) -> Option<Nanos> {
        let every = self.thresholds.duration.0;
        match age.0.checked_div(every)? {
            0 => Some(Nanos(every)),
            times if self.periodic && !self.only_first => Some(Nanos(every.saturating_mul(times + 1))),
            _ => None,
        }
    }
}

const fn numbers(tally: &Tally) -> [u64; 3] {
    [tally.packets, tally.bytes, tally.duration.0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn packets(packets: u64) -> Tally {
        Tally { packets, bytes: packets * 100, duration: Nanos(0) }
    }

    #[test]
    fn a_threshold_is_told_once_and_its_multiples_if_wanted() {
        let once = StatTrigger { thresholds: packets(10), ..StatTrigger::default() };
        assert!(!once.fires(&packets(0), &packets(9)) && once.fires(&packets(9), &packets(10)));
        assert!(!once.fires(&packets(10), &packets(25)));
        let often = StatTrigger { periodic: true, ..once };
        assert!(often.fires(&packets(19), &packets(20)) && !often.fires(&packets(20), &packets(29)));
        assert!(often.fires(&packets(5), &packets(500)), "once for all that were passed together");
    }

    #[test]
    fn only_the_first_of_several_counts() {
        let thresholds = Tally { packets: 10, bytes: 500, duration: Nanos(0) };
        let first = StatTrigger { only_first: true, thresholds, ..StatTrigger::default() };
        assert!(first.fires(&packets(4), &packets(5)), "500 bytes");
        assert!(!first.fires(&packets(9), &packets(10)));
        let both = StatTrigger { thresholds, ..StatTrigger::default() };
        assert!(both.fires(&packets(9), &packets(10)));
    }

    #[test]
    fn ages_come_at_multiples() {
        let thresholds = Tally { duration: Nanos::from_secs(5), ..Tally::default() };
        let once = StatTrigger { thresholds, ..StatTrigger::default() };
        assert_eq!(once.next_age(Nanos(0)), Some(Nanos::from_secs(5)));
        assert_eq!(once.next_age(Nanos::from_secs(5)), None);
        let often = StatTrigger { periodic: true, ..once };
        assert_eq!(often.next_age(Nanos::from_secs(12)), Some(Nanos::from_secs(15)));
        assert_eq!(StatTrigger::default().next_age(Nanos(0)), None);
    }
}
