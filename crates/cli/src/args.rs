//! The verbs and what all of them take.

use clap::parser::ValueSource;
use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cmd;
use crate::exit::Outcome;

/// Turn a Linux machine into a small programmable cloud: one file becomes hosts, switches and links.
#[derive(Debug, Parser)]
#[command(name = "netloom", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = "\
Start with  netloom run examples/quickstart.loom.yml
or          netloom up examples/campus.loom.yml, then ls, exec h1 -- ip addr, cli, down
Exit codes  0 done; 1 the answer is no; 2 usage or invalid file; 3 could not be done, undone again;
            4 the machine lacks something; 5 not faithful; 124 timeout; 130 interrupted")]
pub(crate) struct Args {
    /// The lab meant [default: that of the *.loom.yml here, else the only one up]
    #[arg(short, long, global = true, env = "NETLOOM_LAB", hide_env_values = true)]
    pub(crate) lab: Option<String>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the lab of FILE, or apply what changed in it
    Up(cmd::up::Up),
    /// Show what `up` would do
    Plan(cmd::plan::Plan),
    /// Start a lab of its own, test what FILE expects, end it
    Run(cmd::run::Run),
    /// Check FILE without starting anything
    Lint(cmd::lint::Lint),
    /// Test expectations on a running lab: those of its file, or a SENTENCE
    Test(cmd::test::Test),
    /// Play the events of the lab's file once
    Play(cmd::play::Play),
    /// End labs and remove what they made
    Down(cmd::down::Down),
    /// List nodes, switches, links, tenants, drops, queues, connections or labs
    Ls(cmd::ls::Ls),
    /// Show one thing, or the lab
    Show(cmd::show::Show),
    /// Run a program in a node
    Exec(cmd::exec::Exec),
    /// Open a shell in a node
    Shell(cmd::exec::Shell),
    /// Join the serial console of a virtual machine
    Console(cmd::console::Console),
    /// Copy files into a node, or out of it
    Cp(cmd::cp::Cp),
    /// Show what nodes or the daemon wrote
    Logs(cmd::logs::Logs),
    /// Start nodes that were stopped
    Start(cmd::node::Nodes),
    /// Stop the programs of nodes, and take their interfaces down
    Stop(cmd::node::Nodes),
    /// Stop nodes, then start them
    Restart(cmd::node::Nodes),
    /// Freeze the programs of nodes
    Pause(cmd::node::Nodes),
    /// Let frozen programs go on
    Resume(cmd::node::Nodes),
    /// Change what a node may use of the machine while its programs go on
    Resize(cmd::resize::ResizeNode),
    /// Keep what a virtual machine is at a moment, and go on from there
    Snapshot(cmd::snapshot::Snapshot),
    /// Have a virtual machine go on in another lab, while it runs
    Migrate(cmd::migrate::Migrate),
    /// Boot a node as several kinds of machine, and measure each under the same load
    Compare(cmd::compare::Compare),
    /// Ping from one node to another, or everybody from everybody
    Ping(cmd::ping::Ping),
    /// Follow a packet through the lab, and say what becomes of it and why
    Trace(cmd::trace::Trace),
    /// Show or change a link while packets travel
    Link(cmd::link::Link),
    /// List or change the flows of a switch
    Flow(cmd::flow::Flow),
    /// List or change the groups of a switch
    Group(cmd::group::Group),
    /// List or change the meters of a switch
    Meter(cmd::meter::Meter),
    /// List or change zones of connection tracking, or forget connections
    Ct(cmd::ct::Ct),
    /// Print where `ovs-ofctl` finds the switches of a lab
    Env(cmd::env::Env),
    /// Capture packets as pcapng
    Capture(cmd::capture::Capture),
    /// Watch the load
    Top(cmd::top::Top),
    /// Draw the lab
    Graph(cmd::graph::GraphCmd),
    /// Pull, load, list and remove container images
    Image(cmd::image::Image),
    /// List the physical and virtual functions of network cards (SR-IOV), and decode them
    Vf(cmd::vf::Vf),
    /// Make a lab file of a Docker Compose file or a topology of containerlab
    Import(cmd::import::Import),
    /// Be the switch that serves an OVSDB database, in the place of `ovs-vswitchd`
    Switchd(cmd::switchd::Switchd),
    /// Try what this machine can do, and say how to get the rest
    Check(cmd::check::Check),
    /// Print the JSON Schema of lab files, for an editor
    Schema(cmd::schema::Schema),
    /// Print completions for a shell
    Completion(cmd::completion::Completion),
    /// Understand Mininet's flags
    Mn(crate::mn::Mn),
    /// Open Mininet's prompt on a running lab
    Cli(cmd::cli::Cli),
    /// Serve databases as Open vSwitch's program of that name does
    OvsdbServer(cmd::ovsdb_server::OvsdbServer),
    /// Print the reference of all verbs as Markdown
    #[command(hide = true)]
    Reference(cmd::reference::Reference),
    /// Write man pages into a directory
    #[command(hide = true)]
    Man(cmd::man::Man),
    /// Be what runs inside a virtual machine
    #[command(hide = true)]
    Guest(cmd::guest::Guest),
    /// Run the daemon of a lab
    #[command(hide = true)]
    Daemon(cmd::daemon::Daemon),
}

