//! `netloom ct`.

use netloom_api::Command;

use crate::cmd::lines::Lines;
use crate::exit::Outcome;
use crate::output::{self, Format};
use crate::which;

/// Arguments of `ct`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A zone takes `limit`, and seconds for the timeouts of OVSDB's CT_Timeout_Policy; what is not given is as usual.
Connections are listed by `netloom ls conntrack`.
Examples:  netloom ct set s1 zone=5,limit=1000,tcp_established=3600,udp_single=10
           netloom ct set s1 zone=5
           netloom ct flush s1 --zone 5")]
pub(crate) struct Ct {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List zones with connections, limits or timeouts of their own
    Ls {
        /// The switch
        switch: String,
        #[command(flatten)]
        format: Format,
    },
    /// Give zones a limit and timeouts; connections that are there stay
    Set {
        /// The switch
        switch: String,
        #[command(flatten)]
        lines: Lines,
        #[command(flatten)]
        format: Format,
    },
    /// Forget the connections of a switch
    Flush {
        /// The switch
        switch: String,
        /// Only those of this zone
        #[arg(long, value_name = "ZONE")]
        zone: Option<u16>,
        #[command(flatten)]
        format: Format,
    },
}

impl Ct {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let (command, format) = match self.verb {
            Verb::Ls { switch, format } => (Command::ZoneLs { switch }, format),
            Verb::Set { switch, lines, format } => {
                (Command::ZoneSet { switch, zones: lines.some("zone")? }, format)
            }
            Verb::Flush { switch, zone, format } => (Command::CtFlush { switch, zone }, format),
        };
        output::reply(&which::client(lab)?.ask(&command)?, format)
    }
}
