//! `netloom flow`.

use netloom_api::Command;

use crate::exit::{Failure, Outcome};
use crate::output::{self, Format};
use crate::terminal;
use crate::which;

/// Arguments of `flow`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Flows are spelled as for ovs-ofctl; a FLOW of - reads them from standard input, one a line.
Example:  netloom flow add s1 priority=200,tcp,tp_dst=23,actions=drop"
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
        /// Flows
        #[arg(required = true, value_name = "FLOW")]
        flows: Vec<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Change the actions of the flows that match
    Mod {
        /// The switch
        switch: String,
        /// Match and actions
        flow: String,
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
        /// Match
        #[arg(value_name = "MATCH")]
        matches: Option<String>,
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
                let flows = lines(flows)?;
                // An error points into the one flow, or says which one it is.
                let text = if let [only] = flows.as_slice() { Some(only.clone()) } else { None };
                (Command::FlowAdd { switch, flows }, text, format)
            }
            Verb::Mod { switch, flow, strict, format } => {
                let text = Some(flow.clone());
                (Command::FlowMod { switch, flow, strict }, text, format)
            }
            Verb::Rm { switch, matches, strict, format } => {
                let text = matches.clone();
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

fn lines(flows: Vec<String>) -> Result<Vec<String>, Failure> {
    if flows != ["-"] {
        return Ok(flows);
    }
    let text =
        terminal::read_all().map_err(|error| Failure::failed("Cannot read standard input.", &error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}
