//! OpenFlow 1.0 to 1.5 with the Nicira extensions, as values and bytes.
//!
//! [`msg`] holds what is said, free of versions: one [`msg::Message`] for all. [`wire`] turns messages into bytes
//! of a version and back; [`session`] is a connection as a state machine: bytes and the time in, events, bytes and
//! a deadline out; [`remote`] decides when a switch calls a controller again. Nothing here reads a clock or opens a socket.
//!
//! Sources: the OpenFlow switch specifications 1.0.0 to 1.5.1; for the extensions, `nicira-ext.h` and the manual
//! pages ovs-fields(7) and ovs-actions(7) of Open vSwitch.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]
#![forbid(unsafe_code)]

mod bits;
pub mod error;
pub mod frame;
pub mod learning;
pub mod msg;
pub mod remote;
pub mod session;
pub mod version;
pub mod wire;

pub use error::OfError;
pub use msg::Message;
pub use version::{Version, Versions, Xid};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
