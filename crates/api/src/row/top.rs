//! Load of one link direction or node.

use serde::{Deserialize, Serialize};

/// Load over the last interval.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TopRow {
    /// `link`, `switch`, `node` or `daemon`.
    pub kind: String,
    /// `h1:eth0 -> s1:s1-eth1` for one direction of a link, else a name.
    pub name: String,
    /// Packets a second.
    pub pps: f64,
    /// Bits a second, L2 without FCS.
    pub bps: f64,
    /// Drops a second.
    pub drops: f64,
    /// Packets waiting.
    #[serde(default)]
    pub queued: u64,
    /// Share of the link's rate, or of one processor, 0 to 1; `None`: no rate is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
}
