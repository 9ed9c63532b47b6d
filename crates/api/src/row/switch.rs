//! A switch in a list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{QueueRow, ServiceRow};

/// A switch in a list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SwitchRow {
    /// Its name.
    pub name: String,
    /// `up` or `stopped`.
    pub state: String,
    /// Ports, by OpenFlow number.
    #[serde(default)]
    pub ports: Vec<SwitchPortRow>,
    /// The queues of its ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<QueueRow>,
    /// Flows, those netloom put there itself not counted.
    #[serde(default)]
    pub flows: u64,
    /// Learned addresses.
    #[serde(default)]
    pub macs: u64,
    /// Where it is controlled from; `None`: it learns by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// How its controllers stand, in the order of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<ControllerRow>,
    /// Whether it learns by itself because all its controllers are missed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_its_own: bool,
    /// `standalone` or `secure`.
    #[serde(default)]
    pub fail_mode: String,
    /// Whether its controllers or its fail mode were changed by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drift: bool,
    /// OpenFlow versions, such as `OpenFlow13`.
    #[serde(default)]
    pub openflow: Vec<String>,
    /// Packets dropped by it, for whatever reason.
    #[serde(default)]
    pub drops: u64,
    /// What it answers by itself, if it is a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRow>,
    /// What a network's gateway has carried, refused and dropped, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gateway: BTreeMap<String, u64>,
}

/// A controller of a switch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ControllerRow {
    /// Its name in the file, or its target if it was written at the switch.
    pub name: String,
    /// Where it is, such as `tcp:127.0.0.1:6653`.
    pub target: String,
    /// `connected`, `calling`, `waiting` for the next call, or `listening` for it.
    pub state: String,
    /// The version agreed on, such as `OpenFlow13`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `master`, `slave` or `equal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Seconds since it is so.
    #[serde(default)]
    pub since_s: f64,
    /// Why it is not connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Messages it was not told because it did not take them.
    #[serde(default)]
    pub dropped: u64,
    /// How many are connected, where it is listened for.
    #[serde(default)]
    pub peers: u64,
    /// What is kept for those that are connected; left out where that is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldRow>,
}

/// What a switch keeps for a controller: see `docs/openflow.md` for how much that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldRow {
    /// Messages of bundles that were not committed yet.
    pub bundled: u64,
    /// The bytes of these.
    pub bundled_bytes: u64,
    /// Flow monitors.
    pub monitors: u64,
    /// Changes of watched flows that it was not told yet.
    pub updates: u64,
    /// Messages that it has not taken yet.
    pub waiting: u64,
    /// The bytes of memory of these, roughly.
    pub waiting_bytes: u64,
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
    /// What may come in, in the words of the lab file, and how many packets were too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub police: Option<String>,
}
