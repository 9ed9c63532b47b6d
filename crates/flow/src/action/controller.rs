//! `controller(...)`: a packet-in.

/// Why a packet is sent to the controllers, by the numbers of OpenFlow.
///
/// Source: OpenFlow 1.5.1 §7.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum PacketInReason {
    /// No flow matched; from 1.3, the table's own flow for this did.
    NoMatch = 0,
    /// An action said so.
    #[default]
    Action = 1,
    /// TTL or hop limit ran out.
    InvalidTtl = 2,
    /// An output in the action set.
    ActionSet = 3,
    /// An output in a bucket of a group.
    Group = 4,
    /// An output of a packet-out.
    PacketOut = 5,
}

impl PacketInReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::NoMatch, Self::Action, Self::InvalidTtl, Self::ActionSet, Self::Group, Self::PacketOut];

    /// The reason of a number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// What is in `controller(...)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    /// How many bytes of the packet are sent; 65,535: all.
    pub max_len: u16,
    /// Which controller connections: those that chose this id; they have 0 unless they chose one.
    pub id: u16,
    /// The reason given.
    pub reason: PacketInReason,
    /// Bytes sent along. They mean something to the controller only.
    pub userdata: Box<[u8]>,
    /// Whether the packet waits here until the controller says how to go on.
    pub pause: bool,
    /// The meter that limits how many are sent; 0: none.
    pub meter_id: u32,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            max_len: u16::MAX,
            id: 0,
            reason: PacketInReason::Action,
            userdata: Box::default(),
            pause: false,
            meter_id: 0,
        }
    }
}
