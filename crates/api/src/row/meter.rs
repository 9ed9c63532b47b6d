//! Meters in a list.

use serde::{Deserialize, Serialize};

/// A meter of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MeterRow {
    /// The switch.
    pub switch: String,
    /// Its number.
    pub meter: u32,
    /// In the syntax of `ovs-ofctl add-meter`.
    pub text: String,
    /// Packets that came to it.
    pub packets: u64,
    /// Bytes that came to it.
    pub bytes: u64,
    /// Packets above the rate of each band, in order.
    pub bands: Vec<u64>,
    /// Flows that use it.
    pub flows: u64,
}
