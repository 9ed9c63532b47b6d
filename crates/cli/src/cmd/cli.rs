//! `netloom cli`: Mininet's prompt on a lab that is up.

use std::path::PathBuf;

use crate::exit::Outcome;
use crate::prompt::Prompt;
use crate::which;

/// Arguments of `cli`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The prompt ends without ending the lab.")]
pub(crate) struct Cli {
    /// Commands to run instead of asking, one a line
    #[arg(value_name = "FILE")]
    script: Option<PathBuf>,
}

impl Cli {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let mut prompt = Prompt::open(which::client(lab)?)?;
        match &self.script {
            Some(path) => prompt.script(path),
            None => prompt.talk(),
        }
    }
}
