//! A lab with nothing left to guess: every name, number and address. Plain data, made by [`crate::resolve`].
//!
//! Things refer to each other by name, so that two labs can be compared and a lab can be written down.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use netloom_flow::{LinkSettings, Nanos, Policing, Qos};
use serde::{Deserialize, Serialize};

use crate::address::{Cidr, Family};
use crate::expect::Expectation;
use crate::mac::Mac;
use crate::settings::{SettingsPatch, written};
use crate::tunnel::{Fused, Tunnel};

/// How long untimed expectations may take, unless the file says.
pub const SETTLE: Nanos = Nanos::from_secs(10);

/// A lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lab {
    /// Its name.
    pub name: String,
    /// The lab file.
    pub path: PathBuf,
    /// Every random choice comes from it.
    pub seed: u64,
    /// Tenants; the first is `default`, with the id 0.
    pub tenants: Vec<Tenant>,
    /// Nodes, in file order.
    pub nodes: Vec<Node>,
    /// Controllers that some switch has, in file order, those written at a switch last.
    #[serde(default)]
    pub controllers: Vec<Controller>,
    /// Switches, in file order, those of networks last.
    pub switches: Vec<Switch>,
    /// Links, in file order, those of networks first.
    pub links: Vec<Link>,
    /// Broadcast domains.
    pub domains: Vec<Domain>,
    /// What happens when.
    pub events: Vec<Event>,
    /// What must hold.
    pub expect: Vec<Expectation>,
    /// Settings of the lab as a whole.
    pub options: Options,
}

/// Settings of the lab as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// What is done about loops among switches.
    pub loops: Loops,
    /// Who answers ARP and neighbour discovery.
    pub arp: ArpMode,
    /// Threads that move packets.
    pub workers: u16,
    /// How long untimed expectations may take, in nanoseconds.
    #[serde(with = "nanos")]
    pub settle: Nanos,
    /// What an unfaithful link means.
    pub fidelity: Fidelity,
    /// What hosts may write.
    pub filesystem: Filesystem,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Its number in the datapath; kept when the file is edited.
    pub id: u16,
}

/// A node: a host, in this version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `red/web`, or `h1` in the default tenant.
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// Interfaces, in order.
    pub interfaces: Vec<Interface>,
    /// Routes, gateways included, without those that addresses bring along.
    pub routes: Vec<Route>,
    /// Whether it forwards packets.
    pub forward: bool,
    /// Kernel settings of its network.
    pub sysctl: BTreeMap<String, String>,
    /// Path in the node to path beside the lab file.
    pub files: BTreeMap<String, String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Commands that start with the node.
    pub run: Vec<String>,
    /// What happens when they end.
    pub restart: Restart,
    /// Not bounded in its capabilities.
    pub privileged: bool,
    /// Name under /run/netns.
    pub netns: Option<String>,
    /// How it is joined.
    pub port: PortKind,
    /// Line of the file, from 1; 0: made by a topology.
    pub line: u32,
}

impl Node {
    /// The host name: without the tenant.
    #[must_use]
    pub fn hostname(&self) -> &str {
        crate::names::split_full(&self.name).1
    }

    /// An interface by its name.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|i| i.name == name)
    }

    /// All its addresses, in order.
    pub fn addresses(&self) -> impl Iterator<Item = Cidr> {
        self.interfaces.iter().flat_map(|i| i.addresses.iter().copied())
    }

    /// Its first address of a family.
    #[must_use]
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses().find(|a| a.family() == family).map(|a| a.ip)
    }
}

/// An interface of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `eth0`
    pub name: String,
    /// Its MAC address.
    pub mac: Mac,
    /// Its MTU.
    pub mtu: u32,
    /// Its addresses.
    pub addresses: Vec<Cidr>,
    /// Whether the addresses were handed out rather than written.
    pub automatic: bool,
    /// The tenant it belongs to, usually the node's.
    pub tenant: String,
    /// The link that ends here, [`Link::id`].
    pub link: String,
    /// The broadcast domain, an index into [`Lab::domains`].
    pub domain: usize,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to; a length of 0 is the default route.
    pub to: Cidr,
    /// Through which gateway.
    pub via: Option<IpAddr>,
    /// By which interface.
    pub dev: Option<String>,
    /// Preference, lower first.
    pub metric: Option<u32>,
}

