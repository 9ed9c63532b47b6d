//! What went wrong with a request.

use crate::error::Coded;

/// A request that was refused (`OFPT_ERROR`). It bears the request's transaction id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorMessage {
    /// What was wrong.
    pub error: Coded,
    /// The first bytes of the request, at least 64 of them if it is that long; for a failed hello, a text.
    pub data: Vec<u8>,
}
