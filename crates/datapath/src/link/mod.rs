//! One direction of a link: what happens to a packet between its two ends.
//!
//! ```text
//! enter -> down? too long? -> chance (loss, corrupt, duplicate) -> queue -> transmitter -> delay line -> leave
//!                                                                  stage 1 (rate, limit)    stage 2 (delay, jitter)
//! ```
//!
//! Everything follows the link's own schedule, computed from the moment a packet came in; how late the worker looks
//! at a link moves nothing but the departure itself, and that lateness is measured ([`Fidelity`]). A packet that is
//! next in a long line of links enters each at the moment it was due there, so lateness does not add up.
//!
//! The queue is one, first in, first out ([`queue`]), or several with rates and priorities ([`classes`]).
//!
//! Each direction needs one timer: the earlier of "the link is free and something waits" and "the first one
//! arrives".

mod classes;
mod counters;
mod delay;
mod direction;
mod enter;
mod fate;
mod fidelity;
mod queue;
mod rate;
mod timers;

pub(crate) use classes::Classes;
pub use counters::{LinkCounters, LinkRead};
pub(crate) use direction::Link;
pub(crate) use enter::{Gate, Load};
pub use fidelity::{Fidelity, Verdict};
pub(crate) use queue::{Limit, Unit};
pub(crate) use timers::Timers;
