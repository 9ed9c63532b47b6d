//! Which processors a thread may use.

use rustix::thread::CpuSet;

use crate::error::{Because, HostError};

/// How many processors the calling thread may use, at least 1.
#[must_use]
pub fn count() -> usize {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| usize::try_from(set.count()).unwrap_or(1)).max(1)
}

/// Ties the calling thread to one processor of those it may use, counted from 0 and around.
///
/// # Errors
/// As sched_setaffinity(2); not met in practice.
pub fn pin(nth: usize) -> Result<(), HostError> {
    let allowed =
        rustix::thread::sched_getaffinity(None).because("read the processors of", || "this thread")?;
    let usable: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let Some(&cpu) = nth.checked_rem(usable.len()).and_then(|nth| usable.get(nth)) else { return Ok(()) };
    let mut one = CpuSet::new();
    one.set(cpu);
    rustix::thread::sched_setaffinity(None, &one).because("tie this thread to processor", || cpu.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_pinned_thread_has_one() {
        std::thread::spawn(|| {
            super::pin(usize::MAX).unwrap();
            assert_eq!(super::count(), 1);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn there_is_at_least_one() {
        assert!(super::count() >= 1);
    }
}
