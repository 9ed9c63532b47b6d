//! Carries out what the slow path said: one primitive action after the other.

mod carried;
mod clone;
mod drop;
mod list;
mod output;
mod recirculate;
mod set;
mod vlan;

pub(crate) use carried::Carried;
pub(crate) use list::{Next, run};
