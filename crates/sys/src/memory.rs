//! How much memory the machine has, for `check` and for the measurement of what a node costs.

use crate::error::{Because, HostError};

/// Bytes of the machine's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What programs could take without the machine swapping; caches that can be dropped included.
    pub available: u64,
}

impl Memory {
    /// Asks the kernel.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn of_machine() -> Result<Self, HostError> {
        let text = std::fs::read_to_string(MEMINFO).because("read", || MEMINFO)?;
        Ok(Self { total: field(&text, "MemTotal"), available: field(&text, "MemAvailable") })
    }
}

/// A line `name:   number kB` in bytes; 0 when there is none.
fn field(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let value = lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim());
    let kib = value.and_then(|value| value.strip_suffix("kB")).and_then(|number| number.trim().parse().ok());
    kib.map_or(0, |kib: u64| kib.saturating_mul(1024))
}

const MEMINFO: &str = "/proc/meminfo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_whole_name() {
        let text = "MemTotal:       24601248 kB\nMemFree:        1 kB\nMemAvailable:   23000000 kB\nHugePages_Total:       3\n";
        assert_eq!(field(text, "MemTotal"), 24_601_248 * 1024);
        assert_eq!(field(text, "MemAvailable"), 23_000_000 * 1024);
        assert_eq!(field(text, "Mem"), 0);
        assert_eq!(field(text, "HugePages_Total"), 0, "not a size");
    }

    #[test]
    fn this_machine_has_some() {
        let memory = Memory::of_machine().unwrap();
        assert!(memory.available > 0 && memory.total >= memory.available, "{memory:?}");
    }
}
