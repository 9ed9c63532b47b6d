//! Load of one link direction or node.

use serde::{Deserialize, Serialize};

/// Load over the last interval.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TopRow {
    /// `link`, `switch`, `node`, `tenant` or `daemon`.
    pub kind: String,
    /// `h1:eth0 -> s1:s1-eth1` for one direction of a link, else a name.
    pub name: String,
    /// Packets a second.
    pub pps: f64,
    /// Bits a second, L2 without FCS.
    pub bps: f64,
    /// Drops a second.
    pub drops: f64,
    /// Bits a second that may be: the rate of a link, the bandwidth of a tenant's quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bps_limit: Option<f64>,
    /// Packets waiting.
    #[serde(default)]
    pub queued: u64,
    /// Share of the rate of a link or tenant, or of one processor, 0 to 1; `None`: no rate is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// Processors in use, 0.5 for half of one; `None`: not counted, as for a node that has run nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Processors it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<f64>,
    /// Bytes of memory in use, without files that could be dropped at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Bytes it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
    /// How many it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<u64>,
    /// Processes killed for lack of memory since the lab is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_kills: Option<u64>,
}
