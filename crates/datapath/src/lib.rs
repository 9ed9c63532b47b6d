//! The userspace fast path and the emulation of links.
//!
//! A worker owns ports and the link directions that end at them. It is given the time and told which ports
//! are ready; it reads frames from their drivers, looks them up in its caches, carries out what the
//! [`Slowpath`] said about such packets, lets links hold them as long as they must, and hands them to drivers
//! again. It reads no clock, opens nothing and starts nothing: the edge owns thread, clock and devices.

mod frame;
mod pool;
mod port;

pub use frame::{Frame, HEADROOM};
pub use pool::{Packet, PoolLimit};
pub use port::{
    Attach, Budget, CaptureSink, Change, Direction, Flushed, OffloadCaps, Port, PortSpec, Received, Refused,
    Serviced, Slowpath, Way,
};
