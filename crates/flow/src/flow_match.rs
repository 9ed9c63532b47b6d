//! What a flow matches: a value and a mask over the words of a [`FlowKey`].
//!
//! Only the words that count are stored, so that a million flows are small and a match costs what it looks at. Whoever
//! keeps one for long, a rule or a classifier, [shares](FlowMatch::share) it: then its copies are one block of memory.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::field::Field;
use crate::{FLOW_WORDS, FieldId, FlowKey, FlowMask, OfPort, PacketKey, PacketMask, word};

/// Which packets a flow is for. The value is 0 where the mask is.
#[derive(Clone, Default)]
pub struct FlowMatch {
    /// Bitmap of the words with bits that count.
    present: u64,
    /// Mask and value of each of these words, in their order.
    words: Words,
    /// What is said of tunnel options. Few matches say anything.
    options: Option<Box<[OptionBits]>>,
}

/// What is demanded of a tunnel option, by its number: those bits of a field that lie behind the words of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct OptionBits {
    number: u8,
    mask: u128,
    value: u128,
}

/// A block of memory of one match while it is put together, of all its copies from then on.
#[derive(Clone)]
enum Words {
    Own(Vec<Word>),
    Shared(Arc<[Word]>),
}

/// Mask and value.
type Word = (u64, u64);

/// Words a match is expected to have: the allocation while it is put together.
const USUAL: usize = 8;

impl Default for Words {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Words {
    fn as_slice(&self) -> &[Word] {
        match self {
            Self::Own(words) => words,
            Self::Shared(words) => words,
        }
    }

    /// To be changed.
    fn own(&mut self) -> &mut Vec<Word> {
        if let Self::Shared(words) = self {
            let mut own = Vec::with_capacity(words.len().max(USUAL));
            own.extend_from_slice(words);
            *self = Self::Own(own);
        }
        match self {
            Self::Own(words) => words,
            Self::Shared(_) => unreachable!("it was made its own"),
        }
    }
}

impl PartialEq for FlowMatch {
    fn eq(&self, other: &Self) -> bool {
        self.present == other.present && self.words() == other.words() && self.options == other.options
    }
}

impl Eq for FlowMatch {}

impl Hash for FlowMatch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.present.hash(state);
        self.words().hash(state);
        self.options.hash(state);
    }
}

impl std::fmt::Debug for FlowMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = self.each().map(|(i, mask, value)| (i, format!("{value:016x}/{mask:016x}")));
        let options = self
            .options()
            .map(|(number, mask, value)| (word::TUN_OPTION + number, format!("{value:032x}/{mask:032x}")));
        f.debug_map().entries(words).entries(options).finish()
    }
}

impl FlowMatch {
    /// Matches every packet.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Matches the packets that equal `key` in the bits of `mask`.
    #[must_use]
    pub fn new(key: FlowKey, mask: FlowMask) -> Self {
        let present = mask.present();
        let mut words = Vec::with_capacity(present.count_ones() as usize);
        let counting = key.0.iter().zip(&mask.0).filter(|(_, mask)| **mask != 0);
        words.extend(counting.map(|(key, mask)| (*mask, key & mask)));
        Self { present, words: Words::Own(words), options: None }
    }

    /// Makes its later copies one block of memory with it.
    pub fn share(&mut self) {
        if let Words::Own(words) = &self.words {
            self.words = Words::Shared(words.as_slice().into());
        }
    }

    /// Its words in the block that its copies share.
    pub(crate) fn shared(&self) -> Arc<[Word]> {
        match &self.words {
            Words::Own(words) => words.as_slice().into(),
            Words::Shared(words) => Arc::clone(words),
        }
    }

    /// A match with these words.
    pub(crate) fn of_shared(present: u64, words: &Arc<[Word]>) -> Self {
        Self { present, words: Words::Shared(Arc::clone(words)), options: None }
    }

    /// Number, mask and value of each tunnel option that something is said of.
    pub fn options(&self) -> impl Iterator<Item = (usize, u128, u128)> {
        self.options.iter().flatten().map(|it| (usize::from(it.number), it.mask, it.value))
    }

    /// Whether nothing is said of tunnel options.
    #[inline]
    #[must_use]
    pub const fn has_no_options(&self) -> bool {
        self.options.is_none()
    }

    /// The same without what is said of tunnel options.
    pub(crate) fn without_options(&self) -> Self {
        Self { present: self.present, words: self.words.clone(), options: None }
    }

