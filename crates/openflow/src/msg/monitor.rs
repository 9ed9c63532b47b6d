//! Watching flow tables.

use netloom_flow::{Action, FlowMatch, OfPort, TableId};

use super::flow_removed::FlowRemovedReason;
use crate::Xid;
use crate::bits::bits;

bits!(
    /// What a monitor tells (`OFPFMF_*`, with the numbers of 1.4; Nicira's lack `ONLY_OWN`'s place).
    MonitorFlags(u16) {
        /// The flows that are there when it begins.
        INITIAL = 1 << 0,
        /// New ones.
        ADD = 1 << 1,
        /// Those that go.
        REMOVED = 1 << 2,
        /// Changes.
        MODIFY = 1 << 3,
        /// With their actions.
        INSTRUCTIONS = 1 << 4,
        /// The controller's own changes in full, too.
        NO_ABBREV = 1 << 5,
        /// Only the controller's own changes.
        ONLY_OWN = 1 << 6,
    }
);

/// What to do with a monitor (`OFPFMC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MonitorCommand {
    /// Begin.
    Add = 0,
    /// Change; from 1.4.
    Modify = 1,
    /// End; from 1.4, before that by a message of its own.
    Delete = 2,
}

/// Watches flows (`OFPMP_FLOW_MONITOR`; before 1.4 as an extension).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorRequest {
    /// Its number.
    pub monitor: u32,
    /// What to do.
    pub command: MonitorCommand,
    /// What to tell.
    pub flags: MonitorFlags,
    /// Only flows that output here; [`OfPort::NONE`]: any.
    pub out_port: OfPort,
    /// Only flows that go to this group; from 1.4.
    pub out_group: u32,
    /// Only flows of this table; `None`: of all.
    pub table: Option<TableId>,
    /// Only flows whose match is this or narrower.
    pub matches: FlowMatch,
}

/// What happened to a flow (`OFPFME_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlowEvent {
    /// It was there when the monitor began; before 1.4 told as `Added`.
    Initial,
    /// It is new.
    Added,
    /// It is gone.
    Removed(FlowRemovedReason),
    /// It changed.
    Modified,
}

/// What a monitor tells (`ofp_flow_update_*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowUpdate {
    /// A flow came, went or changed.
    Full(Box<FlowChange>),
    /// This controller's request with this id was carried out.
    Abbreviated(Xid),
    /// Too much is waiting to be sent: what happens from here on is not told; from 1.4, before that a message.
    Paused,
    /// What was left out was told: all is told again.
    Resumed,
}

/// A flow that came, went or changed (`ofp_flow_update_full`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowChange {
    /// What happened.
    pub event: FlowEvent,
    /// Its table.
    pub table: TableId,
    /// Its priority.
    pub priority: u16,
    /// Its idle timeout in seconds.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds.
    pub hard_timeout: u16,
    /// Its cookie.
    pub cookie: u64,
    /// Which packets.
    pub matches: FlowMatch,
    /// What it does, if that was asked for.
    pub actions: Vec<Action>,
}
