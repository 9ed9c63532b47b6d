//! Which processors a thread may use.

/// How many processors the calling thread may use, at least 1.
#[must_use]
pub fn count() -> usize {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| usize::try_from(set.count()).unwrap_or(1)).max(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_at_least_one() {
        assert!(super::count() >= 1);
    }
}
