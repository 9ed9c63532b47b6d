//! A binary trie of the prefixes that the rules of a classifier use in one field.
//!
//! A lookup answers two questions about a value: which prefix lengths have a rule that agrees with it, and how
//! many leading bits one must look at to know that. Chains of single children are one node. Once there are many, the
//! first bits are a [crown]: a walk from the root would wait for memory at each bit.
//!
//! ```text
//!            10.0.0.0/8 (1 rule)
//!           /                  \
//!   0: 1.0.0/16                 1: 28.0.0/16      lookup 10.1.9.9: lengths {8, 24}; 24 bits looked at
//!      └ 0000.0001 /24
//! ```

use super::crown::Crown;
use super::room::make_room;

/// A prefix, left-aligned in 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bits {
    value: u128,
    len: u8,
}

impl Bits {
    const fn new(value: u128, len: u8) -> Self {
        Self { value: value & leading(len), len }
    }

    /// How many leading bits both have in common.
    fn common(self, other: Self) -> u8 {
        let same = u8::try_from((self.value ^ other.value).leading_zeros()).unwrap_or(128);
        same.min(self.len).min(other.len)
    }

    /// Without its first `n` bits.
    const fn after(self, n: u8) -> Self {
        let value = if n >= 128 { 0 } else { self.value << n };
        Self { value, len: self.len.saturating_sub(n) }
    }

    const fn first(self) -> usize {
        (self.value >> 127) as usize
    }
}

/// The mask of the `n` leading bits.
const fn leading(n: u8) -> u128 {
    match n {
        0 => 0,
        1..=127 => !(u128::MAX >> n),
        _ => u128::MAX,
    }
}

/// Most bits a node holds; longer prefixes are chains.
const NODE_BITS: u8 = 64;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// A node of 24 bytes: a million prefixes are a few tens of megabytes.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// The bits from the parent to here, left-aligned.
    bits: u64,
    children: [u32; 2],
    /// Rules whose prefix ends here.
    rules: u32,
    len: u8,
}

impl Node {
    const fn bits(&self) -> Bits {
        Bits { value: (self.bits as u128) << 64, len: self.len }
    }

    fn set_bits(&mut self, bits: Bits) {
        debug_assert!(bits.len <= NODE_BITS, "too long for a node");
        (self.bits, self.len) = ((bits.value >> 64) as u64, bits.len);
    }

    fn new(bits: Bits) -> Self {
        let mut node = Self { bits: 0, children: [NONE; 2], rules: 0, len: 0 };
        node.set_bits(bits);
        node
    }
}

/// With so many nodes, a trie gets its crown.
const MANY: usize = 1 << 13;

/// The trie of one field. Nodes know each other by number.
#[derive(Debug, Clone)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Below it are all prefixes, as long as there is no crown.
    root: u32,
    crown: Option<Crown>,
    /// Bits of the field.
    width: u8,
}

/// The place of a node: the root, a leaf of the crown, or a side of its parent.
#[derive(Debug, Clone, Copy)]
enum Place {
    Root,
    Leaf(usize),
    Child(u32, usize),
}

/// What a lookup tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Bit n - 1: a rule's prefix of length n agrees with the value.
    lengths: u128,
    /// All values with the same first `looked_at` bits give the same `lengths`.
    pub(super) looked_at: u8,
}

impl Found {
    /// Whether some rule's prefix of this length agrees.
    pub(super) const fn has(self, len: u8) -> bool {
        len > 0 && len <= 128 && self.lengths >> (len - 1) & 1 == 1
    }
}