/// A switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Its name; that of its network, tenant included, if it is implicit.
    pub name: String,
    /// Whether a `networks:` entry made it.
    pub implicit: bool,
    /// Ports, by number.
    pub ports: Vec<SwitchPort>,
    /// Without a controller.
    pub fail_mode: FailMode,
    /// Flows of the file.
    pub flows: Vec<Flow>,
    /// Groups of the file.
    #[serde(default)]
    pub groups: Vec<Flow>,
    /// Meters of the file.
    #[serde(default)]
    pub meters: Vec<Flow>,
    /// Zones of connection tracking of the file, as `netloom_flow::text::parse_zone` reads them.
    #[serde(default)]
    pub zones: Vec<Flow>,
    /// Its controllers, [`Controller::name`].
    #[serde(default)]
    pub controllers: Vec<String>,
    /// Versions of OpenFlow it may speak, such as `OpenFlow13`; none stands for all.
    #[serde(default)]
    pub openflow: Vec<String>,
    /// Its datapath id, if one is written.
    #[serde(default)]
    pub dpid: Option<u64>,
    /// Line of the file, from 1; 0: made by a topology or network.
    pub line: u32,
}

impl Switch {
    /// A port by its number.
    #[must_use]
    pub fn port(&self, number: u32) -> Option<&SwitchPort> {
        // Nearly always they count from 1 without a gap.
        let guess = usize::try_from(number).ok().and_then(|at| self.ports.get(at.checked_sub(1)?));
        guess.filter(|port| port.number == number).or_else(|| self.ports.iter().find(|p| p.number == number))
    }
}

/// A controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// Its name, or its target if it was written at a switch.
    pub name: String,
    /// Where it is.
    pub place: ControllerPlace,
    /// After so long without a byte it is asked whether it is there, in nanoseconds; 0: never.
    #[serde(with = "nanos")]
    pub probe: Nanos,
    /// The longest pause between two calls, in nanoseconds.
    #[serde(with = "nanos")]
    pub backoff: Nanos,
    /// Connections beside the main one, if it is called.
    #[serde(default)]
    pub auxiliary: u8,
    /// What it says with switches may cross its own switches whatever their flows say.
    #[serde(default)]
    pub in_band: bool,
    /// Files of TLS, beside the lab file.
    pub tls: Option<TlsFiles>,
    /// Line of the file, from 1.
    pub line: u32,
}

/// Where a controller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControllerPlace {
    /// Here, in the words of OVS: [`crate::target::Target`]. Several: the switch has all of them.
    Targets(Vec<String>),
    /// In a node, whose own network leads there.
    Node {
        /// [`Node::name`].
        node: String,
        /// The port.
        port: u16,
        /// The node's addresses.
        addresses: Vec<IpAddr>,
    },
    /// A command that starts and ends with the lab.
    Run(String),
    /// Built in.
    Learn,
}

/// Files of TLS, as `ovs-vsctl set-ssl` takes them; paths beside the lab file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    /// The private key.
    pub key: String,
    /// The certificate.
    pub certificate: String,
    /// The authority that signed the certificates of peers.
    pub ca: String,
}

impl Controller {
    /// What the flows it adds are marked with: its targets where it has any, else its name.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        match &self.place {
            ControllerPlace::Targets(targets) => targets.clone(),
            ControllerPlace::Node { .. } | ControllerPlace::Run(_) | ControllerPlace::Learn => {
                vec![self.name.clone()]
            }
        }
    }

    /// `tcp:127.0.0.1:6653`, `osken-manager app.py`, `learn`: what it is, for a person.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.place {
            ControllerPlace::Targets(targets) => targets.join(", "),
            ControllerPlace::Node { node, port, .. } => format!("port {port} of {node}"),
            ControllerPlace::Run(command) => command.clone(),
            ControllerPlace::Learn => "learn".to_owned(),
        }
    }
}

/// A flow of the file; or a group, or a meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// In the syntax of ovs-ofctl.
    pub text: String,
    /// Line of the file, from 1.
    pub line: u32,
}

/// A port of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchPort {
    /// OpenFlow number, from 1.
    pub number: u32,
    /// `s1-eth1` unless named.
    pub name: String,
    /// Whose frames come in here; `None` between switches: each frame keeps its own.
    pub tenant: Option<String>,
    /// What it does with VLANs.
    pub vlan: Vlan,
    /// The link that ends here, [`Link::id`].
    pub link: String,
    /// Whether this is the link's left end.
    pub left: bool,
    /// What is at the link's other end.
    pub peer: End,
    /// The queues it sends by; `None`: one for all.
    #[serde(default)]
    pub qos: Option<Qos>,
    /// What may come in by it; `None`: everything.
    #[serde(default)]
    pub policing: Option<Policing>,
}

