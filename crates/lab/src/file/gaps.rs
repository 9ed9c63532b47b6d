//! What may be missing from what was read, since it is written wrong.
//!
//! An error that only says that something is missing may follow from an error that was reported already. Each
//! error of the reading says what it leaves out, and each of the resolving what it relies on: one that relies on
//! something left out is not told.

use std::ops::{BitOr, BitOrAssign};

/// Kinds of things that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Gaps(u8);

impl Gaps {
    /// Nothing.
    pub(crate) const NONE: Self = Self(0);
    /// Nodes, switches, networks, tenants, and whatever else has a name.
    pub(crate) const THINGS: Self = Self(1);
    /// Links, and with them interfaces and ports.
    pub(crate) const LINKS: Self = Self(2);
    /// Who hears whom: VLANs and tenants of links.
    pub(crate) const DOMAINS: Self = Self(4);
    /// Addresses and subnets.
    pub(crate) const ADDRESSES: Self = Self(8);
    /// Everything.
    pub(crate) const ALL: Self = Self(15);

    /// Whether something is in both.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Gaps {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Gaps {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
