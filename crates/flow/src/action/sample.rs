//! `sample(...)`: some packets for the collectors of flow statistics.

use super::Operand;
use crate::OfPort;

/// Which way a sampled packet goes, by the numbers of Nicira.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum SampleDirection {
    /// Told by the sampling port: egress if the packet leaves by it.
    #[default]
    Default = 0,
    /// Into the switch.
    Ingress = 1,
    /// Out of it.
    Egress = 2,
}

/// Sends samples of the packets to collectors.
///
/// Source: `NXAST_SAMPLE` to `NXAST_SAMPLE4` in ovs-actions(7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sample {
    /// How many of 65,535 packets, at least 1.
    pub probability: u16,
    /// Which collectors.
    pub collector_set_id: u32,
    /// What IPFIX calls the observation domain.
    pub obs_domain_id: Operand<u32>,
    /// What IPFIX calls the observation point.
    pub obs_point_id: Operand<u32>,
    /// The port that is sampled; `None`: none in particular.
    pub sampling_port: Option<OfPort>,
    /// Which way the packet goes.
    pub direction: SampleDirection,
}
