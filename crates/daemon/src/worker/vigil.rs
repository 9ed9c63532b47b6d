//! Keeping processors awake while packets have appointments, or go to and fro between two who wait for each other.
//!
//! A virtual machine whose host has other guests pays twice for sleep: a processor that went idle gets its turn back
//! late, by milliseconds, and the one that wakes it may lose its own. Links cannot be faithful there, unless idle
//! processors stay awake. On a machine that nothing is stolen from, waking up is a matter of microseconds, and
//! processors may sleep.

use netloom_sys::awake::Awake;
use netloom_sys::load;

/// More than this share of a machine's time stolen is worth a vigil.
const STOLEN: f64 = 0.001;
/// It ends this long after the last appointment.
const LINGER_NS: u64 = 1_000_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Vigil {
    kept: Option<Awake>,
    /// When a packet last had an appointment.
    last: u64,
    /// It is needed here, and allowed as far as is known.
    wanted: bool,
}

impl Vigil {
    /// On this machine.
    pub(super) fn new() -> Self {
        Self { kept: None, last: 0, wanted: load::stolen() > STOLEN }
    }

    /// A packet is to leave a link some time after `now`, or to be answered.
    #[inline]
    pub(super) fn appointment(&mut self, now: u64) {
        self.last = now;
        if self.wanted && self.kept.is_none() {
            self.kept = Awake::keep().ok();
            self.wanted = self.kept.is_some();
        }
    }

    /// Whether idle processors are kept awake now.
    #[inline]
    pub(super) const fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// None is in sight at `now`: in how many nanoseconds to come back, if it matters.
    #[inline]
    pub(super) fn nothing(&mut self, now: u64) -> Option<u64> {
        self.kept.as_ref()?;
        let left = (self.last + LINGER_NS).saturating_sub(now);
        if left == 0 {
            self.kept = None;
        }
        (left > 0).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vigil_ends_a_second_after_the_last_appointment() {
        let mut vigil = Vigil { kept: None, last: 0, wanted: true };
        assert_eq!(vigil.nothing(5), None);
        vigil.appointment(1_000);
        // Ordinary users may not: either way it is over after a second.
        let kept = vigil.kept.is_some();
        assert_eq!(vigil.nothing(2_000), kept.then_some(LINGER_NS - 1_000));
        assert_eq!(vigil.nothing(1_000 + LINGER_NS), None);
        assert!(vigil.kept.is_none());
        assert_eq!(vigil.nothing(2_000 + LINGER_NS), None);
    }
}
