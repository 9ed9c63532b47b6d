//! What probes found out.

use serde::{Deserialize, Serialize};

/// Echo requests from one node to another.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PingRow {
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// The address asked.
    #[serde(default)]
    pub address: String,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Requests.
    pub sent: u32,
    /// Replies.
    pub received: u32,
    /// Shortest round trip in milliseconds; `None`: no reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ms: Option<f64>,
    /// Mean round trip in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_ms: Option<f64>,
    /// Longest round trip in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<f64>,
    /// Mean deviation in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mdev_ms: Option<f64>,
    /// Why there was no reply, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A measured throughput.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MeasureRow {
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Bits per second offered by the sender.
    pub sent_bps: f64,
    /// Bits per second that arrived.
    pub received_bps: f64,
    /// For how long.
    pub seconds: f64,
    /// Share of datagrams lost, 0 to 1 (UDP).
    #[serde(default)]
    pub loss: f64,
    /// Mean jitter in milliseconds (UDP).
    #[serde(default)]
    pub jitter_ms: f64,
}

/// The outcome of one expectation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TestRow {
    /// The sentence as written.
    pub sentence: String,
    /// The outcome.
    pub verdict: Verdict,
    /// What was measured, in a few words: `3.2 ms`, `healed in 0.4 s`.
    pub measured: String,
    /// How long it took to find out, in milliseconds.
    pub ms: f64,
    /// `shop.loom.yml:58`; empty for a sentence from the command line.
    #[serde(default)]
    pub place: String,
    /// For one that does not hold: what was sent, what arrived, the last hop seen, the drop reason.
    #[serde(default)]
    pub details: Vec<String>,
    /// The way of a packet that got lost, or that should have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<super::Trace>>,
}

/// The outcome of an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not, or it was impossible to tell.
    #[default]
    Fails,
    /// It was measured, but the links were not faithful meanwhile.
    NotTrusted,
}
