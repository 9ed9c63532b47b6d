//! Every key of a lab file, in tables: the readers refuse what is not in them, and the published schema is made
//! from them, so the two cannot diverge.
//!
//! Keys of features that do not exist yet are in the tables as [`Shape::Later`]: refused with their line, never
//! ignored.

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A bare number from the first to the last.
    Integer(u64, u64),
    /// `10ms`
    Duration,
    /// `100Mbit`
    Rate,
    /// A count of packets, or a size.
    Queue,
    /// `100KiB`
    Size,
    /// `1%`
    Share,
    /// `0.5`, or `0.5..2`
    Processors,
    /// `128MiB`, or `128MiB..1GiB`
    Memory,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A map with these keys.
    Table(Table),
    /// A map from names to maps with these keys.
    Each(Table),
    /// A map from anything to this.
    MapTo(&'static Self),
    /// A list of these.
    List(&'static Self),
    /// One of several.
    Any(&'static [Self]),
    /// A feature that is not there yet; what it is.
    Later,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) about: &'static str,
}

/// Keys of one kind of map, in groups that several kinds share.
pub(crate) type Table = &'static [&'static [Key]];

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, about }
}

const fn later(name: &'static str, about: &'static str) -> Key {
    Key { name, shape: Shape::Later, about }
}

use Shape::{
    Any, Choice, Duration, Each, Flag, Integer, List, MapTo, Memory, Processors, Queue, Rate, Share, Size,
    Text,
};

/// One text or several.
const TEXTS: Shape = Any(&[Text, List(&Text)]);
const MTU: Shape = Integer(MIN_MTU, MAX_MTU);
/// The least an interface can have and still carry IPv4 (RFC 791).
pub(crate) const MIN_MTU: u64 = 68;
/// What fits the length field of an IPv4 packet.
pub(crate) const MAX_MTU: u64 = 65_535;

pub(crate) const STATES: &[&str] = &["up", "down"];
pub(crate) const DISTRIBUTIONS: &[&str] = &["uniform", "normal", "pareto"];
pub(crate) const RESTARTS: &[&str] = &["never", "on-failure", "always"];
pub(crate) const PORTS: &[&str] = &["auto", "tap", "packet"];
pub(crate) const FAIL_MODES: &[&str] = &["standalone", "secure"];
pub(crate) const VERSIONS: &[&str] =
    &["OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"];
pub(crate) const LOOPS: &[&str] = &["tree", "ecmp", "allow"];
pub(crate) const ARPS: &[&str] = &["local", "flood", "static"];
pub(crate) const FIDELITIES: &[&str] = &["auto", "strict", "report"];
pub(crate) const FILESYSTEMS: &[&str] = &["private", "shared"];
pub(crate) const LIMITS: &[&str] = &["required", "best-effort"];
pub(crate) const VF_STATES: &[&str] = &["auto", "enable", "disable"];
pub(crate) const VIRTS: &[&str] = &["para", "full"];
pub(crate) const FIRMWARES: &[&str] = &["bios", "uefi"];
pub(crate) const BOARDS: &[&str] = &["q35", "microvm"];
pub(crate) const DOINGS: &[&str] = &["start", "stop", "restart", "pause", "resume"];

