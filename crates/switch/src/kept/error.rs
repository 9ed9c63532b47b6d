//! What can be wrong with what was kept.

use netloom_flow::BridgeId;

use crate::flow_mod::FlowError;
use crate::group_mod::GroupError;
use crate::meter_mod::MeterError;

/// Why a text is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Line {line} of what was kept is wrong: {what}")]
pub struct KeptError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Something that text has no words for: it would not be read back to the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("There are no words for {0}")]
pub struct Unwritable(pub String);

/// Why a bridge was not given what was kept. It is as it was, then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// There is no such bridge.
    #[error("There is no bridge {0}")]
    NoBridge(BridgeId),
    /// It was another bridge of this name.
    #[error("It is of another bridge called {0}")]
    Another(String),
    /// The bridge has controllers now and had none, or the other way round: its flows would have gone with that.
    #[error("The bridge has controllers now and had none then, or had them and has none now")]
    Hands,
    /// A flow cannot be.
    #[error("The flow {0} cannot be: {1}")]
    Flow(String, #[source] FlowError),
    /// A group cannot be.
    #[error("Group {0} cannot be: {1}")]
    Group(u32, #[source] GroupError),
    /// A meter cannot be.
    #[error("Meter {0} cannot be: {1}")]
    Meter(u32, #[source] MeterError),
}
