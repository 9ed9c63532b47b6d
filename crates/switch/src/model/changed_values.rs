//! What recent flow changes were about, found by hash: most of them are not about a given packet.
//!
//! Flows that a controller adds one after the other have few different masks. Of each mask the masked values of the
//! changes are kept as hashes, with the number of the last change of each. Where a cached flow knows all bits of a mask,
//! one look tells whether any of thousands of changes could concern it. Where it knows only some of them, as it does
//! after a lookup that was decided by the first bits of an address, there is no telling from here.
//!
//! Two values of one hash count as one: then a flow is translated again that need not be. Bounded in two generations:
//! when the younger is full, the older is forgotten.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use netloom_flow::{FlowMatch, Glance, TableId};

use super::hash::Keyed;

/// Values of a generation.
const VALUES: usize = 1 << 15;
/// Different masks. To look at all of them takes as long as half a translation.
const MASKS: usize = 64;

/// The changes of one bridge.
#[derive(Debug)]
pub(super) struct ChangedValues {
    hash: Keyed,
    groups: Vec<Group>,
    /// Values of the younger generation.
    young: usize,
    /// The number of the last change of the older generation.
    parted: u64,
    /// The number of the last change that is forgotten.
    forgotten: u64,
}

/// The changes of one mask in one table.
#[derive(Debug)]
struct Group {
    table: TableId,
    /// One of the matches, of which the mask counts.
    mask: FlowMatch,
    /// The number of the last change.
    last: u64,
    /// By the hash of the value, the number of its last change: the younger and the older generation.
    values: [HashMap<u64, u64, Keyed>; 2],
}

impl ChangedValues {
    pub(super) fn new(seed: u64) -> Self {
        Self { hash: Keyed(seed), groups: Vec::new(), young: 0, parted: 0, forgotten: 0 }
    }

    /// Notes a change of a number greater than all before.
    pub(super) fn push(&mut self, number: u64, table: TableId, matches: &FlowMatch) {
        let known = self.groups.iter().position(|group| group.is_of(table, matches));
        if self.young >= VALUES || known.is_none() && self.groups.len() >= MASKS {
            self.grow_old(number - 1);
            if self.groups.len() >= MASKS {
                self.clear(number - 1);
            }
            return self.push(number, table, matches);
        }
        let at = known.unwrap_or_else(|| {
            let values = [(); 2].map(|()| HashMap::with_hasher(self.hash));
            self.groups.push(Group { table, mask: matches.clone(), last: 0, values });
            self.groups.len() - 1
        });
        let hash = hash_of(self.hash, matches.words().iter().map(|(_, value)| *value));
        let group = &mut self.groups[at];
        group.last = number;
        self.young += usize::from(group.values[0].insert(hash, number).is_none());
    }

    /// The younger generation becomes the older, and the older is forgotten.
    fn grow_old(&mut self, last: u64) {
        (self.forgotten, self.parted, self.young) = (self.parted, last, 0);
        for Group { values: [young, old], .. } in &mut self.groups {
            *old = std::mem::replace(young, HashMap::with_hasher(self.hash));
        }
        self.groups.retain(|group| !group.values[1].is_empty());
    }

    /// Forgets all changes to the last, which had this number.
    pub(super) fn clear(&mut self, last: u64) {
        self.groups.clear();
        (self.forgotten, self.parted, self.young) = (last, last, 0);
    }

    /// Whether a change after `stamp` could concern the packets of a glance at a table. `None`: there is no telling.
    pub(super) fn concern(&self, stamp: u64, table: TableId, glance: &Glance<'_>) -> Option<bool> {
        if self.forgotten > stamp {
            return None;
        }
        let mut is_certain = true;
        for group in self.groups.iter().filter(|group| group.last > stamp && group.table == table) {
            match group.hash_of(self.hash, glance) {
                None => is_certain = false,
                Some(hash) => {
                    let later = |number: &u64| *number > stamp;
                    if group.values.iter().any(|values| values.get(&hash).is_some_and(later)) {
                        return Some(true);
                    }
                }
            }
        }
        is_certain.then_some(false)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.groups.iter().flat_map(|group| &group.values).map(HashMap::len).sum()
    }
}

impl Group {
    fn is_of(&self, table: TableId, matches: &FlowMatch) -> bool {
        self.table == table
            && self.mask.present() == matches.present()
            && self.mask.words().iter().zip(matches.words()).all(|((one, _), (other, _))| one == other)
    }

