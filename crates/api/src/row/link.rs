//! A link in a list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A link in a list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LinkRow {
    /// Its name, or `A--B`.
    pub name: String,
    /// First end.
    pub a: EndRow,
    /// Second end.
    pub b: EndRow,
    /// Whether packets pass at all.
    pub up: bool,
    /// Whether the spanning tree keeps it idle.
    #[serde(default)]
    pub blocked: bool,
    /// Whether it was changed by hand and differs from the file.
    #[serde(default)]
    pub drift: bool,
    /// From `a` to `b`.
    #[serde(default)]
    pub forth: DirectionRow,
    /// From `b` to `a`.
    #[serde(default)]
    pub back: DirectionRow,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EndRow {
    /// Node or switch.
    pub node: String,
    /// Interface or port.
    pub interface: String,
    /// Whether it is a switch.
    #[serde(default)]
    pub switch: bool,
}

/// One direction of a link.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DirectionRow {
    /// Settings that differ from an ideal link, spelled as in a lab file.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Packets that reached the other end, as they were on the wire.
    #[serde(default)]
    pub packets: u64,
    /// Bytes that reached the other end, L2 without FCS.
    #[serde(default)]
    pub bytes: u64,
    /// Packets lost on purpose.
    #[serde(default)]
    pub lost: u64,
    /// Packets that found the queue full.
    #[serde(default)]
    pub overflowed: u64,
    /// Packets waiting now.
    #[serde(default)]
    pub queued: u64,
    /// 99th percentile of the lateness, in milliseconds; `None`: nothing passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_p99_ms: Option<f64>,
}

impl DirectionRow {
    /// The settings in one line: `delay 20ms  loss 1%`; empty for an ideal link.
    #[must_use]
    pub fn words(&self) -> String {
        self.settings.iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join("  ")
    }
}

impl std::fmt::Display for EndRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.node, self.interface)
    }
}
