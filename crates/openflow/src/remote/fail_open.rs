//! What a switch with `fail_mode: standalone` does while no controller takes care of it.

use netloom_flow::Nanos;

/// Of how many probe intervals the silence must be.
const PROBES: u64 = 3;

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Forget all flows and learn as a switch does.
    Open,
    /// A controller is there again: what was put in for its absence goes, everything else stays.
    Recover,
}

/// Whether a switch is on its own.
///
/// All its controllers must be missed for three times the longest probe interval; one that is there ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailOpen {
    is_open: bool,
}

impl FailOpen {
    /// Whether it is on its own.
    #[must_use]
    pub const fn is_open(self) -> bool {
        self.is_open
    }

    /// What changes now. `missed_since`: when the last controller that was there left; `None`: one is there. `probe` is
    /// the longest probe interval of its controllers.
    pub fn poll(&mut self, now: Nanos, missed_since: Option<Nanos>, probe: Nanos) -> Option<Turn> {
        let is_open = missed_since.is_some_and(|since| now >= Self::deadline(since, probe));
        // What is open stays open until somebody comes, whatever becomes of the intervals.
        let is_open = is_open || self.is_open && missed_since.is_some();
        let turn = match (self.is_open, is_open) {
            (false, true) => Some(Turn::Open),
            (true, false) => Some(Turn::Recover),
            _ => None,
        };
        self.is_open = is_open;
        turn
    }

    /// When a switch that misses its controllers since a moment is on its own.
    #[must_use]
    pub const fn deadline(missed_since: Nanos, probe: Nanos) -> Nanos {
        Nanos(missed_since.0.saturating_add(probe.0.saturating_mul(PROBES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = Nanos::from_secs(100);
    const PROBE: Nanos = Nanos::from_secs(5);

    #[test]
    fn silence_of_three_probes_opens_and_a_controller_ends_it() {
        let mut mode = FailOpen::default();
        let after = |seconds| START + Nanos::from_secs(seconds);
        assert_eq!(mode.poll(after(14), Some(START), PROBE), None);
        assert_eq!(mode.poll(after(15), Some(START), PROBE), Some(Turn::Open));
        assert_eq!(mode.poll(after(16), Some(START), PROBE), None, "once");
        assert_eq!(mode.poll(after(17), Some(START), Nanos::from_secs(60)), None, "still");
        assert!(mode.is_open());
        assert_eq!(mode.poll(after(18), None, PROBE), Some(Turn::Recover));
        assert_eq!(mode.poll(after(30), Some(after(20)), PROBE), None);
        assert_eq!(mode.poll(after(35), Some(after(20)), PROBE), Some(Turn::Open));
    }
}