/// The file itself.
pub(crate) static TOP: Table = &[&[
    key("netloom", Integer(1, 1), "Version of the lab file's grammar: 1."),
    key("name", Text, "Name of the lab; without it, the file's own."),
    key("seed", Integer(0, u64::MAX), "Every random choice comes from this number."),
    key("vars", MapTo(&Text), "Variables, used as $name; `--set name=value` overrides them."),
    key("defaults", Shape::Table(DEFAULTS), "Settings for everything of one kind; a thing's own key wins."),
    key(
        "controllers",
        MapTo(&Any(&[Text, List(&Text), Shape::Table(CONTROLLER)])),
        "OpenFlow controllers: a target such as tcp:127.0.0.1:6653, several, `learn`, or a map.",
    ),
    key("tenants", Each(TENANT), "Tenants: own names, addresses and networks."),
    key("networks", Each(NETWORK), "Broadcast domains without a switch or link to draw."),
    key("nodes", Each(NODE), "Whatever sends packets."),
    key("switches", Each(SWITCH), "Switches."),
    key("links", List(&Any(&[Text, Shape::Table(LINK)])), "Links, `A -- B` or a map with `link:`."),
    key("tunnels", List(&Shape::Table(TUNNEL)), "Overlay tunnels, from a switch to another machine."),
    key(
        "topology",
        Shape::Table(TOPOLOGY),
        "Nodes, switches and links by a rule; the rest of the file refines them.",
    ),
    key("events", List(&Shape::Table(EVENT)), "What happens, and when, once the untimed expectations hold."),
    key("expect", List(&Any(&[Text, Shape::Table(EXPECT)])), "What must hold."),
    key("loops", Choice(LOOPS), "What is done about loops among switches: tree (default), ecmp or allow."),
    key("arp", Choice(ARPS), "Who answers ARP and neighbour discovery: local (default), flood or static."),
    key("workers", Integer(1, 64), "Threads that move packets, 1 by default."),
    key("settle", Duration, "How long an untimed expectation may take to hold, 10s by default."),
    key("fidelity", Choice(FIDELITIES), "What an unfaithful link means: auto (default), strict or report."),
    key("filesystem", Choice(FILESYSTEMS), "What hosts may write: private (default) or shared."),
    key("subnet", TEXTS, "Where addresses come from: 10.0.0.0/8 and fd00::/48 by default."),
    key("qos", Each(QOS), "Queues and policing, by name, for the `qos:` of switches."),
    later("hosts", "labs over several machines"),
    later("acl", "security groups"),
]];

/// A controller.
pub(crate) static CONTROLLER: Table = &[&[
    key("target", TEXTS, "Where it is: tcp:ADDRESS:PORT, ssl:.., unix:PATH, ptcp:PORT, pssl:.., punix:PATH."),
    key("node", Text, "The node it runs in."),
    key("port", Integer(1, 65_535), "Its port in that node, 6653 by default."),
    key("run", Text, "A command that starts and ends with the lab; its port is in $NETLOOM_OPENFLOW."),
    key(
        "probe",
        Duration,
        "After so long without a word it is asked whether it is there, 5s by default; 0: never.",
    ),
    key("backoff", Duration, "The longest pause between two calls, 8s by default."),
    key(
        "auxiliary",
        Integer(0, 16),
        "Connections beside the main one to a controller that is called, from OpenFlow 1.3 on; 0 by default.",
    ),
    key(
        "in-band",
        Flag,
        "What it says with switches may cross its own switches, whatever their flows say; off by default.",
    ),
    key("key", Text, "File of the private key, PEM."),
    key("certificate", Text, "File of the certificate, PEM."),
    key("ca", Text, "File of the authority that signed the controller's certificate, PEM."),
]];

/// `defaults:`
pub(crate) static DEFAULTS: Table = &[&[
    key("node", Shape::Table(NODE), "For every node."),
    key("switch", Shape::Table(SWITCH), "For every switch."),
    key("link", Shape::Table(SETTINGS_BOTH), "For every link."),
]];

/// A tenant.
pub(crate) static TENANT: Table = &[&[
    key("quota", Shape::Table(QUOTA), "What all nodes of the tenant may use together."),
    key(
        "limits",
        Choice(LIMITS),
        "A quota the machine cannot keep is refused (required, default) or told (best-effort).",
    ),
]];

/// `quota:`
pub(crate) static QUOTA: Table = &[&[
    key("cpu", Processors, "Processors, such as 2 or 0.5."),
    key("memory", Memory, "Memory, such as 2GiB."),
    key("nodes", Integer(0, 1_000_000), "How many nodes."),
    key(
        "bandwidth",
        Rate,
        "Bits a second that the nodes may send together; the rates of their links may add up to no more.",
    ),
]];

