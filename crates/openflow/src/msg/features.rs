//! What a switch is.

use super::port::PortDesc;
use crate::bits::bits;

bits!(
    /// What a switch can do (`OFPC_*`). The numbers are those of 1.3, but for the two that only old versions have.
    Capabilities(u32) {
        /// Statistics of flows.
        FLOW_STATS = 1 << 0,
        /// Statistics of tables.
        TABLE_STATS = 1 << 1,
        /// Statistics of ports.
        PORT_STATS = 1 << 2,
        /// Statistics of groups; from 1.1.
        GROUP_STATS = 1 << 3,
        /// Puts IP fragments together.
        IP_REASM = 1 << 5,
        /// Statistics of queues.
        QUEUE_STATS = 1 << 6,
        /// Matches addresses of ARP packets; 1.0 and 1.1.
        ARP_MATCH_IP = 1 << 7,
        /// Blocks looping ports; from 1.2.
        PORT_BLOCKED = 1 << 8,
        /// Bundles; from 1.5.
        BUNDLES = 1 << 9,
        /// Flow monitors; from 1.5.
        FLOW_MONITORING = 1 << 10,
        /// Speaks 802.1D; 1.0 only, where its number is that of `GROUP_STATS`.
        STP = 1 << 31,
    }
);

/// The answer to a request for features (`OFPT_FEATURES_REPLY`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Names the bridge.
    pub datapath_id: u64,
    /// How many packets it keeps for the controller.
    pub buffers: u32,
    /// How many tables.
    pub tables: u8,
    /// 0 for the main connection; from 1.3.
    pub auxiliary: u8,
    /// What it can do.
    pub capabilities: Capabilities,
    /// 1.0: a bit for each action of that version it can do.
    pub actions: u32,
    /// 1.0 to 1.2: its ports, as many as fit into a message.
    pub ports: Vec<PortDesc>,
}
