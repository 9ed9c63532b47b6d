//! Where a bridge keeps the tunnel options that its TLV map numbers, in the words that a key has for them.
//!
//! A match that a controller sends or a file holds says `tun_metadata40`, and no bridge has room for all 64 of these
//! fields. So a bridge gives each that it knows one word, or two, and what belongs to a table of the bridge is
//! [placed](OptionLayout::place) there.
//!
//! Source: `tun_metadata_alloc_chain` of OVS, which lays options of up to 124 bytes out in 256 bytes; here it is
//! 16 bytes, the longest value that actions know, in [136](OptionLayout::SPACE).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::field::ones;
use crate::{FieldId, FlowKey, FlowMatch, word};

/// The words of one option, and how many bytes of them it fills, from the right.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    words: Range<usize>,
    len: u8,
}

impl Place {
    /// The bits the option has.
    const fn max(&self) -> u128 {
        ones(self.len.saturating_mul(8))
    }

    /// A number as it lies in the words.
    fn spread(&self, number: u128) -> impl Iterator<Item = (usize, u64)> {
        let [high, low] = halves(number);
        self.words.clone().rev().zip([low, high])
    }

    fn gather(&self, at: impl Fn(usize) -> u64) -> u128 {
        self.words.clone().fold(0, |number, word| number << 64 | u128::from(at(word)))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are what is asked for")]
const fn halves(number: u128) -> [u64; 2] {
    [(number >> 64) as u64, number as u64]
}

/// The options of a bridge, by the numbers of their fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptionLayout {
    places: BTreeMap<usize, Place>,
}

impl OptionLayout {
    /// The most bytes of an option.
    pub const LONGEST: u8 = 16;
    /// Bytes for all options of a bridge together. Each takes whole words.
    pub const SPACE: usize = 8 * (word::TUN_PRESENT - word::TUN_METADATA);

    /// Finds room for an option of `len` bytes. `false`: there is none, or the number is in use or none.
    pub fn add(&mut self, number: usize, len: u8) -> bool {
        let is_possible = number < word::OPTION_FIELDS && (1..=Self::LONGEST).contains(&len);
        if !is_possible || self.places.contains_key(&number) {
            return false;
        }
        let count = usize::from(len).div_ceil(8);
        let is_free = |words: &Range<usize>| {
            self.places.values().all(|it| it.words.end <= words.start || words.end <= it.words.start)
        };
        let starts = word::TUN_METADATA..=word::TUN_PRESENT - count;
        let Some(words) = starts.map(|start| start..start + count).find(is_free) else { return false };
        self.places.insert(number, Place { words, len });
        true
    }

    /// Gives the room of an option back. No table has a rule about it any more.
    pub fn remove(&mut self, number: usize) {
        self.places.remove(&number);
    }

    /// What an option holds; `None`: the bridge does not know it.
    #[must_use]
    pub fn read(&self, key: &FlowKey, number: usize) -> Option<u128> {
        let place = self.places.get(&number)?;
        Some(place.gather(|word| key.0.get(word).copied().unwrap_or(0)))
    }

    /// A number as it lies in the words of an option: each word and its bits. Nothing if the bridge does not know it.
    pub fn spread(&self, number: usize, value: u128) -> impl Iterator<Item = (usize, u64)> {
        self.places.get(&number).into_iter().flat_map(move |place| place.spread(value & place.max()))
    }

    /// Whether an option of this number can hold a value.
    #[must_use]
    pub fn fits(&self, number: usize, value: u128) -> bool {
        self.places.get(&number).is_some_and(|place| value & !place.max() == 0)
    }

