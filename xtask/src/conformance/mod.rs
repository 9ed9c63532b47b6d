//! `cargo xtask conformance`: the public OpenFlow switch tests of os-ken against netloom, and against Open vSwitch
//! beside it.
//!
//! A case gives a switch flows, sends packets into one of its ports, and looks at what comes out of which. The switch
//! under test, the target, has three links to a second of the same make, the tester, by which packets come and go.

mod bed;
mod cases;
mod outcome;
mod report;
mod skips;
mod suite;
mod told;
mod workers;

use clap::ValueEnum as _;

use crate::run::{self, Failed};
use bed::Bed;
use cases::Which;
use outcome::Score;
use suite::Suite;

/// Whom the cases are run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Peer {
    /// netloom, as it is here.
    Netloom,
    /// Open vSwitch as installed, with its userspace datapath.
    Ovs,
}

impl Peer {
    fn name(self) -> &'static str {
        if self == Self::Netloom { "netloom" } else { "ovs" }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Peers {
    Netloom,
    Ovs,
    Both,
}

impl Peers {
    fn list(self) -> &'static [Peer] {
        match self {
            Self::Netloom => &[Peer::Netloom],
            Self::Ovs => &[Peer::Ovs],
            Self::Both => &[Peer::Netloom, Peer::Ovs],
        }
    }
}

/// The cases of one version of OpenFlow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Set {
    Of10,
    Of13,
    Of14,
}

impl Set {
    fn name(self) -> &'static str {
        match self {
            Self::Of10 => "of10",
            Self::Of13 => "of13",
            Self::Of14 => "of14",
        }
    }
}

/// Options of `cargo xtask conformance`.
#[derive(clap::Args)]
#[group(id = "conformance")]
pub(crate) struct Args {
    /// Whom to run against.
    #[arg(long, value_enum, default_value = "netloom")]
    peer: Peers,
    /// Only this set.
    #[arg(long, value_enum)]
    set: Option<Set>,
    /// Only files whose name has this in it.
    #[arg(long, default_value = "")]
    filter: String,
    /// Every third file without throughput: less than a minute.
    #[arg(long)]
    quick: bool,
    /// Only cases that send single packets, or only those that measure throughput, which take their time each.
    #[arg(long, value_enum)]
    only: Option<Which>,
    /// Seconds for which a throughput case sends, at most; the cases ask for 30.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Pairs of switches side by side.
    #[arg(long, default_value_t = 4)]
    pairs: usize,
}

impl Args {
    /// What continuous integration runs.
    pub(crate) fn quick() -> Self {
        Self {
            peer: Peers::Netloom,
            set: None,
            filter: String::new(),
            quick: true,
            only: None,
            seconds: 5,
            pairs: 4,
        }
    }

    fn sets(&self) -> Vec<Set> {
        self.set.map_or_else(|| Set::value_variants().to_vec(), |set| vec![set])
    }

    /// Which cases each run takes: those with throughput apart, as they load the machine.
    fn rounds(&self) -> &'static [Which] {
        match (self.quick, self.only) {
            (true, _) => &[Which::Quick],
            (_, Some(Which::Packets)) => &[Which::Packets],
            (_, Some(Which::Throughput)) => &[Which::Throughput],
            _ => &[Which::Packets, Which::Throughput],
        }
    }
}

/// Runs the cases, prints the tables, and brings docs/conformance.md up to date if whole sets have run.
///
/// # Errors
/// [`Failed::Check`] if netloom fails a case that conformance/skips.toml does not name.
pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    if let Some(why) = cannot(args) {
        println!("conformance: SKIPPED: {why}");
        return Ok(());
    }
    let Some(suite) = Suite::ready()? else { return Ok(()) };
    let skips = skips::read()?;
    let mut failed = 0;
    for &peer in args.peer.list() {
        if peer == Peer::Netloom {
            let build = ["build", "--release", "--locked", "--package", "netloom-cli"];
            run::step("build netloom", &mut run::cargo(&build))?;
        }
        let bed = Bed::up(peer, args.pairs.max(1))?;
        for set in args.sets() {
            for &which in args.rounds() {
                let files = cases::list(&suite, set, which, args)?;
                let outcomes = workers::run(&bed, &suite, set, &files, args, &skips)?;
                if outcomes.is_empty() {
                    continue;
                }
                let score = Score::of(set, outcomes, &skips);
                report::print(peer, set, which, &score);
                if peer == Peer::Netloom {
                    failed += score.unexpected().count();
                }
                if !args.quick && args.filter.is_empty() {
                    report::keep(peer, set, which, args.seconds, &score)?;
                }
            }
        }
    }
    if !args.quick && args.filter.is_empty() {
        report::write(&skips)?;
    }
    if failed == 0 { Ok(()) } else { Err(Failed::Check(format!("netloom fails {failed} cases"))) }
}

/// Why this machine and user cannot run them.
fn cannot(args: &Args) -> Option<String> {
    if !run::is_root() {
        return Some("pairs of switches need root".to_owned());
    }
    let ovs = args.peer != Peers::Netloom;
    let missing = ["ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "ethtool"]
        .into_iter()
        .find(|program| ovs && !crate::packages::has(program));
    missing.map(|program| format!("{program} is missing"))
}
