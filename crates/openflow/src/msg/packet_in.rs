//! A packet for the controller, and the way back.

use netloom_flow::{Action, FlowMatch, OfPort, TableId};

/// Why a packet is sent (`OFPR_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketInReason {
    /// No flow matched; from 1.3 on, the flow for misses did.
    NoMatch = 0,
    /// An action said so.
    Action = 1,
    /// A TTL ran out.
    InvalidTtl = 2,
    /// An action of the action set said so; from 1.4, before that told as `Action`.
    ActionSet = 3,
    /// A bucket of a group said so; from 1.4.
    Group = 4,
    /// A packet-out said so; from 1.4.
    PacketOut = 5,
    /// An action of the flow for misses said so: `NoMatch` from 1.3 on, `Action` before.
    ///
    /// Not on the wire.
    ExplicitMiss = 6,
    /// The flow for misses that every bridge has: `NoMatch`; not told at all to controllers of 1.3 and later.
    ///
    /// Not on the wire.
    ImplicitMiss = 7,
}

impl From<netloom_flow::action::PacketInReason> for PacketInReason {
    fn from(reason: netloom_flow::action::PacketInReason) -> Self {
        use netloom_flow::action::PacketInReason as Given;
        match reason {
            Given::NoMatch => Self::NoMatch,
            Given::Action => Self::Action,
            Given::InvalidTtl => Self::InvalidTtl,
            Given::ActionSet => Self::ActionSet,
            Given::Group => Self::Group,
            Given::PacketOut => Self::PacketOut,
        }
    }
}

/// A packet for the controller (`OFPT_PACKET_IN`, `NXT_PACKET_IN`, `NXT_PACKET_IN2`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketIn {
    /// The packet or its first bytes.
    pub packet: Vec<u8>,
    /// How long the whole packet is.
    pub total_len: u32,
    /// Under which number the switch keeps it.
    pub buffer: Option<u32>,
    /// Why it is sent.
    pub reason: PacketInReason,
    /// The table that sent it.
    pub table: TableId,
    /// The cookie of the flow that sent it; `None` after a miss, all ones on the wire.
    pub cookie: Option<u64>,
    /// What the packet itself does not say: ingress port, tunnel, registers, metadata, conntrack state.
    pub metadata: FlowMatch,
    /// What the action carried for the controller's use (`NXT_PACKET_IN2`).
    pub userdata: Vec<u8>,
    /// Where to go on, if the packet waits (`NXT_PACKET_IN2`).
    pub continuation: Option<Continuation>,
}

impl PacketIn {
    /// The ingress port, if the metadata has one.
    #[must_use]
    pub fn in_port(&self) -> Option<OfPort> {
        let port = self.metadata.exact(netloom_flow::FieldId::InPortOxm)?;
        u32::try_from(port).ok().map(OfPort)
    }
}

/// A pipeline that waits for the controller (`NXCPT_*`). Its content is the switch's own business; a controller
/// sends it back as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Continuation {
    /// The bridge, as a UUID.
    pub bridge: [u8; 16],
    /// The stack of `push` and `pop`, the bottom first.
    pub stack: Vec<Vec<u8>>,
    /// The mirrors that had the packet already.
    pub mirrors: u32,
    /// Whether it went through conntrack.
    pub conntracked: bool,
    /// The table in which the waiting actions stand, and its flow's cookie.
    pub table: Option<TableId>,
    /// The cookie of that flow.
    pub cookie: u64,
    /// What is still to be done.
    pub actions: Vec<Action>,
    /// The action set so far.
    pub action_set: Vec<Action>,
    /// The datapath's port, where it is not the ingress port's.
    pub odp_port: Option<u32>,
}
