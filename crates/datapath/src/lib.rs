//! The userspace fast path and the emulation of links.
//!
//! A [`Worker`] owns ports and the link directions that end at them. It is given the time and told which ports
//! are ready; it reads frames from their drivers, looks them up in its caches, carries out what the
//! [`Slowpath`] said about such packets, lets links hold them as long as they must, and hands them to drivers
//! again. It reads no clock, opens nothing and starts nothing: the edge owns thread, clock and devices.
//!
//! `pass.rs` lists the stages of a frame's way, with their cost.

#![forbid(unsafe_code)]

mod cache;
mod conntrack;
mod counters;
mod execute;
mod frame;
mod handoff;
mod inject;
mod link;
mod pass;
mod pool;
mod port;
pub mod qos;
mod share;
mod station;
mod transmit;
mod wiring;
mod worker;

pub use cache::CachedFlow;
pub use conntrack::{BadConnection, KeptConnection, Phase, Timeouts, Tracker, TrackerConfig, ZoneState};
pub use counters::{Counters, Drops, LinkReport, PortCounters, QueueCounters, QueueRead, Traffic};
pub use frame::{Body, FRONT, Frame, HEADROOM};
pub use handoff::Handoff;
pub use link::{Fidelity, LinkCounters, LinkRead, Verdict};
pub use pool::{Packet, PoolLimit};
pub use port::{
    Attach, Budget, CaptureSink, Change, Direction, Flushed, Inner, OffloadCaps, Port, PortSpec, Received,
    Refused, Serviced, Slowpath, Way,
};
pub use station::Quiet;
pub use worker::{Worker, WorkerConfig};