/// A network.
pub(crate) static NETWORK: Table = &[&[
    key("subnet", TEXTS, "Addresses of the network, at most one prefix per family."),
    key(
        "internet",
        Flag,
        "Whether a gateway, NAME-gw, leads from the network to what the machine can reach; off by default.",
    ),
    key(
        "dhcp",
        Flag,
        "Whether the network hands out addresses and advertises routers (default); it answers names in any case.",
    ),
]];

/// A node.
pub(crate) static NODE: Table = &[&[
    key(
        "ip",
        Any(&[Text, List(&Text), MapTo(&TEXTS)]),
        "Addresses: of the first interface, or by interface.",
    ),
    key("mac", Any(&[Text, MapTo(&Text)]), "MAC address: of the first interface, or by interface."),
    key("mtu", Any(&[MTU, MapTo(&MTU)]), "MTU of all interfaces, or by interface."),
    key("gateway", TEXTS, "Default gateway, at most one per family; `none` for none."),
    key("routes", TEXTS, "Routes such as `default via 10.0.0.1`, or `auto`: shortest paths."),
    key("forward", Flag, "Whether the node forwards packets between its interfaces."),
    key("sysctl", MapTo(&Text), "Kernel settings of the node's network, net.* only."),
    key(
        "files",
        MapTo(&Text),
        "Files laid over the node's own: path in the node to path beside the lab file.",
    ),
    key("env", MapTo(&Text), "Environment of what runs in the node."),
    key("run", TEXTS, "Command, or commands, that start with the node."),
    key(
        "restart",
        Choice(RESTARTS),
        "When `run` ends: never (default), on-failure or always start it again.",
    ),
    key("networks", List(&Text), "Networks the node joins, its own tenant's first."),
    key("aliases", TEXTS, "Other names that nodes of its tenant reach it by; several nodes may share one."),
    key("privileged", Flag, "Lifts the bounds of a host's capabilities."),
    key("netns", Text, "Name under /run/netns for the node's network namespace."),
    key("port", Choice(PORTS), "How the node is joined: auto (default), tap or packet."),
    key(
        "image",
        Text,
        "Makes the node a container: nginx:alpine, oci:DIR[:TAG], docker-archive:FILE or dir:ROOTFS.",
    ),
    key("entrypoint", TEXTS, "The container's program instead of the image's; a text is split at blanks."),
    key("cmd", TEXTS, "Arguments of the container's program instead of the image's."),
    key("user", Text, "Whom the container's programs run as, in its own names or numbers: NAME[:GROUP]."),
    key("workdir", Text, "Where the container's programs start."),
    key(
        "volumes",
        TEXTS,
        "What a container sees of outside: ./dir:/path[:ro][,make], or name:/path to keep after `down`.",
    ),
    key("tmpfs", TEXTS, "File systems in memory: /path[:size=64MiB,mode=1777]."),
    key("read-only", Flag, "The container writes nowhere but in volumes and tmpfs."),
    key("stop-signal", Text, "What asks the container's program to end, SIGTERM by default."),
    key("stop-timeout", Duration, "How long it may take to end, 10s by default."),
    key(
        "health",
        Any(&[Text, List(&Text), Shape::Table(HEALTH)]),
        "A command whose exit code 0 says that the node is well, or none.",
    ),
    key(
        "ports",
        TEXTS,
        "Ports of the machine that lead into the node: 8080:80, 0.0.0.0:8080:80, 5353:53/udp, 8000..8009:80..89.",
    ),
    key("after", TEXTS, "Nodes that come first: `db` (started), `db healthy`, `init done`."),
    key("vm", Shape::Table(VM), "Makes the node a virtual machine; `memory` and `cpu` are its own."),
    key(
        "vf",
        Shape::Table(VF),
        "Gives the node a virtual function of a network card (SR-IOV) as its first interface.",
    ),
    key(
        "interface",
        Text,
        "Makes the node a real interface of the machine, by its name: its wire is at the node's only link.",
    ),
    key(
        "cpu",
        Processors,
        "Processors the node may use, 0.5 or 0.5..2: at first, and the most `resize` may give it.",
    ),
    key("memory", Memory, "Memory the node may use, 128MiB or 128MiB..1GiB: at first, and the most."),
    key("swap", Size, "What of its memory may be swapped out besides; with `memory`, none by default."),
    key("pids", Integer(1, crate::limits::MOST_PIDS), "How many processes and threads the node may have."),
    key(
        "io",
        Any(&[Size, Shape::Table(IO)]),
        "Bytes a second the node may read and write, or a map that says more.",
    ),
    key("cpuset", TEXTS, "Processors of the machine the node runs on: 0..3, or [0, 2]."),
    key(
        "limits",
        Choice(LIMITS),
        "A limit the machine cannot keep is refused (required, default) or told (best-effort).",
    ),
]];

