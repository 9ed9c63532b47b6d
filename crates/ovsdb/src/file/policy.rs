//! When a log is worth writing anew.
//!
//! Source: ovsdb-server(1), `ovsdb-server/compact`: the numbers are Open vSwitch's.

const MIN_INTERVAL_MS: u64 = 10 * 60 * 1000;
const MAX_INTERVAL_MS: u64 = 24 * 60 * 60 * 1000;
const MIN_BYTES: u64 = 10 << 20;
const MIN_TRANSACTIONS: usize = 100;

/// How a log has grown since it was fresh.
#[derive(Debug, Clone, Copy)]
pub struct Compaction {
    /// Bytes when it was fresh.
    pub base_bytes: u64,
    /// Bytes now.
    pub bytes: u64,
    /// Transactions in it.
    pub transactions: usize,
    /// Milliseconds since it was fresh.
    pub age_ms: u64,
}

impl Compaction {
    /// Whether to compact: after ten minutes if the log has 100 transactions, 10 MiB, and twice its first size;
    /// after a day if it has 100 transactions.
    pub const fn is_due(&self) -> bool {
        if self.transactions < MIN_TRANSACTIONS || self.age_ms < MIN_INTERVAL_MS {
            return false;
        }
        self.age_ms >= MAX_INTERVAL_MS || self.bytes >= MIN_BYTES && self.bytes / 2 >= self.base_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_compacted_when_it_is_large_or_old() {
        let log = Compaction { base_bytes: 1 << 20, bytes: 20 << 20, transactions: 500, age_ms: 700_000 };
        assert!(log.is_due());
        assert!(!Compaction { bytes: 9 << 20, ..log }.is_due());
        assert!(!Compaction { base_bytes: 11 << 20, ..log }.is_due());
        assert!(!Compaction { age_ms: 1000, ..log }.is_due());
        assert!(!Compaction { transactions: 5, ..log }.is_due());
        assert!(Compaction { bytes: 1 << 20, age_ms: MAX_INTERVAL_MS, ..log }.is_due());
    }
}
