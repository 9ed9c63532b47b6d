//! `learn(...)`: a packet that adds or changes a flow.

use super::{Operand, Subfield};
use crate::TableId;

/// The flow that a packet adds, or refreshes if it is there.
///
/// Source: `NXAST_LEARN` and `NXAST_LEARN2` in ovs-actions(7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Learn {
    /// Seconds without a packet after which the flow goes; 0: never.
    pub idle_timeout: u16,
    /// Seconds after which it goes; 0: never.
    pub hard_timeout: u16,
    /// What a TCP FIN or RST lowers the idle timeout to; 0: it does not.
    pub fin_idle_timeout: u16,
    /// What a TCP FIN or RST lowers the hard timeout to; 0: it does not.
    pub fin_hard_timeout: u16,
    /// The priority of the flow.
    pub priority: u16,
    /// Its cookie.
    pub cookie: u64,
    /// Its table.
    pub table: TableId,
    /// Whether the controllers are told when it goes.
    pub send_flow_rem: bool,
    /// Whether it goes when this flow goes, with all others of its table and cookie.
    pub delete_learned: bool,
    /// How many flows of its table and cookie there may be; 0: any number.
    pub limit: u32,
    /// The bit that becomes 1 if the flow was learned, and 0 if `limit` was in the way.
    pub result: Option<Subfield>,
    /// What it matches and does.
    pub specs: Box<[LearnSpec]>,
}

impl Default for Learn {
    fn default() -> Self {
        Self {
            idle_timeout: 0,
            hard_timeout: 0,
            fin_idle_timeout: 0,
            fin_hard_timeout: 0,
            priority: 32768,
            cookie: 0,
            table: TableId(1),
            send_flow_rem: false,
            delete_learned: false,
            limit: 0,
            result: None,
            specs: Box::default(),
        }
    }
}

/// A part of the flow that is learned. A field that is a source is as wide as its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LearnSpec {
    /// The flow matches this in these bits.
    Match {
        /// What the flow matches.
        target: Subfield,
        /// The value it matches, right-aligned.
        source: Operand<u128>,
    },
    /// The flow loads this into these bits.
    Load {
        /// What the flow writes.
        target: Subfield,
        /// The value it writes, right-aligned.
        source: Operand<u128>,
    },
    /// The flow outputs to the port whose number these bits hold now.
    Output(Subfield),
}