/// `vf:`
pub(crate) static VF: Table = &[&[
    key(
        "pf",
        Text,
        "The physical function: its network device, or its PCI address; `netloom vf ls` lists them.",
    ),
    key("vlan", Integer(1, 4_094), "The VLAN that the card puts its frames in; the node sees no tag."),
    key("mac", Text, "Its Ethernet address; without it, one made from the node's name."),
    key("spoofchk", Flag, "Whether the card drops frames with another source address than its own."),
    key("trust", Flag, "Whether it may take other addresses and hear everything."),
    key("rate", Rate, "The most it may send, in whole Mbit."),
    key("min-rate", Rate, "What it is guaranteed, in whole Mbit; few drivers have it."),
    key(
        "state",
        Choice(VF_STATES),
        "What it sees of the cable: as the physical function (auto), enable or disable.",
    ),
    key(
        "fallback",
        Text,
        "The switch or network that an ordinary card leads to where there is no virtual function; and that the representor joins \
         where the physical function is in switchdev mode.",
    ),
]];

/// `vm:`
pub(crate) static VM: Table = &[&[
    key(
        "kernel",
        Text,
        "A Linux kernel beside the lab file; else the newest of this machine's own, in /boot.",
    ),
    key(
        "initrd",
        Text,
        "Its initial file system, instead of netloom's own, which brings the agent for `exec`.",
    ),
    key("append", Text, "Words for the end of the kernel's command line."),
    key(
        "image",
        Text,
        "A container image whose files the guest has, in memory; it runs the image's program.",
    ),
    key(
        "disk",
        Text,
        "The image of a disk, raw or qcow2. It is not written: what the guest writes is kept for the node until `down --volumes`.",
    ),
    key(
        "cloud-init",
        Text,
        "A file with user-data for cloud-init in a guest of your own, which gets its name and addresses with it.",
    ),
    key(
        "virt",
        Choice(VIRTS),
        "Devices: para (virtio, default), or full, which every guest has drivers for.",
    ),
    key("firmware", Choice(FIRMWARES), "What starts a disk: bios (default), or uefi."),
    key(
        "machine",
        Choice(BOARDS),
        "The board: q35 (default), or microvm, which has less: a kernel, virtio, and cards that stay.",
    ),
    key(
        "standby",
        Flag,
        "Its place in this lab is ready, and it is off: it comes from elsewhere by `netloom migrate`, or is started by `start`.",
    ),
    key("url", Text, "Where the image of its disk is, http:// or https://; it is fetched once and kept."),
    key("sha256", Text, "What the file at `url` must be: its SHA-256, 64 hexadecimal digits."),
]];

/// `io:`
pub(crate) static IO: Table = &[&[
    key("read", Size, "Bytes a second read from disks."),
    key("write", Size, "Bytes a second written to disks."),
    key("reads", Integer(1, 1_000_000_000), "Reads a second."),
    key("writes", Integer(1, 1_000_000_000), "Writes a second."),
]];

/// A health check.
pub(crate) static HEALTH: Table = &[&[
    key("run", TEXTS, "The command: a text for a shell, or a program with its arguments."),
    key("interval", Duration, "From one answer to the next question, 10s by default."),
    key("timeout", Duration, "How long an answer may take, 5s by default."),
    key("retries", Integer(1, 1_000), "So many bad answers in a row make the node unhealthy, 3 by default."),
    key("start-period", Duration, "How long after the start bad answers do not count, 0 by default."),
]];

