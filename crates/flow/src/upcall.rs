//! A miss, as a value handed up.

use crate::{Nanos, PacketKey};

/// A packet the cache does not know, for the switch to translate.
#[derive(Debug, Clone, Copy)]
pub struct Upcall<'a> {
    /// What was extracted from the packet, its port and its tenant. `in_port` is the datapath's [`crate::PortId`].
    pub key: &'a PacketKey,
    /// The first bytes of the packet (at least its headers): Ethernet first, no FCS.
    pub packet: &'a [u8],
    /// When the packet was received.
    pub now: Nanos,
}
