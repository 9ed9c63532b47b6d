//! Tracked connections in a list.

use serde::{Deserialize, Serialize};

/// A connection that a switch tracks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// The switch.
    pub switch: String,
    /// The tenant of its packets.
    pub tenant: String,
    /// The zone.
    pub zone: u16,
    /// `tcp`, `udp`, `sctp`, `icmp`, `icmp6`, or a number.
    pub protocol: String,
    /// The first packet: `10.0.0.1:5000 > 10.0.0.2:80`.
    pub original: String,
    /// The answer to it, as it comes.
    pub reply: String,
    /// What the protocol's state machine is in, empty if it has none.
    pub state: String,
    /// Whether both directions have been seen.
    pub answered: bool,
    /// `ct_mark`
    pub mark: u32,
    /// `ct_label`, in hexadecimal: JSON has no numbers of 128 bits.
    pub label: String,
    /// The helper that reads along, empty if none does.
    pub helper: String,
    /// Seconds until it is forgotten, if no packet comes.
    pub timeout: u64,
    /// Frames in its first direction; a super-packet is one.
    pub packets: u64,
    /// Frames in the other one.
    pub reply_packets: u64,
}
