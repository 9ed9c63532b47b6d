//! What a network answers by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The service of a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceRow {
    /// Its addresses; none: the subnet has none left.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Its MAC address.
    pub mac: String,
    /// Whether it hands out addresses and advertises routers.
    #[serde(default)]
    pub dhcp: bool,
    /// Whether other names are asked of the machine's name servers.
    #[serde(default)]
    pub forwards: bool,
    /// What was handed out.
    #[serde(default)]
    pub leases: Vec<LeaseRow>,
    /// What was answered, and how often.
    #[serde(default)]
    pub answered: BTreeMap<String, u64>,
    /// What was not, why, and how often.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
}

/// An address that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeaseRow {
    /// To which node.
    pub node: String,
    /// The MAC address of its interface.
    pub mac: String,
    /// The address.
    pub address: String,
    /// `offered`, `bound`, `expired`, `released` or `declined`.
    pub state: String,
    /// Seconds until the lease ends; 0 unless it is bound.
    #[serde(default)]
    pub left_s: u64,
    /// How often it was given.
    #[serde(default)]
    pub grants: u64,
}