/// A switch.
pub(crate) static SWITCH: Table = &[&[
    key(
        "fail_mode",
        Choice(FAIL_MODES),
        "Without a controller: learn as a switch does (standalone, default), or only flows (secure).",
    ),
    key("flows", List(&Text), "Flows in the syntax of ovs-ofctl, one a line."),
    key(
        "groups",
        List(&Text),
        "Groups in the syntax of ovs-ofctl, one a line; a group may use those before it.",
    ),
    key("meters", List(&Text), "Meters in the syntax of ovs-ofctl, one a line."),
    key("zones", List(&Text), "Zones of connection tracking, one a line: zone=5,limit=1000,udp_single=10."),
    key("controller", TEXTS, "Names of `controllers:`, or targets; none: it has no controller."),
    key(
        "openflow",
        Any(&[Choice(VERSIONS), List(&Choice(VERSIONS))]),
        "Versions it may speak, all by default.",
    ),
    key("dpid", Text, "Its datapath id: up to 16 hexadecimal digits."),
    key(
        "qos",
        MapTo(&Any(&[Text, Shape::Table(QOS)])),
        "By port, or by what it leads to: a name of the file's `qos:`, or queues and policing.",
    ),
]];

/// Queues and policing of a port.
pub(crate) static QOS: Table = &[&[
    key("max-rate", Rate, "Most bits per second of all queues together, counted as L2 bytes without FCS."),
    key("queues", Each(QUEUE), "Queues by number; 0 takes what no flow puts into another."),
    key("police", Shape::Table(POLICE), "What may come in by the port; what is too much is dropped."),
]];

/// A queue.
pub(crate) static QUEUE: Table = &[&[
    key("min-rate", Rate, "Guaranteed bits per second; without it none are."),
    key("max-rate", Rate, "Most bits per second; without it, what the port has."),
    key("burst", Size, "Bytes that may leave at once after a pause; without it, 10 ms at the rate."),
    key("priority", Integer(0, 255), "Who gets first what guarantees leave over: 0 (default) before 1."),
    key("dscp", Integer(0, 63), "What IP packets that leave by the queue are marked with."),
    key("limit", Queue, "What may wait: packets, or bytes with a unit."),
]];

/// Policing.
pub(crate) static POLICE: Table = &[&[
    key("rate", Rate, "Most bits per second, counted as L2 bytes without FCS."),
    key("burst", Size, "Bytes that may come at once after a pause; without it, half a second at the rate."),
    key("packets", Integer(1, 1_000_000_000), "Most packets per second."),
    key(
        "packet-burst",
        Integer(1, 1_000_000_000),
        "Packets that may come at once after a pause; without it, half a second at the rate.",
    ),
]];

const SETTINGS_KEYS: &[Key] = &[
    key("rate", Any(&[Rate, Choice(&["none"])]), "Bits per second, counted as L2 bytes without FCS."),
    key("delay", Duration, "One-way delay."),
    key("jitter", Duration, "Spread of the delay."),
    key("distribution", Choice(DISTRIBUTIONS), "Shape of the jitter: uniform (default), normal or pareto."),
    key("loss", Any(&[Share, Shape::Table(LOSS)]), "Share of packets lost."),
    key("duplicate", Share, "Share of packets that arrive twice."),
    key("reorder", Share, "Share of packets that skip the delay."),
    key("corrupt", Share, "Share of packets with one bit flipped."),
    key("queue", Queue, "Limit of the queue before the link: packets, or bytes with a unit."),
    key("mtu", MTU, "Longest payload of a frame that passes."),
    key("state", Choice(STATES), "Whether packets pass."),
];

/// Settings of one direction of a link.
pub(crate) static SETTINGS: Table = &[SETTINGS_KEYS];

