//! Everything that can be asked of a running lab.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything that can be asked of a running lab.
///
/// Text that has a grammar of its own (link settings, flows, expectations, lab files) travels as text and is
/// parsed where the grammar lives, so that there is one parser and one set of error messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// What this lab is: answers [`crate::Reply::Labs`] with one row.
    Status,
    /// Makes the lab be what the file says: creates it, or applies the difference.
    Apply {
        /// The file.
        #[serde(flatten)]
        wanted: Wanted,
        /// Also undo what was changed by hand.
        #[serde(default)]
        reset: bool,
    },
    /// What [`Command::Apply`] would do.
    Plan {
        /// The file.
        #[serde(flatten)]
        wanted: Wanted,
        /// As for [`Command::Apply`].
        #[serde(default)]
        reset: bool,
    },
    /// Ends the lab and its daemon.
    Down {
        /// Also removes the lab's volumes.
        #[serde(default)]
        volumes: bool,
    },
    /// Lists one kind of thing.
    Ls {
        /// Which kind.
        what: Listing,
    },
    /// Describes one thing, or the lab.
    Show {
        /// A node, switch, link or tenant; `None`: the lab.
        #[serde(default)]
        name: Option<String>,
    },
    /// Changes a link in place; what is queued stays queued. No setting and no state: answers its row.
    Link {
        /// The link's name, or its two ends as `A--B`.
        link: String,
        /// Which directions the settings are for.
        #[serde(default)]
        direction: Direction,
        /// Settings as a lab file spells them, such as `delay` to `20ms`.
        #[serde(default)]
        settings: BTreeMap<String, String>,
        /// `Some(false)`: takes the link down.
        #[serde(default)]
        up: Option<bool>,
    },
    /// Lists the flows of a switch.
    FlowLs {
        /// The switch.
        switch: String,
        /// `ovs-ofctl` match that selects; `None`: all.
        #[serde(default)]
        filter: Option<String>,
        /// Also flows that netloom itself put there.
        #[serde(default)]
        hidden: bool,
    },
    /// Adds flows.
    FlowAdd {
        /// The switch.
        switch: String,
        /// Each in the syntax of `ovs-ofctl add-flow`; all of them are carried out, or none.
        flows: Vec<String>,
    },
    /// Changes the actions of flows that match.
    FlowMod {
        /// The switch.
        switch: String,
        /// Match and actions, each in the syntax of `ovs-ofctl mod-flows`; all of them are carried out, or none.
        flows: Vec<String>,
        /// Only the flow with exactly this match and priority.
        #[serde(default)]
        strict: bool,
    },
    /// Removes the flows that match.
    FlowRm {
        /// The switch.
        switch: String,
        /// Each in the syntax of `ovs-ofctl del-flows`; none: all flows.
        #[serde(default)]
        matches: Vec<String>,
        /// Only the flow with exactly this match and priority.
        #[serde(default)]
        strict: bool,
    },
    /// Lists the groups of a switch.
    GroupLs {
        /// The switch.
        switch: String,
    },
    /// Changes the groups of a switch.
    Groups {
        /// The switch.
        switch: String,
        /// What to do.
        change: TableChange,
        /// Each in the syntax of `ovs-ofctl add-group`; all of them are carried out, or none. Removing none: all.
        groups: Vec<String>,
    },
    /// Lists the meters of a switch.
    MeterLs {
        /// The switch.
        switch: String,
    },
    /// Changes the meters of a switch.
    Meters {
        /// The switch.
        switch: String,
        /// What to do.
        change: TableChange,
        /// Each in the syntax of `ovs-ofctl add-meter`; all of them are carried out, or none. Removing none: all.
        meters: Vec<String>,
    },
    /// Lists the zones of a switch's connection tracking.
    ZoneLs {
        /// The switch.
        switch: String,
    },
    /// Gives zones of a switch other settings.
    ZoneSet {
        /// The switch.
        switch: String,
        /// Each as in `zone=5,limit=1000,udp_single=10`; all of them are carried out, or none.
        zones: Vec<String>,
    },
    /// Forgets connections of a switch.
    CtFlush {
        /// The switch.
        switch: String,
        /// Only those of this zone.
        #[serde(default)]
        zone: Option<u16>,
    },
    /// Follows a packet through the lab, without sending one.
    Trace {
        /// Which packet.
        path: TracePath,
        /// Not a made-up packet but the next real one that is like it: how long to wait for it, in milliseconds.
        #[serde(default)]
        live_ms: Option<u64>,
    },
    /// Sends echo requests, and answers a row per ordered pair and family.
    Ping {
        /// One subject each: a node, range, tenant or `all`; `None`: everybody to everybody of their tenant.
        #[serde(default)]
        pair: Option<(String, String)>,
        /// Which families.
        #[serde(default)]
        family: Family,
        /// Requests per pair.
        count: u32,
        /// Answer a row for every pair; else, where `pair` is `None`, only for pairs that lost something.
        #[serde(default)]
        every: bool,
    },
    /// Measures throughput between two nodes.
    Measure {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
        /// What to measure.
        what: Measurement,
        /// For how long.
        seconds: u32,
    },
    /// Tests expectations; each outcome is reported as progress as soon as it is known.
    Test {
        /// Sentences; `None`: those of the lab file, with its events.
        #[serde(default)]
        sentences: Option<Vec<String>>,
    },
    /// Plays the file's events once.
    Play,
    /// Nodes, switches and links at one moment.
    Graph,
    /// Starts, stops, restarts, pauses or resumes nodes.
    Node {
        /// Names or ranges.
        nodes: Vec<String>,
        /// What to do.
        action: NodeAction,
    },
    /// Sets what a node may use of the machine while its programs go on: answers its row.
    Resize {
        /// The node.
        node: String,
        /// `cpu`, `memory`, `swap`, `pids`, as a lab file spells them; `none`: no limit.
        limits: BTreeMap<String, String>,
    },
    /// Keeps what a virtual machine is, or has it go on from there: answers with its snapshots.
    Snapshot {
        /// The node.
        node: String,
        /// What to do.
        action: SnapshotAction,
        /// The snapshot's name; `None`: the usual one, or the newest.
        #[serde(default)]
        name: Option<String>,
    },
    /// Has a virtual machine go on in another lab, while it runs: answers with how it went.
    Migrate {
        /// The node, which the other lab has a place for.
        node: String,
        /// The other lab, as the user calls it.
        host: String,
        /// The path of its `api.sock`.
        socket: String,
        /// The address at which that lab's machine takes the guest's memory; `None`: where a tunnel of this lab leads to, or this
        /// machine.
        #[serde(default)]
        via: Option<std::net::IpAddr>,
        /// Encrypt the guest's memory on its way.
        #[serde(default)]
        tls: bool,
    },
    /// Stream, of another lab's daemon: a virtual machine comes from there.
    Receive {
        /// The node.
        node: String,
        /// What it is made of there: only one that is made of the same can go on here.
        made_of: String,
        /// Bytes of memory that it has there.
        memory: u64,
        /// Processors that it has there.
        processors: u32,
        /// The number that the next stream into its guest has.
        session: u32,
        /// Whether its memory comes encrypted.
        tls: bool,
    },
    /// Stream: runs a program in a node.
    Exec {
        /// The node.
        node: String,
        /// Program and arguments. Empty: the node's login shell.
        argv: Vec<String>,
        /// Additional environment.
        #[serde(default)]
        env: BTreeMap<String, String>,
        /// Working directory; `None`: the node's own.
        #[serde(default)]
        cwd: Option<String>,
        /// User name or id; `None`: the node's own.
        #[serde(default)]
        user: Option<String>,
        /// The size of the terminal to give it; `None`: pipes.
        #[serde(default)]
        tty: Option<TermSize>,
    },
    /// Stream: joins the client with a virtual machine's serial port.
    Console {
        /// The node.
        node: String,
    },
    /// Stream: copies files out of a node (a tar file on `stdout`) or into it (one on `stdin`).
    Copy {
        /// The node.
        node: String,
        /// The path in the node.
        path: String,
        /// Into the node; `None`: out of it. What the first part of the paths of the tar file is.
        #[serde(default)]
        name: Option<String>,
    },
    /// Stream: what nodes, controllers and the daemon wrote.
    Logs {
        /// A node, a controller, or `None` for the daemon.
        #[serde(default)]
        name: Option<String>,
        /// Go on with what is written from now on.
        #[serde(default)]
        follow: bool,
    },
    /// Stream: packets as a pcapng file, on `stdout` frames.
    Capture {
        /// A node, `node:interface`, switch, `switch:port` or link.
        target: String,
        /// Bytes kept of each packet; 0: all.
        #[serde(default)]
        snap: u32,
        /// End after so many packets.
        #[serde(default)]
        packets: Option<u64>,
    },
    /// Stream: load, an `event` frame with a [`crate::TopRow`] list per interval.
    Top {
        /// Between two frames.
        interval_ms: u32,
    },
}

