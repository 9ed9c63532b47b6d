//! The text of actions: a file for each kind, which reads and prints it.
//!
//! Source: ovs-actions(7).

mod bundle;
mod controller;
mod ct;
mod encap;
mod field;
mod learn;
mod list;
mod multipath;
mod output;
mod place;
mod sample;
mod show;
mod simple;
mod stat_trigger;

pub(super) use self::list::{is_known, parse, parse_bucket};
pub(super) use self::show::Shown;
