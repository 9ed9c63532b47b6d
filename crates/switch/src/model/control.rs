//! What the controllers of a bridge have asked for, all of them together.

/// Which packets go to controllers without a flow that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Control {
    /// Packets that no flow matched: some connection of OpenFlow 1.0 to 1.2 is there, where that is the rule.
    pub miss: bool,
    /// Somebody is there who is sent packets: those that no flow of a table matched that is set to send them.
    pub any: bool,
    /// Packets whose TTL or hop limit ran out.
    pub invalid_ttl: bool,
}

/// What is done with fragments of IP (`OFPC_FRAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fragments {
    /// They pass, and no flow sees ports of theirs.
    #[default]
    Normal,
    /// They are dropped.
    Drop,
    /// They pass, and the first of a datagram has its ports (Nicira's).
    NxMatch,
}

/// What a controller has set for a port (`OFPPC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent bits of the protocol")]
pub struct PortConfig {
    /// It is down for the switch: it neither receives nor sends (`PORT_DOWN`).
    pub down: bool,
    /// It drops what it receives (`NO_RECV`).
    pub no_recv: bool,
    /// It drops what is sent to it (`NO_FWD`).
    pub no_fwd: bool,
    /// It takes no floods (`NO_FLOOD`).
    pub no_flood: bool,
    /// Its packets do not go to controllers for want of a flow (`NO_PACKET_IN`).
    pub no_packet_in: bool,
    /// It takes no part in a spanning tree (`NO_STP`, of 1.0 only). It is kept and told; the tree is the lab's.
    pub no_stp: bool,
}

impl PortConfig {
    pub(crate) const fn receives(self) -> bool {
        !self.down && !self.no_recv
    }

    pub(crate) const fn sends(self) -> bool {
        !self.down && !self.no_fwd
    }
}