/// What a switch port does with VLANs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vlan {
    /// Carries every VLAN, untagged frames in none.
    #[default]
    Any,
    /// Untagged frames belong to this VLAN.
    Access(u16),
    /// Tagged frames of these VLANs (all if empty); untagged ones belong to `native`.
    Trunk {
        /// Which VLANs.
        vlans: Vec<u16>,
        /// The VLAN of untagged frames.
        native: Option<u16>,
    },
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// An interface of a node.
    Node {
        /// [`Node::name`].
        node: String,
        /// [`Interface::name`].
        interface: String,
    },
    /// A port of a switch.
    Switch {
        /// [`Switch::name`].
        switch: String,
        /// [`SwitchPort::number`].
        port: u32,
    },
    /// Elsewhere: the link is a tunnel.
    Tunnel {
        /// [`Link::id`].
        link: String,
        /// The address, or `flow`.
        peer: String,
    },
}

impl End {
    /// The name of the node or switch.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Node { node, .. } => node,
            Self::Switch { switch, .. } => switch,
            Self::Tunnel { peer, .. } => peer,
        }
    }

    /// Whether it is a switch.
    #[must_use]
    pub const fn is_switch(&self) -> bool {
        matches!(self, Self::Switch { .. })
    }
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its `name:`, else `A--B`, from the second one between the same two `A--B#2`.
    pub id: String,
    /// Whether `id` was written.
    pub named: bool,
    /// The left end.
    pub a: End,
    /// The right end.
    pub b: End,
    /// From `a` to `b`.
    #[serde(with = "written")]
    pub forth: LinkSettings,
    /// From `b` to `a`.
    #[serde(with = "written")]
    pub back: LinkSettings,
    /// Line of the file, from 1; 0: made by a topology or network.
    pub line: u32,
    /// It leads out of the lab; `b` is elsewhere then.
    #[serde(default)]
    pub tunnel: Option<Tunnel>,
    /// It is a tunnel between two switches of the lab.
    #[serde(default)]
    pub fused: Option<Fused>,
}

/// A broadcast domain of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Whose.
    pub tenant: String,
    /// The VLAN, 0 if none.
    pub vlan: u16,
    /// What makes it: a network, a switch, or a link between two nodes.
    pub of: String,
    /// Where its addresses come from, one per family; empty if the lab hands none out there.
    pub subnets: Vec<Cidr>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub when: When,
    /// What.
    pub what: Happening,
    /// Line of the file, from 1.
    pub line: u32,
}

/// When an event happens, counted from clock 0: the moment the untimed expectations hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Once.
    At(#[serde(with = "nanos")] Nanos),
    /// Again and again, the first time after this span.
    Every(#[serde(with = "nanos")] Nanos),
}

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Happening {
    /// Settings of a link change.
    Link {
        /// [`Link::id`].
        link: String,
        /// From the left end to the right.
        forth: Box<SettingsPatch>,
        /// From the right end to the left.
        back: Box<SettingsPatch>,
    },
    /// A node starts, stops ...
    Node {
        /// [`Node::name`].
        node: String,
        /// What it does.
        change: NodeChange,
    },
    /// A command runs in a node.
    Run {
        /// [`Node::name`].
        node: String,
        /// For a shell.
        command: String,
    },
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }
    };
}

words!(/// What happens to a node.
NodeChange {
    /// It starts.
    #[default]
    Start,
    /// It stops.
    Stop,
    /// Both.
    Restart,
    /// Its processes stand still.
    Pause,
    /// They go on.
    Resume,
});
words!(/// When a node's `run:` ends.
Restart {
    /// It stays so.
    #[default]
    Never,
    /// It starts again unless the exit code was 0.
    OnFailure,
    /// It starts again.
    Always,
});
words!(/// How a node is joined to the datapath.
PortKind {
    /// Whatever this machine does best.
    #[default]
    Auto,
    /// A TAP device.
    Tap,
    /// A packet socket.
    Packet,
});
words!(/// What a switch without a controller does.
FailMode {
    /// It learns addresses and forwards.
    #[default]
    Standalone,
    /// Only what flows say.
    Secure,
});
words!(/// What is done about loops among switches.
Loops {
    /// A spanning tree.
    #[default]
    Tree,
    /// Static shortest paths.
    Ecmp,
    /// Nothing.
    Allow,
});
words!(/// Who answers ARP and neighbour discovery.
ArpMode {
    /// A request goes only to the owner of the address.
    #[default]
    Local,
    /// It floods.
    Flood,
    /// Permanent entries: nobody asks.
    Static,
});
words!(/// What an unfaithful link means for the verdict.
Fidelity {
    /// Expectations that measure are not to be trusted.
    #[default]
    Auto,
    /// Every link must be faithful.
    Strict,
    /// Nothing.
    Report,
});
words!(/// What hosts may write.
Filesystem {
    /// The lab's folder and what is private to them.
    #[default]
    Private,
    /// The machine's files, as Mininet does.
    Shared,
});

