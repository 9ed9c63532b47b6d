//! `bundle(...)`: an output chosen among several ports.

use super::{HashFields, Subfield};
use crate::OfPort;

/// How a port is chosen, by the numbers of Nicira.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum BundleAlgorithm {
    /// The first that is up.
    ActiveBackup = 0,
    /// The one that is up whose own hash is highest.
    HighestRandomWeight = 1,
}

impl BundleAlgorithm {
    /// All of them, in the order of their numbers, with the names `ovs-ofctl` gives them.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::ActiveBackup, "active_backup"), (Self::HighestRandomWeight, "hrw")];

    /// The one of a number, if there is one.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(algorithm, _)| *algorithm)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// Chooses a port that is up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bundle {
    /// What is hashed.
    pub fields: HashFields,
    /// Mixed into the hash.
    pub basis: u16,
    /// How a port is chosen.
    pub algorithm: BundleAlgorithm,
    /// The ports, in the order of preference.
    pub members: Box<[OfPort]>,
    /// Where the port's number goes, as `bundle_load` has it; `None`: the packet is sent there.
    pub target: Option<Subfield>,
}
