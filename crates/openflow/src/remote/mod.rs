//! What a switch decides about its controllers: when to call again, and what to do while nobody answers.
//!
//! Both are state machines: events and the time in, decisions and a deadline out. Sockets are the caller's.
//!
//! Source: `rconn.c` and `fail-open.c` of OVS.

mod admission;
mod fail_open;
mod reconnect;

pub use admission::Admission;
pub use fail_open::{FailOpen, Turn};
pub use reconnect::{Phase, Reconnect};
