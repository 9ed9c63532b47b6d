//! `netloom plan`.

use netloom_api::{Command, Reply};
use netloom_daemon::Homes;
use netloom_daemon::launch::{self, State};

use crate::exit::{Failure, Outcome};
use crate::labfile::FileArgs;
use crate::output::{self, Format};
use crate::which;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Nothing is changed. What was changed by hand since `up` is listed as well.")]
pub(crate) struct Plan {
    #[command(flatten)]
    file: FileArgs,
    /// As for `up --reset`
    #[arg(long)]
    reset: bool,
    #[command(flatten)]
    format: Format,
}

impl Plan {
    pub(crate) fn run(self) -> Outcome {
        let text = self.file.read()?;
        text.check()?;
        let client = which::of(&Homes::mine(), &text.name)?;
        let reply = if let State::Alive(_) = launch::state(client.home()) {
            client
                .ask(&Command::Plan { wanted: text.wanted.clone(), reset: self.reset })
                .map_err(|error| Failure::from(error).in_text(&text.wanted.path, &text.wanted.source))?
        } else {
            // Of a lab that is not up, everything would be made: no daemon is needed to know that.
            Reply::Plan(text.plan()?)
        };
        output::reply(&reply, self.format)
    }
}
