//! What is counted.

use netloom_flow::{Action, FlowMatch, Nanos, OfPort, TableId};

use super::flow_mod::FlowFlags;

/// A counter that the switch does not keep: all ones on the wire.
pub const UNKNOWN: u64 = u64::MAX;

/// Packets, bytes and age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Packets, or [`UNKNOWN`].
    pub packets: u64,
    /// Bytes, or [`UNKNOWN`].
    pub bytes: u64,
    /// How long it has been there; whole seconds in some messages.
    pub duration: Nanos,
}

impl Default for Counts {
    fn default() -> Self {
        Self { packets: UNKNOWN, bytes: UNKNOWN, duration: Nanos::ZERO }
    }
}

/// Which flows: for `OFPMP_FLOW`, `OFPMP_AGGREGATE` and their Nicira forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowStatsRequest {
    /// Of this table; `None`: of all.
    pub table: Option<TableId>,
    /// Whose match is this or narrower.
    pub matches: FlowMatch,
    /// That output here; [`OfPort::NONE`]: any.
    pub out_port: OfPort,
    /// That go to this group; [`super::group::GROUP_ANY`]: any.
    pub out_group: u32,
    /// With these bits in their cookie,
    pub cookie: u64,
    /// where this has ones.
    pub cookie_mask: u64,
}

/// A flow as it is (`OFPMP_FLOW`, `NXST_FLOW`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowStats {
    /// Its table.
    pub table: TableId,
    /// Its priority.
    pub priority: u16,
    /// Which packets.
    pub matches: FlowMatch,
    /// Its cookie.
    pub cookie: u64,
    /// Its idle timeout in seconds.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds.
    pub hard_timeout: u16,
    /// Its importance; from 1.4.
    pub importance: u16,
    /// Its properties; from 1.3.
    pub flags: FlowFlags,
    /// What it counted, and its age.
    pub counts: Counts,
    /// Seconds since its last packet; where `NXT_FLOW_AGE` asked for it.
    pub idle_age: Option<u32>,
    /// Seconds since it was changed; where `NXT_FLOW_AGE` asked for it.
    pub hard_age: Option<u32>,
    /// What it does.
    pub actions: Vec<Action>,
    /// It is told because a threshold was reached, not because somebody asked; 1.5, without what it does.
    pub is_triggered: bool,
}

/// The sum over flows (`OFPMP_AGGREGATE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregateStats {
    /// Packets, or [`UNKNOWN`].
    pub packets: u64,
    /// Bytes, or [`UNKNOWN`].
    pub bytes: u64,
    /// How many flows.
    pub flows: u32,
}

/// What a port counted (`OFPMP_PORT_STATS`); each [`UNKNOWN`] if not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortStats {
    /// Its number.
    pub port: OfPort,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Dropped when received.
    pub rx_dropped: u64,
    /// Dropped when sent.
    pub tx_dropped: u64,
    /// Bad ones received.
    pub rx_errors: u64,
    /// Bad ones sent.
    pub tx_errors: u64,
    /// Misaligned.
    pub rx_frame_errors: u64,
    /// Overrun.
    pub rx_over_errors: u64,
    /// With a wrong check sum.
    pub rx_crc_errors: u64,
    /// Collisions.
    pub collisions: u64,
    /// How long it has been there; from 1.3. `None`: all ones.
    pub duration: Option<Nanos>,
}

/// What a queue counted (`OFPMP_QUEUE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueStats {
    /// Its port.
    pub port: OfPort,
    /// Its number.
    pub queue: u32,
    /// Bytes sent, or [`UNKNOWN`].
    pub tx_bytes: u64,
    /// Packets sent, or [`UNKNOWN`].
    pub tx_packets: u64,
    /// Packets dropped, or [`UNKNOWN`].
    pub tx_errors: u64,
    /// How long it has been there; from 1.3. `None`: all ones.
    pub duration: Option<Nanos>,
}

/// Names of the switch (`OFPMP_DESC`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desc {
    /// Who made it; at most 255 bytes, as the next two and the last.
    pub manufacturer: String,
    /// What it is.
    pub hardware: String,
    /// Which version.
    pub software: String,
    /// Which one; at most 31 bytes.
    pub serial: String,
    /// For people.
    pub datapath: String,
}

/// What the IPFIX exporter counted (`NXST_IPFIX_BRIDGE`, `NXST_IPFIX_FLOW`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IpfixStats {
    /// Flows that were exported.
    pub total_flows: u64,
    /// Flows there are now.
    pub current_flows: u64,
    /// Packets sampled.
    pub packets: u64,
    /// Sampled packets of IPv4.
    pub ipv4_packets: u64,
    /// Sampled packets of IPv6.
    pub ipv6_packets: u64,
    /// Packets that could not be sampled.
    pub error_packets: u64,
    /// Those of IPv4.
    pub ipv4_error_packets: u64,
    /// Those of IPv6.
    pub ipv6_error_packets: u64,
    /// Messages sent.
    pub tx_packets: u64,
    /// Messages that could not be sent.
    pub tx_errors: u64,
    /// The collector set; 0 for the bridge.
    pub collector_set: u32,
}
