//! The fields with tries, and the memory of one lookup's questions to them.

use super::trie::{Found, Trie};
use crate::{FieldId, FlowKey, FlowMask, FlowMatch};

/// How many fields have tries.
pub(super) const PREFIXES: usize = 6;

/// They are, with the stage of their words.
const FIELDS: [(FieldId, usize); PREFIXES] = [
    (FieldId::Ipv4Src, 2),
    (FieldId::Ipv4Dst, 2),
    (FieldId::Ipv6Src, 2),
    (FieldId::Ipv6Dst, 2),
    (FieldId::TcpSrc, 3),
    (FieldId::TcpDst, 3),
];

/// The tries of a classifier.
#[derive(Debug, Clone)]
pub(super) struct Tries([Trie; PREFIXES]);

impl Default for Tries {
    fn default() -> Self {
        Self(FIELDS.map(|(id, _)| Trie::new(id.field().width)))
    }
}

impl Tries {
    /// Asks for the memory that adding or removing a rule is going to need.
    pub(super) fn touch(&self, matches: &FlowMatch, lengths: &[u8; PREFIXES]) {
        let of = |(i, trie): (usize, &Trie)| match lengths[i] {
            0 => 0,
            len => trie.touch(value_of(i, matches), len),
        };
        std::hint::black_box(self.0.iter().enumerate().map(of).fold(0, |all, one| all ^ one));
    }

    /// A rule with this match was added.
    pub(super) fn insert(&mut self, matches: &FlowMatch, lengths: &[u8; PREFIXES]) {
        for (i, trie) in self.0.iter_mut().enumerate() {
            if lengths[i] > 0 {
                trie.insert(value_of(i, matches), lengths[i]);
            }
        }
    }

    /// A rule with this match was removed.
    pub(super) fn remove(&mut self, matches: &FlowMatch, lengths: &[u8; PREFIXES]) {
        for (i, trie) in self.0.iter_mut().enumerate() {
            if lengths[i] > 0 {
                trie.remove(value_of(i, matches), lengths[i]);
            }
        }
    }
}

/// The value of a field with a trie, its first bit on top.
fn left_aligned(i: usize, words: &[u64]) -> u128 {
    let field = FIELDS[i].0.field();
    field.take(words) << (128 - field.width)
}

/// The same of a match.
fn value_of(i: usize, matches: &FlowMatch) -> u128 {
    let field = FIELDS[i].0.field();
    field.take_by(|word| matches.word(word).0) << (128 - field.width)
}

/// One lookup's view of the tries: each is asked at most once.
#[derive(Debug)]
pub(super) struct Prefixes<'a> {
    tries: &'a Tries,
    found: [Option<Found>; PREFIXES],
}

impl<'a> Prefixes<'a> {
    pub(super) const fn new(tries: &'a Tries) -> Self {
        Self { tries, found: [None; PREFIXES] }
    }

    /// The lengths of the prefixes a mask takes of each field; 0 if it takes none, or other bits too.
    pub(super) fn lengths(mask: &FlowMask) -> [u8; PREFIXES] {
        FIELDS.map(|(id, _)| {
            let field = id.field();
            let bits = field.take(&mask.0) << (128 - field.width);
            let len = bits.leading_ones();
            let is_prefix = len == 128 || bits << len == 0;
            if is_prefix { u8::try_from(len).unwrap_or(0) } else { 0 }
        })
    }

    /// Whether a trie shows that no rule of a subtable can match `key`. The bits that show it are added to `mask`.
    pub(super) fn rule_out(
        &mut self,
        stage: usize,
        lengths: &[u8; PREFIXES],
        key: &FlowKey,
        mask: &mut FlowMask,
    ) -> bool {
        for (i, (id, at)) in FIELDS.iter().enumerate() {
            if *at != stage || lengths[i] == 0 {
                continue;
            }
            let field = id.field();
            let found = self.found[i].get_or_insert_with(|| self.tries.0[i].lookup(left_aligned(i, &key.0)));
            if !found.has(lengths[i]) {
                let bits = !(u128::MAX.checked_shr(u32::from(found.looked_at)).unwrap_or(0));
                let bits = bits >> (128 - field.width);
                field.put(&mut mask.0, bits, bits);
                return true;
            }
        }
        false
    }
}
