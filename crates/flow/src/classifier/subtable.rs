//! The rules of a classifier that share one mask.
//!
//! Keys are stored without the words the mask does not touch. A lookup folds the packet's masked words into a
//! hash, stage by stage; after each stage but the last, an index tells whether any rule has these words at all.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use super::hash::{HashedMap, START, mix};
use super::prefixes::{PREFIXES, Prefixes};
use crate::{FLOW_WORDS, FlowKey, FlowMask, FlowMatch, word};

/// Stages of a lookup: metadata and registers, L2, L3, L4.
const STAGES: usize = 4;

/// The stage a word belongs to.
fn stage(index: usize) -> usize {
    match index {
        i if i >= word::PACKET_WORDS || i < word::STAGES[1] => 0,
        i if i < word::STAGES[2] => 1,
        i if i < word::STAGES[3] => 2,
        _ => 3,
    }
}

/// One word of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MaskWord {
    index: usize,
    bits: u64,
}

/// The rules of one masked key, highest priority first.
#[derive(Debug, Clone)]
struct Head<R> {
    key: Box<[u64]>,
    rules: Vec<(u32, R)>,
    /// Next head whose key has the same hash.
    next: Option<usize>,
}

/// The rules that share one mask.
#[derive(Debug, Clone)]
pub(super) struct Subtable<R> {
    mask: FlowMask,
    /// How many bits the mask has.
    bits: u32,
    /// The words of the mask that are not 0, in the order of the stages.
    words: Box<[MaskWord]>,
    /// Where each stage ends in `words`.
    ends: [usize; STAGES],
    /// For the stages before the last: how many heads have a given hash up to there.
    stages: [HashedMap<u32>; STAGES],
    /// Hash of a whole masked key to its head.
    index: HashedMap<usize>,
    heads: Vec<Option<Head<R>>>,
    free: Vec<usize>,
    /// How many rules have each priority.
    priorities: BTreeMap<u32, usize>,
    /// The lengths of the prefixes this mask takes of the fields with tries; 0: none.
    lengths: [u8; PREFIXES],
}

/// Whether a subtable has an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit<'a, R> {
    pub(super) priority: u32,
    pub(super) rule: &'a R,
}

impl<R> Subtable<R> {
    pub(super) fn new(mask: FlowMask) -> Self {
        let mut words: Vec<MaskWord> = mask
            .0
            .iter()
            .enumerate()
            .filter(|(_, bits)| **bits != 0)
            .map(|(index, bits)| MaskWord { index, bits: *bits })
            .collect();
        words.sort_by_key(|w| (stage(w.index), w.index));
        let ends = std::array::from_fn(|s| words.iter().filter(|w| stage(w.index) <= s).count());
        Self {
            mask,
            bits: words.iter().map(|w| w.bits.count_ones()).sum(),
            words: words.into(),
            ends,
            stages: Default::default(),
            index: HashedMap::default(),
            heads: Vec::new(),
            free: Vec::new(),
            priorities: BTreeMap::new(),
            lengths: Prefixes::lengths(&mask),
        }
    }

    pub(super) const fn mask(&self) -> &FlowMask {
        &self.mask
    }

    /// The order among rules of equal priority: masks with more bits come first, then the greater.
    pub(super) fn by_mask(&self, other: &Self) -> Ordering {
        other.bits.cmp(&self.bits).then_with(|| other.mask.0.cmp(&self.mask.0))
    }

    /// The highest priority of its rules; 0 if it has none.
    pub(super) fn top(&self) -> u32 {
        self.priorities.last_key_value().map_or(0, |(priority, _)| *priority)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.priorities.is_empty()
    }

    /// Lengths of the prefixes its mask takes of the fields with tries.
    pub(super) const fn lengths(&self) -> &[u8; PREFIXES] {
        &self.lengths
    }

    /// The words of a key that the mask touches.
    fn compact(&self, key: &FlowKey) -> Box<[u64]> {
        self.words.iter().map(|w| key.0.get(w.index).copied().unwrap_or(0) & w.bits).collect()
    }

    /// The hash after each stage; a stage without words leaves it as it was.
    fn hashes(&self, key: &[u64]) -> [u64; STAGES] {
        let mut state = START;
        let mut from = 0;
        self.ends.map(|end| {
            state = key.iter().take(end).skip(from).fold(state, |state, word| mix(state, *word));
            from = end;
            state
        })
    }

    /// Whether the index of a stage is kept: later stages have words, and this one has some of its own.
    fn is_staged(&self, stage: usize) -> bool {
        let end = |s: usize| self.ends.get(s).copied().unwrap_or(0);
        let before = if stage == 0 { 0 } else { end(stage - 1) };
        end(stage) > before && end(stage) < self.words.len()
    }

    fn find(&self, hash: u64, key: &[u64]) -> Option<usize> {
        let mut at = self.index.get(&hash).copied();
        while let Some(i) = at {
            let head = self.heads.get(i)?.as_ref()?;
            if *head.key == *key {
                return Some(i);
            }
            at = head.next;
        }
        None
    }

    fn head(&self, key: &FlowKey) -> Option<usize> {
        let key = self.compact(key);
        self.find(self.hashes(&key)[STAGES - 1], &key)
    }

    /// Adds a rule, or replaces the one of the same priority. The second value: the masked key is new here.
    pub(super) fn insert(&mut self, key: &FlowKey, priority: u32, rule: R) -> (Option<R>, bool) {
        let key = self.compact(key);
        let hashes = self.hashes(&key);
        let hash = hashes[STAGES - 1];
        let (i, is_new) = match self.find(hash, &key) {
            Some(i) => (i, false),
            None => (self.add_head(key, hashes), true),
        };
        let Some(Some(head)) = self.heads.get_mut(i) else { return (None, is_new) };
        match head.rules.binary_search_by(|(other, _)| priority.cmp(other)) {
            Ok(at) => (head.rules.get_mut(at).map(|(_, old)| std::mem::replace(old, rule)), is_new),
            Err(at) => {
                head.rules.insert(at, (priority, rule));
                *self.priorities.entry(priority).or_insert(0) += 1;
                (None, is_new)
            }
        }
    }