/// What [`Command::Groups`] and [`Command::Meters`] do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableChange {
    /// Add what is not there.
    Add,
    /// Change what is there.
    Mod,
    /// Remove.
    Rm,
}

/// Which packet [`Command::Trace`] follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TracePath {
    /// One from a node to another.
    Between {
        /// Who sends.
        from: String,
        /// Who is to get it.
        to: String,
        /// `icmp`, `tcp/80`, `udp/53`.
        #[serde(default)]
        protocol: Option<String>,
        /// Which family; both: IPv4 if both ends have an address of it.
        #[serde(default)]
        family: Family,
    },
    /// One that comes in at a switch.
    At {
        /// The switch.
        switch: String,
        /// What it looks like, as a match in the syntax of flows.
        flow: String,
    },
}

/// A lab file as it is sent to the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Wanted {
    /// The text of the file.
    pub source: String,
    /// The absolute path of the file: for messages, and where relative paths start.
    pub path: String,
    /// `--set K=V`, in the order given.
    #[serde(default)]
    pub sets: Vec<Set>,
    /// `--name`: overrides the file's `name:`.
    #[serde(default)]
    pub name: Option<String>,
}

/// `--set K=V`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// The name in `vars:`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What [`Command::Ls`] lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listing {
    /// Hosts, containers, virtual machines, real interfaces.
    Nodes,
    /// Switches.
    Switches,
    /// Links.
    Links,
    /// Tenants.
    Tenants,
    /// Why packets were dropped, and where.
    Drops,
    /// Queues of switch ports.
    Queues,
    /// Connections that switches track.
    Conntrack,
}

