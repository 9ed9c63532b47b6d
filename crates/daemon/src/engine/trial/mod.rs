//! Carrying out what a run of expectations asks for: probes and events, with the lab's own nodes, links and counters.
//!
//! ```text
//! netloom_lab::expect::Run ──Order::Probe──► carry ──► crate::probe (sockets in the nodes) ──► ProbeResult
//!                          └─Order::Event──► crate::engine::events (links, nodes, programs)
//! ```

mod carry;
mod drops;
pub(super) mod fidelity;
mod shell;
mod stations;

pub(super) use drops::Drops;
use drops::Received;
pub(super) use fidelity::Fidelity;
pub(super) use stations::Crowd;