    /// A match as the tables of the bridge have it. What it says of an option that the bridge does not know comes
    /// true for no packet.
    #[must_use]
    pub fn place<'m>(&self, matches: &'m FlowMatch) -> Cow<'m, FlowMatch> {
        if matches.has_no_options() {
            return Cow::Borrowed(matches);
        }
        let mut placed = matches.without_options();
        for (number, mask, value) in matches.options() {
            match self.places.get(&number) {
                Some(place) => {
                    let bits = place.spread(mask & place.max()).zip(place.spread(value));
                    bits.for_each(|((word, mask), (_, value))| placed.demand(word, value, mask));
                }
                None => placed.demand(word::TUN_PRESENT, 1 << (number % 64), 1 << (number % 64)),
            }
        }
        Cow::Owned(placed)
    }

    /// Adds to a match what a key says of the options that it has.
    pub fn tell(&self, key: &FlowKey, matches: &mut FlowMatch) {
        let present = key.0[word::TUN_PRESENT];
        for (number, place) in self.places.iter().filter(|(number, _)| present >> **number & 1 == 1) {
            if let Some(field) = FieldId::of_option(*number) {
                matches.set(field, place.gather(|word| key.0.get(word).copied().unwrap_or(0)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(lens: &[(usize, u8)]) -> OptionLayout {
        let mut layout = OptionLayout::default();
        lens.iter().for_each(|(number, len)| assert!(layout.add(*number, *len), "{number} {len}"));
        layout
    }

    #[test]
    fn options_share_the_space_and_give_it_back() {
        let mut all = layout(&(0..17).map(|n| (3 * n, 8)).collect::<Vec<_>>());
        assert!(!all.add(63, 4), "it is full");
        all.remove(3);
        all.remove(9);
        assert!(!all.add(63, 9), "two words, but not side by side");
        all.remove(6);
        assert!(all.add(63, 16) && all.add(1, 1) && !all.add(2, 1));
    }

    #[test]
    fn numbers_and_lengths_there_are_not_find_no_room() {
        let mut layout = layout(&[(5, 4)]);
        for (number, len) in [(64, 4), (5, 4), (1, 0), (1, 17)] {
            assert!(!layout.add(number, len), "{number} {len}");
        }
    }

    #[test]
    fn a_placed_match_takes_the_keys_with_these_options() {
        let layout = layout(&[(40, 4), (7, 12)]);
        let mut matches = FlowMatch::any();
        matches.set(FieldId::TunMetadata40, 5);
        matches.set_masked(FieldId::TunMetadata7, 0xab << 88, 0xff << 88);
        let placed = layout.place(&matches);
        assert!(placed.has_no_options() && !placed.is_any());
        let key = |five: u128, long: u128| {
            let mut key = FlowKey::default();
            let words = layout.spread(40, five).chain(layout.spread(7, long));
            words.for_each(|(word, value)| key.0[word] = value);
            key
        };
        assert!(placed.matches(&key(5, 0xab << 88 | 1)));
        assert!(!placed.matches(&key(6, 0xab << 88)) && !placed.matches(&key(5, 0xac << 88)));
        assert_eq!(layout.read(&key(5, 77 << 64 | 3), 7), Some(77 << 64 | 3));
        assert_eq!(layout.read(&key(5, 7), 8), None);
    }

    #[test]
    fn what_the_bridge_does_not_know_comes_true_for_no_packet() {
        let mut matches = FlowMatch::any();
        matches.set(FieldId::TunMetadata63, 0);
        let placed = layout(&[(62, 4)]).place(&matches).into_owned();
        assert!(!placed.matches(&FlowKey::default()));
    }

    #[test]
    fn a_key_tells_the_options_that_are_there() {
        let layout = layout(&[(2, 4), (3, 4)]);
        let mut key = FlowKey::default();
        layout.spread(2, 0).chain(layout.spread(3, 9)).for_each(|(word, value)| key.0[word] = value);
        key.0[word::TUN_PRESENT] = 1 << 2;
        let mut told = FlowMatch::any();
        layout.tell(&key, &mut told);
        assert_eq!(told.exact(FieldId::TunMetadata2), Some(0), "there, though it is 0");
        assert_eq!(told.field(FieldId::TunMetadata3), (0, 0));
    }
}