/// Directions of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both.
    #[default]
    Both,
    /// From the first end to the second.
    Forth,
    /// From the second end to the first.
    Back,
}

/// Address families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Every family in which both ends have an address.
    #[default]
    Any,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// What [`Command::Measure`] measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measurement {
    /// TCP, as fast as it goes.
    Tcp,
    /// UDP, sent at this rate, spelled as in a lab file (`10Mbit`).
    Udp(String),
}

/// What [`Command::Node`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeAction {
    /// Start what was stopped.
    Start,
    /// End the node's programs; its interfaces go down.
    Stop,
    /// Stop, then start.
    Restart,
    /// Freeze the node's programs.
    Pause,
    /// Let them go on.
    Resume,
}

/// What [`Command::Snapshot`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotAction {
    /// Keep what the machine is.
    Save,
    /// Go on from there.
    Restore,
    /// Nothing: list them.
    Ls,
    /// Remove one.
    Rm,
}

/// Size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl Command {
    /// Whether the answer is a framed stream, asked for at `/v1/stream`.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        matches!(
            self,
            Self::Receive { .. }
                | Self::Exec { .. }
                | Self::Console { .. }
                | Self::Copy { .. }
                | Self::Logs { .. }
                | Self::Capture { .. }
                | Self::Top { .. }
        )
    }

    /// Whether it changes the shape of the lab, so that only one such command may run at a time.
    #[must_use]
    pub const fn is_exclusive(&self) -> bool {
        matches!(
            self,
            Self::Apply { .. }
                | Self::Down { .. }
                | Self::Node { .. }
                | Self::Resize { .. }
                | Self::Migrate { .. }
                | Self::Snapshot {
                    action: SnapshotAction::Save | SnapshotAction::Restore | SnapshotAction::Rm,
                    ..
                }
                | Self::Play
                | Self::Test { sentences: None }
        )
    }

    /// The word for this command in messages: that of the command line.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Apply { .. } => "up",
            Self::Plan { .. } => "plan",
            Self::Down { .. } => "down",
            Self::Ls { .. } => "ls",
            Self::Show { .. } => "show",
            Self::Link { .. } => "link",
            Self::FlowLs { .. } => "flow ls",
            Self::FlowAdd { .. } => "flow add",
            Self::FlowMod { .. } => "flow mod",
            Self::FlowRm { .. } => "flow rm",
            Self::GroupLs { .. } => "group ls",
            Self::Groups { change: TableChange::Add, .. } => "group add",
            Self::Groups { change: TableChange::Mod, .. } => "group mod",
            Self::Groups { change: TableChange::Rm, .. } => "group rm",
            Self::MeterLs { .. } => "meter ls",
            Self::Meters { change: TableChange::Add, .. } => "meter add",
            Self::Meters { change: TableChange::Mod, .. } => "meter mod",
            Self::Meters { change: TableChange::Rm, .. } => "meter rm",
            Self::ZoneLs { .. } => "ct ls",
            Self::ZoneSet { .. } => "ct set",
            Self::CtFlush { .. } => "ct flush",
            Self::Trace { .. } => "trace",
            Self::Ping { .. } => "ping",
            Self::Measure { .. } => "measure",
            Self::Test { .. } => "test",
            Self::Play => "play",
            Self::Graph => "graph",
            Self::Node { action, .. } => match action {
                NodeAction::Start => "start",
                NodeAction::Stop => "stop",
                NodeAction::Restart => "restart",
                NodeAction::Pause => "pause",
                NodeAction::Resume => "resume",
            },
            Self::Resize { .. } => "resize",
            Self::Snapshot { .. } => "snapshot",
            Self::Migrate { .. } | Self::Receive { .. } => "migrate",
            Self::Exec { .. } => "exec",
            Self::Console { .. } => "console",
            Self::Copy { .. } => "cp",
            Self::Logs { .. } => "logs",
            Self::Capture { .. } => "capture",
            Self::Top { .. } => "top",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_json_a_person_could_write() {
        let command: Command = serde_json::from_str(r#"{"do":"ls","what":"nodes"}"#).unwrap();
        assert_eq!(command, Command::Ls { what: Listing::Nodes });
        let command: Command =
            serde_json::from_str(r#"{"do":"link","link":"core","settings":{"delay":"20ms"}}"#).unwrap();
        let Command::Link { link, direction, settings, up } = command else { panic!("a link") };
        assert_eq!((link.as_str(), direction, up), ("core", Direction::Both, None));
        assert_eq!(settings["delay"], "20ms");
    }

    #[test]
    fn apply_survives_the_way_over_the_socket() {
        let command = Command::Apply {
            wanted: Wanted {
                source: "netloom: 1\n".into(),
                path: "/tmp/a.loom.yml".into(),
                sets: vec![Set { name: "delay".into(), value: "3ms".into() }],
                name: Some("alice".into()),
            },
            reset: true,
        };
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command, "{text}");
    }

    #[test]
    fn an_unknown_command_is_refused() {
        assert!(serde_json::from_str::<Command>(r#"{"do":"dance"}"#).is_err());
        assert!(serde_json::from_str::<Command>(r#"{"do":"ls","what":"nodes","extra":1}"#).is_err());
    }
}