    fn add_head(&mut self, key: Box<[u64]>, hashes: [u64; STAGES]) -> usize {
        for (stage, hash) in hashes.into_iter().enumerate() {
            if self.is_staged(stage) {
                *self.stages[stage].entry(hash).or_insert(0) += 1;
            }
        }
        let next = self.index.get(&hashes[STAGES - 1]).copied();
        let head = Some(Head { key, rules: Vec::new(), next });
        let i = match self.free.pop() {
            Some(i) => {
                self.heads[i] = head;
                i
            }
            None => {
                self.heads.push(head);
                self.heads.len() - 1
            }
        };
        self.index.insert(hashes[STAGES - 1], i);
        i
    }

    /// Removes a rule. The second value: no rule has this masked key any more.
    pub(super) fn remove(&mut self, key: &FlowKey, priority: u32) -> Option<(R, bool)> {
        let i = self.head(key)?;
        let head = self.heads.get_mut(i)?.as_mut()?;
        let at = head.rules.binary_search_by(|(other, _)| priority.cmp(other)).ok()?;
        let (_, rule) = head.rules.remove(at);
        let is_gone = head.rules.is_empty();
        if let Some(count) = self.priorities.get_mut(&priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&priority);
            }
        }
        if is_gone {
            self.remove_head(i);
        }
        Some((rule, is_gone))
    }

    fn remove_head(&mut self, i: usize) {
        let Some(head) = self.heads.get_mut(i).and_then(Option::take) else { return };
        self.free.push(i);
        let hashes = self.hashes(&head.key);
        for (stage, hash) in hashes.into_iter().enumerate() {
            if !self.is_staged(stage) {
                continue;
            }
            if let Entry::Occupied(mut count) = self.stages[stage].entry(hash) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
        self.unlink(hashes[STAGES - 1], i, head.next);
    }

    fn unlink(&mut self, hash: u64, i: usize, next: Option<usize>) {
        let Some(&first) = self.index.get(&hash) else { return };
        if first == i {
            match next {
                Some(next) => self.index.insert(hash, next),
                None => self.index.remove(&hash),
            };
            return;
        }
        let mut at = Some(first);
        while let Some(Some(head)) = at.and_then(|at| self.heads.get_mut(at)) {
            if head.next == Some(i) {
                head.next = next;
                return;
            }
            at = head.next;
        }
    }

    /// The rule with this match and priority.
    pub(super) fn get(&self, key: &FlowKey, priority: u32) -> Option<&R> {
        let head = self.heads.get(self.head(key)?)?.as_ref()?;
        let at = head.rules.binary_search_by(|(other, _)| priority.cmp(other)).ok()?;
        head.rules.get(at).map(|(_, rule)| rule)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, key: &FlowKey, priority: u32) -> Option<&mut R> {
        let i = self.head(key)?;
        let head = self.heads.get_mut(i)?.as_mut()?;
        let at = head.rules.binary_search_by(|(other, _)| priority.cmp(other)).ok()?;
        head.rules.get_mut(at).map(|(_, rule)| rule)
    }

    /// The best rule for a packet.
    pub(super) fn lookup(&self, key: &FlowKey) -> Option<Hit<'_, R>> {
        let hash = self.words.iter().fold(START, |state, w| mix(state, key.0[w.index] & w.bits));
        self.best(hash, key)
    }

    /// The same, adding the bits looked at to `mask`: whatever equals `key` in them gets the same answer here.
    pub(super) fn lookup_wild(
        &self,
        key: &FlowKey,
        prefixes: &mut Prefixes<'_>,
        mask: &mut FlowMask,
    ) -> Option<Hit<'_, R>> {
        let mut state = START;
        let mut from = 0;
        for stage in 0..STAGES {
            let end = self.ends[stage];
            if from == end {
                continue;
            }
            if prefixes.rule_out(stage, &self.lengths, key, mask) {
                return None;
            }
            for w in &self.words[from..end] {
                state = mix(state, key.0[w.index] & w.bits);
            }
            from = end;
            if end < self.words.len() && !self.stages[stage].contains_key(&state) {
                break;
            }
        }
        for w in &self.words[..from] {
            mask.0[w.index] |= w.bits;
        }
        if from == self.words.len() { self.best(state, key) } else { None }
    }

    fn best(&self, hash: u64, key: &FlowKey) -> Option<Hit<'_, R>> {
        let mut at = self.index.get(&hash).copied();
        while let Some(i) = at {
            let head = self.heads[i].as_ref()?;
            if head.key.iter().zip(&self.words).all(|(k, w)| *k == key.0[w.index] & w.bits) {
                let (priority, rule) = head.rules.first()?;
                return Some(Hit { priority: *priority, rule });
            }
            at = head.next;
        }
        None
    }

    /// All rules, in an order that depends on the history of insertions only.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, FlowMatch, &R)> {
        self.heads.iter().flatten().flat_map(|head| {
            let mut key = [0; FLOW_WORDS];
            for (w, value) in self.words.iter().zip(&head.key) {
                key[w.index] = *value;
            }
            let matches = FlowMatch::new(FlowKey(key), self.mask);
            head.rules.iter().map(move |(priority, rule)| (*priority, matches, rule))
        })
    }
}