/// Verbs for which `-l` means nothing: they take a file, or no lab at all.
const WITHOUT_LAB: &[&str] = &[
    "up",
    "plan",
    "run",
    "lint",
    "image",
    "import",
    "vf",
    "switchd",
    "check",
    "schema",
    "completion",
    "mn",
    "man",
    "ovsdb-server",
    "reference",
    "guest",
];

impl Args {
    /// The command line as it is shown: where `-l` means nothing, nobody is told about it.
    pub(crate) fn definition() -> Command {
        let hidden = || Arg::new("lab").short('l').long("lab").value_name("LAB").hide(true);
        WITHOUT_LAB
            .iter()
            .fold(Self::command(), |command, verb| command.mut_subcommand(verb, |verb| verb.arg(hidden())))
    }

    /// Reads the command line. `-l` where it means nothing is an error; NETLOOM_LAB there is for others.
    ///
    /// # Errors
    /// What is wrong, or the help that was asked for.
    pub(crate) fn parse_checked() -> Result<Self, clap::Error> {
        let mut command = Self::definition();
        let words = cmd::switchd::spelled(crate::stand_in::words());
        let matches = command.try_get_matches_from_mut(words)?;
        if let Some((verb, inner)) = matches.subcommand()
            && WITHOUT_LAB.contains(&verb)
            && [&matches, inner].iter().any(|m| m.value_source("lab") == Some(ValueSource::CommandLine))
        {
            let hint = if matches!(verb, "up" | "plan" | "run" | "lint") {
                ": the file says which lab; `--name` changes it"
            } else {
                ""
            };
            return Err(command
                .error(clap::error::ErrorKind::ArgumentConflict, format!("`{verb}` takes no --lab{hint}")));
        }
        Self::from_arg_matches(&matches)
    }
}

impl Verb {
    /// Whether errors of our own exit with 125, as for `docker exec` and `env`.
    pub(crate) const fn is_exec(&self) -> bool {
        matches!(self, Self::Exec(_) | Self::Shell(_))
    }
}

impl Args {
    /// Does it.
    pub(crate) fn run(self) -> Outcome {
        use netloom_api::NodeAction as Action;
        let lab = self.lab.as_deref();
        match self.verb {
            Verb::Up(verb) => verb.run(),
            Verb::Plan(verb) => verb.run(),
            Verb::Run(verb) => verb.run(),
            Verb::Lint(verb) => verb.run(),
            Verb::Test(verb) => verb.run(lab),
            Verb::Play(verb) => verb.run(lab),
            Verb::Down(verb) => verb.run(lab),
            Verb::Ls(verb) => verb.run(lab),
            Verb::Show(verb) => verb.run(lab),
            Verb::Exec(verb) => verb.run(lab),
            Verb::Shell(verb) => verb.run(lab),
            Verb::Console(verb) => verb.run(lab),
            Verb::Guest(verb) => Ok(verb.run()),
            Verb::Cp(verb) => verb.run(lab),
            Verb::Logs(verb) => verb.run(lab),
            Verb::Start(verb) => verb.run(lab, Action::Start),
            Verb::Stop(verb) => verb.run(lab, Action::Stop),
            Verb::Restart(verb) => verb.run(lab, Action::Restart),
            Verb::Pause(verb) => verb.run(lab, Action::Pause),
            Verb::Resume(verb) => verb.run(lab, Action::Resume),
            Verb::Resize(verb) => verb.run(lab),
            Verb::Ping(verb) => verb.run(lab),
            Verb::Trace(verb) => verb.run(lab),
            Verb::Link(verb) => verb.run(lab),
            Verb::Flow(verb) => verb.run(lab),
            Verb::Group(verb) => verb.run(lab),
            Verb::Meter(verb) => verb.run(lab),
            Verb::Ct(verb) => verb.run(lab),
            Verb::Env(verb) => verb.run(lab),
            Verb::Capture(verb) => verb.run(lab),
            Verb::Top(verb) => verb.run(lab),
            Verb::Graph(verb) => verb.run(lab),
            Verb::Image(verb) => verb.run(),
            Verb::Compare(verb) => verb.run(),
            Verb::Snapshot(verb) => verb.run(lab),
            Verb::Migrate(verb) => verb.run(lab),
            Verb::Vf(verb) => verb.run(),
            Verb::Switchd(verb) => Ok(verb.run()),
            Verb::Check(verb) => verb.run(),
            Verb::Import(verb) => verb.run(),
            Verb::Schema(verb) => verb.run(),
            Verb::Completion(verb) => verb.run(),
            Verb::Mn(verb) => verb.run(),
            Verb::Cli(verb) => verb.run(lab),
            Verb::OvsdbServer(verb) => Ok(verb.run()),
            Verb::Reference(verb) => verb.run(),
            Verb::Man(verb) => verb.run(),
            Verb::Daemon(verb) => Ok(verb.run(lab)),
        }
    }
}