impl Lab {
    /// A lab without anything, for the plan that ends one.
    #[must_use]
    pub fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: PathBuf::new(),
            seed: 0,
            tenants: vec![Tenant { name: crate::names::DEFAULT_TENANT.to_owned(), id: 0 }],
            nodes: Vec::new(),
            controllers: Vec::new(),
            switches: Vec::new(),
            links: Vec::new(),
            domains: Vec::new(),
            events: Vec::new(),
            expect: Vec::new(),
            options: Options {
                loops: Loops::default(),
                arp: ArpMode::default(),
                workers: 1,
                settle: SETTLE,
                fidelity: Fidelity::default(),
                filesystem: Filesystem::default(),
            },
        }
    }

    /// The folder of the lab file, read-write in the hosts; paths of `files:` are relative to it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// `6 hosts  2 switches  8 links  2 tenants`: the head line of a report.
    #[must_use]
    pub fn summary(&self) -> String {
        let drawn = self.switches.iter().filter(|s| !s.implicit).count();
        let networks = self.switches.len() - drawn;
        let owning: std::collections::BTreeSet<&str> = self.nodes.iter().map(|n| n.tenant.as_str()).collect();
        let tenants =
            if owning.len() == 1 && owning.contains(crate::names::DEFAULT_TENANT) { 0 } else { owning.len() };
        let counts = [
            (self.nodes.len(), "host", "hosts"),
            (drawn, "switch", "switches"),
            (networks, "network", "networks"),
            (self.links.len(), "link", "links"),
            (tenants, "tenant", "tenants"),
        ];
        let words = counts.iter().filter(|(n, ..)| *n > 0);
        words
            .map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many }))
            .collect::<Vec<_>>()
            .join("  ")
    }

    /// A node by its full name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == name)
    }

    /// A switch by its name.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<&Switch> {
        self.switches.iter().find(|s| s.name == name)
    }

    /// A controller by its name.
    #[must_use]
    pub fn controller(&self, name: &str) -> Option<&Controller> {
        self.controllers.iter().find(|c| c.name == name)
    }

    /// The number of a tenant.
    #[must_use]
    pub fn tenant_id(&self, name: &str) -> Option<u16> {
        self.tenants.iter().find(|t| t.name == name).map(|t| t.id)
    }

    /// Links by id, or by the names of both ends in either order: none, one, or several if that is not unique.
    #[must_use]
    pub fn links_named(&self, name: &str) -> Vec<&Link> {
        let between = |link: &Link| {
            let (a, b) = (link.a.name(), link.b.name());
            name.split_once("--").is_some_and(|(x, y)| (x, y) == (a, b) || (x, y) == (b, a))
        };
        if let Some(link) = self.links.iter().find(|l| l.id == name && (l.named || name.contains('#'))) {
            return vec![link];
        }
        self.links.iter().filter(|link| between(link)).collect()
    }

    /// The permanent neighbour entries of a node under `arp: static`: interface, address, MAC.
    #[must_use]
    pub fn neighbours(&self, node: &Node) -> Vec<(String, IpAddr, Mac)> {
        let mut out = Vec::new();
        for own in &node.interfaces {
            let others = self.nodes.iter().filter(|n| n.name != node.name).flat_map(|n| &n.interfaces);
            for other in others.filter(|i| i.domain == own.domain) {
                out.extend(other.addresses.iter().map(|a| (own.name.clone(), a.ip, other.mac)));
            }
        }
        out
    }

    /// The lab's part of /etc/hosts for nodes of a tenant: `10.0.0.2 db db.red`, a line per address.
    #[must_use]
    pub fn hosts_file(&self, tenant: &str) -> String {
        let mut out = String::new();
        for node in self.nodes.iter().filter(|n| n.tenant == tenant) {
            let host = node.hostname();
            for address in node.addresses() {
                out.push_str(&format!("{} {host} {host}.{tenant}\n", address.ip));
            }
        }
        out
    }
}

/// Nanoseconds as a number.
pub(crate) mod nanos {
    use netloom_flow::Nanos;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Nanos, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.0)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Nanos, D::Error> {
        u64::deserialize(from).map(Nanos)
    }
}
