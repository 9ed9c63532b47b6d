//! Settings of the calling thread and process. Making processes is the business of `child`.

use std::num::NonZeroU64;

use crate::error::{Because, HostError};

/// By how many nanoseconds the kernel may delay the calling thread's timers to save power: 50,000 unless set; at least 1.
///
/// # Errors
/// Not met in practice.
pub fn set_timer_slack(nanos: u64) -> Result<(), HostError> {
    let slack = NonZeroU64::new(nanos.max(1));
    rustix::thread::set_current_timer_slack(slack).because("sharpen the timers of", || "this thread")
}

/// Whether this process is root in its user namespace.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The groups of this process, its main one first.
#[must_use]
pub fn groups() -> Vec<u32> {
    let more = rustix::process::getgroups().unwrap_or_default();
    let own = rustix::process::getegid();
    [own].into_iter().chain(more).map(rustix::process::Gid::as_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_slack_is_kept_at_least_at_one() {
        for (asked, got) in [(1, 1), (0, 1), (7_000, 7_000)] {
            set_timer_slack(asked).unwrap();
            assert_eq!(rustix::thread::current_timer_slack().unwrap(), got);
        }
    }
}
