//! `cargo xtask bench`: netloom beside its peers in one run, interleaved, as medians with their spread.

pub(crate) mod agent;
mod chain;
mod containers;
mod links;
mod openflow;
mod ovsdb;
mod pair;
pub(crate) mod peer;
mod qos;
mod report;
mod scale;
pub(crate) mod shell;
mod tunnels;
mod vhost;
mod vm;

use peer::Peer;

use crate::packages::{self, Needed};
use crate::run::{self, Failed};

/// What the peers need.
const NEEDED: &[Needed] = &[
    Needed { program: "ip", package: "iproute2" },
    Needed { program: "ethtool", package: "ethtool" },
    Needed { program: "taskset", package: "util-linux" },
    Needed { program: "ovs-vswitchd", package: "openvswitch-switch" },
    Needed { program: "brctl", package: "bridge-utils" },
    Needed { program: "mn", package: "mininet" },
    Needed { program: "ping", package: "iputils-ping" },
    Needed { program: "runc", package: "runc" },
    Needed { program: "crun", package: "crun" },
    Needed { program: "busybox", package: "busybox-static" },
];

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fewer and shorter rounds.
    #[arg(long)]
    quick: bool,
    /// Rounds of every measurement.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of every measurement of throughput.
    #[arg(long)]
    seconds: Option<f64>,
    /// Never install packages, only name those missing.
    #[arg(long)]
    no_install: bool,
    /// Leave netloom out: the peers alone.
    #[arg(long)]
    peers_only: bool,
    /// Measure this binary of netloom instead of building one
    #[arg(long)]
    program: Option<std::path::PathBuf>,
    /// Also write the tables into this file, with the machine and the date: in place of those with the same titles
    #[arg(long, value_name = "FILE")]
    write: Option<std::path::PathBuf>,
    /// Only these groups: pair, chain, links, tunnels, vhost, vm, scale, containers; ovsdb or its parts transactions, start,
    /// added, outage; qos or its parts queues, policers,
    /// guarantees, priority; openflow or its parts flow-mods, latest, reactive, misses, lookup (or lookup-acl, lookup-firewall,
    /// lookup-routes), established, explosion
    groups: Vec<String>,
}

/// Runs the benches and prints their tables as Markdown.
///
/// # Errors
/// [`Failed`] if a peer cannot be set up.
pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    if !run::is_root() {
        return Err(Failed::Check("The peers need root: run `sudo cargo xtask bench`".to_owned()));
    }
    let missing = packages::ensure(NEEDED, !args.no_install)?;
    if !missing.is_empty() {
        return Err(Failed::Check(format!("Peers are missing: {}", missing.join(", "))));
    }
    if let Some(program) = &args.program {
        peer::measure(program.clone());
    } else if !args.peers_only {
        run::step("release build", &mut run::cargo(&["build", "--release", "--locked", "--bin", "netloom"]))?;
    }
    let peers: Vec<Peer> =
        Peer::ALL.into_iter().filter(|p| !args.peers_only || *p != Peer::Netloom).collect();
    let rounds = args.rounds.unwrap_or(if args.quick { 3 } else { 7 });
    let seconds = args.seconds.unwrap_or(if args.quick { 1.0 } else { 2.0 });
    let wanted = |group: &str| args.groups.is_empty() || args.groups.iter().any(|g| g == group);
    if wanted("pair") {
        pair::run(&peers, rounds, seconds)?;
    }
    if !args.peers_only && wanted("chain") {
        chain::run(rounds, seconds)?;
    }
    if !args.peers_only && wanted("links") {
        links::run(args.quick)?;
    }
    if !args.peers_only {
        qos::run(args.rounds, args.quick, |part| wanted("qos") || wanted(part))?;
    }
    if wanted("tunnels") {
        tunnels::run(args.peers_only, rounds, seconds)?;
    }
    if !args.peers_only && wanted("vhost") {
        vhost::run(rounds, seconds)?;
    }
    if !args.peers_only && wanted("vm") {
        vm::run(rounds)?;
    }
    if wanted("scale") {
        scale::run(args.quick, args.peers_only)?;
    }
    if wanted("containers") {
        containers::run(args.peers_only, rounds, args.quick, seconds)?;
    }
    if !args.peers_only {
        openflow::run(rounds, args.quick, |part| wanted("openflow") || wanted(part))?;
    }
    if !args.peers_only {
        ovsdb::run(rounds, seconds, |part| wanted("ovsdb") || wanted(part))?;
    }
    match &args.write {
        Some(path) => report::write(path, &words()),
        None => Ok(()),
    }
}

/// The command line as a user types it, without the paths, which are of one machine only.
fn words() -> String {
    let mut all = Vec::new();
    let mut rest = std::env::args().skip(1);
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--program" | "--write" => drop(rest.next()),
            _ if word.starts_with("--program=") || word.starts_with("--write=") => {}
            _ => all.push(word),
        }
    }
    format!("cargo xtask {}", all.join(" "))
}

#[expect(clippy::disallowed_methods, reason = "the bench measures time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "settling is waiting")]
fn wait(seconds: f64) {
    std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
}
