//! A tenant in a list.

use serde::{Deserialize, Serialize};

/// A tenant in a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TenantRow {
    /// Its name.
    pub name: String,
    /// How many nodes.
    pub nodes: u64,
    /// Its networks, each with its subnets.
    #[serde(default)]
    pub networks: Vec<String>,
    /// What its nodes may use together: `cpu 2, memory 1GiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<String>,
    /// What of that this machine does not keep, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
    /// Packets to another tenant that were dropped.
    #[serde(default)]
    pub isolated: u64,
}