    /// Demands `value` of the bits `mask` of an option, and nothing of the other bits `all`.
    fn put_option(&mut self, number: usize, value: u128, mask: u128, all: u128) {
        let Ok(number) = u8::try_from(number) else { return };
        let mut options = self.options.take().map_or_else(Vec::new, Vec::from);
        let at = options.partition_point(|it| it.number < number);
        if options.get(at).is_none_or(|it| it.number != number) {
            options.insert(at, OptionBits { number, mask: 0, value: 0 });
        }
        if let Some(known) = options.get_mut(at) {
            known.mask = known.mask & !all | mask;
            known.value = known.value & !all | value & mask;
            if known.mask == 0 {
                options.remove(at);
            }
        }
        self.options = if options.is_empty() { None } else { Some(options.into()) };
    }

    /// Value and mask demanded of an option.
    fn option(&self, number: usize) -> (u128, u128) {
        let found = self.options().find(|(other, ..)| *other == number);
        found.map_or((0, 0), |(_, mask, value)| (value, mask))
    }

    /// The values of the words of a key, 0 outside the mask.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        let mut key = FlowKey::default();
        self.each().for_each(|(i, _, value)| key.0[i] = value);
        key
    }

    /// The bits that count.
    #[must_use]
    pub fn mask(&self) -> FlowMask {
        let mut all = FlowMask::default();
        self.each().for_each(|(i, mask, _)| all.0[i] = mask);
        all
    }

    /// Bitmap of the words with bits that count: bit n for word n.
    #[inline]
    #[must_use]
    pub const fn present(&self) -> u64 {
        self.present
    }

    /// Mask and value of each word that is [present](Self::present), in their order.
    #[inline]
    #[must_use]
    pub fn words(&self) -> &[(u64, u64)] {
        self.words.as_slice()
    }

    /// Index, mask and value of each word with bits that count.
    pub fn each(&self) -> impl Iterator<Item = (usize, u64, u64)> {
        bits(self.present).zip(self.words()).map(|(i, (mask, value))| (i, *mask, *value))
    }

    /// Value and mask of one word; zeros beyond the last.
    #[inline]
    #[must_use]
    pub fn word(&self, index: usize) -> (u64, u64) {
        match self.place(index).map(|at| self.words().get(at)) {
            Some(Some((mask, value))) => (*value, *mask),
            _ => (0, 0),
        }
    }

    /// Where a word lies, if it is there.
    const fn place(&self, index: usize) -> Option<usize> {
        if index < FLOW_WORDS && self.present >> index & 1 == 1 {
            Some((self.present & ((1 << index) - 1)).count_ones() as usize)
        } else {
            None
        }
    }

    /// Demands `value` of the bits `mask` of a word, and nothing of the other bits `all`.
    fn put(&mut self, index: usize, value: u64, mask: u64, all: u64) {
        if index >= FLOW_WORDS {
            return;
        }
        let at = (self.present & ((1 << index) - 1)).count_ones() as usize;
        let words = self.words.own();
        if self.present >> index & 1 == 0 {
            if mask == 0 {
                return;
            }
            if words.capacity() == 0 {
                words.reserve(USUAL);
            }
            words.insert(at, (0, 0));
            self.present |= 1 << index;
        }
        let Some((known, key)) = words.get_mut(at) else { return };
        *known = *known & !all | mask;
        *key = *key & !all | value & mask;
        if *known == 0 {
            words.remove(at);
            self.present &= !(1 << index);
        }
    }

    /// Demands `value` of the bits `mask` of a word, beside what it demands already.
    pub(crate) fn demand(&mut self, index: usize, value: u64, mask: u64) {
        if mask != 0 {
            self.put(index, value, mask, mask);
        }
    }

    /// Whether it matches every packet.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.present == 0 && self.options.is_none()
    }

    /// Whether it matches a packet.
    #[must_use]
    ///
    /// What is said of tunnel options does not count: where they are in a key is only known to a [layout](crate::OptionLayout).
    pub fn matches(&self, key: &FlowKey) -> bool {
        self.each().all(|(i, mask, value)| key.0[i] & mask == value)
    }

    /// Whether some packet matches both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let both = self.present & other.present;
        bits(both).all(|i| {
            let ((a, a_bits), (b, b_bits)) = (self.word(i), other.word(i));
            (a ^ b) & a_bits & b_bits == 0
        }) && self.options().all(|(number, mask, mine)| {
            let (theirs, bits) = other.option(number);
            (mine ^ theirs) & mask & bits == 0
        })
    }

    /// Whether it matches every packet that `other` matches.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.present & !other.present == 0
            && self.each().all(|(i, mask, value)| {
                let (theirs, bits) = other.word(i);
                mask & !bits == 0 && theirs & mask == value
            })
            && self.options().all(|(number, mask, value)| {
                let (theirs, bits) = other.option(number);
                mask & !bits == 0 && theirs & mask == value
            })
    }

    /// Also demands `value` in all bits of a field.
    pub fn set(&mut self, id: FieldId, value: u128) {
        self.set_masked(id, value, u128::MAX);
    }

    /// Also demands `value` in the bits `mask` of a field, replacing what was demanded of these bits.
    #[inline]
    pub fn set_masked(&mut self, id: FieldId, value: u128, mask: u128) {
        let field = id.field();
        let (value, mask) = match id {
            FieldId::InPort if mask != 0 => (u128::from(port_from_16(value).0), field.max()),
            _ => (value, mask & field.max()),
        };
        if mask == 0 {
            return;
        }
        self.put_field(field, value, mask, mask);
        for (index, bits) in field.implied {
            self.put(usize::from(*index), *bits, *bits, *bits);
        }
    }

    fn put_field(&mut self, field: &Field, value: u128, mask: u128, all: u128) {
        if let Some(number) = field.id.option() {
            return self.put_option(number, value, mask, all);
        }
        for (index, [value, mask, all]) in field.spread([value, mask, all]) {
            if all != 0 {
                self.put(index, value, mask, all);
            }
        }
    }

    /// Value and mask demanded of a field's bits.
    #[inline]
    #[must_use]
    pub fn field(&self, id: FieldId) -> (u128, u128) {
        if let Some(number) = id.option() {
            return self.option(number);
        }
        let field = id.field();
        (field.take_by(|i| self.word(i).0), field.take_by(|i| self.word(i).1))
    }

    /// Demands nothing more of a field's bits, the implied ones included.
    pub fn clear(&mut self, id: FieldId) {
        let field = id.field();
        self.put_field(field, 0, 0, field.max());
        for (index, bits) in field.implied {
            self.put(usize::from(*index), 0, 0, *bits);
        }
    }

    /// The value of a field, if all its bits are demanded.
    #[must_use]
    pub fn exact(&self, id: FieldId) -> Option<u128> {
        let (value, mask) = self.field(id);
        (mask == id.field().max()).then_some(value)
    }

    /// Whether a change of a flow with this match could change the answer a table gave to the packets of a glance.
    ///
    /// This is the check behind [`crate::Dependency::Table`].
    #[must_use]
    pub fn concerns(&self, glance: &Glance<'_>) -> bool {
        self.each().all(|(i, bits, mine)| {
            let (theirs, known) = glance.word(i);
            (mine ^ theirs) & bits & known == 0
        })
    }
}

