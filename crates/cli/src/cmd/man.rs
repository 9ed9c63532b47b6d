//! `netloom man`, for those who package netloom.

use std::path::PathBuf;

use crate::args::Args;
use crate::exit::{DONE, Failure, Outcome};

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The directory to write into
    dir: PathBuf,
}

impl Man {
    pub(crate) fn run(self) -> Outcome {
        clap_mangen::generate_to(Args::definition(), &self.dir)
            .map_err(|error| Failure::failed(format!("Cannot write into {}.", self.dir.display()), &error))?;
        Ok(DONE)
    }
}
