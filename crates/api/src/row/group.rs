//! Groups in a list.

use serde::{Deserialize, Serialize};

/// A group of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupRow {
    /// The switch.
    pub switch: String,
    /// Its number.
    pub group: u32,
    /// In the syntax of `ovs-ofctl add-group`.
    pub text: String,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets of each bucket, in order.
    pub buckets: Vec<u64>,
    /// Flows that use it.
    pub flows: u64,
}
