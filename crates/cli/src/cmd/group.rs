//! `netloom group`.

use netloom_api::{Command, TableChange};

use crate::cmd::lines::{Lines, only};
use crate::exit::{Failure, Outcome};
use crate::output::{self, Format};
use crate::which;

/// Arguments of `group`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Groups are spelled as for ovs-ofctl. With command_bucket_id, mod inserts buckets and rm removes them.
Examples:  netloom group add s1 group_id=1,type=select,bucket=output:1,bucket=output:2
           netloom group mod s1 group_id=1,command_bucket_id=last,bucket=output:3
           netloom group rm s1 group_id=1")]
pub(crate) struct Group {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the groups of a switch, with what they have carried
    Ls {
        /// The switch
        switch: String,
        #[command(flatten)]
        format: Format,
    },
    /// Add groups
    Add(Change),
    /// Change groups
    Mod(Change),
    /// Remove groups, or all; and the flows that use them
    Rm(Change),
}

#[derive(Debug, clap::Args)]
struct Change {
    /// The switch
    switch: String,
    #[command(flatten)]
    lines: Lines,
    #[command(flatten)]
    format: Format,
}

impl Group {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let (change, what) = match self.verb {
            Verb::Ls { switch, format } => {
                let reply = which::client(lab)?.ask(&Command::GroupLs { switch })?;
                return output::reply(&reply, format);
            }
            Verb::Add(change) => (change, TableChange::Add),
            Verb::Mod(change) => (change, TableChange::Mod),
            Verb::Rm(change) => (change, TableChange::Rm),
        };
        let Change { switch, lines, format } = change;
        let groups = if what == TableChange::Rm { lines.read()? } else { lines.some("group")? };
        let text = only(&groups);
        let command = Command::Groups { switch, change: what, groups };
        let reply = which::client(lab)?.ask(&command).map_err(|error| {
            let failure = Failure::from(error);
            text.iter().fold(failure, |failure, text| failure.in_text("flow", text))
        })?;
        output::reply(&reply, format)
    }
}
