//! A flow is gone.

use netloom_flow::{FlowMatch, TableId};

use super::stats::Counts;

/// Why a flow is gone (`OFPRR_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FlowRemovedReason {
    /// No packet for its idle timeout.
    IdleTimeout = 0,
    /// Its hard timeout is over.
    HardTimeout = 1,
    /// A controller deleted it.
    Delete = 2,
    /// Its group was deleted; from 1.3.
    GroupDelete = 3,
    /// Its meter was deleted; from 1.4.
    MeterDelete = 4,
    /// It had to make room; from 1.4.
    Eviction = 5,
}

/// Tells that a flow is gone (`OFPT_FLOW_REMOVED`, `NXT_FLOW_REMOVED`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRemoved {
    /// Which packets it was for.
    pub matches: FlowMatch,
    /// Its cookie.
    pub cookie: u64,
    /// Its priority.
    pub priority: u16,
    /// Why.
    pub reason: FlowRemovedReason,
    /// Where it was; `None` if the message does not say (1.0).
    pub table: Option<TableId>,
    /// Its idle timeout in seconds.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds; 0 in 1.0, which does not say.
    pub hard_timeout: u16,
    /// What it counted, and how long it lived.
    pub counts: Counts,
}
