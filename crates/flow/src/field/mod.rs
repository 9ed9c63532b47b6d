//! The fields of OpenFlow and of the Nicira extensions, and where each lies in a [`FlowKey`].
//!
//! One table, [`FieldId::ALL`]: names as `ovs-ofctl` reads and prints them, the place in the key's words, the
//! headers of NXM and OXM, what must hold for the field to exist. Several fields may share bits: `tcp_src` and
//! `udp_src`, `vlan_tci` and `dl_vlan`; the prerequisite says which one a packet has.
//!
//! Not here, because no word holds them yet: `tun_metadata*`, NSH, `ct_nw_proto`, `ct_tp_*`, `ct_ipv6_*`,
//! `nd_reserved`, `nd_options_type`.
//!
//! Source: ovs-fields(7), OpenFlow 1.5.1 §7.2.3.8.

mod table;

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
    /// 0x0000 and 0x0001 Nicira, 0x8000 OpenFlow basic, 0x8001 packet registers, 0xffff experimenter.
    pub class: u16,
    /// The number within the class.
    pub number: u8,
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
}

impl Field {
    /// All bits of the field: the mask of an exact match, and the largest value.
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
        match (self.nxm, self.oxm) {
            (Some(nxm), _) => nxm.name,
            (None, Some(oxm)) => oxm.name,
            (None, None) => self.name,
        }
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
    pub(crate) fn take(&self, words: &[u64]) -> u128 {
        let at = |i: usize| words.get(i).copied().unwrap_or(0);
        let first = usize::from(self.word);
        if self.width > 64 {
            return u128::from(at(first)) << 64 | u128::from(at(first + 1));
        }
        u128::from(at(first) >> self.shift) & ones(self.width)
    }

    /// Writes `value` where `mask` has ones.
    pub(crate) fn put(&self, words: &mut [u64], value: u128, mask: u128) {
        let mask = mask & self.max();
        let first = usize::from(self.word);
        let mut set = |i: usize, value: u64, mask: u64| {
            if let Some(word) = words.get_mut(i) {
                *word = (*word & !mask) | (value & mask);
            }
        };
        if self.width > 64 {
            set(first, high(value), high(mask));
            set(first + 1, low(value), low(mask));
        } else {
            set(first, low(value) << self.shift, low(mask) << self.shift);
        }
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
    /// Finds a field by any of its names, including those of NXM and OXM; case is ignored in the latter.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let find = |is_it: &dyn Fn(&Field) -> bool| Self::ALL.iter().copied().find(|id| is_it(id.field()));
        let long = |oxm: Option<Oxm>| oxm.is_some_and(|oxm| oxm.name.eq_ignore_ascii_case(name));
        find(&|field| field.name == name || field.aliases.contains(&name))
            .or_else(|| find(&|field| long(field.nxm) || long(field.oxm)))
    }

    /// Finds a field by its binary header.
    #[must_use]
    pub fn by_header(class: u16, number: u8) -> Option<Self> {
        let is = |oxm: Option<Oxm>| oxm.is_some_and(|oxm| oxm.class == class && oxm.number == number);
        Self::ALL.iter().copied().find(|id| is(id.field().nxm) || is(id.field().oxm))
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
            let long = [field.nxm, field.oxm].into_iter().flatten();
            for name in [field.name].iter().chain(field.aliases).copied().chain(long.clone().map(|h| h.name))
            {
                assert!(names.insert(name), "{name} twice");
                assert_eq!(FieldId::named(name), Some(*id), "{name}");
            }
            for header in long {
                assert!(headers.insert((header.class, header.number)), "{header:?} twice");
                assert_eq!(FieldId::by_header(header.class, header.number), Some(*id), "{header:?}");
            }
        }
        assert_eq!(FieldId::named("no_such_field"), None);
        assert_eq!(FieldId::named("nxm_nx_reg0"), Some(FieldId::Reg0));
    }

    #[test]
    fn every_field_lies_inside_its_words_and_reads_what_is_written() {
        for id in FieldId::ALL {
            let field = id.field();
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
