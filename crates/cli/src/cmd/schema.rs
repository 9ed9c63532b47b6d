//! `netloom schema`.

use crate::exit::{DONE, Outcome};
use crate::output;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "For an editor with a YAML language server, begin the lab file with
# yaml-language-server: $schema=lab-file.schema.json")]
pub(crate) struct Schema {}

impl Schema {
    #[expect(clippy::unused_self, reason = "all verbs are called alike")]
    pub(crate) fn run(self) -> Outcome {
        output::line(&format!("{:#}", netloom_lab::schema()));
        Ok(DONE)
    }
}
