//! Queues of switch ports in a list.

use serde::{Deserialize, Serialize};

/// A queue of a switch port. Numbers and settings are those of the lab file's `qos:`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QueueRow {
    /// The port, such as `s1-eth2`.
    pub port: String,
    /// The switch.
    pub switch: String,
    /// What the port leads to, `h1:eth0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The number of the queue.
    pub queue: u32,
    /// Guaranteed bits per second; 0: none are.
    #[serde(default)]
    pub min_rate: u64,
    /// Most bits per second of the queue, or else of its port; `None`: what the link has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<u64>,
    /// Who gets first what guarantees leave over: 0 before 1.
    #[serde(default)]
    pub priority: u8,
    /// What IP packets are marked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dscp: Option<u8>,
    /// Packets sent, as they were on the wire.
    #[serde(default)]
    pub packets: u64,
    /// Bytes sent, L2 without FCS.
    #[serde(default)]
    pub bytes: u64,
    /// Packets dropped because it was full.
    #[serde(default)]
    pub dropped: u64,
    /// Packets that wait now.
    #[serde(default)]
    pub queued: u64,
}
