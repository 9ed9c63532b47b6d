//! The rules of a classifier that share one mask.
//!
//! A lookup folds the packet's masked words into a hash, stage by stage; after each stage but the last, an index tells
//! whether any rule has these words at all.

use std::cmp::Ordering;
use std::sync::Arc;

use super::hash::{START, mix};
use super::index::Index;
use super::prefixes::{PREFIXES, Prefixes};
use super::room::make_room;
use crate::{FlowKey, FlowMask, FlowMatch, word};

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
    /// Of which word of a key,
    index: u16,
    /// and of which of a match with this mask.
    at: u16,
    bits: u64,
}

impl MaskWord {
    const fn of(&self, key: &FlowKey) -> u64 {
        key.0[self.index as usize] & self.bits
    }
}

/// The rules of one masked key, highest priority first.
#[derive(Debug, Clone)]
struct Head<R> {
    /// Mask and value of each word, shared with the match of a rule.
    words: Arc<[(u64, u64)]>,
    first: (u32, R),
    rest: Rest<R>,
}

/// The rules of a head that are not its first: seldom any, so that their place is small.
type Rest<R> = Option<Box<Vec<(u32, R)>>>;

/// The rules that share one mask.
#[derive(Debug, Clone)]
pub(super) struct Subtable<R> {
    mask: FlowMask,
    present: u64,
    /// The words of the mask that are not 0, as a match has them.
    masks: Box<[u64]>,
    /// How many bits the mask has.
    bits: u32,
    /// The words of the mask that are not 0, in the order of the stages.
    words: Box<[MaskWord]>,
    /// Where each stage ends in `words`.
    ends: [usize; STAGES],
    /// For the stages before the last: how many heads have a given hash up to there.
    stages: [Index; STAGES],
    /// Hash of a whole masked key to its head.
    index: Index,
    heads: Vec<Option<Head<R>>>,
    free: Vec<u32>,
    tops: Tops,
    /// The lengths of the prefixes this mask takes of the fields with tries; 0: none.
    lengths: [u8; PREFIXES],
}

/// How high the priorities of a subtable go.
#[derive(Debug, Clone, Copy, Default)]
struct Tops {
    /// None is higher.
    top: u32,
    /// How many are as high. 0: nobody knows how high they go, `top` is too much.
    at_top: usize,
    /// Rules in all.
    rules: usize,
    /// Rules removed since `top` was right.
    gone: usize,
}

impl Tops {
    fn add(&mut self, priority: u32) {
        self.rules += 1;
        if self.rules == 1 || priority > self.top {
            *self = Self { top: priority, at_top: 1, rules: self.rules, gone: 0 };
        } else if priority == self.top {
            self.at_top += 1;
        }
    }

    /// Says whether they should be looked through again: not for each rule, lest removing all is quadratic.
    fn remove(&mut self, priority: u32) -> bool {
        self.rules -= 1;
        if priority == self.top && self.at_top > 0 {
            self.at_top -= 1;
        }
        if self.at_top == 0 {
            self.gone += 1;
        }
        self.at_top == 0 && self.gone > self.rules / 4
    }
}

/// Whether a subtable has an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit<'a, R> {
    pub(super) priority: u32,
    pub(super) rule: &'a R,
}

impl<R> Subtable<R> {
    /// For matches with the mask of this one.
    pub(super) fn new(matches: &FlowMatch) -> Self {
        let mask = matches.mask();
        let mut words: Vec<MaskWord> = (0..)
            .zip(matches.each())
            .map(|(at, (index, bits, _))| MaskWord { index: u16::try_from(index).unwrap_or(0), at, bits })
            .collect();
        words.sort_by_key(|w| (stage(w.index.into()), w.index));
        let ends = std::array::from_fn(|s| words.iter().filter(|w| stage(w.index.into()) <= s).count());
        Self {
            mask,
            present: matches.present(),
            masks: matches.words().iter().map(|(mask, _)| *mask).collect(),
            bits: words.iter().map(|w| w.bits.count_ones()).sum(),
            words: words.into(),
            ends,
            stages: Default::default(),
            index: Index::default(),
            heads: Vec::new(),
            free: Vec::new(),
            tops: Tops::default(),
            lengths: Prefixes::lengths(&mask),
        }
    }

    pub(super) const fn mask(&self) -> &FlowMask {
        &self.mask
    }

    /// Whether a match has this mask.
    pub(super) fn is_of(&self, matches: &FlowMatch) -> bool {
        self.present == matches.present()
            && self.masks.iter().eq(matches.words().iter().map(|(mask, _)| mask))
    }

    /// The order among rules of equal priority: masks with more bits come first, then the greater.
    pub(super) fn by_mask(&self, other: &Self) -> Ordering {
        other.bits.cmp(&self.bits).then_with(|| other.mask.0.cmp(&self.mask.0))
    }

