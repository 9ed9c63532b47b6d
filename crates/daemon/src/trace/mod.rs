//! A packet's way through the lab, explained.
//!
//! ```text
//! a made-up packet (packet.rs) ─┐                           ┌─► notes.rs: what the translation says
//! a real one (watch.rs) ────────┴─► follow.rs ── a worker of its own, with devices that only keep frames
//!                                     ▲                     └─► node.rs: what nodes do with what they get
//!                                     └───── forwarding nodes send it on ◄──┘
//! ```
//!
//! Nothing is modelled twice: lookups are made by the switch model's own translation, with a recorder, and carried out
//! by the datapath's own worker. The worker is one of the trace's own, so nothing is sent, learned, counted or cached;
//! only nodes, which are other kernels, are taken from the lab file.

mod chart;
mod flow;
mod follow;
mod node;
mod notes;
mod packet;
mod story;
mod tap;
#[cfg(test)]
mod tests;
mod watch;
mod words;

pub(crate) use chart::Chart;
pub(crate) use flow::{Arrival, frame_of, parse_at};
pub(crate) use follow::Follower;
pub(crate) use packet::{Leg, Protocol, legs};
pub(crate) use watch::{Watch, Wish};
pub(crate) use words::{actions as actions_in_words, mac as mac_in_words, megaflow, packet as described};
