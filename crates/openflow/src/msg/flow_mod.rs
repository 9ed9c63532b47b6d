//! Changes of flow tables.

use netloom_flow::{Action, FlowMatch, OfPort, TableId};

use super::group::GROUP_ANY;
use crate::bits::bits;

/// What a flow mod does (`OFPFC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FlowCommand {
    /// Add a flow, in place of one with equal match and priority.
    Add = 0,
    /// Change the actions of all flows that are matched.
    Modify = 1,
    /// Change the actions of the flow with equal match and priority.
    ModifyStrict = 2,
    /// Delete all flows that are matched.
    Delete = 3,
    /// Delete the flow with equal match and priority.
    DeleteStrict = 4,
}

bits!(
    /// Properties of a flow (`OFPFF_*`, with the numbers of 1.3).
    FlowFlags(u16) {
        /// Tell when it is gone.
        SEND_FLOW_REM = 1 << 0,
        /// Refuse it if it overlaps a flow of equal priority.
        CHECK_OVERLAP = 1 << 1,
        /// Begin counting anew; from 1.2, and always in earlier versions.
        RESET_COUNTS = 1 << 2,
        /// Do not count packets; from 1.3.
        NO_PKT_COUNTS = 1 << 3,
        /// Do not count bytes; from 1.3.
        NO_BYT_COUNTS = 1 << 4,
    }
);

/// Adds, changes or deletes flows (`OFPT_FLOW_MOD`, `NXT_FLOW_MOD`).
///
/// The versions differ in what a cookie means; they meet in three fields:
///
/// | | `new_cookie` | `cookie`, `cookie_mask` |
/// |---|---|---|
/// | add | the flow's | not used |
/// | modify, 1.0; 1.1 without a mask | the flow's new one. **If nothing matches, the flow is added** | 0, 0 |
/// | modify, 1.1 with a mask; from 1.2 | `None`: it stays. Nothing is added | only flows whose cookie is so |
/// | modify, Nicira | the new one, or `None` for all ones | only flows whose cookie is so |
/// | delete | `None` | only flows whose cookie is so |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowMod {
    /// What to do.
    pub command: FlowCommand,
    /// In which table; `None`: in all when deleting, else the switch chooses (255 on the wire).
    pub table: Option<TableId>,
    /// The higher goes first.
    pub priority: u16,
    /// Which packets, and for changes, which flows.
    pub matches: FlowMatch,
    /// The cookie that flows get.
    pub new_cookie: Option<u64>,
    /// Only flows with these bits in their cookie,
    pub cookie: u64,
    /// where this has ones.
    pub cookie_mask: u64,
    /// Seconds without a packet until it goes; 0: stays.
    pub idle_timeout: u16,
    /// Seconds until it goes; 0: stays.
    pub hard_timeout: u16,
    /// Who goes first when the table is full, the lower; from 1.4.
    pub importance: u16,
    /// A kept packet to treat as the new flow says.
    pub buffer: Option<u32>,
    /// Deleting: only flows that output here; [`OfPort::NONE`]: all.
    pub out_port: OfPort,
    /// Deleting: only flows that go to this group; [`GROUP_ANY`]: all.
    pub out_group: u32,
    /// Its properties.
    pub flags: FlowFlags,
    /// What it does. Instructions stand among the actions, in the order in which they are carried out.
    pub actions: Vec<Action>,
}

impl Default for FlowMod {
    fn default() -> Self {
        Self {
            command: FlowCommand::Add,
            table: Some(TableId(0)),
            priority: 0x8000,
            matches: FlowMatch::any(),
            new_cookie: None,
            cookie: 0,
            cookie_mask: 0,
            idle_timeout: 0,
            hard_timeout: 0,
            importance: 0,
            buffer: None,
            out_port: OfPort::NONE,
            out_group: GROUP_ANY,
            flags: FlowFlags::default(),
            actions: Vec::new(),
        }
    }
}