    /// The hash of the match with this mask that the packets of a glance meet; `None` if they differ in that.
    fn hash_of(&self, hash: Keyed, glance: &Glance<'_>) -> Option<u64> {
        let is_known = |(i, mask, _): (usize, u64, u64)| mask & !glance.word(i).1 == 0;
        let values = self.mask.each().map(|(i, mask, _)| glance.word(i).0 & mask);
        self.mask.each().all(is_known).then(|| hash_of(hash, values))
    }
}

fn hash_of(hash: Keyed, values: impl Iterator<Item = u64>) -> u64 {
    let mut hasher = hash.build_hasher();
    values.for_each(|value| hasher.write_u64(value));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use netloom_flow::{FieldId, OfPort, PacketKey, PacketMask, word};

    use super::*;

    /// IPv4 packets to an address, of which the first bits count.
    fn to(address: u128, bits: u32) -> FlowMatch {
        let mut matches = FlowMatch::any();
        matches.set(FieldId::EthType, 0x0800);
        matches.set_masked(FieldId::Ipv4Dst, address, u128::from(u32::MAX << (32 - bits)));
        matches
    }

    fn packet(matches: &FlowMatch) -> (PacketKey, PacketMask) {
        let (mut key, mut mask) = (PacketKey::default(), PacketMask::default());
        key.0.copy_from_slice(&matches.key().0[..word::PACKET_WORDS]);
        mask.0.copy_from_slice(&matches.mask().0[..word::PACKET_WORDS]);
        (key, mask)
    }

    const TABLE: TableId = TableId(3);

    fn concern(values: &ChangedValues, stamp: u64, seen: &FlowMatch) -> Option<bool> {
        let (key, mask) = packet(seen);
        let glance = Glance { key: &key, mask: &mask, in_port: OfPort(1), rewritten: 0 };
        values.concern(stamp, TABLE, &glance)
    }

    #[test]
    fn a_flow_that_knows_the_mask_is_told_whether_its_value_changed() {
        let mut values = ChangedValues::new(1);
        for n in 1..=100 {
            values.push(n, TABLE, &to(n.into(), 32));
        }
        assert_eq!(concern(&values, 0, &to(500, 32)), Some(false));
        assert_eq!(concern(&values, 0, &to(50, 32)), Some(true));
        assert_eq!(concern(&values, 49, &to(50, 32)), Some(true));
        assert_eq!(concern(&values, 50, &to(50, 32)), Some(false), "it has seen that change");
        assert_eq!(concern(&values, 0, &to(50, 24)), None, "it does not know the last bits");
        assert_eq!(concern(&values, 100, &to(50, 24)), Some(false), "nothing happened since");
        let (key, mask) = packet(&to(50, 32));
        let rewritten = Glance { key: &key, mask: &mask, in_port: OfPort(1), rewritten: u64::MAX };
        assert_eq!(values.concern(0, TABLE, &rewritten), None);
        assert_eq!(values.concern(0, TableId(4), &rewritten), Some(false), "another table");
    }

    #[test]
    fn the_oldest_are_forgotten_and_nobody_is_told_that_they_did_not_happen() {
        let mut values = ChangedValues::new(1);
        let all = 5 * VALUES as u64;
        for n in 1..=all {
            values.push(n, TABLE, &to(n.into(), 32));
            assert!(values.len() <= 2 * VALUES);
        }
        let later = all - VALUES as u64;
        assert_eq!(concern(&values, later, &to(u128::from(later), 32)), Some(false));
        assert_eq!(concern(&values, later, &to(u128::from(later) + 1, 32)), Some(true));
        assert_eq!(concern(&values, 1, &to(2, 32)), None);
        // Masks that come and go.
        for n in 0..1_000 {
            let bits = 1 + n % 32;
            let mut matches = to(0xffff_ffff, bits);
            matches.set_masked(FieldId::Ipv4Src, 0xffff_ffff, u128::from(u32::MAX << (31 - n / 32)));
            values.push(all + 1 + u64::from(n), TABLE, &matches);
            assert!(values.groups.len() <= MASKS);
        }
        assert_eq!(concern(&values, later, &to(u128::from(later), 32)), None);
        values.clear(all + 2_000);
        assert_eq!(concern(&values, all + 2_000, &to(1, 32)), Some(false));
        assert_eq!(concern(&values, all, &to(1, 32)), None);
    }
}
