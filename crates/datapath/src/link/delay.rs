//! The delay line: what is on its way, in the order in which it arrives.

use std::collections::VecDeque;

use netloom_flow::Nanos;

use crate::link::queue::Unit;

/// A unit on its way.
#[derive(Debug)]
pub(crate) struct Transit {
    /// When it arrives.
    pub(crate) due: Nanos,
    /// Its place in the order of entry.
    pub(crate) entry: u64,
    pub(crate) unit: Unit,
}

/// See the module. Units that arrive at the same moment leave in the order of entry.
#[derive(Debug, Default)]
pub(crate) struct DelayLine {
    transit: VecDeque<Transit>,
    entries: u64,
}

impl DelayLine {
    pub(crate) fn is_empty(&self) -> bool {
        self.transit.is_empty()
    }

    /// When the next unit arrives.
    #[inline]
    pub(crate) fn next(&self) -> Option<Nanos> {
        self.transit.front().map(|transit| transit.due)
    }

    /// When the last unit arrives.
    pub(crate) fn last(&self) -> Option<Nanos> {
        self.transit.back().map(|transit| transit.due)
    }

    /// Adds a unit and returns the number of its entry. Nearly all come behind all others.
    pub(crate) fn insert(&mut self, due: Nanos, unit: Unit) -> u64 {
        self.entries += 1;
        self.place(Transit { due, entry: self.entries, unit });
        self.entries
    }

    /// Takes the next unit out if it has arrived at `now`.
    #[inline]
    pub(crate) fn pop(&mut self, now: Nanos) -> Option<Transit> {
        self.transit.pop_front_if(|transit| transit.due <= now)
    }

    /// Changes when the unit of `entry` arrives, if it is still on its way; with `ordered`, not before the one it
    /// followed.
    pub(crate) fn reschedule(&mut self, entry: u64, ordered: bool, due: impl FnOnce(Nanos) -> Nanos) {
        let Some(at) = self.transit.iter().rposition(|transit| transit.entry == entry) else { return };
        let before = at.checked_sub(1).and_then(|at| self.transit.get(at)).map(|transit| transit.due);
        let Some(mut transit) = self.transit.remove(at) else { return };
        transit.due = due(transit.due).max(before.filter(|_| ordered).unwrap_or_default());
        self.place(transit);
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Transit> + '_ {
        self.transit.drain(..)
    }

    fn place(&mut self, transit: Transit) {
        let key = (transit.due, transit.entry);
        if self.transit.back().is_none_or(|last| (last.due, last.entry) < key) {
            self.transit.push_back(transit);
        } else {
            let at = self.transit.partition_point(|other| (other.due, other.entry) < key);
            self.transit.insert(at, transit);
        }
    }
}
