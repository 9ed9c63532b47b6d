//! Versions of the protocol, and transaction ids.

use std::fmt;

/// A version of OpenFlow; its number on the wire is the discriminant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// OpenFlow 1.0, with which the Nicira extensions began.
    V10 = 0x01,
    /// OpenFlow 1.1: several tables, instructions, groups.
    V11 = 0x02,
    /// OpenFlow 1.2: OXM matches, roles.
    V12 = 0x03,
    /// OpenFlow 1.3: meters, multipart.
    V13 = 0x04,
    /// OpenFlow 1.4: bundles, properties.
    V14 = 0x05,
    /// OpenFlow 1.5: OXS statistics, `copy_field`.
    V15 = 0x06,
}

impl Version {
    /// All, the oldest first.
    pub const ALL: [Self; 6] = [Self::V10, Self::V11, Self::V12, Self::V13, Self::V14, Self::V15];

    /// The version with this number on the wire.
    #[must_use]
    pub const fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            0x01 => Self::V10,
            0x02 => Self::V11,
            0x03 => Self::V12,
            0x04 => Self::V13,
            0x05 => Self::V14,
            0x06 => Self::V15,
            _ => return None,
        })
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn wire(self) -> u8 {
        self as u8
    }

    /// The name OVS gives it: `OpenFlow13`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V10 => "OpenFlow10",
            Self::V11 => "OpenFlow11",
            Self::V12 => "OpenFlow12",
            Self::V13 => "OpenFlow13",
            Self::V14 => "OpenFlow14",
            Self::V15 => "OpenFlow15",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of versions, as the bitmap of a hello: bit n for the version with number n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Versions(pub u32);

impl Versions {
    /// Every version this crate speaks.
    pub const ALL: Self = Self(0x7e);

    /// The versions of a list.
    #[must_use]
    pub fn of(versions: &[Version]) -> Self {
        Self(versions.iter().fold(0, |bits, version| bits | 1 << version.wire()))
    }

    /// Every version up to a number of the wire, as an old hello without a bitmap means it.
    #[must_use]
    pub const fn up_to(number: u8) -> Self {
        if number >= 31 { Self(0xffff_fffe) } else { Self(((1u32 << (number + 1)) - 1) & !1) }
    }

    /// Whether a version is in the set.
    #[must_use]
    pub const fn contains(self, version: Version) -> bool {
        self.0 >> version.wire() & 1 == 1
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The highest one that this crate speaks.
    #[must_use]
    pub fn highest(self) -> Option<Version> {
        Version::ALL.into_iter().rev().find(|version| self.contains(*version))
    }
}

/// The transaction id that ties a reply to its request. 0 for what is sent unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Xid(pub u32);

impl Xid {
    /// The id of messages that answer nothing.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        assert_eq!(Versions::of(&Version::ALL), Versions::ALL);
        assert_eq!(Versions::up_to(4), Versions(0x1e));
        assert_eq!(Versions::up_to(200).highest(), Some(Version::V15));
        assert_eq!(Versions(0x80).highest(), None, "version 7 is not ours");
        assert_eq!(Versions(0x12).and(Versions(0x1c)).highest(), Some(Version::V13));
        for version in Version::ALL {
            assert_eq!(Version::from_wire(version.wire()), Some(version));
        }
    }
}