const DIRECTIONS: &[Key] = &[
    key("forth", Shape::Table(SETTINGS), "Settings from the left end to the right one."),
    key("back", Shape::Table(SETTINGS), "Settings from the right end to the left one."),
];

/// Settings of a link.
pub(crate) static SETTINGS_BOTH: Table = &[SETTINGS_KEYS, DIRECTIONS];

/// A link.
pub(crate) static LINK: Table = &[
    &[
        key("link", Text, "The two ends, `A -- B`; `A:eth1` names the interface."),
        key("name", Text, "The link's name; else it goes by `A--B`."),
        key("vlan", Integer(1, 4094), "VLAN of the node at an access port."),
        key("trunk", List(&Text), "VLANs carried with their tags, numbers and ranges."),
        key("native", Integer(1, 4094), "VLAN of untagged frames on a trunk."),
        key("tenant", Text, "Tenant of a node that serves several."),
        key("subnet", TEXTS, "Addresses of a link between two nodes."),
    ],
    SETTINGS_KEYS,
    DIRECTIONS,
];

pub(crate) const EXTENSIONS: &[&str] = &["gbp", "gpe"];
const TUNNELS: &[&str] = &["vxlan", "geneve", "gre", "erspan", "stt"];
const KEY: Shape = Any(&[Integer(0, u64::MAX), Choice(&["flow"])]);
const INHERITED: Shape = Any(&[Integer(0, 255), Choice(&["inherit"])]);

/// A tunnel.
pub(crate) static TUNNEL: Table = &[
    &[
        key("link", Text, "`SWITCH -- ADDRESS`, `SWITCH -- flow`, or two switches of the lab."),
        key("type", Choice(TUNNELS), "vxlan, geneve, gre, erspan or stt."),
        key("name", Text, "The tunnel's name among the links; else it goes by `SWITCH--ADDRESS`."),
        key("tenant", Text, "Whose packets it carries; without it, every tenant's."),
        key(
            "key",
            Any(&[Integer(0, u64::MAX), Choice(&["flow"]), MapTo(&Integer(0, u64::MAX))]),
            "The key of both directions, what flows say (flow), or a key for each tenant: a tunnel each.",
        ),
        key("in_key", KEY, "The key of packets that come in."),
        key("out_key", KEY, "The key of packets that go out."),
        key("local_ip", Text, "The address of this machine, or flow; any by default."),
        key(
            "dst_port",
            Integer(1, 65_535),
            "UDP port of both ends: 4789 for VXLAN, 6081 for Geneve; TCP port 7471 for STT.",
        ),
        key("tos", INHERITED, "DSCP of the outer header: a TOS byte (0 by default), or inherit."),
        key("ttl", INHERITED, "TTL of the outer header: 64 by default, or inherit."),
        key("df_default", Flag, "Whether the underlay may not fragment, which is the default."),
        key("csum", Flag, "With a checksum of UDP or GRE."),
        key("seq", Flag, "GRE with sequence numbers."),
        key("exts", Choice(EXTENSIONS), "Extension of VXLAN: gbp or gpe."),
        key("erspan_ver", Integer(0, 2), "ERSPAN: 1 (type II, default), 2 (type III), 0 (type I)."),
        key("erspan_idx", Integer(0, 0xf_ffff), "Index of ERSPAN type II."),
        key("erspan_dir", Integer(0, 1), "Direction of ERSPAN type III."),
        key("erspan_hwid", Integer(0, 63), "Hardware id of ERSPAN type III."),
        key("underlay_mtu", Integer(576, 65_535), "MTU of the underlay, 1500 by default."),
        key("mss_clamp", Flag, "Lower the segment size that TCP announces to what fits."),
    ],
    SETTINGS_KEYS,
    DIRECTIONS,
];

const LOSS: Table = &[&[key("gilbert-elliott", Shape::Table(GILBERT), "Losses in bursts.")]];

/// `loss: { gilbert-elliott: ... }`
pub(crate) static GILBERT: Table = &[&[
    key("p", Share, "Chance to go from the good to the bad state, after each packet."),
    key("r", Share, "Chance to go back; without it, 100% less p."),
    key("bad", Share, "Loss in the bad state, 100% by default."),
    key("good", Share, "Loss in the good state, 0 by default."),
]];

