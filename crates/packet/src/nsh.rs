//! The Network Service Header (NSH).
//!
//! ```text
//! 0              2        3        4                       8
//! | ver 2, flags | mdtype | next   | service path 24, index | metadata, up to the length ...
//! |   TTL, length|        | proto  |                        |
//! ```
//!
//! The first 16 bits: version u2, OAM and reserved bits u2 (the "flags" of OVS), TTL u6, length u6 in words of 4 bytes.
//! The metadata type is the low half of its byte. Metadata of type 1 is four contexts u32; of type 2 it is a list of
//! class u16, type u8, length u7, and so many bytes, filled up to whole words.
//!
//! Source: RFC 8300 §2.2 to §2.5; `parse_nsh` of OVS.

use crate::bytes::{array, be32, put};
use crate::{Headers, Malformed};

/// The Ethernet type.
pub const TYPE: u16 = 0x894f;
/// Bytes without metadata.
pub const BASE: usize = 8;
/// Bytes with metadata of type 1.
pub const FIXED: usize = 24;
/// Most bytes: the length has 6 bits.
pub const MAX: usize = 4 * 63;

/// What may follow. Source: RFC 8300 §2.2.
pub mod next {
    /// IPv4.
    pub const IPV4: u8 = 1;
    /// IPv6.
    pub const IPV6: u8 = 2;
    /// Ethernet.
    pub const ETHERNET: u8 = 3;
    /// NSH.
    pub const NSH: u8 = 4;
}

/// A header without its metadata of type 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Nsh {
    /// Two bits: OAM, and one that is reserved.
    pub flags: u8,
    /// Time to live, 0 to 63.
    pub ttl: u8,
    /// Bytes in all, a multiple of 4.
    pub len: u8,
    /// The metadata's type, 0 to 15.
    pub md_type: u8,
    /// What follows, see [`next`].
    pub next: u8,
    /// The service path, 24 bits.
    pub path: u32,
    /// The service index.
    pub index: u8,
    /// The contexts of metadata of type 1; else zeros.
    pub contexts: [u32; 4],
}

impl Nsh {
    /// Reads the header at the front of `bytes`.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if the bytes end inside of it; [`Malformed::Field`] for a version other than 0, and a
    /// length that is shorter than what the metadata's type demands.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let [a, b, kind, next, path @ ..] = *array::<BASE>(bytes, 0).ok_or(Malformed::Truncated)?;
        let (len, md_type) = (4 * (b & 0x3f), kind & 0x0f);
        let least = if md_type == 1 { FIXED } else { BASE };
        let is_sound = if md_type == 1 { usize::from(len) == FIXED } else { usize::from(len) >= least };
        if a >> 6 != 0 || !is_sound {
            return Err(Malformed::Field);
        }
        if bytes.len() < usize::from(len) {
            return Err(Malformed::Truncated);
        }
        let [s0, s1, s2, index] = path;
        let context = |n: usize| if md_type == 1 { be32(bytes, BASE + 4 * n).unwrap_or(0) } else { 0 };
        Ok(Self {
            flags: a >> 4 & 3,
            ttl: (a & 0x0f) << 2 | b >> 6,
            len,
            md_type,
            next,
            path: u32::from_be_bytes([0, s0, s1, s2]),
            index,
            contexts: [context(0), context(1), context(2), context(3)],
        })
    }

    /// The header of a frame, if it has a sound one behind Ethernet.
    #[inline]
    #[must_use]
    pub fn of(frame: &[u8], headers: &Headers) -> Option<Self> {
        (headers.eth_type == TYPE).then_some(())?;
        Self::parse(frame.get(usize::from(headers.l2_len)..)?).ok()
    }

    /// The base header and, if they are of type 1, the contexts, with `more` bytes of metadata behind it; `None` if that
    /// is too long, or no whole number of words.
    #[must_use]
    pub fn emit(&self, more: &[u8]) -> Option<Vec<u8>> {
        let fixed = if self.md_type == 1 { FIXED } else { BASE };
        let len = fixed + more.len();
        if len > MAX || !len.is_multiple_of(4) {
            return None;
        }
        let mut bytes = vec![0; fixed];
        let words = u8::try_from(len / 4).ok()?;
        put(&mut bytes, 0, self.first(words));
        put(&mut bytes, 2, [self.md_type & 0x0f, self.next]);
        put(&mut bytes, 4, (self.path << 8 | u32::from(self.index)).to_be_bytes());
        for (n, context) in self.contexts.iter().enumerate().filter(|_| self.md_type == 1) {
            put(&mut bytes, BASE + 4 * n, context.to_be_bytes());
        }
        bytes.extend_from_slice(more);
        Some(bytes)
    }

    /// Writes what may change of a header over the one at the front of `bytes`: flags, TTL, path, index and contexts.
    /// `false`, and nothing is written, if there is no such header.
    pub fn rewrite(&self, bytes: &mut [u8]) -> bool {
        let Ok(old) = Self::parse(bytes) else { return false };
        put(bytes, 0, self.first(old.len / 4));
        put(bytes, 4, (self.path << 8 | u32::from(self.index)).to_be_bytes());
        for (n, context) in self.contexts.iter().enumerate().filter(|_| old.md_type == 1) {
            put(bytes, BASE + 4 * n, context.to_be_bytes());
        }
        true
    }

    /// Version 0, flags, TTL and length.
    const fn first(&self, words: u8) -> [u8; 2] {
        [(self.flags & 3) << 4 | (self.ttl >> 2 & 0x0f), self.ttl << 6 | words & 0x3f]
    }
}

