//! `netloom meter`.

use netloom_api::{Command, TableChange};

use crate::cmd::lines::Change;
use crate::exit::Outcome;
use crate::output::{self, Format};
use crate::which;

/// Arguments of `meter`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Meters are spelled as for ovs-ofctl; rates are in kbit/s or packets a second.
Examples:  netloom meter add s1 meter=1,kbps,bands=type=drop,rate=1000
           netloom flow add s1 tcp,actions=meter:1,normal
           netloom meter rm s1 meter=1")]
pub(crate) struct Meter {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the meters of a switch, with what they have carried
    Ls {
        /// The switch
        switch: String,
        #[command(flatten)]
        format: Format,
    },
    /// Add meters
    Add(Change),
    /// Change meters
    Mod(Change),
    /// Remove meters, or all; and the flows that use them
    Rm(Change),
}

impl Meter {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let (change, what) = match self.verb {
            Verb::Ls { switch, format } => {
                let reply = which::client(lab)?.ask(&Command::MeterLs { switch })?;
                return output::reply(&reply, format);
            }
            Verb::Add(change) => (change, TableChange::Add),
            Verb::Mod(change) => (change, TableChange::Mod),
            Verb::Rm(change) => (change, TableChange::Rm),
        };
        change.run(lab, "meter", what, |switch, meters| Command::Meters { switch, change: what, meters })
    }
}
