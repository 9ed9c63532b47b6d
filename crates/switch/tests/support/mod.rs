//! A lab on paper: a switch, a datapath that carries out actions on keys, and packets in flight between bridges.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::large_enum_variant,
    reason = "a test may fail, and small numbers fit"
)]

mod build;
mod net;
mod packet;
pub(crate) mod random;

pub(crate) use build::{Plan, dp};
pub(crate) use net::Net;
pub(crate) use packet::{Packet, mac};
