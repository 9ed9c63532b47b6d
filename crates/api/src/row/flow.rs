//! A flow in a list.

use serde::{Deserialize, Serialize};

/// A flow in a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FlowRow {
    /// Its switch.
    pub switch: String,
    /// Table number.
    pub table: u8,
    /// Priority.
    pub priority: u16,
    /// As `ovs-ofctl dump-flows` prints it, statistics included.
    pub text: String,
    /// Packets that hit it.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Where it comes from: `shop.loom.yml:41`, `flow add`, `controller`, `netloom`.
    #[serde(default)]
    pub origin: String,
}
