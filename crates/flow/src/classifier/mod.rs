//! Finds the rule with the highest priority that matches a packet, and tells which bits decided it.
//!
//! Tuple space search: rules with the same mask share a subtable, a hash table of masked keys. Three things
//! keep the number of bits looked at, and so the number of megaflows, small; in the order of their worth:
//!
//! - *stages*: a subtable that has no rule with the packet's metadata is left without a look at its addresses;
//! - *prefix tries* of IPv4 and IPv6 addresses and ports: a subtable is ruled out by the few leading bits in
//!   which the packet differs from every rule's prefix;
//! - *priority*: subtables are tried by their highest priority, until no better rule can come.
//!
//! **The contract of un-wildcarding**: after `lookup(key, Some(mask))`, every key that equals `key` in the bits
//! of `mask` gets the same answer, as long as no rule that overlaps them is added or removed.
//!
//! Rules of equal priority that match the same packet are undefined in OpenFlow. Here the mask with more bits
//! wins, then the greater one: an order of the two rules alone, so that no third rule can turn it around, and
//! neither can the order in which they came.
//!
//! Source: Srinivasan, Suri, Varghese, "Packet classification using tuple space search", 1999; Pfaff et al.,
//! "The design and implementation of Open vSwitch", NSDI 2015, §5.

mod crown;
mod hash;
mod index;
mod prefixes;
mod room;
mod subtable;
mod trie;

use std::cmp::Ordering;

use self::hash::{START, mix};
use self::index::Index;
use self::prefixes::{Prefixes, Tries};
use self::subtable::{Hit, Subtable};
use crate::{FlowKey, FlowMask, FlowMatch};

/// A set of rules, at most one for each pair of match and priority.
#[derive(Debug, Clone)]
pub struct Classifier<R> {
    subtables: Vec<Option<Box<Subtable<R>>>>,
    free: Vec<u32>,
    /// Hash of a mask to its subtable.
    by_mask: Index,
    /// By highest priority, then by mask: the order in which they are tried, and the priority.
    order: Vec<(u32, u32)>,
    tries: Tries,
    len: usize,
}

impl<R> Default for Classifier<R> {
    fn default() -> Self {
        Self {
            subtables: Vec::new(),
            free: Vec::new(),
            by_mask: Index::default(),
            order: Vec::new(),
            tries: Tries::default(),
            len: 0,
        }
    }
}

impl<R> Classifier<R> {
    /// No rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many different masks there are.
    #[must_use]
    pub const fn masks(&self) -> usize {
        self.order.len()
    }

    /// Adds a rule. Returns the one with the same match and priority that it replaces.
    ///
    /// A match that was [shared](FlowMatch::share) before is not stored twice.
    pub fn insert(&mut self, matches: &FlowMatch, priority: u32, rule: R) -> Option<R> {
        let at = self.position(matches).unwrap_or_else(|| self.add_subtable(matches, priority));
        let subtable = self.subtables.get_mut(at)?.as_mut()?;
        self.tries.touch(matches, subtable.lengths());
        let before = if subtable.is_empty() { priority } else { subtable.top() };
        let (old, is_new) = subtable.insert(matches, priority, rule);
        if is_new {
            self.tries.insert(matches, subtable.lengths());
        }
        self.len += usize::from(old.is_none());
        self.settle(at, before);
        old
    }

    /// Asks for the memory that adding or removing a rule with this match is going to need. Who is about to change many
    /// rules asks for all of them first: then they wait for memory together, and not one after the other. Changes nothing.
    pub fn touch(&self, matches: &FlowMatch) {
        let Some(at) = self.position(matches) else { return };
        if let Some(Some(subtable)) = self.subtables.get(at) {
            self.tries.touch(matches, subtable.lengths());
            subtable.touch(matches);
        }
    }

    /// Removes the rule with this match and priority.
    pub fn remove(&mut self, matches: &FlowMatch, priority: u32) -> Option<R> {
        let at = self.position(matches)?;
        let subtable = self.subtables.get_mut(at)?.as_mut()?;
        self.tries.touch(matches, subtable.lengths());
        let before = subtable.top();
        let (rule, is_gone) = subtable.remove(matches, priority)?;
        if is_gone {
            self.tries.remove(matches, subtable.lengths());
        }
        self.len -= 1;
        if subtable.is_empty() {
            self.remove_subtable(at, before);
        } else {
            self.settle(at, before);
        }
        Some(rule)
    }

    /// The rule with exactly this match and priority.
    #[must_use]
    pub fn get(&self, matches: &FlowMatch, priority: u32) -> Option<&R> {
        self.subtables.get(self.position(matches)?)?.as_ref()?.get(matches, priority)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, matches: &FlowMatch, priority: u32) -> Option<&mut R> {
        let at = self.position(matches)?;
        self.subtables.get_mut(at)?.as_mut()?.get_mut(matches, priority)
    }

    /// The rule for a packet. The bits that decided it are added to `mask`, see the module's contract.
    #[must_use]
    pub fn lookup(&self, key: &FlowKey, mask: Option<&mut FlowMask>) -> Option<&R> {
        match mask {
            None => self.search(|subtable| subtable.lookup(key)),
            Some(mask) => {
                let mut prefixes = Prefixes::new(&self.tries);
                self.search(|subtable| subtable.lookup_wild(key, &mut prefixes, mask))
            }
        }
    }

