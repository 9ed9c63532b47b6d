//! Dropped packets in a list.

use serde::{Deserialize, Serialize};

/// Packets dropped at one place for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DropRow {
    /// `s1:s1-eth3`, `h1:eth0` or a link's name.
    pub place: String,
    /// A few words.
    pub reason: String,
    /// How many.
    pub packets: u64,
    /// Whether the lab file asked for it (a link's loss, a flow that drops).
    #[serde(default)]
    pub intended: bool,
}
