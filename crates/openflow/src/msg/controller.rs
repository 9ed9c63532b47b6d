//! How the controllers of a switch stand.

use super::role::Role;

/// What a controller's status is told for (`OFPCSR_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ControllerReason {
    /// Somebody asked.
    Request = 0,
    /// Its channel came up or went down.
    ChannelStatus = 1,
    /// Its role changed.
    Role = 2,
    /// It is new.
    Added = 3,
    /// It is no controller any more.
    Removed = 4,
    /// Its short id changed.
    ShortId = 5,
    /// Data of an experimenter changed.
    Experimenter = 6,
}

/// How a controller stands (`ofp_controller_status`); from 1.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerStatus {
    /// The number by which flows mean it.
    pub short_id: u16,
    /// Its role.
    pub role: Role,
    /// What this is told for.
    pub reason: ControllerReason,
    /// Whether its channel is up.
    pub is_up: bool,
    /// Where it is: `tcp:127.0.0.1:6653`.
    pub uri: String,
}
