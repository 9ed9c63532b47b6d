//! `multipath(eth_src,50,modulo_n,4,0,reg0[])`

use std::fmt;

use crate::action::{HashFields, Multipath, MultipathAlgorithm};

/// The name of one of a list.
pub(super) fn name_in<T: PartialEq>(list: &[(T, &'static str)], value: T) -> &'static str {
    list.iter().find(|(known, _)| *known == value).map_or("", |(_, name)| name)
}

impl fmt::Display for Multipath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "multipath({},{},{},{},{},{})",
            name_in(&HashFields::ALL, self.fields),
            self.basis,
            name_in(&MultipathAlgorithm::ALL, self.algorithm),
            u32::from(self.max_link) + 1,
            self.arg,
            self.target
        )
    }
}
