//! The flow changes of the recent past, against which old translations are checked.
//!
//! A translation carries the number of changes it has seen (its stamp). It still holds if no change since then
//! could concern it. The log is bounded: who has slept through more changes than it keeps is translated again. The last
//! changes are kept as they are; of many more only [what they were about](ChangedValues), as far as a look tells that.
//!
//! The log knows the last stamp it gave. Once nobody has one that its changes could still be held against, it keeps
//! none: a million flows that come before any packet leave nothing behind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use netloom_flow::{BridgeId, Dependency, FlowMatch, Glance, PacketKey, PacketMask, TableId};

use super::changed_values::ChangedValues;

/// Changes kept of each bridge. To look through all of them takes as long as a few translations.
const KEPT: usize = 1024;
/// So few changes are looked through before anything else is tried.
const FEW: usize = 4;

#[derive(Debug)]
struct FlowChange {
    number: u64,
    table: TableId,
    matches: FlowMatch,
}

/// The changes of one bridge.
#[derive(Debug)]
struct Changes {
    kept: VecDeque<FlowChange>,
    /// The number of the last that is not kept.
    forgotten: u64,
    values: ChangedValues,
}

/// The log.
#[derive(Debug)]
pub(crate) struct ChangeLog {
    seed: u64,
    bridges: BTreeMap<BridgeId, Changes>,
    /// How many there were in all: the number of the last one.
    total: u64,
    /// The highest stamp that anybody has. Written by readers, who all write the same number.
    given: AtomicU64,
}

impl ChangeLog {
    /// An empty one.
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, bridges: BTreeMap::new(), total: 0, given: AtomicU64::new(0) }
    }

    /// A flow with this match was added, changed or removed.
    pub(crate) fn push(&mut self, bridge: BridgeId, table: TableId, matches: &FlowMatch) {
        self.total += 1;
        let given = *self.given.get_mut();
        let seed = self.seed;
        let changes = self.bridges.entry(bridge).or_insert_with(|| Changes::new(seed));
        changes.push(self.total, table, matches, given);
    }

    /// How many changes there were so far.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// How many changes there were so far: the stamp of what is translated or checked now.
    pub(crate) fn stamp(&self) -> u64 {
        if self.given.load(Ordering::Relaxed) != self.total {
            self.given.store(self.total, Ordering::Relaxed);
        }
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
                let glance = Glance { key, mask, in_port, rewritten };
                self.bridges.get(&bridge).is_some_and(|changes| changes.concern(stamp, table, &glance))
            }
            _ => false,
        })
    }
}

impl Changes {
    fn new(seed: u64) -> Self {
        Self { kept: VecDeque::new(), forgotten: 0, values: ChangedValues::new(seed) }
    }

