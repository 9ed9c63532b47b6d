//! Monitors: what a client wants to see of a database, and the updates that tell it.
//!
//! Three versions: `monitor` (RFC 7047), whose updates have old and new values; `monitor_cond` and
//! `monitor_cond_since`, whose updates have differences and leave out defaults.
//!
//! Source: RFC 7047 §4.1.5; ovsdb-server(7), "Monitor Cond", "Monitor Cond Since".

mod compose;
mod spec;

pub(crate) use compose::{changed_condition, compose, initial};
pub(crate) use spec::{Spec, Version};
