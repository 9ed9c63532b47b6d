//! `netloom group`.

use netloom_api::{Command, TableChange};

use crate::cmd::lines::Change;
use crate::exit::Outcome;
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
        change.run(lab, "group", what, |switch, groups| Command::Groups { switch, change: what, groups })
    }
}
