//! The flow changes of the recent past, against which old translations are checked.
//!
//! A translation carries the number of changes it has seen (its stamp). It still holds if no change since then
//! could concern it. The log is bounded: who has slept through more changes than it keeps is translated again.

use std::collections::VecDeque;

use netloom_flow::{BridgeId, Dependency, FlowMatch, PacketKey, PacketMask, TableId};

/// Changes kept. An entry takes 650 bytes.
const KEPT: usize = 1024;

#[derive(Debug)]
struct FlowChange {
    bridge: BridgeId,
    table: TableId,
    matches: FlowMatch,
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    changes: VecDeque<FlowChange>,
    /// How many there were in all: the number of the next one.
    total: u64,
}

impl ChangeLog {
    /// A flow with this match was added, changed or removed.
    pub(crate) fn push(&mut self, bridge: BridgeId, table: TableId, matches: FlowMatch) {
        if self.changes.len() >= KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(FlowChange { bridge, table, matches });
        self.total += 1;
    }

    /// How many changes there were so far: the stamp of what is translated or checked now.
    pub(crate) const fn stamp(&self) -> u64 {
        self.total
    }

    /// Whether a change after `stamp` could concern the packets that equal `key` in `mask` at one of the lookups
    /// among `dependencies`.
    pub(crate) fn concerns(
        &self,
        stamp: u64,
        key: &PacketKey,
        mask: &PacketMask,
        dependencies: &[Dependency],
    ) -> bool {
        let Some(missed) = self.total.checked_sub(stamp) else { return true };
        let Ok(missed) = usize::try_from(missed) else { return true };
        if missed > self.changes.len() {
            return true;
        }
        self.changes.iter().rev().take(missed).any(|change| {
            dependencies.iter().any(|dependency| match *dependency {
                Dependency::Table { bridge, table, in_port, rewritten } => {
                    bridge == change.bridge
                        && table == change.table
                        && change.matches.concerns(key, mask, in_port, rewritten)
                }
                _ => false,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netloom_flow::{FieldId, OfPort};

    #[test]
    fn only_later_changes_of_the_same_table_count_and_forgotten_ones_always_do() {
        let mut log = ChangeLog::default();
        let (key, mask) = (PacketKey::default(), PacketMask::default());
        let dependency =
            Dependency::Table { bridge: BridgeId(1), table: TableId(0), in_port: OfPort(3), rewritten: 0 };
        let concerns = |log: &ChangeLog, stamp| log.concerns(stamp, &key, &mask, &[dependency]);
        log.push(BridgeId(1), TableId(0), FlowMatch::any());
        let stamp = log.stamp();
        assert!(concerns(&log, 0));
        assert!(!concerns(&log, stamp));
        log.push(BridgeId(1), TableId(1), FlowMatch::any());
        log.push(BridgeId(2), TableId(0), FlowMatch::any());
        let mut elsewhere = FlowMatch::any();
        elsewhere.set(FieldId::InPort, 4);
        log.push(BridgeId(1), TableId(0), elsewhere);
        assert!(!concerns(&log, stamp));
        for _ in 0..KEPT {
            log.push(BridgeId(9), TableId(0), FlowMatch::any());
        }
        assert!(concerns(&log, stamp), "nobody knows any more");
        assert!(!concerns(&log, log.stamp()));
    }
}
