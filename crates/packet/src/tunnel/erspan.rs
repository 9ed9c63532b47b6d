//! ERSPAN: mirrored frames over GRE.
//!
//! ```text
//! type I    GRE 0x88be without sequence number, no header of its own
//! type II   GRE 0x88be with sequence number
//!           0               2                        4                       8
//!           | ver 1, vlan 12| cos 3, en 2, t 1, id 10| reserved 12, index 20 |
//! type III  GRE 0x22eb with sequence number
//!           | ver 2, vlan 12| cos 3, bso 2, t 1, id 10| timestamp | sgt 16 | P 1 ft 5 hw 6 D 1 gra 2 O 1 | [8 bytes if O]
//! ```
//!
//! Source: draft-foschiano-erspan-03 §4. The mirrored VLAN's tag is cut out of the frame by some senders and left in
//! by others; its fields are given as they are.

use super::{BadTunnel, Layer, gre};
use crate::bytes::{be16, be32, put16, put32};

/// Bytes of a type II header.
pub const HEADER_2: usize = 8;
/// Bytes of a type III header without the platform's 8.
pub const HEADER_3: usize = 12;

/// What follows GRE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Erspan {
    /// Type I: nothing, the frame begins at once.
    One,
    /// Type II.
    Two {
        /// What types II and III share.
        session: Session,
        /// Port index, 20 bits; OVS's `erspan_idx`.
        index: u32,
    },
    /// Type III.
    Three {
        /// What types II and III share.
        session: Session,
        /// When the frame was mirrored, in units of the granularity.
        timestamp: u32,
        /// Security group tag.
        sgt: u16,
        /// Frame type 0 (Ethernet), hardware id, direction and granularity: 16 bits as on the wire, with O clear.
        flags: u16,
        /// The platform's own 8 bytes.
        platform: Option<u64>,
    },
}

/// The first 4 bytes of types II and III, but for the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Session {
    /// VLAN of the mirrored frame, 12 bits.
    pub vlan: u16,
    /// Class of service, 3 bits.
    pub cos: u8,
    /// Encapsulation (II) or health (III) of the frame, 2 bits.
    pub en: u8,
    /// The mirrored frame was truncated.
    pub truncated: bool,
    /// Session, 10 bits; OVS's `key`.
    pub id: u16,
}

impl Session {
    fn of(bytes: &[u8]) -> Option<Self> {
        let word = be16(bytes, 2)?;
        let [high, _] = word.to_be_bytes();
        Some(Self {
            vlan: be16(bytes, 0)? & 0x0fff,
            cos: high >> 5,
            en: high >> 3 & 3,
            truncated: word & 0x0400 != 0,
            id: word & 0x03ff,
        })
    }

    fn emit(self, out: &mut [u8], version: u16) -> bool {
        let word = u16::from(self.cos & 7) << 13
            | u16::from(self.en & 3) << 11
            | u16::from(self.truncated) << 10
            | self.id & 0x03ff;
        put16(out, 0, version << 12 | self.vlan & 0x0fff) && put16(out, 2, word)
    }
}

const OPTIONAL: u16 = 0x0001;

impl Erspan {
    /// Bytes of the header.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::One => 0,
            Self::Two { .. } => HEADER_2,
            Self::Three { platform: None, .. } => HEADER_3,
            Self::Three { .. } => HEADER_3 + 8,
        }
    }

    /// Whether there is no header: type I.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::One)
    }

    /// The protocol its GRE header has.
    #[must_use]
    pub const fn protocol(&self) -> u16 {
        if matches!(self, Self::Three { .. }) { gre::ERSPAN_3 } else { gre::ERSPAN }
    }

    /// Reads the header behind `gre`, whose protocol must be one of ERSPAN's.
    ///
    /// # Errors
    /// [`BadTunnel::Truncated`]; [`BadTunnel::ErspanVersion`]; [`BadTunnel::NotThisTunnel`] behind another GRE header.
    pub fn parse(bytes: &[u8], gre: &gre::Gre) -> Result<Self, BadTunnel> {
        match gre.protocol {
            gre::ERSPAN if gre.seq.is_none() => Ok(Self::One),
            gre::ERSPAN => Self::parse_two(bytes),
            gre::ERSPAN_3 => Self::parse_three(bytes),
            _ => Err(BadTunnel::NotThisTunnel),
        }
    }

    fn parse_two(bytes: &[u8]) -> Result<Self, BadTunnel> {
        version(bytes, 1)?;
        let fields = Session::of(bytes).zip(be32(bytes, 4));
        let (session, index) = fields.ok_or(BadTunnel::Truncated(Layer::Erspan))?;
        Ok(Self::Two { session, index: index & 0x000f_ffff })
    }

    fn parse_three(bytes: &[u8]) -> Result<Self, BadTunnel> {
        const SHORT: BadTunnel = BadTunnel::Truncated(Layer::Erspan);
        version(bytes, 2)?;
        let session = Session::of(bytes).ok_or(SHORT)?;
        let timestamp = be32(bytes, 4).ok_or(SHORT)?;
        let sgt = be16(bytes, 8).ok_or(SHORT)?;
        let flags = be16(bytes, 10).ok_or(SHORT)?;
        let platform = if flags & OPTIONAL == 0 {
            None
        } else {
            let (high, low) = be32(bytes, 12).zip(be32(bytes, 16)).ok_or(SHORT)?;
            Some(u64::from(high) << 32 | u64::from(low))
        };
        Ok(Self::Three { session, timestamp, sgt, flags: flags & !OPTIONAL, platform })
    }

    /// Writes the header at the front of `out`, every byte. `false` if it does not fit.
    pub fn emit(&self, out: &mut [u8]) -> bool {
        match *self {
            Self::One => true,
            Self::Two { session, index } => session.emit(out, 1) && put32(out, 4, index & 0x000f_ffff),
            Self::Three { session, timestamp, sgt, flags, platform } => {
                let flags = if platform.is_some() { flags | OPTIONAL } else { flags & !OPTIONAL };
                let fits = session.emit(out, 2)
                    && put32(out, 4, timestamp)
                    && put16(out, 8, sgt)
                    && put16(out, 10, flags);
                fits && platform.is_none_or(|bytes| crate::bytes::put(out, 12, bytes.to_be_bytes()))
            }
        }
    }
}

