//! A switch in a list.

use serde::{Deserialize, Serialize};

/// A switch in a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SwitchRow {
    /// Its name.
    pub name: String,
    /// `up` or `stopped`.
    pub state: String,
    /// Ports, by OpenFlow number.
    #[serde(default)]
    pub ports: Vec<SwitchPortRow>,
    /// Flows, those netloom put there itself not counted.
    #[serde(default)]
    pub flows: u64,
    /// Learned addresses.
    #[serde(default)]
    pub macs: u64,
    /// Where it is controlled from; `None`: it learns by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// `standalone` or `secure`.
    #[serde(default)]
    pub fail_mode: String,
    /// OpenFlow versions, such as `OpenFlow13`.
    #[serde(default)]
    pub openflow: Vec<String>,
    /// Packets dropped by it, for whatever reason.
    #[serde(default)]
    pub drops: u64,
}

/// A port of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SwitchPortRow {
    /// OpenFlow number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// The other end, `h1:eth0`; `None`: not linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// `forwarding`, `blocked` (by the spanning tree) or `down`.
    pub state: String,
    /// `access 10`, `trunk 10,20`, or empty.
    #[serde(default)]
    pub vlan: String,
    /// The tenant whose packets come in here; empty: several (a link between switches).
    #[serde(default)]
    pub tenant: String,
    /// Packets received, as they were on the wire.
    #[serde(default)]
    pub rx_packets: u64,
    /// Bytes received, L2 without FCS.
    #[serde(default)]
    pub rx_bytes: u64,
    /// Packets sent.
    #[serde(default)]
    pub tx_packets: u64,
    /// Bytes sent.
    #[serde(default)]
    pub tx_bytes: u64,
    /// Packets dropped.
    #[serde(default)]
    pub drops: u64,
}