    /// No rule has a higher priority; 0 if there are none.
    pub(super) const fn top(&self) -> u32 {
        self.tops.top
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.tops.rules == 0
    }

    /// Lengths of the prefixes its mask takes of the fields with tries.
    pub(super) const fn lengths(&self) -> &[u8; PREFIXES] {
        &self.lengths
    }

    /// The hashes of a match of this mask up to the end of each stage.
    fn hashes(&self, words: &[(u64, u64)]) -> [u64; STAGES] {
        let (mut state, mut from) = (START, 0);
        self.ends.map(|end| {
            for w in self.words.get(from..end).unwrap_or_default() {
                state = mix(state, words.get(usize::from(w.at)).map_or(0, |(_, value)| *value));
            }
            from = end;
            state
        })
    }

    /// Whether a stage has an index: it looks at something, and is not the last that does.
    fn is_staged(&self, stage: usize) -> bool {
        let end = |s: usize| self.ends.get(s).copied().unwrap_or(0);
        let before = if stage == 0 { 0 } else { end(stage - 1) };
        end(stage) > before && end(stage) < self.words.len()
    }

    fn find(&self, hash: u64, words: &[(u64, u64)]) -> Option<usize> {
        self.index.find(hash, |i| matches!(self.heads.get(i), Some(Some(head)) if *head.words == *words))
    }

    fn head(&self, matches: &FlowMatch) -> Option<usize> {
        let words = matches.words();
        self.find(self.hashes(words)[STAGES - 1], words)
    }

    /// Asks for the memory that adding or removing a rule is going to need.
    pub(super) fn touch(&self, matches: &FlowMatch) {
        let hashes = self.hashes(matches.words());
        let staged = (0..STAGES).filter(|stage| self.is_staged(*stage));
        let touched = staged.fold(self.index.touch(hashes[STAGES - 1]), |all, stage| {
            all ^ self.stages[stage].touch(hashes[stage])
        });
        std::hint::black_box(touched);
    }

    /// Adds a rule, or replaces the one of the same priority. The second value: the masked key is new here.
    pub(super) fn insert(&mut self, matches: &FlowMatch, priority: u32, rule: R) -> (Option<R>, bool) {
        let hashes = self.hashes(matches.words());
        let found = self.find(hashes[STAGES - 1], matches.words());
        let Some(head) = found.and_then(|i| self.heads.get_mut(i)).and_then(Option::as_mut) else {
            self.tops.add(priority);
            self.add_head(Head { words: matches.shared(), first: (priority, rule), rest: None }, hashes);
            return (None, true);
        };
        let old = head.insert(priority, rule);
        if old.is_none() {
            self.tops.add(priority);
        }
        (old, false)
    }

    fn add_head(&mut self, head: Head<R>, hashes: [u64; STAGES]) {
        for (stage, hash) in hashes.into_iter().enumerate() {
            if self.is_staged(stage) {
                self.stages[stage].count(hash);
            }
        }
        let i = match self.free.pop() {
            Some(i) => {
                self.heads[i as usize] = Some(head);
                i
            }
            None => {
                make_room(&mut self.heads);
                self.heads.push(Some(head));
                u32::try_from(self.heads.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.index.insert(hashes[STAGES - 1], i);
    }

    /// Removes a rule. The second value: no rule has this masked key any more.
    pub(super) fn remove(&mut self, matches: &FlowMatch, priority: u32) -> Option<(R, bool)> {
        let hashes = self.hashes(matches.words());
        let i = self.find(hashes[STAGES - 1], matches.words())?;
        let place = self.heads.get_mut(i)?;
        let head = place.as_mut()?;
        let (rule, is_gone) = if head.rest.is_none() {
            let head = place.take_if(|head| head.first.0 == priority)?;
            self.remove_head(i, hashes);
            (head.first.1, true)
        } else {
            (head.remove(priority)?, false)
        };
        if self.tops.remove(priority) {
            self.look_for_tops();
        }
        Some((rule, is_gone))
    }

    fn remove_head(&mut self, i: usize, hashes: [u64; STAGES]) {
        for (stage, hash) in hashes.into_iter().enumerate() {
            if self.is_staged(stage) {
                self.stages[stage].discount(hash);
            }
        }
        let i = u32::try_from(i).unwrap_or(u32::MAX);
        self.index.remove(hashes[STAGES - 1], i);
        self.free.push(i);
    }

    fn look_for_tops(&mut self) {
        let mut tops = Tops::default();
        for head in self.heads.iter().flatten() {
            head.rules().for_each(|(priority, _)| tops.add(*priority));
        }
        self.tops = tops;
    }

    /// The rule with this match and priority.
    pub(super) fn get(&self, matches: &FlowMatch, priority: u32) -> Option<&R> {
        let head = self.heads.get(self.head(matches)?)?.as_ref()?;
        head.rules().find(|(other, _)| *other == priority).map(|(_, rule)| rule)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, matches: &FlowMatch, priority: u32) -> Option<&mut R> {
        let i = self.head(matches)?;
        let head = self.heads.get_mut(i)?.as_mut()?;
        let mut rules =
            std::iter::once(&mut head.first).chain(head.rest.iter_mut().flat_map(|rest| rest.iter_mut()));
        rules.find(|(other, _)| *other == priority).map(|(_, rule)| rule)
    }

    /// The best rule for a packet.
    pub(super) fn lookup(&self, key: &FlowKey) -> Option<Hit<'_, R>> {
        let hash = self.words.iter().fold(START, |state, w| mix(state, w.of(key)));
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
                state = mix(state, w.of(key));
            }
            from = end;
            if end < self.words.len() && !self.stages[stage].contains(state) {
                break;
            }
        }
        for w in &self.words[..from] {
            mask.0[w.index as usize] |= w.bits;
        }
        if from == self.words.len() { self.best(state, key) } else { None }
    }

