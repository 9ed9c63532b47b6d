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
    /// `check_overlap` was asked for, and another flow of this priority matches some of the same packets.
    #[error("It overlaps with a flow of the same priority: {0}")]
    Overlap(String),
    /// No flow can be in this table.
    #[error("There is no table {0}; tables are 0 to 253")]
    BadTable(u8),
}
