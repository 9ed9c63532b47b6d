//! OpenFlow to the outside: `<bridge>.mgmt`, as Open vSwitch has it, and what stands behind it.
//!
//! ```text
//! socket ── transport::pump ── openflow::session ── caller ── hub ── the switch model
//!                 ▲                                            │ └─ a worker: packet-outs
//!                 └──────────── inbox ◄── flows gone, ports, packets ◄── worker: packet-ins
//! ```
//!
//! One thread carries all connections of a lab. What a peer sends takes the model's lock for one message at a time.

mod caller;
mod dial;
mod door;
mod hub;
mod learn;
mod remote;
mod service;
mod snoop;
mod standing;

pub(crate) use hub::Hub;
pub(crate) use remote::{Remote, Way};
pub(crate) use service::{Control, Service};
pub(crate) use standing::{Standing, State};
