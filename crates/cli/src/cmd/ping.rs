//! `netloom ping`.

use netloom_api::{Command, Family, Reply};

use crate::client::Patience;
use crate::exit::{DONE, NO, Outcome};
use crate::lifecycle::unexpected;
use crate::output::{self, Format, Kind, progress::Phases};
use crate::which;

/// Arguments of `ping`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Sent by netloom from inside the nodes: no ping program is needed. Without A and B, everybody \
pings everybody of the same tenant, and only pairs that lost something are listed. Exits 1 if something was lost."
)]
pub(crate) struct Ping {
    /// Who sends: a node, range, tenant or `all`
    #[arg(requires = "b")]
    a: Option<String>,
    /// Who answers
    b: Option<String>,
    /// Over IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Over IPv6 only
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Requests per pair
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    #[command(flatten)]
    format: Format,
}

impl Ping {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let family = match (self.ipv4, self.ipv6) {
            (true, _) => Family::Ipv4,
            (_, true) => Family::Ipv6,
            _ => Family::Any,
        };
        let every = self.format.output == Kind::Json;
        let command = Command::Ping { pair: self.a.zip(self.b), family, count: self.count, every };
        let mut phases = Phases::new();
        let reply =
            which::client(lab)?.work(&command, &mut Patience::new(None), &mut |event| phases.show(&event))?;
        phases.clear();
        let Reply::Pings(report) = &reply else { return Err(unexpected(&reply).into()) };
        let code = if report.answered == report.pairs { DONE } else { NO };
        output::reply(&reply, self.format)?;
        Ok(code)
    }
}
