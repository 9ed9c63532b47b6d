//! A binary trie of the prefixes that the rules of a classifier use in one field.
//!
//! A lookup answers two questions about a value: which prefix lengths have a rule that agrees with it, and how
//! many leading bits one must look at to know that. Chains of single children are one node.
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

#[derive(Debug, Clone)]
struct Node {
    /// The bits from the parent to here.
    bits: Bits,
    /// Rules whose prefix ends here.
    rules: u32,
    children: [Option<Box<Self>>; 2],
}

impl Node {
    fn leaf(bits: Bits) -> Box<Self> {
        Box::new(Self { bits, rules: 1, children: [None, None] })
    }
}

/// The trie of one field.
#[derive(Debug, Clone, Default)]
pub(super) struct Trie {
    root: Option<Box<Node>>,
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
    /// Adds a rule's prefix, left-aligned.
    pub(super) fn insert(&mut self, value: u128, len: u8) {
        let mut bits = Bits::new(value, len);
        let mut place = &mut self.root;
        loop {
            let Some(node) = place else {
                *place = Some(Node::leaf(bits));
                return;
            };
            let same = node.bits.common(bits);
            if same < node.bits.len {
                split(node, same);
            }
            bits = bits.after(same);
            if bits.len == 0 {
                node.rules += 1;
                return;
            }
            place = &mut node.children[bits.first()];
        }
    }

    /// Removes a rule's prefix that was inserted before.
    pub(super) fn remove(&mut self, value: u128, len: u8) {
        remove(&mut self.root, Bits::new(value, len));
    }

    /// Looks up a value of `width` bits, left-aligned.
    pub(super) fn lookup(&self, value: u128, width: u8) -> Found {
        let mut rest = Bits::new(value, width);
        let mut found = Found { lengths: 0, looked_at: 0 };
        let mut place = &self.root;
        while let Some(node) = place {
            let same = node.bits.common(rest);
            found.looked_at += same;
            if same < node.bits.len {
                found.looked_at = (found.looked_at + 1).min(width);
                return found;
            }
            rest = rest.after(same);
            if node.rules > 0 && found.looked_at > 0 {
                found.lengths |= 1 << (found.looked_at - 1);
            }
            if rest.len == 0 || node.children.iter().all(Option::is_none) {
                return found;
            }
            place = &node.children[rest.first()];
            if place.is_none() {
                found.looked_at += 1;
            }
        }
        found
    }
}

/// Cuts a node in two after `at` bits, so that a prefix may end there.
fn split(node: &mut Box<Node>, at: u8) {
    let upper = Node { bits: Bits::new(node.bits.value, at), rules: 0, children: [None, None] };
    let mut lower = std::mem::replace(node, Box::new(upper));
    lower.bits = lower.bits.after(at);
    let side = lower.bits.first();
    node.children[side] = Some(lower);
}

fn remove(place: &mut Option<Box<Node>>, bits: Bits) {
    let Some(node) = place else { return };
    if node.bits.common(bits) < node.bits.len {
        return;
    }
    let rest = bits.after(node.bits.len);
    if rest.len == 0 {
        node.rules = node.rules.saturating_sub(1);
    } else {
        remove(&mut node.children[rest.first()], rest);
    }
    if node.rules == 0 {
        tidy(place);
    }
}

/// Drops a node without rules that has no child, and joins one that has a single child with it.
fn tidy(place: &mut Option<Box<Node>>) {
    let Some(node) = place else { return };
    let only = match &mut node.children {
        [None, None] => None,
        [Some(_), Some(_)] => return,
        [left, right] => left.take().or_else(|| right.take()),
    };
    *place = only.map(|mut child| {
        let above = node.bits;
        let tail = if above.len >= 128 { 0 } else { child.bits.value >> above.len };
        child.bits = Bits { value: above.value | tail, len: above.len.saturating_add(child.bits.len) };
        child
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(a: u8, b: u8, c: u8, d: u8) -> u128 {
        u128::from(u32::from_be_bytes([a, b, c, d])) << 96
    }

    #[test]
    fn finds_the_lengths_and_looks_at_no_more_than_needed() {
        let mut trie = Trie::default();
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

    #[test]
    fn removing_restores_the_trie() {
        let mut trie = Trie::default();
        trie.insert(ip(10, 0, 0, 0), 8);
        let before = format!("{trie:?}");
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
        assert_eq!(format!("{trie:?}"), before);
        trie.remove(ip(10, 0, 0, 0), 8);
        assert!(trie.root.is_none());
    }

    #[test]
    fn whole_values_of_128_bits_work() {
        let mut trie = Trie::default();
        trie.insert(u128::MAX, 128);
        trie.insert(u128::MAX - 1, 128);
        let found = trie.lookup(u128::MAX, 128);
        assert!(found.has(128));
        assert_eq!(found.looked_at, 128);
        trie.remove(u128::MAX, 128);
        assert!(!trie.lookup(u128::MAX, 128).has(128));
    }
}
