//! `netloom completion`.

use clap_complete::Shell;

use crate::args::Args;
use crate::exit::{DONE, Outcome};
use crate::output;

/// Arguments of `completion`.
#[derive(Debug, clap::Args)]
#[command(after_help = "For example, in ~/.bashrc:  source <(netloom completion bash)")]
pub(crate) struct Completion {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self) -> Outcome {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Args::definition(), "netloom", &mut text);
        output::put(&String::from_utf8_lossy(&text));
        Ok(DONE)
    }
}
