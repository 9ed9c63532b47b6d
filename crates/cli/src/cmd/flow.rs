//! `netloom flow`.

use netloom_api::Command;

use crate::cmd::lines::{Lines, only};
use crate::exit::{Failure, Outcome};
use crate::output::{self, Format};
use crate::which;

/// Arguments of `flow`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Flows are spelled as for ovs-ofctl. Several are changed at once: all of them, or none. In a file a
line may begin with add, modify, modify_strict, delete or delete_strict.
Examples:  netloom flow add s1 priority=200,tcp,tp_dst=23,actions=drop
           netloom flow mod s1 --strict priority=200,tcp,tp_dst=23,actions=normal
           netloom flow rm s1 cookie=0x5/-1
           netloom flow add s1 -f flows.txt"
)]
pub(crate) struct Flow {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the flows of a switch, with what they were hit by and where they come from
    Ls {
        /// The switch
        switch: String,
        /// Only those that match
        #[arg(value_name = "MATCH")]
        filter: Option<String>,
        /// Also flows that netloom itself put there
        #[arg(short, long)]
        all: bool,
        #[command(flatten)]
        format: Format,
    },
    /// Add flows
    Add {
        /// The switch
        switch: String,
        #[command(flatten)]
        flows: Lines,
        #[command(flatten)]
        format: Format,
    },
    /// Change the actions of the flows that match
    Mod {
        /// The switch
        switch: String,
        #[command(flatten)]
        flows: Lines,
        /// Only the flow with exactly this match and priority
        #[arg(long)]
        strict: bool,
        #[command(flatten)]
        format: Format,
    },
    /// Remove the flows that match, or all
    Rm {
        /// The switch
        switch: String,
        #[command(flatten)]
        matches: Lines,
        /// Only the flow with exactly this match and priority
        #[arg(long)]
        strict: bool,
        #[command(flatten)]
        format: Format,
    },
}

impl Flow {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let (command, text, format) = match self.verb {
            Verb::Ls { switch, filter, all, format } => {
                let text = filter.clone();
                (Command::FlowLs { switch, filter, hidden: all }, text, format)
            }
            Verb::Add { switch, flows, format } => {
                let flows = flows.some("flow")?;
                let text = only(&flows);
                (Command::FlowAdd { switch, flows }, text, format)
            }
            Verb::Mod { switch, flows, strict, format } => {
                let flows = flows.some("flow")?;
                let text = only(&flows);
                (Command::FlowMod { switch, flows, strict }, text, format)
            }
            Verb::Rm { switch, matches, strict, format } => {
                let matches = matches.read()?;
                let text = only(&matches);
                (Command::FlowRm { switch, matches, strict }, text, format)
            }
        };
        let reply = which::client(lab)?.ask(&command).map_err(|error| {
            let failure = Failure::from(error);
            text.iter().fold(failure, |failure, text| failure.in_text("flow", text))
        })?;
        output::reply(&reply, format)
    }
}
