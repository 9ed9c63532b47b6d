//! A step names what it changed, and nothing else may have.
//!
//! A test that only looks at the counter it expects misses the packet that went out of a wrong port as well. The
//! ledger looks at all of them after each step:
//!
//! ```
//! use netloom_testkit::{PortLedger, Reading};
//!
//! let mut counters = Reading::from([(("h1", "rx"), 0), (("h1", "tx"), 0), (("h2", "tx"), 0)]);
//! let mut ledger = PortLedger::new(counters.clone());
//! counters.insert(("h1", "rx"), 1);
//! counters.insert(("h2", "tx"), 1);
//! ledger.step(counters, [("h1", "rx", 1), ("h2", "tx", 1)]);
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};

/// All counters at one moment, by port and name. A port is a name, a [`netloom_flow::PortId`], or whatever orders.
pub type Reading<P> = BTreeMap<(P, &'static str), u64>;

/// The counters as they were after the last step.
#[derive(Debug, Clone)]
pub struct PortLedger<P> {
    last: Reading<P>,
}

impl<P: Ord + Clone + Debug> PortLedger<P> {
    /// Begins with these values.
    #[must_use]
    pub fn new(first: Reading<P>) -> Self {
        Self { last: first }
    }

    /// Closes a step: since the last one exactly `changed` was added. A counter that was not there counts from 0.
    ///
    /// # Panics
    /// If a counter changed otherwise, or is gone. The message lists all of them.
    #[track_caller]
    pub fn step(&mut self, now: Reading<P>, changed: impl IntoIterator<Item = (P, &'static str, u64)>) {
        if let Err(report) = self.check(now, changed) {
            panic!("{report}");
        }
    }

    /// As [`Self::step`], for a test that wants to go on.
    ///
    /// # Errors
    /// A line for each counter that is not what it should be. The new values are kept all the same.
    pub fn check(
        &mut self,
        now: Reading<P>,
        changed: impl IntoIterator<Item = (P, &'static str, u64)>,
    ) -> Result<(), String> {
        let mut wanted: Reading<P> = BTreeMap::new();
        for (port, counter, by) in changed {
            *wanted.entry((port, counter)).or_default() += by;
        }
        let keys: BTreeSet<_> = self.last.keys().chain(now.keys()).chain(wanted.keys()).collect();
        let mut report = String::new();
        for key in keys {
            let before = self.last.get(key).copied().unwrap_or(0);
            let by = wanted.get(key).copied().unwrap_or(0);
            let (port, counter) = key;
            let _ = match now.get(key) {
                None => writeln!(report, "{port:?} {counter}: is gone"),
                Some(value) if *value == before + by => continue,
                Some(value) if *value < before => {
                    writeln!(report, "{port:?} {counter}: fell from {before} to {value}")
                }
                Some(value) => writeln!(report, "{port:?} {counter}: +{}, expected +{by}", value - before),
            };
        }
        self.last = now;
        if report.is_empty() { Ok(()) } else { Err(report) }
    }

    /// Forgets a port that was removed.
    pub fn forget(&mut self, port: &P) {
        self.last.retain(|(p, _), _| p != port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netloom_flow::PortId;

    fn reading(values: [u64; 3]) -> Reading<PortId> {
        let [a, b, c] = values;
        Reading::from([((PortId(1), "rx"), a), ((PortId(1), "tx"), b), ((PortId(2), "tx"), c)])
    }

    #[test]
    fn what_was_named_may_change() {
        let mut ledger = PortLedger::new(reading([5, 5, 5]));
        ledger.step(reading([5, 5, 5]), []);
        ledger.step(reading([6, 5, 7]), [(PortId(1), "rx", 1), (PortId(2), "tx", 1), (PortId(2), "tx", 1)]);
    }

    #[test]
    fn all_else_may_not() {
        let mut ledger = PortLedger::new(reading([5, 5, 5]));
        let report = ledger.check(reading([6, 4, 6]), [(PortId(1), "rx", 2)]).unwrap_err();
        let wanted = "PortId(1) \"rx\": +1, expected +2\nPortId(1) \"tx\": fell from 5 to 4\nPortId(2) \"tx\": +1, expected +0\n";
        assert_eq!(report.replace("\"", ""), wanted.replace("\"", ""));
        ledger.step(reading([6, 4, 6]), []);
    }

    #[test]
    fn ports_come_and_go() {
        let mut ledger = PortLedger::new(Reading::new());
        ledger.step(reading([1, 0, 0]), [(PortId(1), "rx", 1)]);
        let gone = Reading::from([((PortId(2), "tx"), 0)]);
        assert!(ledger.clone().check(gone.clone(), []).unwrap_err().contains("is gone"));
        ledger.forget(&PortId(1));
        ledger.step(gone, []);
    }

    #[test]
    #[should_panic(expected = "+1, expected +0")]
    fn a_step_fails_the_test() {
        PortLedger::new(reading([5, 5, 5])).step(reading([6, 5, 5]), []);
    }
}
