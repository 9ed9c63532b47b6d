//! The switch is killed and started again at once, while one host sends another a datagram each millisecond: how long
//! none arrives.

use std::fmt::Write;

use super::server::{Server, Whose};
use crate::bench::peer::{address, join};
use crate::bench::report;
use crate::bench::shell::{self, Netns};
use crate::run::Failed;

/// Flows of the bridge that does not learn, beside the two that the datagrams need.
const FLOWS: usize = 1_000;
/// Seconds of traffic, before and after.
const SECONDS: f64 = 8.0;
/// When the switch is killed: what is kept has been written by then.
const KILLED_AFTER: f64 = 3.0;

/// How a switch is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Netloom,
    Keeping,
    Ovs,
}

/// What the bridge forwards by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// Its own flow, which it has after each start.
    Learning,
    /// Flows of somebody who adds them again as soon as the bridge takes them; if they are kept, nobody does.
    Flows,
}

/// Runs all of them in turns.
///
/// # Errors
/// [`Failed`] if a switch cannot be set up, or traffic does not come back.
pub(super) fn run(rounds: usize) -> Result<(), Failed> {
    report::table(
        "OVSDB and switch: longest time without a datagram over kill -9 and a start, in ms",
        &["bridge", "netloom", "netloom --keep-flows", "ovs-vswitchd"],
    );
    let flows = format!("{FLOWS} flows, added again where they are lost");
    for (by, what) in [(By::Learning, "learns"), (By::Flows, flows.as_str())] {
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            for (start, times) in [Start::Netloom, Start::Keeping, Start::Ovs].into_iter().zip(&mut times) {
                times.push(outage(start, by)? * 1e3);
            }
        }
        let cells = times.map(|times| {
            format!("{:.1} ({})", report::median(&times).unwrap_or(0.0), report::spread(&times))
        });
        let [ours, kept, theirs] = &cells;
        report::row(&[what, ours, kept, theirs]);
    }
    Ok(())
}

impl Start {
    const fn whose(self) -> Whose {
        match self {
            Self::Netloom | Self::Keeping => Whose::Netloom,
            Self::Ovs => Whose::Ovs,
        }
    }

    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Keeping => &["--keep-flows"],
            Self::Netloom | Self::Ovs => &[],
        }
    }
}

/// Seconds without a datagram.
fn outage(start: Start, by: By) -> Result<f64, Failed> {
    let hosts = [Netns::make("h1")?, Netns::make("h2")?];
    let switch = Netns::make("sw")?;
    for (host, n) in hosts.iter().zip(1..) {
        join(&switch, host, n)?;
    }
    address(&hosts, "eth0")?;
    for host in &hosts {
        // Open vSwitch's datapath loses checksums that are not finished; so both are given finished ones.
        shell::finish("ethtool", host.command("ethtool").args(["-K", "eth0", "tx", "off"]))?;
    }
    let mut server = Server::start_in(Some(switch), start.whose(), |_| Ok(()))?;
    server.start_switch_with(start.whose(), start.words())?;
    let mode = if by == By::Learning { "standalone" } else { "secure" };
    let bridge = format!(
        "-t 20 add-br br0 -- set Bridge br0 datapath_type=netdev fail_mode={mode} \
         -- add-port br0 port1 -- set Interface port1 ofport_request=1 \
         -- add-port br0 port2 -- set Interface port2 ofport_request=2"
    );
    shell::finish(&bridge, server.command("ovs-vsctl").args(bridge.split_whitespace()))?;
    let flows = server.folder().join("flows.txt");
    std::fs::write(&flows, lines())
        .map_err(|source| Failed::File { path: flows.display().to_string(), source })?;
    let add = |server: &Server| {
        let mut command = server.command("ovs-ofctl");
        shell::finish("ovs-ofctl add-flows", command.arg("add-flows").arg("br0").arg(&flows))
    };
    if by == By::Flows {
        add(&server)?;
    }
    let [one, two] = &hosts;
    let receiver = two.agent(&format!("gap-receive 10.0.0.2:5004 {SECONDS}"))?;
    let sender = one.agent(&format!("udp-send 10.0.0.2:5004 {} --rate 1000", SECONDS + 2.0))?;
    pause(KILLED_AFTER);
    server.kill_switch()?;
    server.start_switch_with(start.whose(), start.words())?;
    if by == By::Flows && start != Start::Keeping {
        while add(&server).is_err() {}
    }
    let got = receiver.result()?;
    drop(sender);
    let number = |name: &str| got.get(name).and_then(serde_json::Value::as_f64).unwrap_or(f64::MAX);
    if number("end") > 0.5 {
        return Err(Failed::Check(format!("{start:?}: no datagram came any more: {got}")));
    }
    Ok(number("gap"))
}

/// The flows of a bridge that does not learn.
fn lines() -> String {
    let mut lines =
        String::from("in_port=1,priority=10,actions=output:2\nin_port=2,priority=10,actions=output:1\n");
    for n in 0..FLOWS {
        // Writing to a text cannot fail.
        let _ = writeln!(lines, "table=1,ip,nw_dst=10.{}.{}.1,actions=output:1", n / 250, n % 250);
    }
    lines
}

#[expect(clippy::disallowed_methods, reason = "traffic is to flow for a while")]
fn pause(seconds: f64) {
    std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
}
