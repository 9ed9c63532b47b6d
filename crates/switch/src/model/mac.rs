//! The MAC table of a bridge: where an address was seen last, per tenant and VLAN.
//!
//! Ageing is lazy: an entry has one place in a heap of dates, however often it is refreshed; when its date comes
//! it is either forgotten or given a new date. Refreshing is what happens millions of times a second, so it is
//! one hash lookup.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{Hash, Hasher};

use netloom_flow::{Nanos, OfPort, TenantId};

use super::hash::Keyed;

/// What an entry is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MacKey {
    pub(crate) tenant: TenantId,
    pub(crate) vlan: u16,
    pub(crate) mac: [u8; 6],
}

impl Hash for MacKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f] = self.mac;
        state.write_u64(u64::from_be_bytes([0, 0, a, b, c, d, e, f]) | (u64::from(self.tenant.0) << 48));
        state.write_u16(self.vlan);
    }
}

/// Where an address lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MacEntry {
    pub(crate) port: OfPort,
    /// When a packet from it was last seen.
    pub(crate) used: Nanos,
}

impl MacEntry {
    /// The address was seen at `port`; an older sighting than the one known changes nothing.
    fn see(&mut self, port: OfPort, used: Nanos) -> Learned {
        if used < self.used {
            return Learned::Refreshed;
        }
        self.used = used;
        if self.port == port {
            return Learned::Refreshed;
        }
        self.port = port;
        Learned::Moved
    }
}

/// What learning changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    /// Nothing that a lookup could tell.
    Refreshed,
    /// The address is new; to make room, another one may have been forgotten.
    New { forgotten: Option<MacKey> },
    /// The address was elsewhere.
    Moved,
}

/// The table.
#[derive(Debug)]
pub(crate) struct MacTable {
    entries: HashMap<MacKey, MacEntry, Keyed>,
    /// For each entry one date, not later than when it is to be forgotten.
    due: BinaryHeap<Reverse<(Nanos, MacKey)>>,
    ageing: Nanos,
    limit: usize,
}