/// One piece of metadata of type 2, filled up to whole words; `None` if it has more than 127 bytes.
#[must_use]
pub fn tlv(class: u16, kind: u8, value: &[u8]) -> Option<Vec<u8>> {
    let len = u8::try_from(value.len()).ok().filter(|len| *len < 0x80)?;
    let mut bytes = class.to_be_bytes().to_vec();
    bytes.extend([kind, len]);
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: [u8; 24] = [0x2f, 0xc6, 1, 3, 0, 1, 2, 0xfe, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4];

    #[test]
    fn the_fixed_header() {
        let nsh = Nsh::parse(&FIRST).unwrap();
        let expected = Nsh {
            flags: 2,
            ttl: 63,
            len: 24,
            md_type: 1,
            next: next::ETHERNET,
            path: 0x102,
            index: 0xfe,
            contexts: [1, 2, 3, 4],
        };
        assert_eq!(nsh, expected);
        assert_eq!(nsh.emit(&[]).unwrap(), FIRST);
        for len in 0..FIRST.len() {
            assert_eq!(Nsh::parse(&FIRST[..len]), Err(Malformed::Truncated), "{len}");
        }
    }

    #[test]
    fn metadata_of_variable_length() {
        let metadata = [tlv(0x1000, 10, &[0x12, 0x34, 0x56]).unwrap(), tlv(1, 2, &[]).unwrap()].concat();
        assert_eq!(metadata, [0x10, 0, 10, 3, 0x12, 0x34, 0x56, 0, 0, 1, 2, 0]);
        let nsh = Nsh { ttl: 1, md_type: 2, next: next::IPV4, index: 255, ..Nsh::default() };
        let bytes = nsh.emit(&metadata).unwrap();
        assert_eq!(bytes[..8], [0x00, 0x45, 2, 1, 0, 0, 0, 255]);
        assert_eq!(bytes[8..], metadata);
        assert_eq!(Nsh::parse(&bytes), Ok(Nsh { len: 20, ..nsh }));
        assert_eq!(Nsh::parse(&bytes[..19]), Err(Malformed::Truncated));
        assert_eq!(nsh.emit(&[0; 3]), None, "no whole word");
        assert_eq!((nsh.emit(&[0; 244]).map(|all| all.len()), nsh.emit(&[0; 248])), (Some(252), None));
        assert_eq!(tlv(0, 0, &[0; 128]), None);
    }

    #[test]
    fn a_length_or_version_that_is_a_lie() {
        for (at, value) in [(0, 0x6f), (0, 0xef), (1, 0xc5), (1, 0xc7), (1, 0xc0)] {
            let mut bytes = FIRST.to_vec();
            bytes.resize(40, 0);
            bytes[at] = value;
            assert_eq!(Nsh::parse(&bytes), Err(Malformed::Field), "{at} {value:#x}");
        }
        assert_eq!(Nsh::parse(&[0, 1, 2, 3, 0, 0, 0, 0]), Err(Malformed::Field), "shorter than its own base");
    }

    #[test]
    fn what_may_change_is_rewritten_and_the_rest_stays() {
        let mut bytes = [0xa5; 30];
        bytes[..24].copy_from_slice(&FIRST);
        let new = Nsh {
            flags: 1,
            ttl: 5,
            path: 0xab_cdef,
            index: 7,
            contexts: [9; 4],
            md_type: 2,
            next: 1,
            len: 0,
        };
        assert!(new.rewrite(&mut bytes));
        let expected = Nsh { md_type: 1, next: 3, len: 24, ..new };
        assert_eq!(Nsh::parse(&bytes), Ok(expected));
        assert_eq!(bytes[24..], [0xa5; 6]);
        assert!(!new.rewrite(&mut bytes[..20]));
    }
}
