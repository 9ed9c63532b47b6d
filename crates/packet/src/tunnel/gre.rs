//! Generic routing encapsulation.
//!
//! ```text
//! 0                       2          4          6          8     12         16
//! | C R K S s recur, ver  | protocol | [checksum | reserved] | [key] | [sequence] |    C 0x8000, K 0x2000, S 0x1000
//! ```
//!
//! Source: RFC 2784 (checksum), RFC 2890 (key, sequence). Protocols are Ethernet types; 0x6558 is an Ethernet
//! frame ("transparent Ethernet bridging"), RFC 7637. Routing, of RFC 1701, is refused as RFC 2784 §2.3 demands.

use super::{BadTunnel, Layer};
use crate::bytes::{be16, be32, put16, put32};
use crate::checksum::Sum;
use crate::ethernet::eth_type;

/// The IP protocol.
pub const PROTO: u8 = 47;
/// An Ethernet frame inside.
pub const TEB: u16 = 0x6558;
/// ERSPAN type I or II inside.
pub const ERSPAN: u16 = 0x88be;
/// ERSPAN type III inside.
pub const ERSPAN_3: u16 = 0x22eb;

const F_CSUM: u16 = 0x8000;
const F_KEY: u16 = 0x2000;
const F_SEQ: u16 = 0x1000;
const VERSION: u16 = 0x0007;

/// A GRE header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Gre {
    /// What is inside: an Ethernet type, [`TEB`], [`ERSPAN`] or [`ERSPAN_3`].
    pub protocol: u16,
    /// There is a checksum over header and payload.
    pub csum: bool,
    /// Key.
    pub key: Option<u32>,
    /// Sequence number.
    pub seq: Option<u32>,
}

impl Gre {
    /// Bytes of the header: 4, and 4 for each of checksum, key and sequence number.
    #[must_use]
    pub const fn len(&self) -> usize {
        4 + 4 * (self.csum as usize + self.key.is_some() as usize + self.seq.is_some() as usize)
    }

    /// Never: the header has at least 4 bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Reads the header at the front of `bytes`, which end where the payload ends. With `verify`, a checksum that is
    /// there must be right.
    ///
    /// # Errors
    /// [`BadTunnel::Truncated`], [`BadTunnel::GreVersion`], [`BadTunnel::GreFlags`], [`BadTunnel::GreProtocol`],
    /// [`BadTunnel::GreChecksum`].
    pub fn parse(bytes: &[u8], verify: bool) -> Result<Self, BadTunnel> {
        const SHORT: BadTunnel = BadTunnel::Truncated(Layer::Gre);
        let flags = be16(bytes, 0).ok_or(SHORT)?;
        let protocol = be16(bytes, 2).ok_or(SHORT)?;
        match flags & VERSION {
            0 if flags & !(F_CSUM | F_KEY | F_SEQ) == 0 => {}
            0 => return Err(BadTunnel::GreFlags(flags)),
            version => return Err(BadTunnel::GreVersion(version.to_be_bytes()[1])),
        }
        if !matches!(protocol, TEB | ERSPAN | ERSPAN_3 | eth_type::IPV4 | eth_type::IPV6) {
            return Err(BadTunnel::GreProtocol(protocol));
        }
        let mut gre = Self { protocol, csum: flags & F_CSUM != 0, key: None, seq: None };
        let mut at = if gre.csum { 8 } else { 4 };
        for (flag, field) in [(F_KEY, &mut gre.key), (F_SEQ, &mut gre.seq)] {
            if flags & flag != 0 {
                *field = Some(be32(bytes, at).ok_or(SHORT)?);
                at += 4;
            }
        }
        if bytes.len() < gre.len() {
            return Err(SHORT);
        }
        if gre.csum && verify && Sum::ZERO.bytes(bytes).finish() != 0 {
            return Err(BadTunnel::GreChecksum);
        }
        Ok(gre)
    }

    /// As [`Self::parse`] for what a socket of IP handed over: nobody says how the checksum stands, so it is right, or 0 and
    /// open. Linux leaves it to the device where nothing inside is open, and a device of the same machine computes none.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn received(bytes: &[u8]) -> Result<Self, BadTunnel> {
        let is_open = be16(bytes, 4) == Some(0);
        Self::parse(bytes, !is_open)
    }

    /// Writes the header at the front of `out`, every byte; the checksum is left 0. `false`, and nothing of use
    /// written, if it does not fit.
    pub fn emit(&self, out: &mut [u8]) -> bool {
        let Some(out) = out.get_mut(..self.len()) else { return false };
        let flag = |set: bool, flag: u16| if set { flag } else { 0 };
        let flags =
            flag(self.csum, F_CSUM) | flag(self.key.is_some(), F_KEY) | flag(self.seq.is_some(), F_SEQ);
        let mut fits = put16(out, 0, flags) && put16(out, 2, self.protocol);
        let mut at = 4;
        for field in [self.csum.then_some(0), self.key, self.seq].into_iter().flatten() {
            fits &= put32(out, at, field);
            at += 4;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Gre = Gre { protocol: TEB, csum: true, key: Some(0x0102_0304), seq: Some(9) };
    /// RFC 2890 §2 with all three; the checksum is that of the header alone.
    const BYTES: [u8; 16] = [0xb0, 0, 0x65, 0x58, 0xe6, 0x97, 0, 0, 1, 2, 3, 4, 0, 0, 0, 9];

    #[test]
    fn all_fields() {
        assert_eq!(Gre::parse(&BYTES, true), Ok(FULL));
        let mut out = [0xa5; 16];
        assert!(FULL.emit(&mut out));
        out[4..6].copy_from_slice(&BYTES[4..6]);
        assert_eq!(out, BYTES);
        for end in 0..16 {
            assert_eq!(Gre::parse(&BYTES[..end], false), Err(BadTunnel::Truncated(Layer::Gre)), "{end}");
            assert!(!FULL.emit(&mut out[..end]));
        }
    }

    #[test]
    fn every_choice_of_fields() {
        for bits in 0..8u32 {
            let gre = Gre {
                protocol: eth_type::IPV4,
                csum: bits & 1 != 0,
                key: (bits & 2 != 0).then_some(7),
                seq: (bits & 4 != 0).then_some(8),
            };
            let mut out = vec![0xa5; gre.len()];
            assert!(gre.emit(&mut out));
            assert_eq!(Gre::parse(&out, false), Ok(gre));
        }
    }

    #[test]
    fn each_other_form_has_its_reason() {
        let with = |at: usize, byte: u8| {
            let mut bytes = BYTES;
            bytes[at] = byte;
            Gre::parse(&bytes, true)
        };
        assert_eq!(with(0, 0xf0), Err(BadTunnel::GreFlags(0xf000)), "routing");
        assert_eq!(with(1, 0x81), Err(BadTunnel::GreVersion(1)), "PPTP");
        assert_eq!(with(2, 0x66), Err(BadTunnel::GreProtocol(0x6658)));
        assert_eq!(with(15, 10), Err(BadTunnel::GreChecksum));
    }
}
