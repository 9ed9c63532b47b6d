//! The first bits of the prefixes of one field: a complete binary tree in arrays.
//!
//! A prefix no longer than its depth is counted at its node, whose place follows from its bits: one step, where a walk
//! takes one for each bit. Of 16 bits, as ports have, it is all there is to a trie; of an address, longer prefixes hang
//! below its leaves.
//!
//! ```text
//! nodes    1: no bit   2: 0   3: 1   4: 00   5: 01   6: 10   7: 11   8: 000 ...
//! ```

use super::trie::NONE;

/// Most first bits: with them, a crown has 0.8 MB.
const STRIDE: u8 = 16;

/// The first bits.
#[derive(Debug, Clone)]
pub(super) struct Crown {
    stride: u8,
    /// Rules whose prefix is that of a node.
    rules: Box<[u32]>,
    /// Bit n: a prefix is at node n or below it.
    occupied: Box<[u64]>,
    /// How many nodes of each depth have rules.
    depths: [u32; STRIDE as usize + 1],
    /// What hangs below each leaf. Nothing can if the field has no more bits.
    roots: Box<[u32]>,
}

impl Crown {
    /// For a field of so many bits.
    pub(super) fn new(width: u8) -> Self {
        let stride = width.min(STRIDE);
        let leaves = 1_usize << stride;
        Self {
            stride,
            rules: vec![0; 2 * leaves].into(),
            occupied: vec![0; (2 * leaves).div_ceil(64)].into(),
            depths: [0; STRIDE as usize + 1],
            roots: vec![NONE; if width > stride { leaves } else { 0 }].into(),
        }
    }

    /// How many first bits it has.
    pub(super) const fn stride(&self) -> u8 {
        self.stride
    }

    /// The leaf of a left-aligned value, counted from 0.
    pub(super) const fn leaf(&self, value: u128) -> usize {
        (value >> (128 - self.stride as u32)) as usize
    }

    /// The node of the first `len` bits of a value.
    const fn node(&self, value: u128, len: u8) -> usize {
        (self.leaf(value) | 1 << self.stride) >> (self.stride - len)
    }

    /// What hangs below a leaf.
    pub(super) fn root(&self, leaf: usize) -> u32 {
        self.roots.get(leaf).copied().unwrap_or(NONE)
    }

    /// Hangs something below a leaf. Say that it is [occupied](Self::occupy), or [no more](Self::vacate).
    pub(super) fn set_root(&mut self, leaf: usize, root: u32) {
        if let Some(place) = self.roots.get_mut(leaf) {
            *place = root;
        }
    }

    /// How many rules have a prefix of `len` bits, at most the stride.
    pub(super) fn rules(&self, value: u128, len: u8) -> u32 {
        self.rules.get(self.node(value, len)).copied().unwrap_or(0)
    }

    /// Adds rules with a prefix of `len` bits, at most the stride.
    pub(super) fn add(&mut self, value: u128, len: u8, rules: u32) {
        let node = self.node(value, len);
        let Some(count) = self.rules.get_mut(node) else { return };
        *count += rules;
        if *count == rules {
            self.depths[usize::from(len)] += 1;
            self.occupy_node(node);
        }
    }

    /// Removes a rule that was added.
    pub(super) fn remove(&mut self, value: u128, len: u8) {
        let node = self.node(value, len);
        let Some(count) = self.rules.get_mut(node).filter(|count| **count > 0) else { return };
        *count -= 1;
        if *count == 0 {
            self.depths[usize::from(len)] -= 1;
            self.vacate_node(node);
        }
    }

    /// Something hangs below a leaf.
    pub(super) fn occupy(&mut self, leaf: usize) {
        self.occupy_node(leaf | 1 << self.stride);
    }

    /// Nothing hangs below a leaf any more.
    pub(super) fn vacate(&mut self, leaf: usize) {
        self.vacate_node(leaf | 1 << self.stride);
    }

    fn is_occupied(&self, node: usize) -> bool {
        self.occupied.get(node / 64).is_some_and(|word| word >> (node % 64) & 1 == 1)
    }

    fn occupy_node(&mut self, mut node: usize) {
        while node > 0 && !self.is_occupied(node) {
            if let Some(word) = self.occupied.get_mut(node / 64) {
                *word |= 1 << (node % 64);
            }
            node /= 2;
        }
    }

    /// Whether something is at a node or directly below it.
    fn holds(&self, node: usize) -> bool {
        let below = match node.checked_sub(1 << self.stride) {
            Some(leaf) => self.root(leaf) != NONE,
            None => self.is_occupied(2 * node) || self.is_occupied(2 * node + 1),
        };
        below || self.rules.get(node).is_some_and(|rules| *rules > 0)
    }

    fn vacate_node(&mut self, mut node: usize) {
        while node > 0 && !self.holds(node) {
            if let Some(word) = self.occupied.get_mut(node / 64) {
                *word &= !(1 << (node % 64));
            }
            node /= 2;
        }
    }

    /// Looks a value up: the lengths of the prefixes that agree with it (bit n - 1: one of length n), and how many of its
    /// first bits show that there are no others.
    pub(super) fn lookup(&self, value: u128) -> (u128, u8) {
        let looked_at = self.looked_at(value);
        let mut lengths = 0;
        for len in 1..=looked_at {
            let has_any = self.depths[usize::from(len)] > 0;
            if has_any && self.rules(value, len) > 0 {
                lengths |= 1 << (len - 1);
            }
        }
        (lengths, looked_at)
    }

    fn looked_at(&self, value: u128) -> u8 {
        let is_vacant = |len: &u8| !self.is_occupied(self.node(value, *len));
        match (1..=self.stride).find(is_vacant) {
            None => self.stride,
            // Where the other side is vacant as well, nobody need know which of them it is.
            Some(len) if self.is_occupied(self.node(value, len) ^ 1) => len,
            Some(len) => len - 1,
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let has_none = |all: &[u32]| all.iter().all(|rules| *rules == 0);
        has_none(&self.rules)
            && has_none(&self.depths)
            && self.occupied.iter().all(|word| *word == 0)
            && self.roots.iter().all(|root| *root == NONE)
    }
}
