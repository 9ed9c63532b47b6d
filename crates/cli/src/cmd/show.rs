//! `netloom show`.

use netloom_api::Command;

use crate::exit::Outcome;
use crate::output::{self, Format};
use crate::which;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// A node, switch, link or tenant [default: the lab]
    name: Option<String>,
    #[command(flatten)]
    format: Format,
}

impl Show {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let reply = which::client(lab)?.ask(&Command::Show { name: self.name })?;
        output::reply(&reply, self.format)
    }
}
