//! `multipath(...)`: a number by the hash of a packet.

use super::Subfield;

/// Which parts of a packet are hashed, by the numbers of Nicira.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum HashFields {
    /// The Ethernet source.
    EthSrc = 0,
    /// Ethernet addresses and type, VLAN id, IP addresses and protocol, ports of TCP and SCTP; alike in both directions.
    SymmetricL4 = 1,
    /// IP addresses and protocol, ports of TCP and SCTP; alike in both directions.
    SymmetricL3L4 = 2,
    /// The same with the ports of UDP.
    SymmetricL3L4Udp = 3,
    /// The IP source.
    NwSrc = 4,
    /// The IP destination.
    NwDst = 5,
    /// IP addresses; alike in both directions.
    SymmetricL3 = 6,
}

impl HashFields {
    /// All of them, in the order of their numbers, with the names `ovs-ofctl` gives them.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::EthSrc, "eth_src"),
        (Self::SymmetricL4, "symmetric_l4"),
        (Self::SymmetricL3L4, "symmetric_l3l4"),
        (Self::SymmetricL3L4Udp, "symmetric_l3l4+udp"),
        (Self::NwSrc, "nw_src"),
        (Self::NwDst, "nw_dst"),
        (Self::SymmetricL3, "symmetric_l3"),
    ];

    /// Those of a number, if there are any.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(fields, _)| *fields)
    }

    /// Their number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// How a link is chosen by a hash, by the numbers of Nicira.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum MultipathAlgorithm {
    /// The remainder of a division by the number of links.
    ModuloN = 0,
    /// The part of the hash's range it lies in.
    HashThreshold = 1,
    /// The link whose own hash is highest.
    HighestRandomWeight = 2,
    /// Hashes until one is the number of a link.
    IterHash = 3,
}

impl MultipathAlgorithm {
    /// All of them, in the order of their numbers, with the names `ovs-ofctl` gives them.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::ModuloN, "modulo_n"),
        (Self::HashThreshold, "hash_threshold"),
        (Self::HighestRandomWeight, "hrw"),
        (Self::IterHash, "iter_hash"),
    ];

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

/// Writes the number of a link, chosen by a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Multipath {
    /// What is hashed.
    pub fields: HashFields,
    /// Mixed into the hash.
    pub basis: u16,
    /// How a link is chosen.
    pub algorithm: MultipathAlgorithm,
    /// The highest number of a link: one less than there are links.
    pub max_link: u16,
    /// What only [`MultipathAlgorithm::IterHash`] uses.
    pub arg: u32,
    /// Where the number goes.
    pub target: Subfield,
}
