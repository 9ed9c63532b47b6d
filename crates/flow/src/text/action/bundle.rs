//! `bundle(eth_src,0,hrw,ofport,members:4,8)`, `bundle_load(eth_src,0,hrw,ofport,reg0[],members:4,8)`

use std::fmt;

use super::super::port;
use super::multipath::name_in;
use super::show::separated;
use crate::action::{Bundle, BundleAlgorithm, HashFields};

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fields, algorithm) =
            (name_in(&HashFields::ALL, self.fields), name_in(&BundleAlgorithm::ALL, self.algorithm));
        match self.target {
            Some(target) => write!(f, "bundle_load({fields},{},{algorithm},ofport,{target},", self.basis)?,
            None => write!(f, "bundle({fields},{},{algorithm},ofport,", self.basis)?,
        }
        f.write_str("members:")?;
        separated(f, self.members.iter().map(|port| port::Shown(*port)))?;
        f.write_str(")")
    }
}
