//! `netloom console`.

use netloom_api::Command;

use crate::exit::Outcome;
use crate::output;
use crate::terminal;
use crate::which;

/// Arguments of `console`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Ctrl-] leaves it. What the guest said before is in `netloom logs NODE`.
Example:  netloom console vm1")]
pub(crate) struct Console {
    /// The virtual machine
    node: String,
}

impl Console {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let client = which::client(lab)?;
        let tty = terminal::is_both();
        let conn = client.stream(&Command::Console { node: self.node.clone() })?;
        if tty {
            output::note(&format!("The console of {}; Ctrl-] leaves it.", self.node));
        }
        Ok(terminal::console(conn, tty)?)
    }
}