/// What a cached flow knows of its packets at one of the lookups that it rests on: those that equal `key` in `mask`,
/// looked up as [`crate::Dependency::Table`] says.
#[derive(Debug, Clone, Copy)]
pub struct Glance<'a> {
    /// One of the packets.
    pub key: &'a PacketKey,
    /// The bits that all of them share with it.
    pub mask: &'a PacketMask,
    /// The ingress port of the bridge.
    pub in_port: OfPort,
    /// Bitmap of the words that no longer held what the packet had brought.
    pub rewritten: u64,
}

impl Glance<'_> {
    /// A word, and which of its bits are known. The pipeline's own words were 0, unless rewritten.
    #[inline]
    #[must_use]
    pub fn word(&self, i: usize) -> (u64, u64) {
        if self.rewritten >> i & 1 == 1 {
            return (0, 0);
        }
        match (i, self.key.0.get(i), self.mask.0.get(i)) {
            (word::IN_PORT, Some(key), Some(mask)) => {
                (u64::from(self.in_port.0) << 32 | (key & 0xffff_ffff), 0xffff_ffff << 32 | mask)
            }
            (_, Some(key), Some(mask)) => (*key, *mask),
            (word::DP_HASH, ..) => (0, !IN_PHY_PORT),
            // Options come with packets; what a cached flow says of them is their number.
            (word::TUN_METADATA..=word::TUN_PRESENT, ..) => (0, 0),
            _ => (0, u64::MAX),
        }
    }
}

