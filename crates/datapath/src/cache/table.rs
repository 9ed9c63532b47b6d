//! A hash table from hashes to numbers: open addressing, linear probing, no tombstones.
//!
//! It holds no keys: the caller says whether a number found under a hash is the one it looks for.

/// One slot: the upper half of the hash, which is mixed best, and the number plus one (0: free). Where a slot belongs is
/// told by the same half, so that a table grows without a look at what its numbers stand for.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    tag: u32,
    number: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// A power of two, or empty.
    slots: Vec<Slot>,
    used: usize,
}

const FIRST: usize = 4;

const fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Table {
    /// How many numbers it holds.
    pub(crate) const fn len(&self) -> usize {
        self.used
    }

    /// The first number under `hash` that `is_it` accepts.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = tag_of(hash);
        let (place, mask) = (tag as usize, self.slots.len().wrapping_sub(1));
        for step in 0..self.slots.len() {
            let slot = self.slots.get(place.wrapping_add(step) & mask)?;
            if slot.number == 0 {
                return None;
            }
            if slot.tag == tag && is_it(slot.number - 1) {
                return Some(slot.number - 1);
            }
        }
        None
    }

    /// Adds `number` under `hash`. It must not be there already. Numbers are below `u32::MAX`.
    pub(crate) fn insert(&mut self, hash: u64, number: u32) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let old = std::mem::take(&mut self.slots);
            self.slots = vec![Slot::default(); (old.len() * 2).max(FIRST)];
            old.into_iter().filter(|slot| slot.number != 0).for_each(|slot| self.place(slot));
        }
        self.place(Slot { tag: tag_of(hash), number: number + 1 });
        self.used += 1;
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = slot.tag as usize & mask;
        while self.slots[at].number != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// Removes `number` from under `hash`; whether it was there.
    pub(crate) fn remove(&mut self, hash: u64, number: u32) -> bool {
        let Some(mask) = self.slots.len().checked_sub(1) else { return false };
        let mut hole = tag_of(hash) as usize & mask;
        while self.slots[hole].number != number + 1 {
            if self.slots[hole].number == 0 {
                return false;
            }
            hole = (hole + 1) & mask;
        }
        // Close the gap: whatever was pushed past it by probing moves back, so that no search ends early.
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot.number == 0 {
                break;
            }
            let home = slot.tag as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = slot;
                hole = at;
            }
        }
        self.slots[hole] = Slot::default();
        self.used -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::hash;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Few distinct hashes, so that runs are long and wrap around.
    fn crowded(number: u32) -> u64 {
        hash::fold(u64::from(number % 7) + 1, 0x1234_5678_9abc_def1)
    }

    proptest! {
        #[test]
        fn holds_what_was_inserted_and_not_removed(ops in prop::collection::vec((any::<bool>(), 0u32..64), 1..400)) {
            let (mut table, mut model) = (Table::default(), BTreeSet::new());
            for (add, number) in ops {
                if add && model.insert(number) {
                    table.insert(crowded(number), number);
                } else if !add {
                    prop_assert_eq!(table.remove(crowded(number), number), model.remove(&number));
                }
                prop_assert_eq!(table.len(), model.len());
                for n in 0..64 {
                    let found = table.find(crowded(n), |m| m == n).is_some();
                    prop_assert_eq!(found, model.contains(&n), "{}", n);
                }
            }
        }
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let mut table = Table::default();
        assert_eq!(table.find(3, |_| true), None);
        assert!(!table.remove(3, 0));
    }
}
