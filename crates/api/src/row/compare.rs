//! One node as several kinds of machine, side by side.

use serde::{Deserialize, Serialize};

/// A node as one kind of machine. Numbers are medians of all rounds; `None`: not measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CompareRow {
    /// `container`, `full`, `para` or `vf`.
    pub kind: String,
    /// Who its processor is: `kernel`: none but the machine's own; `kvm`; `emulated`.
    #[serde(default)]
    pub processor: String,
    /// Why it cannot be had here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Milliseconds from the request until a packet that was sent in it has been answered by its peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_ms: Option<f64>,
    /// Bytes of the host's memory that it takes, all processes around it included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Bytes on the host's disk beside what it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
    /// Bits per second of a TCP connection from it to its peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_bps: Option<f64>,
    /// Bits per second of a TCP connection from its peer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_bps: Option<f64>,
    /// Milliseconds of a round trip to its peer, by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Seconds of the host's processors for 10^9 bytes of TCP connections that arrived, both ends and the switch included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_s_per_gb: Option<f64>,
}