fn version(bytes: &[u8], expected: u8) -> Result<(), BadTunnel> {
    match bytes.first().map(|byte| byte >> 4) {
        None => Err(BadTunnel::Truncated(Layer::Erspan)),
        Some(version) if version == expected => Ok(()),
        Some(version) => Err(BadTunnel::ErspanVersion(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRE_2: gre::Gre = gre::Gre { protocol: gre::ERSPAN, csum: false, key: None, seq: Some(1) };
    const GRE_3: gre::Gre = gre::Gre { protocol: gre::ERSPAN_3, ..GRE_2 };
    const SESSION: Session = Session { vlan: 0x123, cos: 5, en: 3, truncated: true, id: 0x2aa };

    fn both_ways(bytes: &[u8], gre: &gre::Gre, erspan: Erspan) {
        assert_eq!(Erspan::parse(bytes, gre), Ok(erspan));
        assert_eq!((erspan.len(), erspan.protocol()), (bytes.len(), gre.protocol));
        let mut out = vec![0xa5; bytes.len()];
        assert!(erspan.emit(&mut out));
        assert_eq!(out, bytes);
        for end in 0..bytes.len() {
            assert_eq!(Erspan::parse(&bytes[..end], gre), Err(BadTunnel::Truncated(Layer::Erspan)), "{end}");
            assert!(!erspan.emit(&mut out[..end]));
        }
    }

    #[test]
    fn bytes_of_the_draft() {
        both_ways(&[], &gre::Gre { seq: None, ..GRE_2 }, Erspan::One);
        let two = [0x11, 0x23, 0xbe, 0xaa, 0, 0x0a, 0xbc, 0xde];
        both_ways(&two, &GRE_2, Erspan::Two { session: SESSION, index: 0xa_bcde });
        let three = [0x21, 0x23, 0xbe, 0xaa, 1, 2, 3, 4, 0xab, 0xcd, 0x80, 0x08];
        let plain = Erspan::Three {
            session: SESSION,
            timestamp: 0x0102_0304,
            sgt: 0xabcd,
            flags: 0x8008,
            platform: None,
        };
        both_ways(&three, &GRE_3, plain);
        let long = [&three[..11], &[0x09, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
        let Erspan::Three { session, timestamp, sgt, flags, .. } = plain else { unreachable!() };
        let platform = Some(0x0102_0304_0506_0708);
        both_ways(&long, &GRE_3, Erspan::Three { session, timestamp, sgt, flags, platform });
    }

    #[test]
    fn versions_are_held_to_the_gre_header() {
        let two = [0x11, 0x23, 0xbe, 0xaa, 0, 0x0a, 0xbc, 0xde];
        assert_eq!(Erspan::parse(&two, &GRE_3), Err(BadTunnel::ErspanVersion(1)));
        assert_eq!(Erspan::parse(&[0x21; 8], &GRE_2), Err(BadTunnel::ErspanVersion(2)));
        let teb = gre::Gre { protocol: gre::TEB, ..GRE_2 };
        assert_eq!(Erspan::parse(&two, &teb), Err(BadTunnel::NotThisTunnel));
    }
}
