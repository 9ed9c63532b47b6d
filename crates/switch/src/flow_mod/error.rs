//! Why flows were not changed.

use netloom_flow::FlowTextError;

/// Why flows were not changed. Nothing was, then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// There is no such bridge.
    #[error("There is no bridge called {0}")]
    NoBridge(String),
    /// The text is not a flow.
    #[error("{0}")]
    Text(#[from] FlowTextError),
    /// An action that is understood but cannot be carried out.
    #[error("The action '{0}' is not supported yet")]
    Unsupported(&'static str),
    /// The match names a field that is not for flows.
    #[error("'{0}' is the switch's own; flows cannot match it")]
    Hidden(&'static str),
    /// `check_overlap` was asked for, and another flow of this priority matches some of the same packets.
    #[error("It overlaps with a flow of the same priority: {0}")]
    Overlap(String),
    /// `goto_table` leads only to later tables.
    #[error("goto_table leads to table {0}, which is not a later one")]
    BadGoto(u8),
    /// A flow for packets that come in leads to a table for those that leave.
    #[error("goto_table leads to table {0}, which is for packets that leave")]
    GotoEgress(u8),
    /// A flow for packets that leave would send them elsewhere.
    #[error("write_actions cannot send a packet that leaves by another port: table {0} is an egress table")]
    EgressOutput(u8),
    /// An action uses a group that is not there.
    #[error("There is no group {0}")]
    UnknownGroup(u32),
    /// An action uses a meter that is not there.
    #[error("There is no meter {0}")]
    UnknownMeter(u32),
    /// No packet can be sent to this port.
    #[error("There is no port {0} to send to")]
    BadPort(u32),
    /// The table has as many flows as it may have.
    #[error("Table {0} is full")]
    TableFull(u8),
    /// No flow can be in this table.
    #[error("There is no table {0}; tables are 0 to 253")]
    BadTable(u8),
}