    /// The best rule of each mask that matches a packet, by falling priority. The bits that decided which they are, are
    /// added to `mask`.
    pub fn each_match<'a>(
        &'a self,
        key: &'a FlowKey,
        mask: &'a mut FlowMask,
    ) -> impl Iterator<Item = &'a R> + use<'a, R> {
        let mut prefixes = Prefixes::new(&self.tries);
        self.tried().filter_map(move |subtable| Some(subtable.lookup_wild(key, &mut prefixes, mask)?.rule))
    }

    /// All rules with their priority and match. The order depends on the history of changes only.
    pub fn iter(&self) -> impl Iterator<Item = (u32, FlowMatch, &R)> {
        self.tried().flat_map(Subtable::iter)
    }

    /// All rules alone, in the same order.
    pub fn rules(&self) -> impl Iterator<Item = &R> {
        self.tried().flat_map(Subtable::rules)
    }

    /// The rules of this priority that match some packet in common with `matches`.
    pub fn overlapping(&self, matches: &FlowMatch, priority: u32) -> impl Iterator<Item = (FlowMatch, &R)> {
        self.tried().flat_map(move |subtable| subtable.overlapping(matches, priority))
    }

    /// The subtables in the order in which they are tried.
    fn tried(&self) -> impl Iterator<Item = &Subtable<R>> {
        self.order.iter().filter_map(|(_, at)| self.subtables.get(*at as usize)?.as_deref())
    }

    fn search<'a>(&'a self, mut look: impl FnMut(&'a Subtable<R>) -> Option<Hit<'a, R>>) -> Option<&'a R> {
        let mut best: Option<(&Subtable<R>, Hit<'_, R>)> = None;
        for (top, at) in &self.order {
            let Some(Some(subtable)) = self.subtables.get(*at as usize) else { continue };
            if let Some((winner, hit)) = &best {
                match top.cmp(&hit.priority) {
                    Ordering::Less => break,
                    // Those of equal top are in the order of their masks: none that follows can win.
                    Ordering::Equal if winner.by_mask(subtable).is_lt() => break,
                    _ => {}
                }
            }
            let Some(hit) = look(subtable) else { continue };
            let is_better = best.as_ref().is_none_or(|(winner, old)| match hit.priority.cmp(&old.priority) {
                Ordering::Greater => true,
                Ordering::Equal => subtable.by_mask(winner).is_lt(),
                Ordering::Less => false,
            });
            if is_better {
                best = Some((subtable, hit));
            }
        }
        best.map(|(_, hit)| hit.rule)
    }

    /// The subtable of a match's mask.
    fn position(&self, matches: &FlowMatch) -> Option<usize> {
        let is =
            |at: usize| matches!(self.subtables.get(at), Some(Some(subtable)) if subtable.is_of(matches));
        self.by_mask.find(hash_of_mask(matches), is)
    }

    fn add_subtable(&mut self, matches: &FlowMatch, top: u32) -> usize {
        let subtable = Some(Box::new(Subtable::new(matches)));
        let at = match self.free.pop() {
            Some(at) => {
                self.subtables[at as usize] = subtable;
                at
            }
            None => {
                self.subtables.push(subtable);
                u32::try_from(self.subtables.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.by_mask.insert(hash_of_mask(matches), at);
        let to = self.place_of(top, at);
        self.order.insert(to, (top, at));
        at as usize
    }

    fn remove_subtable(&mut self, at: usize, top: u32) {
        let Ok(number) = u32::try_from(at) else { return };
        let from = self.place_of(top, number);
        if self.order.get(from) == Some(&(top, number)) {
            self.order.remove(from);
        }
        if let Some(gone) = self.subtables.get_mut(at).and_then(Option::take) {
            let matches = FlowMatch::new(FlowKey::default(), *gone.mask());
            self.by_mask.remove(hash_of_mask(&matches), number);
            self.free.push(number);
        }
    }

    /// Moves a subtable whose highest priority was `before` to its place.
    fn settle(&mut self, at: usize, before: u32) {
        let Some(Some(subtable)) = self.subtables.get(at) else { return };
        let (top, Ok(number)) = (subtable.top(), u32::try_from(at)) else { return };
        if before == top {
            return;
        }
        let from = self.place_of(before, number);
        self.order.remove(from);
        let to = self.place_of(top, number);
        self.order.insert(to, (top, number));
    }

    /// Where a subtable with this highest priority belongs.
    fn place_of(&self, top: u32, number: u32) -> usize {
        let of = |number: u32| self.subtables.get(number as usize).and_then(Option::as_deref);
        self.order.partition_point(|(other_top, other)| {
            top.cmp(other_top)
                .then_with(|| match (of(*other), of(number)) {
                    (Some(other), Some(this)) => other.by_mask(this),
                    _ => Ordering::Equal,
                })
                .is_lt()
        })
    }
}

fn hash_of_mask(matches: &FlowMatch) -> u64 {
    matches.words().iter().fold(mix(START, matches.present()), |state, (mask, _)| mix(state, *mask))
}
