//! Ports.

use netloom_flow::OfPort;
use netloom_packet::Mac;

use crate::bits::bits;

bits!(
    /// What a controller may set of a port (`OFPPC_*`). Three are of 1.0 only.
    PortConfig(u32) {
        /// Off.
        PORT_DOWN = 1 << 0,
        /// Takes no part in the spanning tree; 1.0.
        NO_STP = 1 << 1,
        /// Drops what it receives.
        NO_RECV = 1 << 2,
        /// Drops spanning tree packets, too; 1.0.
        NO_RECV_STP = 1 << 3,
        /// Left out when flooding; 1.0.
        NO_FLOOD = 1 << 4,
        /// Sends nothing.
        NO_FWD = 1 << 5,
        /// What it receives goes to no controller.
        NO_PACKET_IN = 1 << 6,
    }
);

bits!(
    /// How a port is (`OFPPS_*`, with the numbers of 1.1). The last two are of 1.0 only.
    PortState(u32) {
        /// No link.
        LINK_DOWN = 1 << 0,
        /// Blocked, by a spanning tree say.
        BLOCKED = 1 << 1,
        /// Good for fast failover.
        LIVE = 1 << 2,
        /// The two bits of the spanning tree's state: listen, learn, forward, block; 1.0.
        STP_MASK = 3 << 8,
    }
);

bits!(
    /// Speeds and media (`OFPPF_*`, with the numbers of 1.1; 1.0 has others).
    PortFeatures(u32) {
        /// 10 Mb/s half duplex.
        HD_10MB = 1 << 0,
        /// 10 Mb/s.
        FD_10MB = 1 << 1,
        /// 100 Mb/s half duplex.
        HD_100MB = 1 << 2,
        /// 100 Mb/s.
        FD_100MB = 1 << 3,
        /// 1 Gb/s half duplex.
        HD_1GB = 1 << 4,
        /// 1 Gb/s.
        FD_1GB = 1 << 5,
        /// 10 Gb/s.
        FD_10GB = 1 << 6,
        /// 40 Gb/s; from 1.1.
        FD_40GB = 1 << 7,
        /// 100 Gb/s; from 1.1.
        FD_100GB = 1 << 8,
        /// 1 Tb/s; from 1.1.
        FD_1TB = 1 << 9,
        /// Another speed; from 1.1.
        OTHER = 1 << 10,
        /// Copper.
        COPPER = 1 << 11,
        /// Fibre.
        FIBER = 1 << 12,
        /// Negotiates.
        AUTONEG = 1 << 13,
        /// Pauses.
        PAUSE = 1 << 14,
        /// Pauses one way.
        PAUSE_ASYM = 1 << 15,
    }
);

/// A port as a switch describes it (`ofp_phy_port`, `ofp_port`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDesc {
    /// Its number.
    pub port: OfPort,
    /// Its Ethernet address.
    pub hw_addr: Mac,
    /// Its name; at most 15 bytes reach the wire.
    pub name: String,
    /// What was set.
    pub config: PortConfig,
    /// How it is.
    pub state: PortState,
    /// What it does now,
    pub current: PortFeatures,
    /// offers,
    pub advertised: PortFeatures,
    /// could do,
    pub supported: PortFeatures,
    /// and what the other side offers.
    pub peer: PortFeatures,
    /// Its speed now in kb/s; from 1.1.
    pub current_kbps: u32,
    /// Its highest speed in kb/s; from 1.1.
    pub max_kbps: u32,
}

/// What happened to a port (`OFPPR_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PortReason {
    /// It is new.
    Add = 0,
    /// It is gone.
    Delete = 1,
    /// It changed.
    Modify = 2,
}

/// Tells that a port came, went or changed (`OFPT_PORT_STATUS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortStatus {
    /// What happened.
    pub reason: PortReason,
    /// How it is now; for one that is gone, how it was.
    pub desc: PortDesc,
}

/// Changes the settings of a port (`OFPT_PORT_MOD`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMod {
    /// Its number.
    pub port: OfPort,
    /// Its Ethernet address, as a check.
    pub hw_addr: Mac,
    /// The new settings,
    pub config: PortConfig,
    /// where this has ones.
    pub mask: PortConfig,
    /// What to offer; none: leave it.
    pub advertise: PortFeatures,
}
