//! The fields of OpenFlow and of the Nicira extensions, and where each lies in a [`FlowKey`].
//!
//! One table, [`FieldId::ALL`]: names as `ovs-ofctl` reads and prints them, the place in the key's words, the
//! headers of NXM and OXM, what must hold for the field to exist. Several fields may share bits: `tcp_src` and
//! `udp_src`, `vlan_tci` and `dl_vlan`; the prerequisite says which one a packet has.
//!
//! Tunnel options are variable in number and length: a TLV map of the bridge gives them numbers and lengths, at most 16
//! bytes, right-aligned. Where they lie in a key is the bridge's [layout](crate::OptionLayout), not this table.
//! Registers 16 to 31 of OVS 3.7 are not here either: nothing needs them, and a rule is as large as its key.
//!
//! Source: ovs-fields(7), OpenFlow 1.5.1 §7.2.3.8.

mod table;

use std::sync::OnceLock;

pub use self::table::FieldId;
use crate::{FlowKey, FlowMask, OfPort, Prerequisite};

/// How values of a field are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A decimal number.
    Decimal,
    /// A hexadecimal number.
    Hexadecimal,
    /// `aa:bb:cc:dd:ee:ff`
    Ethernet,
    /// Dotted quad; masks as a prefix length where possible.
    Ipv4,
    /// As RFC 5952; masks as a prefix length where possible.
    Ipv6,
    /// A port: number or name.
    Port,
    /// `no`, `yes`, `first`, `later` or `not_later`.
    Frag,
    /// `+trk-new`, or a number.
    CtState,
    /// `+syn-ack`, or a number.
    TcpFlags,
    /// `+oam`, or a number.
    TunFlags,
    /// `(namespace,type)`
    PacketType,
}

/// The header of a field in a binary match, without length and mask bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oxm {
    /// The name in specifications and in `move:`: `NXM_OF_ETH_SRC`.
    pub name: &'static str,
    /// 0x0000 and 0x0001 Nicira, 0x1000 Ericsson, 0x8000 OpenFlow basic, 0x8001 packet registers, 0xffff experimenter.
    pub class: u16,
    /// Whose number it is, if the class is 0xffff; else 0. These 4 bytes follow the header, and its length counts them.
    pub experimenter: u32,
    /// The number within the class, or among those of the experimenter.
    pub number: u8,
}

impl Oxm {
    /// The class of headers that name an experimenter.
    pub const EXPERIMENTER: u16 = 0xffff;
}

/// What is known of one field.
#[derive(Debug)]
pub struct Field {
    /// Its number.
    pub id: FieldId,
    /// The name OVS gives it, as in `set_field`.
    pub name: &'static str,
    /// Further names that are read.
    pub aliases: &'static [&'static str],
    /// Index of the (first) word.
    pub word: u8,
    /// How far the field's lowest bit is from the word's lowest. 0 for fields of two words.
    pub shift: u8,
    /// Bits it takes in the key; 128: two words, high half first.
    pub width: u8,
    /// Bits it has in actions such as `move`, from the specifications.
    pub bits: u8,
    /// Whether a match may cover some of its bits only.
    pub maskable: bool,
    /// Whether actions may write it.
    pub writable: bool,
    /// How values are written.
    pub format: Format,
    /// What must hold for a packet to have the field.
    pub prerequisite: Prerequisite,
    /// Bits that are always matched and written along: word, value.
    pub implied: &'static [(u8, u64)],
    /// The Nicira header, if any.
    pub nxm: Option<Oxm>,
    /// The OpenFlow header, if any.
    pub oxm: Option<Oxm>,
    /// The header of an experimenter, if any. For fields with a header of OpenFlow, an older form that is read too.
    pub experimenter: Option<Oxm>,
}

impl Field {
    /// All bits of the field: the mask of an exact match, and the largest value.
    #[inline]
    #[must_use]
    pub const fn max(&self) -> u128 {
        match self.id {
            FieldId::NwTos => 0xfc,
            _ => ones(self.width),
        }
    }