impl MacTable {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            entries: HashMap::with_hasher(Keyed(seed)),
            due: BinaryHeap::new(),
            ageing: Nanos::from_secs(300),
            limit: 8192,
        }
    }

    /// Where an address lives.
    pub(crate) fn lookup(&self, key: &MacKey) -> Option<OfPort> {
        self.entries.get(key).map(|entry| entry.port)
    }

    /// A packet from `key` came in by `port` at `used`.
    pub(crate) fn learn(&mut self, key: MacKey, port: OfPort, used: Nanos) -> Learned {
        let is_full = self.entries.len() >= self.limit;
        match self.entries.entry(key) {
            Entry::Occupied(mut entry) => return entry.get_mut().see(port, used),
            Entry::Vacant(entry) if !is_full => {
                entry.insert(MacEntry { port, used });
            }
            Entry::Vacant(_) => {}
        }
        let forgotten = if is_full { self.make_room(key, MacEntry { port, used }) } else { None };
        self.due.push(Reverse((used + self.ageing, key)));
        Learned::New { forgotten }
    }

    /// Puts an address in place of another.
    fn make_room(&mut self, key: MacKey, entry: MacEntry) -> Option<MacKey> {
        let forgotten = self.forget_oldest();
        self.entries.insert(key, entry);
        forgotten
    }

    /// Forgets what was not seen for the ageing time; `gone` is told each.
    pub(crate) fn expire(&mut self, now: Nanos, mut gone: impl FnMut(&MacKey)) {
        while self.due.peek().is_some_and(|Reverse((date, _))| *date <= now) {
            let Some(Reverse((_, key))) = self.due.pop() else { break };
            let Some(entry) = self.entries.get(&key) else { continue };
            let date = entry.used + self.ageing;
            if date > now {
                self.due.push(Reverse((date, key)));
            } else {
                self.entries.remove(&key);
                gone(&key);
            }
        }
    }

    /// When [`Self::expire`] has something to do next.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        self.due.peek().map(|Reverse((date, _))| *date)
    }

    /// Forgets the entries for which `keep` says no; `gone` is told each, in no particular order.
    pub(crate) fn retain(
        &mut self,
        mut keep: impl FnMut(&MacKey, &MacEntry) -> bool,
        mut gone: impl FnMut(&MacKey),
    ) {
        let before = self.entries.len();
        self.entries.retain(|key, entry| {
            let stays = keep(key, entry);
            if !stays {
                gone(key);
            }
            stays
        });
        if self.entries.len() != before {
            self.date();
        }
    }

    /// New limits; `gone` is told what no longer fits.
    pub(crate) fn configure(&mut self, ageing: Nanos, limit: usize, mut gone: impl FnMut(&MacKey)) {
        self.limit = limit.max(1);
        if self.ageing != ageing {
            self.ageing = ageing;
            self.date();
        }
        while self.entries.len() > self.limit {
            let Some(key) = self.forget_oldest() else { break };
            gone(&key);
        }
    }

    /// All entries, by key.
    pub(crate) fn entries(&self) -> Vec<(MacKey, MacEntry)> {
        let mut entries: Vec<_> = self.entries.iter().map(|(key, entry)| (*key, *entry)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }

    /// Gives every entry its date anew.
    fn date(&mut self) {
        let ageing = self.ageing;
        self.due = self.entries.iter().map(|(key, entry)| Reverse((entry.used + ageing, *key))).collect();
    }

    /// Dates never lie behind the truth, so the first exact one is that of the entry unused for longest.
    fn forget_oldest(&mut self) -> Option<MacKey> {
        while let Some(Reverse((date, key))) = self.due.pop() {
            let Some(entry) = self.entries.get(&key) else { continue };
            let exact = entry.used + self.ageing;
            if exact > date {
                self.due.push(Reverse((exact, key)));
            } else {
                self.entries.remove(&key);
                return Some(key);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: u8) -> MacKey {
        MacKey { tenant: TenantId(1), vlan: 0, mac: [2, 0, 0, 0, 0, last] }
    }

    fn at(seconds: u64) -> Nanos {
        Nanos::from_secs(seconds)
    }

    #[test]
    fn the_latest_sighting_decides() {
        let mut table = MacTable::new(7);
        assert_eq!(table.learn(key(1), OfPort(1), at(10)), Learned::New { forgotten: None });
        assert_eq!(table.learn(key(1), OfPort(1), at(11)), Learned::Refreshed);
        assert_eq!(table.learn(key(1), OfPort(2), at(9)), Learned::Refreshed, "an old report");
        assert_eq!(table.lookup(&key(1)), Some(OfPort(1)));
        assert_eq!(table.learn(key(1), OfPort(2), at(12)), Learned::Moved);
        assert_eq!(table.lookup(&key(1)), Some(OfPort(2)));
        let other_tenant = MacKey { tenant: TenantId(2), ..key(1) };
        assert_eq!(table.lookup(&other_tenant), None);
    }

    #[test]
    fn entries_age_from_their_last_use() {
        let mut table = MacTable::new(7);
        table.learn(key(1), OfPort(1), at(0));
        table.learn(key(2), OfPort(2), at(0));
        table.learn(key(1), OfPort(1), at(100));
        let mut gone = Vec::new();
        table.expire(at(299), |key| gone.push(*key));
        assert!(gone.is_empty());
        table.expire(at(300), |key| gone.push(*key));
        assert_eq!(gone, [key(2)]);
        assert_eq!(table.deadline(), Some(at(400)));
        table.expire(at(400), |key| gone.push(*key));
        assert_eq!(gone, [key(2), key(1)]);
        assert_eq!(table.deadline(), None);
    }

    #[test]
    fn a_full_table_forgets_what_was_unused_for_longest() {
        let mut table = MacTable::new(7);
        table.configure(at(300), 2, |_| {});
        table.learn(key(1), OfPort(1), at(1));
        table.learn(key(2), OfPort(1), at(2));
        table.learn(key(1), OfPort(1), at(3));
        assert_eq!(table.learn(key(3), OfPort(1), at(4)), Learned::New { forgotten: Some(key(2)) });
        assert_eq!(table.entries().len(), 2);
        let mut gone = Vec::new();
        table.configure(at(300), 1, |key| gone.push(*key));
        assert_eq!(gone, [key(1)]);
    }
}
