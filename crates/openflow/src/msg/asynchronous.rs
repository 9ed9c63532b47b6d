//! Which messages a controller wants unasked.

/// A bit for each reason, by kind of message; `None`: leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AsyncMasks {
    /// Packets, by [`super::packet_in::PacketInReason`].
    pub packet_in: Option<u32>,
    /// Ports, by [`super::port::PortReason`].
    pub port_status: Option<u32>,
    /// Flows gone, by [`super::flow_removed::FlowRemovedReason`].
    pub flow_removed: Option<u32>,
    /// Roles, by [`super::role::RoleReason`]; from 1.4.
    pub role_status: Option<u32>,
    /// Tables, by [`super::table::TableReason`]; from 1.4.
    pub table_status: Option<u32>,
    /// Requests of others, by [`super::forward::ForwardReason`]; from 1.4.
    pub requestforward: Option<u32>,
    /// Counters of flows: bit 1, those whose trigger was reached; from 1.5.
    pub flow_stats: Option<u32>,
}

/// Which messages a controller wants (`OFPT_SET_ASYNC`, `OFPT_GET_ASYNC_REPLY`, `NXT_SET_ASYNC_CONFIG`, `..2`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AsyncConfig {
    /// While it is primary or equal.
    pub primary: AsyncMasks,
    /// While it is secondary.
    pub secondary: AsyncMasks,
}