    /// The name `move:` and `load:` print: the Nicira one, else the OpenFlow one, else the plain name.
    #[must_use]
    pub const fn long_name(&self) -> &'static str {
        match (self.nxm, self.oxm, self.experimenter) {
            (Some(header), _, _) | (None, Some(header), _) | (None, None, Some(header)) => header.name,
            (None, None, None) => self.name,
        }
    }

    /// Bytes of a value in a binary match, without mask and experimenter. Of tunnel options: at most.
    #[inline]
    #[must_use]
    pub const fn wire_bytes(&self) -> usize {
        match (self.id, self.bits) {
            (FieldId::PbbIsid, _) => 3,
            (_, ..=8) => 1,
            (_, ..=16) => 2,
            (_, ..=32) => 4,
            (_, ..=48) => 6,
            (_, ..=64) => 8,
            _ => 16,
        }
    }

    /// Its headers: Nicira, OpenFlow, experimenter.
    fn headers(&self) -> impl Iterator<Item = Oxm> {
        [self.nxm, self.oxm, self.experimenter].into_iter().flatten()
    }

    /// The field's value in `key`, right-aligned.
    #[must_use]
    pub fn read(&self, key: &FlowKey) -> u128 {
        let value = self.take(&key.0);
        if matches!(self.id, FieldId::InPort) { port_to_16(value) } else { value }
    }

    /// Writes `value` where `mask` has ones, and the implied bits.
    pub fn write(&self, key: &mut FlowKey, value: u128, mask: u128) {
        let (value, mask) = match self.id {
            FieldId::InPort => port_from_16((self.read(key) & !mask) | (value & mask)),
            _ => (value, mask),
        };
        self.put(&mut key.0, value, mask);
        for (word, bits) in self.implied {
            if let Some(w) = key.0.get_mut(usize::from(*word)) {
                *w |= bits;
            }
        }
    }

    /// Un-wildcards `bits` of the field.
    pub fn unwildcard(&self, mask: &mut FlowMask, bits: u128) {
        let bits =
            if matches!(self.id, FieldId::InPort) && bits != 0 { self.max() } else { bits & self.max() };
        self.put(&mut mask.0, bits, bits);
        for (word, implied) in self.implied {
            if let Some(w) = mask.0.get_mut(usize::from(*word)) {
                *w |= implied;
            }
        }
    }

    /// The field's bits of an array of words, right-aligned and as they lie there.
    #[inline]
    pub(crate) fn take(&self, words: &[u64]) -> u128 {
        self.take_by(|i| words.get(i).copied().unwrap_or(0))
    }

    /// The same of words that `at` knows.
    #[inline]
    pub(crate) fn take_by(&self, at: impl Fn(usize) -> u64) -> u128 {
        let first = usize::from(self.word);
        if self.width > 64 {
            return u128::from(at(first)) << 64 | u128::from(at(first + 1));
        }
        u128::from(at(first) >> self.shift) & ones(self.width)
    }

    /// Writes `value` where `mask` has ones.
    pub(crate) fn put(&self, words: &mut [u64], value: u128, mask: u128) {
        let mask = mask & self.max();
        for (i, [value, mask]) in self.spread([value, mask]) {
            if let Some(word) = words.get_mut(i) {
                *word = (*word & !mask) | (value & mask);
            }
        }
    }

    /// Numbers of the field's width as they lie in its words, and which words these are.
    #[inline]
    pub(crate) fn spread<const N: usize>(
        &self,
        numbers: [u128; N],
    ) -> impl Iterator<Item = (usize, [u64; N])> {
        let first = usize::from(self.word);
        let (upper, lower) = if self.width > 64 {
            (Some((first, numbers.map(high))), (first + 1, numbers.map(low)))
        } else {
            (None, (first, numbers.map(|number| low(number) << self.shift)))
        };
        upper.into_iter().chain([lower])
    }
}

