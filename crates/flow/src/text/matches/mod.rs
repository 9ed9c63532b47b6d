//! The match of a flow: read in any order, printed in the order of OVS.

mod parse;
mod print;

pub(super) use self::parse::{Parser, check, field_names, masked_u64, names, vlan_vid_is_present};
pub(super) use self::print::masked_hex;
