//! `netloom lint`.

use crate::exit::{DONE, Outcome};
use crate::labfile::FileArgs;
use crate::output;

/// Arguments of `lint`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "All errors of the file are shown in one run. Nothing is started, and no privilege is needed."
)]
pub(crate) struct Lint {
    #[command(flatten)]
    file: FileArgs,
}

impl Lint {
    pub(crate) fn run(self) -> Outcome {
        let text = self.file.read()?;
        text.check()?;
        output::line(&format!("{}: no errors", text.shown()));
        Ok(DONE)
    }
}