/// `n` ones, right-aligned.
pub(crate) const fn ones(n: u8) -> u128 {
    if n >= 128 { u128::MAX } else { (1 << n) - 1 }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
const fn low(value: u128) -> u64 {
    value as u64
}

const fn high(value: u128) -> u64 {
    low(value >> 64)
}

/// A 32-bit port number in the 16 bits of OpenFlow 1.0.
fn port_to_16(port: u128) -> u128 {
    port & 0xffff
}

/// A 16-bit port number in 32 bits: the reserved ones move up.
fn port_from_16(port: u128) -> (u128, u128) {
    let port = port & 0xffff;
    let wide = if port > u128::from(OfPort::MAX.0 & 0xffff) { port | 0xffff_0000 } else { port };
    (wide, ones(32))
}

impl FieldId {
    /// Which tunnel option it stands for: n of `tun_metadata` n.
    #[must_use]
    pub fn option(self) -> Option<usize> {
        (Self::TunMetadata0..=Self::TunMetadata63)
            .contains(&self)
            .then(|| self as usize - Self::TunMetadata0 as usize)
    }

    /// `tun_metadata` with this number.
    #[must_use]
    pub fn of_option(number: usize) -> Option<Self> {
        let first = Self::TunMetadata0 as usize;
        Self::ALL.get(first + number).copied().filter(|id| id.option() == Some(number))
    }

    /// Finds a field by any of its names, including those of NXM and OXM; case is ignored in the latter.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let find = |is_it: &dyn Fn(&Field) -> bool| Self::ALL.iter().copied().find(|id| is_it(id.field()));
        find(&|field| field.name == name || field.aliases.contains(&name))
            .or_else(|| find(&|field| field.headers().any(|oxm| oxm.name.eq_ignore_ascii_case(name))))
    }

    /// Finds a field by its binary header, if that names no experimenter.
    #[must_use]
    pub fn by_header(class: u16, number: u8) -> Option<Self> {
        static TABLES: OnceLock<[[Option<FieldId>; 256]; 3]> = OnceLock::new();
        let at = match class {
            0x0000 => 0,
            0x0001 => 1,
            0x8000 => 2,
            _ => return Self::search_header(class, number),
        };
        let table = |class| {
            std::array::from_fn(|number| Self::search_header(class, u8::try_from(number).unwrap_or(0)))
        };
        TABLES.get_or_init(|| [0x0000, 0x0001, 0x8000].map(table))[at][usize::from(number)]
    }

    fn search_header(class: u16, number: u8) -> Option<Self> {
        Self::with(|oxm| (oxm.class, oxm.experimenter, oxm.number) == (class, 0, number))
    }

    /// Finds a field by a binary header of class 0xffff.
    #[must_use]
    pub fn by_experimenter(experimenter: u32, number: u8) -> Option<Self> {
        Self::with(|oxm| {
            (oxm.class, oxm.experimenter, oxm.number) == (Oxm::EXPERIMENTER, experimenter, number)
        })
    }

    fn with(is_it: impl Fn(Oxm) -> bool) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.field().headers().any(&is_it))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_and_header_belongs_to_one_field() {
        let (mut names, mut headers) = (BTreeSet::new(), BTreeSet::new());
        for id in FieldId::ALL {
            let field = id.field();
            let long: Vec<Oxm> = field.headers().collect();
            for name in [field.name].iter().chain(field.aliases).copied().chain(long.iter().map(|h| h.name)) {
                assert!(names.insert(name), "{name} twice");
                assert_eq!(FieldId::named(name), Some(*id), "{name}");
            }
            for header in long {
                let Oxm { class, experimenter, number, .. } = header;
                assert!(headers.insert((class, experimenter, number)), "{header:?} twice");
                let found = match class {
                    Oxm::EXPERIMENTER => FieldId::by_experimenter(experimenter, number),
                    _ => FieldId::by_header(class, number),
                };
                assert_eq!(found, Some(*id), "{header:?}");
            }
        }
        assert_eq!(FieldId::named("no_such_field"), None);
        assert_eq!(FieldId::named("nxm_nx_reg0"), Some(FieldId::Reg0));
    }

    #[test]
    fn values_have_the_lengths_of_the_specifications() {
        // ovs-fields(7) and OpenFlow 1.5.1 table 13; a value takes whole bytes, and some fields more than they need.
        for (id, bytes) in [
            (FieldId::InPort, 2),
            (FieldId::InPortOxm, 4),
            (FieldId::VlanVid, 2),
            (FieldId::EthSrc, 6),
            (FieldId::MplsLabel, 4),
            (FieldId::Ipv6Label, 4),
            (FieldId::PbbIsid, 3),
            (FieldId::Ipv6Exthdr, 2),
            (FieldId::NshSpi, 4),
            (FieldId::TunErspanIdx, 4),
            (FieldId::NwFrag, 1),
            (FieldId::TcpFlags, 2),
            (FieldId::CtLabel, 16),
            (FieldId::TunId, 8),
        ] {
            assert_eq!(id.field().wire_bytes(), bytes, "{id:?}");
        }
    }

    #[test]
    fn every_field_lies_inside_its_words_and_reads_what_is_written() {
        for id in FieldId::ALL {
            let field = id.field();
            if id.option().is_some() {
                continue;
            }
            let words = usize::from(field.width).div_ceil(64);
            assert!(usize::from(field.word) + words <= crate::FLOW_WORDS, "{id:?}");
            assert!(field.width > 64 || field.shift + field.width <= 64, "{id:?}");
            let mut key = FlowKey::default();
            let value = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef & field.max();
            let value = if *id == FieldId::InPort { value & 0xfff } else { value };
            field.write(&mut key, value, u128::MAX);
            assert_eq!(field.read(&key), value, "{id:?}");
            let mut mask = FlowMask::default();
            field.unwildcard(&mut mask, field.max());
            assert_eq!(field.take(&mask.0) & field.max(), field.max(), "{id:?}");
            for (k, m) in key.0.iter().zip(&mask.0) {
                assert_eq!(k & !m, 0, "{id:?} writes bits it does not un-wildcard");
            }
        }
    }

    #[test]
    fn registers_overlay_each_other() {
        let mut key = FlowKey::default();
        FieldId::Xxreg1.field().write(&mut key, 0x0000_0004_0000_0005_0000_0006_0000_0007, u128::MAX);
        for (id, value) in [(FieldId::Reg4, 4), (FieldId::Reg5, 5), (FieldId::Reg6, 6), (FieldId::Reg7, 7)] {
            assert_eq!(id.field().read(&key), value);
        }
        assert_eq!(FieldId::Xreg2.field().read(&key), 0x0000_0004_0000_0005);
    }

    #[test]
    fn in_port_has_16_bits_and_stands_for_32() {
        let mut key = FlowKey::default();
        let field = FieldId::InPort.field();
        field.write(&mut key, 0xfffe, u128::MAX);
        assert_eq!(FieldId::InPortOxm.field().read(&key), u128::from(OfPort::LOCAL.0));
        assert_eq!(field.read(&key), 0xfffe);
    }
}
