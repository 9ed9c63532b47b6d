//! `netloom trace`.

use std::time::Duration;

use netloom_api::{Command, Family, Reply, TracePath};

use crate::client::Patience;
use crate::exit::{DONE, Failure, NO, Outcome};
use crate::lifecycle::unexpected;
use crate::output::{self, Format};
use crate::which;

/// Arguments of `trace`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The packet is followed through the switches' own tables, and nothing is sent, learned or counted.
With --live it is the next real packet that is like it, which goes its way undisturbed. Exits 1 if the
packet does not arrive.
Examples:  netloom trace h1 h2 tcp/80
           netloom trace --at s1 in_port=h1,tcp,nw_dst=10.0.0.2,tp_dst=80
           netloom trace --live h1 h2 udp/53 --timeout 1m")]
pub(crate) struct Trace {
    /// The node that sends
    #[arg(required_unless_present = "at", conflicts_with = "at", requires = "b")]
    a: Option<String>,
    /// The node it is for
    b: Option<String>,
    /// icmp, tcp/PORT or udp/PORT [default: icmp]
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// A packet that comes in at a switch: FLOW is a match as for ovs-ofctl, with in_port a number, a port or a node
    #[arg(long, num_args = 2, value_names = ["SWITCH", "FLOW"])]
    at: Option<Vec<String>>,
    /// Wait for the next real packet that is like it
    #[arg(long)]
    live: bool,
    /// With --live: for how long
    #[arg(long, value_name = "TIME", default_value = "30s", requires = "live", value_parser = super::run::duration)]
    timeout: Duration,
    /// Over IPv4
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Over IPv6
    #[arg(short = '6', long)]
    ipv6: bool,
    #[command(flatten)]
    format: Format,
}

impl Trace {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let mut text = None;
        let path = match (self.at.as_deref(), self.a, self.b) {
            (Some([switch, flow]), ..) => {
                text = Some(flow.clone());
                TracePath::At { switch: switch.clone(), flow: flow.clone() }
            }
            (_, Some(from), Some(to)) => {
                let family = match (self.ipv4, self.ipv6) {
                    (true, _) => Family::Ipv4,
                    (_, true) => Family::Ipv6,
                    _ => Family::Any,
                };
                TracePath::Between { from, to, protocol: self.kind, family }
            }
            _ => return Err(Failure::usage("Which packet? Name two nodes, or use --at.")),
        };
        let live_ms = self.live.then(|| u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX));
        if self.live {
            output::note("waiting for such a packet");
        }
        let command = Command::Trace { path, live_ms };
        let reply =
            which::client(lab)?.work(&command, &mut Patience::new(None), &mut |_| ()).map_err(|error| {
                let failure = Failure::from(error);
                text.iter().fold(failure, |failure, text| failure.in_text("flow", text))
            })?;
        let Reply::Trace(trace) = &reply else { return Err(unexpected(&reply).into()) };
        let code = if trace.reached { DONE } else { NO };
        output::reply(&reply, self.format)?;
        Ok(code)
    }
}