/// The places of the ones of a bitmap, from the lowest.
fn bits(mut map: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (map != 0).then(|| {
            let lowest = map.trailing_zeros() as usize;
            map &= map - 1;
            lowest
        })
    })
}

/// The bits of `in_phy_port` in [`word::DP_HASH`]. Which port it was is not known here; that it was looked at is.
const IN_PHY_PORT: u64 = 0xffff_ffff;

/// A 16-bit port number of OpenFlow 1.0 as a 32-bit one: the reserved ones move up.
fn port_from_16(port: u128) -> OfPort {
    let port = u32::try_from(port).unwrap_or(u32::MAX);
    if (0xff01..=0xffff).contains(&port) { OfPort(port | 0xffff_0000) } else { OfPort(port) }
}

/// Whether some key matches both of two pairs of value and mask. Words beyond the shorter array do not count.
#[must_use]
pub fn overlaps(a_key: &[u64], a_mask: &[u64], b_key: &[u64], b_mask: &[u64]) -> bool {
    a_key
        .iter()
        .zip(a_mask)
        .zip(b_key.iter().zip(b_mask))
        .all(|((a, a_bits), (b, b_bits))| (a ^ b) & a_bits & b_bits == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp_dst(port: u128) -> FlowMatch {
        let mut m = FlowMatch::any();
        m.set(FieldId::EthType, 0x0800);
        m.set(FieldId::NwProto, 6);
        m.set(FieldId::TcpDst, port);
        m
    }

    #[test]
    fn set_then_field_gives_the_value_back_for_every_field() {
        for id in FieldId::ALL {
            let mut m = FlowMatch::any();
            let max = id.field().max();
            let value = 0x5a5a_5a5a_5a5a_5a5a_5a5a_5a5a_5a5a_5a5a & max;
            m.set(*id, value);
            if *id != FieldId::InPort {
                assert_eq!(m.field(*id), (value, max), "{id:?}");
            }
            assert!(!m.is_any());
            m.clear(*id);
            assert!(m.is_any(), "{id:?} leaves bits behind");
        }
    }

    #[test]
    fn covers_is_a_partial_order_on_masks() {
        let (any, tcp80, tcp81) = (FlowMatch::any(), tcp_dst(80), tcp_dst(81));
        assert!(any.covers(&tcp80) && !tcp80.covers(&any) && tcp80.covers(&tcp80));
        assert!(!tcp80.covers(&tcp81) && !tcp80.overlaps(&tcp81) && tcp80.overlaps(&any));
    }

    #[test]
    fn vlan_id_demands_that_a_vlan_is_there() {
        let mut m = FlowMatch::any();
        m.set(FieldId::DlVlan, 5);
        assert_eq!(m.word(word::ETH_SRC), (0x1005, 0x1fff));
        assert_eq!(m.field(FieldId::VlanTci), (0x1005, 0x1fff));
    }

    #[test]
    fn reserved_ports_move_up() {
        let mut m = FlowMatch::any();
        m.set(FieldId::InPort, 0xfffe);
        assert_eq!(m.field(FieldId::InPortOxm).0, u128::from(OfPort::LOCAL.0));
    }

    #[test]
    fn a_change_concerns_only_cached_flows_it_could_match() {
        let (mut key, mut mask) = (PacketKey::default(), PacketMask::default());
        key.0[word::ETH_DST] = 0x0800;
        mask.0[word::ETH_DST] = 0xffff;
        let at = |m: &FlowMatch, rewritten| {
            m.concerns(&Glance { key: &key, mask: &mask, in_port: OfPort(3), rewritten })
        };
        assert!(at(&tcp_dst(80), 0), "the cached flow did not look at ports");
        let mut other = FlowMatch::any();
        other.set(FieldId::EthType, 0x0806);
        assert!(!at(&other, 0));
        assert!(at(&other, 1 << word::ETH_DST), "the type was rewritten on the way");
        let mut port = FlowMatch::any();
        port.set(FieldId::InPort, 4);
        assert!(!at(&port, 0));
        port.set(FieldId::InPort, 3);
        assert!(at(&port, 0));
        let mut register = FlowMatch::any();
        register.set(FieldId::Reg3, 1);
        assert!(!at(&register, 0), "registers begin at 0");
        assert!(at(&register, 1 << (word::REG + 1)));
        let mut option = FlowMatch::any();
        option.set(FieldId::TunMetadata0, 5);
        assert!(at(&option, 0), "options come with packets");
    }
}
