//! The engine: workers, slow path, execution of plans, prober.

use netloom_api::{ApiError, DownReport, ErrorKind};

use crate::{Boot, Home, Prepared};

/// The engine of this build, not started.
#[must_use]
pub fn boot() -> Box<dyn Boot> {
    Box::new(Absent)
}

/// Stands where there is no engine, and says so.
#[derive(Debug)]
struct Absent;

impl Boot for Absent {
    fn recover(&self, home: &Home) -> Result<DownReport, ApiError> {
        Ok(DownReport { lab: home.lab().to_owned(), ..DownReport::default() })
    }

    fn prepare(self: Box<Self>, _: &Home) -> Result<Box<dyn Prepared>, ApiError> {
        Err(ApiError::new(ErrorKind::Unsupported, "This build of netloom cannot run labs."))
    }
}
