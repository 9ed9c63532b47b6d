//! Whether to go on looking or to sleep: a sleep costs a wake-up (some 50 us in a virtual machine), looking costs
//! a processor that somebody else may need.

/// Looks on for this long after the last packet.
const LINGER_NS: u64 = 50_000;
/// Wakes up this much before a link's departure is due, and looks on until it is.
const EARLY_NS: u64 = 60_000;
/// How often the processors this thread may use are counted again, while there is traffic.
const RECOUNT_NS: u64 = 20_000_000;

/// Decides how long to wait.
#[derive(Debug)]
pub(super) struct Spin {
    last_traffic: u64,
    counted: u64,
    spare: bool,
    threads: usize,
}

impl Spin {
    /// For one of `threads` workers.
    pub(super) fn new(threads: usize) -> Self {
        Self { last_traffic: 0, counted: 0, spare: false, threads }
    }

    /// A packet came at `now`.
    pub(super) fn traffic(&mut self, now: u64, processors: impl FnOnce() -> usize) {
        self.last_traffic = now;
        if now.saturating_sub(self.counted) >= RECOUNT_NS || self.counted == 0 {
            self.counted = now;
            self.spare = processors() > self.threads;
        }
    }

    /// How long to wait at `now`, in nanoseconds, if something is due at `deadline`. `None`: until woken.
    pub(super) fn timeout(&self, now: u64, deadline: Option<u64>) -> Option<u64> {
        if self.spare && self.last_traffic != 0 && now.saturating_sub(self.last_traffic) < LINGER_NS {
            return Some(0);
        }
        let left = deadline?.saturating_sub(now);
        Some(if self.spare { left.saturating_sub(EARLY_NS) } else { left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_worker_sleeps_until_it_is_woken() {
        assert_eq!(Spin::new(1).timeout(1_000_000, None), None);
    }

    #[test]
    fn with_a_spare_processor_it_lingers_and_then_sleeps() {
        let mut spin = Spin::new(1);
        spin.traffic(1_000_000, || 2);
        assert_eq!(spin.timeout(1_010_000, None), Some(0));
        assert_eq!(spin.timeout(1_050_000, None), None);
        assert_eq!(spin.timeout(1_100_000, Some(1_900_000)), Some(740_000));
        assert_eq!(spin.timeout(1_100_000, Some(1_150_000)), Some(0));
    }

    #[test]
    fn without_one_it_never_lingers() {
        let mut spin = Spin::new(2);
        spin.traffic(1_000_000, || 2);
        assert_eq!(spin.timeout(1_000_001, None), None);
        assert_eq!(spin.timeout(1_000_001, Some(1_000_101)), Some(100));
    }

    #[test]
    fn processors_are_counted_now_and_then() {
        let mut spin = Spin::new(1);
        spin.traffic(1, || 2);
        spin.traffic(2, || unreachable!("counted a moment ago"));
        spin.traffic(RECOUNT_NS + 2, || 1);
        assert_eq!(spin.timeout(RECOUNT_NS + 3, None), None);
    }
}
