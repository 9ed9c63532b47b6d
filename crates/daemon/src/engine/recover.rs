//! Removing what a dead daemon left.

use netloom_api::{ApiError, DownReport};

use crate::Home;

/// Removes what the journal of a dead daemon names; what has no name went with it.
///
/// # Errors
/// When the journal cannot be read.
pub(super) fn recover(home: &Home) -> Result<DownReport, ApiError> {
    super::programs::clean(home.dir());
    Ok(DownReport { lab: home.lab().to_owned(), ..DownReport::default() })
}
