//! Packets for ports of other workers.
//!
//! A worker never touches another's device or link. What it has for one waits in a list per worker, which the edge
//! moves over by a bounded ring after each round.

use netloom_flow::PortId;
use netloom_packet::Wire;

use crate::Packet;

/// A packet to be sent by a port of another worker.
#[derive(Debug)]
pub struct Handoff {
    /// The packet.
    pub(crate) packet: Packet,
    /// The port it is to leave by.
    pub(crate) port: PortId,
    /// By this queue of it.
    pub(crate) queue: u32,
    pub(crate) wire: Wire,
}

impl Handoff {
    /// The port it is to leave by.
    #[must_use]
    pub const fn port(&self) -> PortId {
        self.port
    }

    /// Wire packets it stands for.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.wire.packets
    }
}