/// The table of `loss:` as a map.
pub(crate) static LOSS_MAP: Table = LOSS;

/// `topology:`
pub(crate) static TOPOLOGY: Table = &[&[
    key("single", Any(&[Integer(1, 65_000), Shape::Table(SINGLE)]), "One switch with this many hosts."),
    key("linear", Any(&[Integer(1, 65_000), Shape::Table(LINEAR)]), "Switches in a row, hosts on each."),
    key("tree", Shape::Table(TREE), "A tree of switches with hosts as leaves."),
    key("torus", Shape::Table(TORUS), "A grid of switches whose edges are joined."),
    key("fat-tree", Shape::Table(FAT_TREE), "A fat tree of k pods."),
    key("clos", Shape::Table(CLOS), "Leaves that are joined to every spine."),
]];
pub(crate) static SINGLE: Table = &[&[key("hosts", Integer(1, 65_000), "Hosts.")]];
pub(crate) static LINEAR: Table = &[&[
    key("switches", Integer(1, 65_000), "Switches."),
    key("hosts", Integer(0, 65_000), "Hosts per switch, 1 by default."),
]];
pub(crate) static TREE: Table = &[&[
    key("depth", Integer(1, 16), "Levels of switches."),
    key("fanout", Integer(1, 65_000), "Children of each switch, 2 by default."),
]];
pub(crate) static TORUS: Table = &[&[
    key("x", Integer(3, 1_000), "Columns."),
    key("y", Integer(3, 1_000), "Rows."),
    key("hosts", Integer(0, 1_000), "Hosts per switch, 1 by default."),
]];
pub(crate) static FAT_TREE: Table = &[&[
    key("k", Integer(2, 64), "Ports per switch, even."),
    key("hosts", Integer(0, 1_000), "Hosts per edge switch, k/2 by default."),
]];
pub(crate) static CLOS: Table = &[&[
    key("spines", Integer(1, 1_000), "Spines."),
    key("leaves", Integer(1, 10_000), "Leaves."),
    key("hosts", Integer(0, 10_000), "Hosts per leaf, 1 by default."),
]];

/// An event.
pub(crate) static EVENT: Table = &[
    &[
        key("at", Duration, "When, counted from the moment the untimed expectations hold."),
        key("every", Duration, "Again and again, with this distance."),
        key("link", Text, "Which link changes."),
        key("node", Text, "Which node, or range of nodes."),
        key("do", Choice(DOINGS), "What happens to the node."),
        key("run", Text, "A command to run in the node."),
    ],
    SETTINGS_KEYS,
    DIRECTIONS,
];

/// An expectation about a command.
pub(crate) static EXPECT: Table = &[&[
    key("node", Text, "Where the command runs."),
    key("run", Text, "The command."),
    key("prints", Text, "What its output must contain."),
    key("exit", Integer(0, 255), "Its exit code, 0 by default."),
    key("at", Duration, "When, counted from the moment the untimed expectations hold."),
    key("within", Duration, "How long it may take to hold, instead of `settle`."),
]];

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(shape: &Shape, seen: &mut Vec<&'static str>) {
        match shape {
            Shape::Table(table) | Each(table) => {
                for key in table.iter().flat_map(|group| group.iter()) {
                    seen.push(key.name);
                    walk(&key.shape, seen);
                }
            }
            MapTo(inner) | List(inner) => walk(inner, seen),
            Any(shapes) => shapes.iter().for_each(|s| walk(s, seen)),
            _ => {}
        }
    }

    #[test]
    fn no_key_is_a_word_that_other_yaml_takes_for_a_truth_value() {
        let mut seen = Vec::new();
        walk(&Shape::Table(TOP), &mut seen);
        assert!(seen.len() > 100);
        for name in seen {
            assert!(!["on", "off", "yes", "no"].contains(&name), "{name}");
        }
    }
}
