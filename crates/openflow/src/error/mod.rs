//! The named errors of OpenFlow and its extensions, and their numbers in each version.
//!
//! A name may have different numbers in different versions, and an experimenter's numbers in some. [`OfError`] is
//! the name; [`OfError::number`] and [`OfError::from_number`] go between the two.
//!
//! ```text
//! standard    type:16 code:16                                   then the request
//! Nicira      0xb0c2:16 0:16 0x2320:32 type:16 code:16          1.0 and 1.1
//! any         0xffff:16 type:16 experimenter:32                 from 1.2
//! ```
//!
//! Source: OpenFlow 1.5.1 §7.5.4, `ofp-errors.h` of Open vSwitch 3.1.

mod table;

pub use table::OfError;

use crate::Version;

/// The experimenter number of Nicira.
pub const NICIRA: u32 = 0x0000_2320;
/// The experimenter number of the Open Networking Foundation.
pub const ONF: u32 = 0x4f4e_4600;

/// Where an error has its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// In the standard.
    Standard,
    /// With an experimenter.
    Experimenter(u32),
}

/// The number of an error in a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    /// Whose number.
    pub space: Space,
    /// The type.
    pub kind: u16,
    /// The code; 0 for an experimenter's from 1.2 on, who has only types.
    pub code: u16,
}

/// An error of a message: one with a name, or a number that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coded {
    /// A named one.
    Known(OfError),
    /// Only a number.
    Unknown(Number),
}

impl From<OfError> for Coded {
    fn from(error: OfError) -> Self {
        Self::Known(error)
    }
}

/// A row of the table: the versions from one to another, and the number there.
pub(crate) type Range = (Version, Version, Number);

impl OfError {
    /// Its number in `version`, if that version has one.
    #[must_use]
    pub fn number(self, version: Version) -> Option<Number> {
        let in_range = |(from, to, _): &&Range| (*from..=*to).contains(&version);
        self.numbers().iter().find(in_range).map(|(_, _, number)| *number)
    }

    /// Its number in `version`, or that of [`OfError::NxbrcUnencodableError`] where it has none.
    #[must_use]
    pub fn number_or_substitute(self, version: Version) -> Number {
        let substitute = || Self::NxbrcUnencodableError.number(version);
        // Every version has the substitute; a test holds the table to that.
        self.number(version).or_else(substitute).unwrap_or(Number {
            space: Space::Standard,
            kind: 1,
            code: 1,
        })
    }

    /// The error with this number in `version`. Where two share it, the first of the table.
    #[must_use]
    pub fn from_number(version: Version, number: Number) -> Option<Self> {
        Self::ALL.iter().copied().find(|error| error.number(version) == Some(number))
    }

    /// The error with this name, as specifications and OVS write it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|error| error.name() == name)
    }
}

impl Coded {
    /// The error with this number in `version`.
    #[must_use]
    pub fn from_number(version: Version, number: Number) -> Self {
        OfError::from_number(version, number).map_or(Self::Unknown(number), Self::Known)
    }

    /// Its number in `version`.
    #[must_use]
    pub fn number(self, version: Version) -> Number {
        match self {
            Self::Known(error) => error.number_or_substitute(version),
            Self::Unknown(number) => number,
        }
    }
}

impl std::fmt::Display for OfError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for OfError {}

/// What codecs return.
pub type Result<T> = std::result::Result<T, OfError>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn standard(kind: u16, code: u16) -> Number {
        Number { space: Space::Standard, kind, code }
    }

    fn nicira(kind: u16, code: u16) -> Number {
        Number { space: Space::Experimenter(NICIRA), kind, code }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = OfError::ALL.iter().map(|error| error.name()).collect();
        assert_eq!(names.len(), OfError::ALL.len());
        for error in OfError::ALL {
            assert_eq!(OfError::named(error.name()), Some(*error));
        }
    }

    #[test]
    fn every_number_leads_back_to_its_name_but_for_merged_ones() {
        // Where an old version has one number for what later ones distinguish, the first name of the table wins.
        let merged = [
            (OfError::BicBadExpType, Version::V11, OfError::BicBadExperimenter),
            (OfError::BrcIsSecondary, Version::V10, OfError::BrcEperm),
            (OfError::BrcIsSecondary, Version::V11, OfError::BrcEperm),
        ];
        for error in OfError::ALL {
            for version in Version::ALL {
                let Some(number) = error.number(version) else { continue };
                let merged = merged.iter().find(|(from, v, _)| (from, *v) == (error, version));
                let expected = merged.map_or(*error, |(.., to)| *to);
                assert_eq!(OfError::from_number(version, number), Some(expected), "{error} in {version}");
                assert_eq!(Coded::from_number(version, number).number(version), number);
            }
        }
    }

    #[test]
    fn every_version_has_the_substitute() {
        for version in Version::ALL {
            let number = OfError::NxbrcUnencodableError.number(version);
            assert!(number.is_some());
            assert!(OfError::NxttmfcDupEntry.number(version).is_some());
        }
        assert_eq!(OfError::BfcTimeout.number_or_substitute(Version::V10), nicira(1, 521));
    }

    #[test]
    fn numbers_of_known_errors() {
        use Version::{V10, V11, V12, V13, V14, V15};
        for (error, version, number) in [
            (OfError::HfcIncompatible, V10, standard(0, 0)),
            (OfError::BrcBadType, V13, standard(1, 1)),
            (OfError::BrcBadTableId, V10, nicira(1, 512)),
            (OfError::BrcBadTableId, V13, standard(1, 9)),
            (OfError::BrcIsSecondary, V11, standard(1, 5)),
            (OfError::BrcIsSecondary, V12, standard(1, 10)),
            (OfError::FmfcOverlap, V10, standard(3, 1)),
            (OfError::FmfcOverlap, V13, standard(5, 3)),
            (OfError::FmfcBadFlags, V11, nicira(5, 258)),
            (OfError::BmcBadPrereq, V10, nicira(1, 260)),
            (OfError::BmcBadPrereq, V13, standard(4, 9)),
            (OfError::BmcBadField, V10, nicira(0, 263)),
            (OfError::NxbrcNxmInvalid, V13, nicira(2, 0)),
            (OfError::BfcTimeout, V13, Number { space: Space::Experimenter(ONF), kind: 2314, code: 0 }),
            (OfError::BfcMsgFailed, V14, standard(17, 13)),
            (OfError::MmfcMeterExists, V15, standard(12, 1)),
            (OfError::QofcBadPort, V10, standard(5, 0)),
        ] {
            assert_eq!(error.number(version), Some(number), "{error} in {version}");
        }
        assert_eq!(OfError::MmfcMeterExists.number(V12), None);
    }
}
