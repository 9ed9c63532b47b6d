//! Queues.

use netloom_flow::OfPort;

/// All queues (`OFPQ_ALL`).
pub const QUEUE_ALL: u32 = 0xffff_ffff;

/// Which queues (`OFPMP_QUEUE`, `OFPMP_QUEUE_DESC`, `OFPT_QUEUE_GET_CONFIG_REQUEST`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueRequest {
    /// Of this port; [`OfPort::NONE`]: of all.
    pub port: OfPort,
    /// With this number; [`QUEUE_ALL`]: all.
    pub queue: u32,
}

/// A queue as it is (`ofp_packet_queue`, `ofp_queue_desc`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDesc {
    /// Its port.
    pub port: OfPort,
    /// Its number.
    pub queue: u32,
    /// What it gets at least, in 1/10 %.
    pub min_rate: Option<u16>,
    /// What it gets at most, in 1/10 %.
    pub max_rate: Option<u16>,
}
