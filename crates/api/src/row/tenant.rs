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
    /// Packets to another tenant that were dropped.
    #[serde(default)]
    pub isolated: u64,
}