    /// Nobody has a stamp higher than `given`.
    fn push(&mut self, number: u64, table: TableId, matches: &FlowMatch, given: u64) {
        if self.kept.len() >= KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            self.forgotten = oldest.number;
        }
        if self.forgotten > given {
            // Nobody has asked for long, and who asks then may as well be translated again.
            self.forgotten = number;
            self.kept.clear();
            self.values.clear(number);
        } else {
            self.values.push(number, table, matches);
            self.kept.push_back(FlowChange { number, table, matches: matches.clone() });
        }
    }

    fn concern(&self, stamp: u64, table: TableId, glance: &Glance<'_>) -> bool {
        if self.has_many_after(stamp)
            && let Some(answer) = self.values.concern(stamp, table, glance)
        {
            return answer;
        }
        let mut later = self.kept.iter().rev().take_while(|change| change.number > stamp);
        self.forgotten > stamp || later.any(|change| change.table == table && change.matches.concerns(glance))
    }

    fn has_many_after(&self, stamp: u64) -> bool {
        let first = self.kept.len().checked_sub(FEW).and_then(|at| self.kept.get(at));
        first.is_some_and(|change| change.number > stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netloom_flow::{FieldId, OfPort};

    #[test]
    fn only_later_changes_of_the_same_table_count_and_forgotten_ones_always_do() {
        let mut log = ChangeLog::new(1);
        let (key, mask) = (PacketKey::default(), PacketMask::default());
        let dependency =
            Dependency::Table { bridge: BridgeId(1), table: TableId(0), in_port: OfPort(3), rewritten: 0 };
        let concerns = |log: &ChangeLog, stamp| log.concerns(stamp, &key, &mask, &[dependency]);
        log.push(BridgeId(1), TableId(0), &FlowMatch::any());
        let stamp = log.stamp();
        assert!(concerns(&log, 0));
        assert!(!concerns(&log, stamp));
        log.push(BridgeId(1), TableId(1), &FlowMatch::any());
        log.push(BridgeId(2), TableId(0), &FlowMatch::any());
        let mut elsewhere = FlowMatch::any();
        elsewhere.set(FieldId::InPort, 4);
        log.push(BridgeId(1), TableId(0), &elsewhere);
        assert!(!concerns(&log, stamp));
        for _ in 0..KEPT {
            log.push(BridgeId(9), TableId(0), &FlowMatch::any());
        }
        assert!(!concerns(&log, stamp), "another bridge's");
        for _ in 0..KEPT {
            log.push(BridgeId(1), TableId(1), &FlowMatch::any());
        }
        assert!(concerns(&log, stamp), "nobody knows any more");
        assert!(!concerns(&log, log.stamp()));
    }

    #[test]
    fn what_nobody_asks_for_is_not_kept() {
        let mut log = ChangeLog::new(1);
        let kept = |log: &ChangeLog| log.bridges[&BridgeId(1)].kept.len();
        let push = |log: &mut ChangeLog, count: usize| {
            (0..count).for_each(|_| log.push(BridgeId(1), TableId(0), &FlowMatch::any()));
        };
        let (key, mask) = (PacketKey::default(), PacketMask::default());
        let dependency =
            Dependency::Table { bridge: BridgeId(1), table: TableId(0), in_port: OfPort(3), rewritten: 0 };
        let concerns = |log: &ChangeLog, stamp| log.concerns(stamp, &key, &mask, &[dependency]);
        push(&mut log, 10 * KEPT);
        assert_eq!(kept(&log), 0);
        let stamp = log.stamp();
        assert!(!concerns(&log, stamp));
        push(&mut log, 3);
        assert_eq!(kept(&log), 3);
        assert!(concerns(&log, stamp), "it is kept for whoever has a stamp");
        push(&mut log, KEPT);
        assert!(concerns(&log, stamp) && kept(&log) == 0, "nobody knows any more, and nobody need");
    }

    #[test]
    fn of_many_changes_those_count_that_are_about_the_packet() {
        let mut log = ChangeLog::new(1);
        let to = |address: u128| {
            let mut matches = FlowMatch::any();
            matches.set(FieldId::EthType, 0x0800);
            matches.set(FieldId::Ipv4Dst, address);
            matches
        };
        let (mut key, mut mask) = (PacketKey::default(), PacketMask::default());
        key.0.copy_from_slice(&to(7).key().0[..netloom_flow::PACKET_WORDS]);
        mask.0.copy_from_slice(&to(7).mask().0[..netloom_flow::PACKET_WORDS]);
        let dependency =
            Dependency::Table { bridge: BridgeId(1), table: TableId(0), in_port: OfPort(3), rewritten: 0 };
        let stamp = log.stamp();
        for n in 0..20 * KEPT as u128 {
            log.push(BridgeId(1), TableId(0), &to(100 + n));
            // Others ask meanwhile.
            log.stamp();
        }
        let concerns = |log: &ChangeLog| log.concerns(stamp, &key, &mask, &[dependency]);
        assert!(!concerns(&log));
        log.push(BridgeId(1), TableId(0), &to(7));
        assert!(concerns(&log));
    }

    /// Some match of a few fields, values and masks, so that many of them overlap.
    fn any_match(mut dice: impl FnMut(u64) -> u64) -> FlowMatch {
        let mut matches = FlowMatch::any();
        let fields = [
            (FieldId::InPortOxm, u32::MAX.into()),
            (FieldId::Ipv4Src, 0xffff_ff00),
            (FieldId::Ipv4Dst, u128::from(u32::MAX)),
            (FieldId::EthDst, 0xffff),
            (FieldId::Reg3, 0xff),
            (FieldId::Metadata, 1),
        ];
        for (field, mask) in fields {
            if dice(3) == 0 {
                let mask = if dice(2) == 0 { mask } else { mask & (mask << 4) };
                matches.set_masked(field, (u128::from(dice(3)) * 0x101) & mask, mask);
            }
        }
        matches
    }

    #[test]
    fn no_change_that_concerns_a_flow_is_missed() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut dice = |limit: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % limit
        };
        let mut log = ChangeLog::new(7);
        let mut all: Vec<(u64, TableId, FlowMatch)> = Vec::new();
        let (mut concerned, mut spared) = (0, 0);
        for round in 0..30_000_u64 {
            let (table, matches) = (TableId(u8::from(dice(4) == 0)), any_match(&mut dice));
            log.push(BridgeId(1), table, &matches);
            all.push((round + 1, table, matches));
            if dice(2) == 0 {
                log.stamp();
            }
            let stamp = (round + 1).saturating_sub(1 << dice(12));
            let (seen, looked_at) = (any_match(&mut dice), any_match(&mut dice));
            let (mut key, mut mask) = (PacketKey::default(), PacketMask::default());
            key.0.copy_from_slice(&seen.key().0[..netloom_flow::PACKET_WORDS]);
            mask.0.copy_from_slice(&looked_at.mask().0[..netloom_flow::PACKET_WORDS]);
            let rewritten = if dice(3) == 0 { looked_at.present() } else { 0 };
            let in_port = OfPort(0x101);
            let dependency = Dependency::Table { bridge: BridgeId(1), table: TableId(0), in_port, rewritten };
            let glance = Glance { key: &key, mask: &mask, in_port, rewritten };
            let later = all.iter().rev().take_while(|(number, ..)| *number > stamp);
            let truly = later
                .filter(|(_, table, _)| *table == TableId(0))
                .any(|(.., matches)| matches.concerns(&glance));
            let told = log.concerns(stamp, &key, &mask, &[dependency]);
            assert!(told || !truly, "round {round}, stamp {stamp}");
            concerned += u32::from(told && truly);
            spared += u32::from(!told);
        }
        assert!(concerned > 1_000 && spared > 1_000, "{concerned} {spared}");
    }
}
