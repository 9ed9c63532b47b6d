//! A binary trie of the prefixes that the rules of a classifier use in one field.
//!
//! A lookup answers two questions about a value: which prefix lengths have a rule that agrees with it, and how
//! many leading bits one must look at to know that. Chains of single children are one node. Once there are many, longer
//! prefixes hang below a [table](Tops) of their first bits: a walk from the root would wait for memory at each bit.
//!
//! ```text
//!            10.0.0.0/8 (1 rule)
//!           /                  \
//!   0: 1.0.0/16                 1: 28.0.0/16      lookup 10.1.9.9: lengths {8, 24}; 24 bits looked at
//!      └ 0000.0001 /24
//! ```

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
const NONE: u32 = u32::MAX;

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

/// With so many nodes, a trie gets its table.
const MANY: usize = 1 << 12;

/// The trie of one field. Nodes know each other by number.
#[derive(Debug, Clone)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Below it: all prefixes, or those no longer than the table's first bits.
    root: u32,
    tops: Option<Tops>,
    /// First bits a table has.
    stride: u8,
}

/// The place of a node: the root, one of the table, or a side of its parent.
#[derive(Debug, Clone, Copy)]
enum Place {
    Root,
    Top(usize),
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
    pub(super) fn new(width: u8) -> Self {
        let stride = if width < 32 { width / 4 * 3 } else { 16 };
        Self { nodes: Vec::new(), free: Vec::new(), root: NONE, tops: None, stride }
    }

    /// Adds a rule's prefix, left-aligned.
    pub(super) fn insert(&mut self, value: u128, len: u8) {
        if self.tops.is_none() && self.nodes.len() > MANY {
            self.make_tops();
        }
        self.add_rules(value, len, 1);
    }

    /// Where a prefix hangs, and what of it is told there.
    fn home(&self, value: u128, len: u8) -> (Place, Bits) {
        let bits = Bits::new(value, len);
        match &self.tops {
            Some(tops) if len > tops.stride => (Place::Top(tops.slot(value)), bits.after(tops.stride)),
            _ => (Place::Root, bits),
        }
    }

    fn add_rules(&mut self, value: u128, len: u8, rules: u32) {
        let (mut place, mut bits) = self.home(value, len);
        if let (Place::Top(slot), Some(tops)) = (place, &mut self.tops) {
            tops.occupy(slot);
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

    /// Hangs the longer prefixes below a table.
    fn make_tops(&mut self) {
        let mut all = Vec::new();
        self.collect(self.root, Bits::new(0, 0), &mut all);
        *self = Self {
            nodes: Vec::new(),
            free: Vec::new(),
            root: NONE,
            tops: Some(Tops::new(self.stride)),
            ..*self
        };
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
        let (home, mut bits) = self.home(value, len);
        let mut place = home;
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
        if let (Place::Top(slot), Some(tops)) = (home, &mut self.tops)
            && tops.roots.get(slot) == Some(&NONE)
        {
            tops.vacate(slot);
        }
    }

    /// Looks up a value of `width` bits, left-aligned.
    pub(super) fn lookup(&self, value: u128, width: u8) -> Found {
        let bits = Bits::new(value, width);
        let mut found = self.walk(self.root, bits);
        let Some(tops) = &self.tops else { return found };
        let slot = tops.slot(value);
        let below = match tops.roots.get(slot) {
            Some(&NONE) | None => tops.looked_at(slot),
            Some(root) => {
                let below = self.walk(*root, bits.after(tops.stride));
                found.lengths |= below.lengths << tops.stride;
                tops.stride + below.looked_at
            }
        };
        found.looked_at = found.looked_at.max(below);
        found
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
            Place::Top(slot) => {
                self.tops.as_ref().and_then(|tops| tops.roots.get(slot)).copied().unwrap_or(NONE)
            }
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
            Place::Top(slot) => {
                if let Some(root) = self.tops.as_mut().and_then(|tops| tops.roots.get_mut(slot)) {
                    *root = at;
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

/// A table of the first bits of prefixes.
#[derive(Debug, Clone)]
struct Tops {
    stride: u8,
    /// For each value of the first bits, what hangs below.
    roots: Box<[u32]>,
    /// A tree of bits, its root at 1: below which first bits something hangs.
    occupied: Box<[u64]>,
}

impl Tops {
    fn new(stride: u8) -> Self {
        let size = 1_usize << stride;
        Self { stride, roots: vec![NONE; size].into(), occupied: vec![0; (2 * size).div_ceil(64)].into() }
    }

    const fn slot(&self, value: u128) -> usize {
        (value >> (128 - self.stride as u32)) as usize
    }

    fn is_occupied(&self, at: usize) -> bool {
        self.occupied.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn occupy(&mut self, slot: usize) {
        let mut at = slot | 1 << self.stride;
        while at > 0 && !self.is_occupied(at) {
            if let Some(word) = self.occupied.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
            at /= 2;
        }
    }

    fn vacate(&mut self, slot: usize) {
        let mut at = slot | 1 << self.stride;
        while at > 0 {
            if let Some(word) = self.occupied.get_mut(at / 64) {
                *word &= !(1 << (at % 64));
            }
            if self.is_occupied(at ^ 1) {
                return;
            }
            at /= 2;
        }
    }

    /// How many first bits of a vacant slot show that nothing hangs below it.
    fn looked_at(&self, slot: usize) -> u8 {
        let leaf = slot | 1 << self.stride;
        (0..self.stride).find(|bits| !self.is_occupied(leaf >> (self.stride - bits))).unwrap_or(self.stride)
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
        let found = trie.lookup(ip(10, 1, 2, 3), 32);
        assert!(found.has(8) && found.has(16) && !found.has(24));
        assert_eq!(found.looked_at, 16);
        let found = trie.lookup(ip(10, 128, 2, 3), 32);
        assert!(found.has(8) && !found.has(16));
        assert_eq!(found.looked_at, 9, "the ninth bit already differs from 10.1");
        let found = trie.lookup(ip(192, 0, 2, 1), 32);
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
        tabled.make_tops();
        for i in (0..3_000).filter(|i| i % 3 != 0) {
            for trie in [&mut plain, &mut tabled] {
                trie.remove(prefix(i).0, prefix(i).1);
            }
        }
        for i in 0..60_000_u32 {
            let value = u128::from(i.wrapping_mul(0x9e37_79b9 / 7)) << 96;
            let (one, other) = (plain.lookup(value, 32), tabled.lookup(value, 32));
            assert_eq!(one.lengths, other.lengths);
            assert!(
                one.looked_at <= other.looked_at && other.looked_at <= one.looked_at.max(16),
                "{one:?} {other:?}"
            );
        }
        for i in (0..3_000).filter(|i| i % 3 == 0) {
            tabled.remove(prefix(i).0, prefix(i).1);
        }
        let tops = tabled.tops.expect("a table");
        assert!(tabled.root == NONE && tops.roots.iter().all(|root| *root == NONE));
        assert!(tops.occupied.iter().all(|word| *word == 0));
    }

    #[test]
    fn whole_values_of_128_bits_work() {
        let mut trie = Trie::new(128);
        trie.insert(u128::MAX, 128);
        trie.insert(u128::MAX - 1, 128);
        let found = trie.lookup(u128::MAX, 128);
        assert!(found.has(128));
        assert_eq!(found.looked_at, 128);
        trie.remove(u128::MAX, 128);
        assert!(!trie.lookup(u128::MAX, 128).has(128));
    }
}
