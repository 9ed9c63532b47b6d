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

mod hash;
mod prefixes;
mod subtable;
mod trie;

use std::cmp::Ordering;

use self::prefixes::{Prefixes, Tries};
use self::subtable::{Hit, Subtable};
use crate::{FlowKey, FlowMask, FlowMatch};

/// A set of rules, at most one for each pair of match and priority.
#[derive(Debug, Clone)]
pub struct Classifier<R> {
    /// By highest priority, then by mask: the order in which they are tried.
    subtables: Vec<Subtable<R>>,
    tries: Tries,
    len: usize,
}

impl<R> Default for Classifier<R> {
    fn default() -> Self {
        Self { subtables: Vec::new(), tries: Tries::default(), len: 0 }
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
        self.subtables.len()
    }

    /// Adds a rule. Returns the one with the same match and priority that it replaces.
    pub fn insert(&mut self, matches: &FlowMatch, priority: u32, rule: R) -> Option<R> {
        let at = self.position(matches.mask()).unwrap_or_else(|| {
            self.subtables.push(Subtable::new(*matches.mask()));
            self.subtables.len() - 1
        });
        let subtable = self.subtables.get_mut(at)?;
        let (old, is_new) = subtable.insert(matches.key(), priority, rule);
        if is_new {
            self.tries.insert(matches, subtable.lengths());
        }
        self.len += usize::from(old.is_none());
        self.settle(at);
        old
    }

    /// Removes the rule with this match and priority.
    pub fn remove(&mut self, matches: &FlowMatch, priority: u32) -> Option<R> {
        let at = self.position(matches.mask())?;
        let subtable = self.subtables.get_mut(at)?;
        let (rule, is_gone) = subtable.remove(matches.key(), priority)?;
        if is_gone {
            self.tries.remove(matches, subtable.lengths());
        }
        if subtable.is_empty() {
            self.subtables.remove(at);
        } else {
            self.settle(at);
        }
        self.len -= 1;
        Some(rule)
    }

    /// The rule with exactly this match and priority.
    #[must_use]
    pub fn get(&self, matches: &FlowMatch, priority: u32) -> Option<&R> {
        self.subtables.get(self.position(matches.mask())?)?.get(matches.key(), priority)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, matches: &FlowMatch, priority: u32) -> Option<&mut R> {
        let at = self.position(matches.mask())?;
        self.subtables.get_mut(at)?.get_mut(matches.key(), priority)
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

    /// All rules with their priority and match. The order depends on the history of changes only.
    pub fn iter(&self) -> impl Iterator<Item = (u32, FlowMatch, &R)> {
        self.subtables.iter().flat_map(Subtable::iter)
    }

    /// The rules of this priority that match some packet in common with `matches`.
    pub fn overlapping(&self, matches: &FlowMatch, priority: u32) -> impl Iterator<Item = (FlowMatch, &R)> {
        self.iter()
            .filter(move |(other, theirs, _)| *other == priority && theirs.overlaps(matches))
            .map(|(_, theirs, rule)| (theirs, rule))
    }

    fn search<'a>(&'a self, mut look: impl FnMut(&'a Subtable<R>) -> Option<Hit<'a, R>>) -> Option<&'a R> {
        let mut best: Option<(&Subtable<R>, Hit<'_, R>)> = None;
        for subtable in &self.subtables {
            if let Some((winner, hit)) = &best {
                match subtable.top().cmp(&hit.priority) {
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

    fn position(&self, mask: &FlowMask) -> Option<usize> {
        self.subtables.iter().position(|subtable| subtable.mask() == mask)
    }

    /// Moves a subtable whose highest priority may have changed to its place.
    fn settle(&mut self, at: usize) {
        let in_place = |pair: &[Subtable<R>]| match pair {
            [a, b] => before(a, b).is_lt(),
            _ => true,
        };
        if self.subtables.get(at.saturating_sub(1)..=at).is_none_or(in_place)
            && self.subtables.get(at..at + 2).is_none_or(in_place)
        {
            return;
        }
        let subtable = self.subtables.remove(at);
        let to = self.subtables.partition_point(|other| before(other, &subtable).is_lt());
        self.subtables.insert(to, subtable);
    }
}

/// The order in which subtables are tried.
fn before<R>(a: &Subtable<R>, b: &Subtable<R>) -> Ordering {
    b.top().cmp(&a.top()).then_with(|| a.by_mask(b))
}
