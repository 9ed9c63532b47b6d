//! The options of tunnels, each set of them kept once under a number.
//!
//! A packet's key has no room for up to 252 bytes of options, and most packets have none. So the driver of a tunnel puts
//! the options of a packet that some bridge knows into this table, and the key has the number. Who translates a packet
//! looks the bytes up again, and what is to leave with options goes the same way back.
//!
//! ```text
//! Geneve packet ─► driver: known ones ─► number in the key ─► translation: bytes ─► tun_metadata fields
//! Geneve packet ◄─ driver: bytes ◄─ number in the tunnel key ◄─ translation: bytes ◄─ tun_metadata fields
//! ```
//!
//! A number is never used again, so a cached flow of a set that was forgotten matches nothing. A set that a cached flow
//! sends is held by it and not forgotten. Memory is bounded: 16,384 sets.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Sets kept at most; some 10 MiB if all are as long as can be.
const MOST: usize = 1 << 14;
/// Sets looked at, at most, for one to forget.
const STEPS: usize = 64;

/// Options as they are on the wire of Geneve, one behind another.
#[derive(Debug, PartialEq, Eq)]
pub struct OptionSet {
    number: u64,
    bytes: Box<[u8]>,
}

impl OptionSet {
    /// What stands for it in a key; not 0.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The options: RFC 8926 §3.5, a multiple of 4 bytes, at most 252.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// All sets of a lab, and which options anybody wants to know of.
#[derive(Debug, Default)]
pub struct OptionSets {
    /// By class and type.
    known: RwLock<BTreeSet<(u16, u8)>>,
    /// There is one.
    knows: AtomicBool,
    sets: RwLock<Sets>,
}

#[derive(Debug, Default)]
struct Sets {
    by_bytes: BTreeMap<Box<[u8]>, Arc<OptionSet>>,
    by_number: BTreeMap<u64, Arc<OptionSet>>,
    last: u64,
    /// Where the search for one to forget goes on.
    hand: u64,
}

impl OptionSets {
    /// Says which options packets are to be asked for, by class and type.
    pub fn set_known(&self, known: BTreeSet<(u16, u8)>) {
        self.knows.store(!known.is_empty(), Ordering::Relaxed);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Whether anybody wants to know of any option.
    #[inline]
    #[must_use]
    pub fn knows_any(&self) -> bool {
        self.knows.load(Ordering::Relaxed)
    }

    /// Whether anybody wants to know of an option.
    #[must_use]
    pub fn knows(&self, class: u16, kind: u8) -> bool {
        self.knows_any() && self.known.read().unwrap_or_else(PoisonError::into_inner).contains(&(class, kind))
    }

    /// The set with these bytes. `None`: there are too many, and all in use.
    #[must_use]
    pub fn of(&self, bytes: &[u8]) -> Option<Arc<OptionSet>> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sets.by_bytes.get(bytes) {
            return Some(Arc::clone(known));
        }
        drop(sets);
        self.sets.write().unwrap_or_else(PoisonError::into_inner).add(bytes)
    }

    /// The set with a number, unless it was forgotten.
    #[must_use]
    pub fn find(&self, number: u64) -> Option<Arc<OptionSet>> {
        self.sets.read().unwrap_or_else(PoisonError::into_inner).by_number.get(&number).map(Arc::clone)
    }

    /// How many sets are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sets.read().unwrap_or_else(PoisonError::into_inner).by_number.len()
    }

    /// Whether no set is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Sets {
    fn add(&mut self, bytes: &[u8]) -> Option<Arc<OptionSet>> {
        // Another worker may have been faster.
        if let Some(known) = self.by_bytes.get(bytes) {
            return Some(Arc::clone(known));
        }
        if self.by_number.len() >= MOST && !self.forget_one() {
            return None;
        }
        self.last += 1;
        let set = Arc::new(OptionSet { number: self.last, bytes: bytes.into() });
        self.by_bytes.insert(bytes.into(), Arc::clone(&set));
        self.by_number.insert(self.last, Arc::clone(&set));
        Some(set)
    }

    /// Forgets an old one that nobody holds; `false` if there is none within reach.
    fn forget_one(&mut self) -> bool {
        let after = self.by_number.range((Bound::Excluded(self.hand), Bound::Unbounded));
        let around = after.chain(self.by_number.range(..=self.hand)).take(STEPS);
        let mut found = None;
        for (number, set) in around {
            self.hand = *number;
            // Held by the two maps only.
            if Arc::strong_count(set) == 2 {
                found = Some(*number);
                break;
            }
        }
        let Some(set) = found.and_then(|number| self.by_number.remove(&number)) else { return false };
        self.by_bytes.remove(&set.bytes);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_have_one_number() {
        let sets = OptionSets::default();
        let one = sets.of(&[1, 2, 3, 0]).unwrap();
        assert_eq!(sets.of(&[1, 2, 3, 0]), Some(Arc::clone(&one)));
        let other = sets.of(&[1, 2, 4, 0]).unwrap();
        assert!(one.number() != other.number() && one.number() != 0);
        assert_eq!(sets.find(other.number()).unwrap().bytes(), [1, 2, 4, 0]);
        assert_eq!((sets.find(77), sets.len()), (None, 2));
    }

    #[test]
    fn only_what_somebody_asked_for_is_known() {
        let sets = OptionSets::default();
        assert!(!sets.knows_any() && !sets.knows(1, 2));
        sets.set_known([(1, 2)].into());
        assert!(sets.knows_any() && sets.knows(1, 2) && !sets.knows(1, 3));
        sets.set_known(BTreeSet::new());
        assert!(!sets.knows_any());
    }

    #[test]
    fn old_sets_go_but_for_those_in_use_and_no_number_comes_twice() {
        let sets = OptionSets::default();
        let of = |n: usize| sets.of(&u32::try_from(n).unwrap().to_be_bytes());
        let held: Vec<_> = (0..STEPS - 1).map(|n| of(n).unwrap()).collect();
        let mut last = 0;
        for n in STEPS..3 * MOST {
            let set = of(n).unwrap();
            assert!(set.number() > last);
            last = set.number();
        }
        assert_eq!(sets.len(), MOST);
        assert!(held.iter().all(|set| sets.find(set.number()).is_some()));
        assert!(of(STEPS).unwrap().number() > last, "it was forgotten and is another one now");
    }

    #[test]
    fn where_all_are_in_use_there_is_no_room() {
        let sets = OptionSets::default();
        let held: Vec<_> =
            (0..MOST).map(|n| sets.of(&u32::try_from(n).unwrap().to_be_bytes()).unwrap()).collect();
        assert_eq!(sets.of(&[0xff; 4]), None);
        drop(held);
        assert!(sets.of(&[0xff; 4]).is_some());
    }
}
