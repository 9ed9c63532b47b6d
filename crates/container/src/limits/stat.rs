//! What the counters of control groups say. Texts in, numbers out; what is not there or makes no sense is `None`.

/// What the processes of a group use and have used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Processor time since the group was made, in nanoseconds.
    pub cpu_nanos: Option<u64>,
    /// Memory, in bytes, without files that could be dropped at once.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processes that were killed for lack of memory since the group was made.
    pub oom_kills: u64,
}

/// A file that holds a number.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number behind a key in lines of `key number`.
#[must_use]
pub fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| number(value))?
    })
}

/// Memory in use of `usage`, less what `memory.stat` calls files nobody has touched for a while: as Docker counts it.
///
/// `memory.stat` of version 1 has sums over the groups below under names of their own.
#[must_use]
pub fn memory(usage: &str, stat: &str, unified: bool) -> Option<u64> {
    let idle = keyed(stat, if unified { "inactive_file" } else { "total_inactive_file" }).unwrap_or(0);
    Some(number(usage)?.saturating_sub(idle))
}

/// Processor time: `cpuacct.usage` (nanoseconds) of version 1, `cpu.stat` (`usage_usec`) of version 2.
#[must_use]
pub fn cpu_nanos(text: &str, unified: bool) -> Option<u64> {
    if unified { keyed(text, "usage_usec")?.checked_mul(1_000) } else { number(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_understood() {
        let stat = "usage_usec 1234\nuser_usec 1000\nnr_throttled 7\n";
        assert_eq!(cpu_nanos(stat, true), Some(1_234_000));
        assert_eq!(cpu_nanos("987654321\n", false), Some(987_654_321));
        let legacy = "cache 5\ninactive_file 1\ntotal_inactive_file 30\n";
        assert_eq!(memory("100\n", legacy, false), Some(70));
        assert_eq!(memory("100\n", "anon 70\ninactive_file 20\n", true), Some(80));
        assert_eq!(memory("10\n", "inactive_file 20\n", true), Some(0), "they were not read at one moment");
        let events = "low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 0\n";
        assert_eq!(keyed(events, "oom_kill"), Some(3));
        assert_eq!(keyed("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", "oom_kill"), Some(2));
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in ["", "max\n", "-1", "usage_usec", "usage_usec x\n", "usage_usec 99999999999999999999\n"] {
            assert_eq!(cpu_nanos(text, true), None, "{text}");
            assert_eq!(cpu_nanos(text, false), None, "{text}");
        }
        assert_eq!(memory("", "", true), None);
    }
}
