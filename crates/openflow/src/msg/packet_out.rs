//! A packet from the controller.

use netloom_flow::{Action, FlowMatch};

/// Sends a packet, or lets one that waits go (`OFPT_PACKET_OUT`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketOut {
    /// The number of a packet that the switch keeps.
    pub buffer: Option<u32>,
    /// The packet, if none is kept.
    pub packet: Vec<u8>,
    /// The ingress port it is to have; from 1.5 other metadata, too.
    pub metadata: FlowMatch,
    /// What to do with it.
    pub actions: Vec<Action>,
}