impl Trie {
    /// For a field of so many bits.
    pub(super) const fn new(width: u8) -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: NONE, crown: None, width }
    }

    /// Adds a rule's prefix, left-aligned.
    pub(super) fn insert(&mut self, value: u128, len: u8) {
        if self.crown.is_none() && self.nodes.len() > MANY {
            self.make_crown();
        }
        self.add_rules(value, len, 1);
    }

    /// Asks for the memory that adding or removing a prefix is going to need. Several tries wait for it at once, then, and
    /// not one after the other.
    pub(super) fn touch(&self, value: u128, len: u8) -> u64 {
        let Some(crown) = &self.crown else { return 0 };
        if len <= crown.stride() {
            return crown.rules(value, len).into();
        }
        let root = crown.root(crown.leaf(value));
        self.nodes.get(root as usize).map_or(0, |node| node.bits)
    }

    fn add_rules(&mut self, value: u128, len: u8, rules: u32) {
        let mut bits = Bits::new(value, len);
        let mut place = Place::Root;
        if let Some(crown) = &mut self.crown {
            if len <= crown.stride() {
                crown.add(value, len, rules);
                return;
            }
            let leaf = crown.leaf(value);
            crown.occupy(leaf);
            (place, bits) = (Place::Leaf(leaf), bits.after(crown.stride()));
        }
        loop {
            let mut at = self.at(place);
            if at == NONE {
                at = self.add(Node::new(Bits::new(bits.value, bits.len.min(NODE_BITS))));
                self.set(place, at);
            }
            let Some(node) = self.nodes.get(at as usize) else { return };
            let same = node.bits().common(bits);
            if same < node.len {
                self.split(at, same);
            }
            bits = bits.after(same);
            if bits.len == 0 {
                if let Some(node) = self.nodes.get_mut(at as usize) {
                    node.rules += rules;
                }
                return;
            }
            place = Place::Child(at, bits.first());
        }
    }

    /// Hangs the longer prefixes below a crown.
    fn make_crown(&mut self) {
        let mut all = Vec::new();
        self.collect(self.root, Bits::new(0, 0), &mut all);
        *self = Self { crown: Some(Crown::new(self.width)), ..Self::new(self.width) };
        for (bits, rules) in all {
            self.add_rules(bits.value, bits.len, rules);
        }
    }

    /// The prefixes below a node that is below the bits `above`.
    fn collect(&self, at: u32, above: Bits, all: &mut Vec<(Bits, u32)>) {
        let Some(node) = self.nodes.get(at as usize) else { return };
        let below = node.bits().value.checked_shr(above.len.into()).unwrap_or(0);
        let bits = Bits { value: above.value | below, len: above.len + node.len };
        if node.rules > 0 {
            all.push((bits, node.rules));
        }
        node.children.iter().for_each(|child| self.collect(*child, bits, all));
    }

    /// Removes a rule's prefix that was inserted before.
    pub(super) fn remove(&mut self, value: u128, len: u8) {
        let bits = Bits::new(value, len);
        let Some(crown) = &mut self.crown else {
            self.remove_below(Place::Root, bits);
            return;
        };
        if len <= crown.stride() {
            crown.remove(value, len);
            return;
        }
        let (leaf, rest) = (crown.leaf(value), bits.after(crown.stride()));
        self.remove_below(Place::Leaf(leaf), rest);
        if let Some(crown) = &mut self.crown
            && crown.root(leaf) == NONE
        {
            crown.vacate(leaf);
        }
    }

    fn remove_below(&mut self, mut place: Place, mut bits: Bits) {
        let mut path = Vec::new();
        loop {
            let at = self.at(place);
            let Some(node) = self.nodes.get_mut(at as usize) else { break };
            if node.bits().common(bits) < node.len {
                return;
            }
            path.push(place);
            bits = bits.after(node.len);
            if bits.len == 0 {
                node.rules = node.rules.saturating_sub(1);
                break;
            }
            place = Place::Child(at, bits.first());
        }
        for place in path.into_iter().rev() {
            self.tidy(place);
        }
    }

    /// Looks up a value, left-aligned.
    pub(super) fn lookup(&self, value: u128) -> Found {
        let bits = Bits::new(value, self.width);
        let Some(crown) = &self.crown else { return self.walk(self.root, bits) };
        let (lengths, looked_at) = crown.lookup(value);
        let root = crown.root(crown.leaf(value));
        if root == NONE {
            return Found { lengths, looked_at };
        }
        let below = self.walk(root, bits.after(crown.stride()));
        Found {
            lengths: lengths | below.lengths << crown.stride(),
            looked_at: crown.stride() + below.looked_at,
        }
    }

    fn walk(&self, root: u32, bits: Bits) -> Found {
        let width = bits.len;
        let mut rest = bits;
        let mut found = Found { lengths: 0, looked_at: 0 };
        let mut at = root;
        while let Some(node) = self.nodes.get(at as usize) {
            let same = node.bits().common(rest);
            found.looked_at += same;
            if same < node.len {
                found.looked_at = (found.looked_at + 1).min(width);
                return found;
            }
            rest = rest.after(same);
            if node.rules > 0 && found.looked_at > 0 {
                found.lengths |= 1 << (found.looked_at - 1);
            }
            if rest.len == 0 || node.children == [NONE; 2] {
                return found;
            }
            at = node.children[rest.first()];
            if at == NONE {
                found.looked_at += 1;
            }
        }
        found
    }

    fn at(&self, place: Place) -> u32 {
        match place {
            Place::Root => self.root,
            Place::Leaf(leaf) => self.crown.as_ref().map_or(NONE, |crown| crown.root(leaf)),
            Place::Child(parent, side) => self
                .nodes
                .get(parent as usize)
                .and_then(|node| node.children.get(side))
                .copied()
                .unwrap_or(NONE),
        }
    }

    fn set(&mut self, place: Place, at: u32) {
        match place {
            Place::Root => self.root = at,
            Place::Leaf(leaf) => {
                if let Some(crown) = &mut self.crown {
                    crown.set_root(leaf, at);
                }
            }
            Place::Child(parent, side) => {
                if let Some(child) =
                    self.nodes.get_mut(parent as usize).and_then(|node| node.children.get_mut(side))
                {
                    *child = at;
                }
            }
        }
    }

    fn add(&mut self, node: Node) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                make_room(&mut self.nodes);
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
            }
        }
    }

    /// Cuts a node in two after `same` bits, so that a prefix may end there. The upper one keeps its number.
    fn split(&mut self, at: u32, same: u8) {
        let Some(node) = self.nodes.get(at as usize).copied() else { return };
        let mut lower = node;
        lower.set_bits(node.bits().after(same));
        let side = lower.bits().first();
        let below = self.add(lower);
        let mut upper = Node::new(Bits::new(node.bits().value, same));
        upper.children[side] = below;
        self.nodes[at as usize] = upper;
    }

    /// Drops a node without rules that has no child, and joins one that has a single child with it.
    fn tidy(&mut self, place: Place) {
        let at = self.at(place);
        let Some(node) = self.nodes.get(at as usize).copied().filter(|node| node.rules == 0) else { return };
        let only = match node.children {
            [NONE, NONE] => NONE,
            [child, NONE] | [NONE, child] => child,
            [_, _] => return,
        };
        if let Some(child) = self.nodes.get(only as usize) {
            let Some(len) = Some(node.len + child.len).filter(|len| *len <= NODE_BITS) else { return };
            let value = node.bits().value | child.bits().value.checked_shr(node.len.into()).unwrap_or(0);
            self.nodes[only as usize].set_bits(Bits { value, len });
        }
        self.set(place, only);
        self.free.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(a: u8, b: u8, c: u8, d: u8) -> u128 {
        u128::from(u32::from_be_bytes([a, b, c, d])) << 96
    }

    #[test]
    fn finds_the_lengths_and_looks_at_no_more_than_needed() {
        let mut trie = Trie::new(32);
        trie.insert(ip(10, 0, 0, 0), 8);
        trie.insert(ip(10, 1, 0, 0), 16);
        let found = trie.lookup(ip(10, 1, 2, 3));
        assert!(found.has(8) && found.has(16) && !found.has(24));
        assert_eq!(found.looked_at, 16);
        let found = trie.lookup(ip(10, 128, 2, 3));
        assert!(found.has(8) && !found.has(16));
        assert_eq!(found.looked_at, 9, "the ninth bit already differs from 10.1");
        let found = trie.lookup(ip(192, 0, 2, 1));
        assert_eq!(found, Found { lengths: 0, looked_at: 1 });
    }

    /// What hangs below a node, whatever the numbers.
    fn told(trie: &Trie, at: u32) -> String {
        let Some(node) = trie.nodes.get(at as usize) else { return String::new() };
        let [left, right] = node.children.map(|child| told(trie, child));
        format!("({:x}/{} {} {left} {right})", node.bits, node.len, node.rules)
    }

    #[test]
    fn removing_restores_the_trie() {
        let mut trie = Trie::new(32);
        trie.insert(ip(10, 0, 0, 0), 8);
        let before = told(&trie, trie.root);
        for (value, len) in
            [(ip(10, 1, 0, 0), 16), (ip(10, 1, 2, 0), 24), (ip(10, 1, 2, 0), 24), (ip(11, 0, 0, 0), 8)]
        {
            trie.insert(value, len);
        }
        for (value, len) in
            [(ip(10, 1, 2, 0), 24), (ip(11, 0, 0, 0), 8), (ip(10, 1, 0, 0), 16), (ip(10, 1, 2, 0), 24)]
        {
            trie.remove(value, len);
        }
        assert_eq!(told(&trie, trie.root), before);
        trie.remove(ip(10, 0, 0, 0), 8);
        assert_eq!((trie.root, trie.free.len()), (NONE, trie.nodes.len()));
    }

    #[test]
    fn many_prefixes_answer_as_few_do() {
        let prefix =
            |i: u32| (u128::from(i.wrapping_mul(0x9e37_79b9)) << 96, [12, 16, 17, 24, 32][i as usize % 5]);
        let (mut plain, mut tabled) = (Trie::new(32), Trie::new(32));
        (0..3_000).for_each(|i| plain.add_rules(prefix(i).0, prefix(i).1, 1));
        (0..3_000).for_each(|i| tabled.add_rules(prefix(i).0, prefix(i).1, 1));
        tabled.make_crown();
        for i in (0..3_000).filter(|i| i % 3 != 0) {
            for trie in [&mut plain, &mut tabled] {
                trie.remove(prefix(i).0, prefix(i).1);
            }
        }
        for i in 0..120_000_u32 {
            // Also such that agree with a prefix for many bits.
            let near = prefix(i % 3_000).0 ^ 1 << (96 + i % 32);
            let value = if i % 2 == 0 { near } else { u128::from(i.wrapping_mul(0x9e37_79b9 / 7)) << 96 };
            let (one, other) = (plain.lookup(value), tabled.lookup(value));
            assert_eq!(one, other, "{value:x}");
        }
        for i in (0..3_000).filter(|i| i % 3 == 0) {
            tabled.remove(prefix(i).0, prefix(i).1);
        }
        assert!(tabled.root == NONE && tabled.free.len() == tabled.nodes.len());
        assert!(tabled.crown.expect("it was made").is_empty());
    }

    #[test]
    fn whole_values_of_128_bits_work() {
        let mut trie = Trie::new(128);
        trie.insert(u128::MAX, 128);
        trie.insert(u128::MAX - 1, 128);
        let found = trie.lookup(u128::MAX);
        assert!(found.has(128));
        assert_eq!(found.looked_at, 128);
        trie.remove(u128::MAX, 128);
        assert!(!trie.lookup(u128::MAX).has(128));
    }
}
