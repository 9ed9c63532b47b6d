//! Who may write.

/// A controller's role (`OFPCR_ROLE_*`, `NX_ROLE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Asks only what it is (`NOCHANGE`); in requests.
    NoChange,
    /// May do all, as others may (`EQUAL`, Nicira `OTHER`).
    Equal,
    /// May do all, and nobody else (`MASTER`).
    Primary,
    /// May read, and gets only word of ports (`SLAVE`).
    Secondary,
}

/// Asks for a role, or tells it (`OFPT_ROLE_REQUEST`, `OFPT_ROLE_REPLY` and the Nicira forms).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleMessage {
    /// The role.
    pub role: Role,
    /// Orders the requests of several controllers; the Nicira form has none.
    pub generation: Option<u64>,
    /// Whether it came in the Nicira form: the reply takes the same.
    pub nicira: bool,
}

/// Why a role changed (`OFPCRR_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RoleReason {
    /// Another controller is primary now.
    PrimaryRequest = 0,
    /// The switch's configuration changed.
    Config = 1,
    /// The experimenter data changed.
    Experimenter = 2,
}

/// Tells a controller that its role changed (`OFPT_ROLE_STATUS`; from 1.4, in 1.3 as an extension of the ONF).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleStatus {
    /// The new role.
    pub role: Role,
    /// Why.
    pub reason: RoleReason,
    /// The generation, if one was ever given.
    pub generation: Option<u64>,
}
