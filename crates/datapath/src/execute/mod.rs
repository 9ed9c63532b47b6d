//! Carries out what the slow path said: one primitive action after the other.

mod branch;
mod carried;
mod clone;
mod conntrack;
mod drop;
mod encap;
mod list;
mod mpls;
mod next_header;
mod output;
mod pbb;
mod recirculate;
mod set;
mod trunc;
mod tunnel;
mod userspace;
mod vlan;
mod wire;

pub(crate) use carried::Carried;
pub(crate) use list::{Next, run};