    #[inline]
    fn best(&self, hash: u64, key: &FlowKey) -> Option<Hit<'_, R>> {
        let is = |words: &[(u64, u64)]| {
            self.words
                .iter()
                .all(|w| words.get(usize::from(w.at)).is_some_and(|(_, value)| *value == w.of(key)))
        };
        let i =
            self.index.find(hash, |i| matches!(self.heads.get(i), Some(Some(head)) if is(&head.words)))?;
        let (priority, rule) = &self.heads[i].as_ref()?.first;
        Some(Hit { priority: *priority, rule })
    }

    /// All rules, in an order that depends on the history of insertions only.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, FlowMatch, &R)> {
        self.heads.iter().flatten().flat_map(|head| {
            let matches = FlowMatch::of_shared(self.present, &head.words);
            head.rules().map(move |(priority, rule)| (*priority, matches.clone(), rule))
        })
    }

    /// The rules, in the same order.
    pub(super) fn rules(&self) -> impl Iterator<Item = &R> {
        self.heads.iter().flatten().flat_map(|head| head.rules().map(|(_, rule)| rule))
    }

    /// The rules of one priority that match some packet in common with `matches`.
    pub(super) fn overlapping(
        &self,
        matches: &FlowMatch,
        priority: u32,
    ) -> impl Iterator<Item = (FlowMatch, &R)> {
        // If it demands all that this mask does, only one key can agree.
        let is_one = self.words.iter().all(|w| matches.word(w.index.into()).1 & w.bits == w.bits);
        let key = is_one.then(|| matches.key());
        let one = key.and_then(|key| {
            let hash = self.words.iter().fold(START, |state, w| mix(state, w.of(&key)));
            let is = |words: &[(u64, u64)]| {
                self.words
                    .iter()
                    .all(|w| words.get(usize::from(w.at)).is_some_and(|(_, value)| *value == w.of(&key)))
            };
            self.index.find(hash, |i| matches!(self.heads.get(i), Some(Some(head)) if is(&head.words)))
        });
        let heads = match (is_one, one) {
            (true, Some(i)) => self.heads.get(i..=i),
            (true, None) => None,
            (false, _) if priority > self.top() => None,
            (false, _) => Some(self.heads.as_slice()),
        };
        heads.unwrap_or_default().iter().flatten().filter_map(move |head| {
            let (_, rule) = head.rules().find(|(other, _)| *other == priority)?;
            let theirs = FlowMatch::of_shared(self.present, &head.words);
            theirs.overlaps(matches).then_some((theirs, rule))
        })
    }
}

impl<R> Head<R> {
    fn rules(&self) -> impl Iterator<Item = &(u32, R)> {
        std::iter::once(&self.first).chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }

    fn insert(&mut self, priority: u32, rule: R) -> Option<R> {
        match priority.cmp(&self.first.0) {
            Ordering::Equal => return Some(std::mem::replace(&mut self.first.1, rule)),
            Ordering::Greater => {
                let old = std::mem::replace(&mut self.first, (priority, rule));
                self.rest.get_or_insert_default().insert(0, old);
                return None;
            }
            Ordering::Less => {}
        }
        let rest = self.rest.get_or_insert_default();
        match rest.binary_search_by(|(other, _)| priority.cmp(other)) {
            Ok(at) => rest.get_mut(at).map(|(_, old)| std::mem::replace(old, rule)),
            Err(at) => {
                rest.insert(at, (priority, rule));
                None
            }
        }
    }

    /// Removes a rule that is not the only one.
    fn remove(&mut self, priority: u32) -> Option<R> {
        let rest = self.rest.as_mut()?;
        let rule = if self.first.0 == priority {
            std::mem::replace(&mut self.first, rest.remove(0)).1
        } else {
            let at = rest.binary_search_by(|(other, _)| priority.cmp(other)).ok()?;
            rest.remove(at).1
        };
        self.rest.take_if(|rest| rest.is_empty());
        Some(rule)
    }
}
