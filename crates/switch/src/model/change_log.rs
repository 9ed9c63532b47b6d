//! The flow changes of the recent past, against which old translations are checked.
//!
//! A translation carries the number of changes it has seen (its stamp). It still holds if no change since then
//! could concern it. The log is bounded: who has slept through more changes than it keeps is translated again.

use std::collections::{BTreeMap, VecDeque};

use netloom_flow::{BridgeId, Dependency, FlowMatch, OfPort, PacketKey, PacketMask, TableId};

/// Changes kept of each bridge. To look through all of them takes as long as a few translations.
const KEPT: usize = 1024;

#[derive(Debug)]
struct FlowChange {
    number: u64,
    table: TableId,
    matches: FlowMatch,
}

/// The changes of one bridge.
#[derive(Debug, Default)]
struct Changes {
    kept: VecDeque<FlowChange>,
    /// The number of the last that is not kept.
    forgotten: u64,
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    bridges: BTreeMap<BridgeId, Changes>,
    /// How many there were in all: the number of the last one.
    total: u64,
}

impl ChangeLog {
    /// A flow with this match was added, changed or removed.
    pub(crate) fn push(&mut self, bridge: BridgeId, table: TableId, matches: FlowMatch) {
        self.total += 1;
        let changes = self.bridges.entry(bridge).or_default();
        if changes.kept.len() >= KEPT
            && let Some(oldest) = changes.kept.pop_front()
        {
            changes.forgotten = oldest.number;
        }
        changes.kept.push_back(FlowChange { number: self.total, table, matches });
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
        dependencies.iter().any(|dependency| match *dependency {
            Dependency::Table { bridge, table, in_port, rewritten } => {
                let changes = self.bridges.get(&bridge);
                changes.is_some_and(|it| it.concern(stamp, key, mask, (table, in_port, rewritten)))
            }
            _ => false,
        })
    }
}

impl Changes {
    fn concern(
        &self,
        stamp: u64,
        key: &PacketKey,
        mask: &PacketMask,
        (table, in_port, rewritten): (TableId, OfPort, u64),
    ) -> bool {
        let mut later = self.kept.iter().rev().take_while(|change| change.number > stamp);
        self.forgotten > stamp
            || later
                .any(|change| change.table == table && change.matches.concerns(key, mask, in_port, rewritten))
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
        assert!(!concerns(&log, stamp), "another bridge's");
        for _ in 0..KEPT {
            log.push(BridgeId(1), TableId(1), FlowMatch::any());
        }
        assert!(concerns(&log, stamp), "nobody knows any more");
        assert!(!concerns(&log, log.stamp()));
    }
}
