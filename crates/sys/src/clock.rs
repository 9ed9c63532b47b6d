//! The clocks: the only places of the project that ask what time it is.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`: the time base of the datapath, epoll timeouts and link departures.
///
/// In a test's process it may have been [stopped](stop) or [put forward](warp).
#[inline]
#[must_use]
pub fn now() -> u64 {
    match STOPPED.load(Ordering::Relaxed) {
        0 => nanos(clock_gettime(ClockId::Monotonic)).saturating_add(AHEAD.load(Ordering::Relaxed)),
        stopped => stopped,
    }
}

/// As [`now`], and never stopped nor put forward.
pub(crate) fn steady() -> u64 {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// When [`now`] was stopped; 0: it runs.
static STOPPED: AtomicU64 = AtomicU64::new(0);
/// How far [`now`] is ahead of the kernel's clock, in nanoseconds.
static AHEAD: AtomicU64 = AtomicU64::new(0);

/// Stops [`now`] for this process, for good: from then on it goes only by [`warp`]. For tests of a whole program.
pub fn stop() {
    // Never 0, which means that it runs.
    let at = now().max(1);
    let _ = STOPPED.compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed);
}

/// Whether [`now`] was stopped.
#[must_use]
pub fn is_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed) != 0
}

/// Puts [`now`] forward. Whoever waits for a moment has to be told to look again.
pub fn warp(nanos: u64) {
    let clock = if is_stopped() { &STOPPED } else { &AHEAD };
    clock.fetch_add(nanos, Ordering::Relaxed);
}

/// Nanoseconds since 1970 of `CLOCK_REALTIME`: for people, files and kernel receive stamps only.
#[must_use]
pub fn wall() -> u64 {
    nanos(clock_gettime(ClockId::Realtime))
}

/// Nanoseconds of processor time the calling thread has used.
#[must_use]
pub fn thread_cpu() -> u64 {
    nanos(clock_gettime(ClockId::ThreadCPUTime))
}

/// Nanoseconds of processor time all threads of this process have used.
#[must_use]
pub fn process_cpu() -> u64 {
    nanos(clock_gettime(ClockId::ProcessCPUTime))
}

/// Sleeps so many nanoseconds, or until a signal comes.
pub fn sleep(nanos: u64) {
    // What is left after a signal is not slept: whoever calls looks at the clock anyway.
    let _ = rustix::thread::nanosleep(&timespec(nanos));
}

/// A kernel time as one number; a time before the clock's origin counts as the origin.
pub(crate) fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// A span of nanoseconds as the kernel takes it.
pub(crate) fn timespec(nanos: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanos % NANOS_PER_SECOND).unwrap_or(0),
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_advances() {
        let first = now();
        while now() == first {}
        assert!(now() > first);
    }

    #[test]
    fn a_sleep_takes_its_time() {
        let start = now();
        sleep(200_000);
        assert!(now() - start >= 200_000);
    }

    #[test]
    fn timespec_round_trip() {
        for span in [0, 1, 999_999_999, 1_000_000_000, 86_400_000_000_001] {
            assert_eq!(nanos(timespec(span)), span);
        }
    }
}
