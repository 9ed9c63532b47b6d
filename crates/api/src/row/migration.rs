//! How the move of a virtual machine went.

use serde::{Deserialize, Serialize};

/// A virtual machine that goes on in another lab.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MigrationRow {
    /// The node.
    pub node: String,
    /// The lab it has gone to, as the user called it.
    pub host: String,
    /// From the first to the last of it, in milliseconds.
    pub total_ms: f64,
    /// How long its network stood still: from when the switch stopped serving its cards here to when it is known here that they are
    /// served there, in milliseconds.
    pub pause_ms: f64,
    /// How long it stood still as QEMU tells it (`downtime`), in milliseconds.
    pub downtime_ms: u64,
    /// How often what the guest had written since the last time was gathered.
    pub rounds: u64,
    /// Bytes of memory that it has.
    pub memory: u64,
    /// Bytes that went over the network for it.
    pub transferred: u64,
    /// Pages of an emulated machine that QEMU had not carried, and that were sent after it.
    pub repaired: u64,
    /// Packets for it that were kept meanwhile, and sent after it.
    pub kept: u64,
    /// Packets for it that were more than could be kept.
    pub lost: u64,
    /// Whether its memory was encrypted on its way.
    pub encrypted: bool,
}
