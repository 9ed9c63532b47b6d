//! Two machines, a host and a switch on each, and a tunnel between the switches. The machines are namespaces, the
//! underlay a veth pair with an MTU of 1500. And one machine with both ends of a tunnel.

use std::collections::BTreeMap;

use super::peer::Lab;
use super::peer::ovs::Daemons;
use super::report::{self, Asked};
use super::shell::{self, Netns};
use crate::run::Failed;

/// What carries the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// netloom, with a tunnel of this type.
    Netloom(&'static str),
    /// netloom with STT where frames leave in plain pieces, since the underlay has no neighbours to be known.
    Pieces,
    /// Linux's VXLAN device in a bridge.
    Linux,
    /// Open vSwitch in userspace, with a tunnel of this type.
    Ovs(&'static str),
    /// Both switches in one lab, a tunnel between them.
    Fused,
    /// The same with a link between them, and nodes of the MTU that the tunnel would leave.
    Link,
}

impl Way {
    /// Between two machines, in this order in each round: those that are compared follow each other.
    const BETWEEN: [Self; 10] = [
        Self::Pieces,
        Self::Netloom("stt"),
        Self::Netloom("vxlan"),
        Self::Linux,
        Self::Ovs("vxlan"),
        Self::Netloom("geneve"),
        Self::Ovs("geneve"),
        Self::Netloom("gre"),
        Self::Ovs("gre"),
        Self::Netloom("erspan"),
    ];

    fn name(self) -> String {
        match self {
            Self::Netloom(kind) => format!("netloom, {kind}"),
            Self::Pieces => "netloom, stt in plain pieces".to_owned(),
            Self::Linux => "Linux bridge, vxlan".to_owned(),
            Self::Ovs(kind) => format!("OVS netdev, {kind}"),
            Self::Fused => "netloom, both ends in one lab".to_owned(),
            Self::Link => "netloom, a link instead".to_owned(),
        }
    }

    const fn is_ours(self) -> bool {
        matches!(self, Self::Netloom(_) | Self::Pieces | Self::Fused | Self::Link)
    }
}

/// What a round is compared with: whose value is divided by whose, and what is asked of the ratio.
type Ratio = (&'static str, Way, Way, Asked);

const ASKED: [Ratio; 7] = [
    ("VXLAN beside Linux", Way::Netloom("vxlan"), Way::Linux, Asked::AtLeast(0.4, 0.8)),
    ("VXLAN beside OVS", Way::Netloom("vxlan"), Way::Ovs("vxlan"), Asked::AtLeast(3.0, 3.0)),
    ("Geneve beside OVS", Way::Netloom("geneve"), Way::Ovs("geneve"), Asked::AtLeast(3.0, 3.0)),
    ("GRE beside OVS", Way::Netloom("gre"), Way::Ovs("gre"), Asked::AtLeast(3.0, 3.0)),
    ("STT in super-packets beside plain pieces", Way::Netloom("stt"), Way::Pieces, Asked::AtLeast(1.0, 1.0)),
    ("STT beside our VXLAN", Way::Netloom("stt"), Way::Netloom("vxlan"), Asked::AtLeast(0.8, 1.0)),
    ("both ends in one lab beside a link", Way::Fused, Way::Link, Asked::AtLeast(0.98, 0.98)),
];
const ASKED_SMALL: [Ratio; 4] = [
    ("VXLAN beside OVS", Way::Netloom("vxlan"), Way::Ovs("vxlan"), Asked::AtLeast(2.0, 2.0)),
    ("Geneve beside OVS", Way::Netloom("geneve"), Way::Ovs("geneve"), Asked::AtLeast(2.0, 2.0)),
    ("GRE beside OVS", Way::Netloom("gre"), Way::Ovs("gre"), Asked::AtLeast(2.0, 2.0)),
    ("both ends in one lab beside a link", Way::Fused, Way::Link, Asked::AtLeast(0.98, 0.98)),
];

type Values = BTreeMap<Way, Vec<f64>>;

/// So often a round measures each of the two ways inside one lab, by turns: a run differs from the next by more than what
/// is asked of their ratio.
const TURNS: usize = 8;

/// Runs all rounds: in each, every way between machines once, and those inside one lab by turns.
///
/// # Errors
/// [`Failed`] if a way cannot be set up or an agent fails.
pub(super) fn run(peers_only: bool, rounds: usize, seconds: f64) -> Result<(), Failed> {
    let mut found = Found::default();
    for round in 1..=rounds {
        for way in Way::BETWEEN.into_iter().filter(|way| !peers_only || !way.is_ours()) {
            eprintln!("tunnels: round {round} of {rounds}, {}", way.name());
            found.measure(way, &Bed::up(way)?, seconds)?;
        }
        if !peers_only {
            eprintln!("tunnels: round {round} of {rounds}, inside one lab");
            found.inside(seconds / 2.0)?;
        }
    }
    print("TCP bulk through a tunnel", "Gbit/s", &found.bulk, &ASKED);
    print("Processor time of TCP bulk, both hosts and both machines", "s per 10 GB", &found.work, &[]);
    print("UDP through a tunnel, 18-byte payload, received", "packets/s", &found.small, &ASKED_SMALL);
    Ok(())
}

/// What was measured of each way, in the order of the rounds.
#[derive(Default)]
struct Found {
    /// Gbit/s of TCP.
    bulk: Values,
    /// Seconds of processor time for 10 GB of it.
    work: Values,
    /// Small datagrams a second.
    small: Values,
}

impl Found {
    fn measure(&mut self, way: Way, bed: &Bed, seconds: f64) -> Result<(), Failed> {
        let (rate, spent) = bed.bulk(seconds)?;
        self.bulk.entry(way).or_default().push(rate);
        self.work.entry(way).or_default().push(spent);
        self.small.entry(way).or_default().push(bed.small(seconds)?);
        Ok(())
    }

    /// Both labs are up all the time, and take turns.
    fn inside(&mut self, seconds: f64) -> Result<(), Failed> {
        let [fused, link] = [Bed::one_lab(Way::Fused)?, Bed::one_lab(Way::Link)?];
        for turn in 0..TURNS {
            let mut order = [(Way::Fused, &fused), (Way::Link, &link)];
            order.rotate_left(turn % 2);
            for (way, bed) in order {
                self.measure(way, bed, seconds)?;
            }
        }
        Ok(())
    }
}

fn print(title: &str, unit: &str, values: &Values, asked: &[Ratio]) {
    report::table(title, &["", unit, "least", "most"]);
    for (way, list) in values {
        let (least, most) = bounds(list);
        report::row(&[&way.name(), &number(median(list)), &number(least), &number(most)]);
    }
    if asked.is_empty() {
        return;
    }
    report::table(&format!("{title}: ratios"), &["", "times", "asked"]);
    for (what, ours, theirs, asked) in asked {
        let (Some(ours), Some(theirs)) = (values.get(ours), values.get(theirs)) else { continue };
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b.max(f64::MIN_POSITIVE)).collect();
        let ratio = median(&ratios);
        report::row(&[what, &format!("{ratio:.2}"), &asked.verdict(ratio)]);
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn bounds(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, 0.0), |(least, most), value| (value.min(least), value.max(most)))
}

fn number(value: f64) -> String {
    if value < 1_000.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// Two machines and a host on each; or one lab with two hosts.
struct Bed {
    hosts: [Netns; 2],
    /// Held so that it goes with the bed.
    _labs: Vec<Lab>,
    _daemons: Vec<Daemons>,
    _machines: Vec<Netns>,
}

impl Bed {
    /// Two machines.
    fn up(way: Way) -> Result<Self, Failed> {
        let machines = [Netns::make("m1")?, Netns::make("m2")?];
        let [one, two] = &machines;
        one.ip(&format!("link add under type veth peer name under netns {}", two.name))?;
        machines.iter().try_for_each(|machine| machine.ip("link set under up").map(drop))?;
        match way {
            Way::Netloom(kind) => return Self::netloom(machines, kind),
            Way::Pieces => {
                // Without ARP a frame goes to the interface's own address, which both have.
                for machine in &machines {
                    machine.ip("link set under address 02:00:00:00:00:99 arp off")?;
                }
                return Self::netloom(machines, "stt");
            }
            _ => {}
        }
        let hosts = [Netns::make("h1")?, Netns::make("h2")?];
        let mut daemons = Vec::new();
        for (n, (machine, host)) in (1..).zip(machines.iter().zip(&hosts)) {
            machine.ip(&format!("link add port type veth peer name eth0 netns {}", host.name))?;
            machine.ip("link set port up")?;
            host.ip(&format!("link set eth0 mtu 1450 address 02:00:00:00:00:0{n} up"))?;
            host.ip(&format!("addr add 10.0.0.{n}/24 dev eth0"))?;
            match way {
                Way::Ovs(kind) => daemons.push(ovs(machine, host, n, kind)?),
                _ => linux(machine, n)?,
            }
        }
        Ok(Self { hosts, _labs: Vec::new(), _daemons: daemons, _machines: machines.into() })
    }

    fn netloom(machines: [Netns; 2], kind: &str) -> Result<Self, Failed> {
        let names = names("h");
        let mut labs = Vec::new();
        for (n, (machine, name)) in (1..).zip(machines.iter().zip(&names)) {
            machine.ip(&format!("addr add 192.0.2.{n}/24 dev under"))?;
            let text = format!(
                "netloom: 1\nname: tunnels\nnodes:\n  h{n}: {{ netns: {name}, ip: 10.0.0.{n}/24 }}\n\
                 switches: {{ s1: {{}} }}\nlinks: [h{n} -- s1]\n\
                 tunnels: [{{ link: s1 -- 192.0.2.{}, type: {kind}, key: 77 }}]\n",
                3 - n
            );
            labs.push(Lab::up_in(machine, &format!("t{n}"), &text)?);
        }
        let hosts = names.map(|name| Netns::borrowed(&name));
        Ok(Self { hosts, _labs: labs, _daemons: Vec::new(), _machines: machines.into() })
    }

    /// One machine; `way` is [`Way::Fused`] or [`Way::Link`].
    fn one_lab(way: Way) -> Result<Self, Failed> {
        let (names, lab) = if way == Way::Fused { (names("f"), "t0") } else { (names("l"), "t9") };
        let [one, two] = &names;
        let (links, mtu) = match way {
            Way::Fused => {
                ("links: [h1 -- s1, h2 -- s2]\ntunnels: [{ link: s1 -- s2, type: vxlan, key: 77 }]", 1450)
            }
            _ => ("links: [h1 -- s1, s1 -- s2, h2 -- s2]", 1450),
        };
        let text = format!(
            "netloom: 1\nname: tunnels\nnodes:\n  h1: {{ netns: {one}, ip: 10.0.0.1/24, mtu: {mtu} }}\n  \
             h2: {{ netns: {two}, ip: 10.0.0.2/24, mtu: {mtu} }}\nswitches: {{ s1: {{}}, s2: {{}} }}\n{links}\n"
        );
        let lab = Lab::up(lab, &text)?;
        let hosts = names.map(|name| Netns::borrowed(&name));
        Ok(Self { hosts, _labs: vec![lab], _daemons: Vec::new(), _machines: Vec::new() })
    }

    /// Gbit/s of one TCP connection, and the seconds of processor time that 10 GB take.
    fn bulk(&self, seconds: f64) -> Result<(f64, f64), Failed> {
        let [one, two] = &self.hosts;
        shell::finish("ping", one.command("ping").args(["-c", "3", "-i", "0.2", "-W", "2", "10.0.0.2"]))?;
        let receiver = two.agent("tcp-receive 10.0.0.2:5001")?;
        let before = shell::cpu_seconds();
        one.agent(&format!("tcp-send 10.0.0.2:5001 {seconds}"))?.result()?;
        let got = receiver.result()?;
        let spent = shell::cpu_seconds() - before;
        let of = |key: &str| got[key].as_f64().unwrap_or(0.0);
        let bytes = of("bytes").max(1.0);
        Ok((bytes * 8.0 / of("seconds").max(f64::MIN_POSITIVE) / 1e9, spent * 1e10 / bytes))
    }

    /// Small datagrams a second.
    fn small(&self, seconds: f64) -> Result<f64, Failed> {
        let [one, two] = &self.hosts;
        let receiver = two.agent(&format!("udp-receive 10.0.0.2:5002 {seconds}"))?;
        let sender = one.agent(&format!("udp-send 10.0.0.2:5002 {}", seconds + 0.5))?;
        let got = receiver.result()?;
        sender.result()?;
        let of = |key: &str| got[key].as_f64().unwrap_or(0.0);
        Ok(of("packets") / of("seconds").max(f64::MIN_POSITIVE))
    }
}

/// What the namespaces of netloom's hosts are called.
fn names(kind: &str) -> [String; 2] {
    let id = std::process::id();
    [1, 2].map(|n| format!("nlb{id}-{kind}{n}"))
}

/// A bridge with the host's port and the kernel's own VXLAN device.
fn linux(machine: &Netns, n: usize) -> Result<(), Failed> {
    machine.ip(&format!("addr add 192.0.2.{n}/24 dev under"))?;
    machine.ip("link add br0 type bridge")?;
    machine.ip(&format!("link add vx0 type vxlan id 77 remote 192.0.2.{} dstport 4789 dev under", 3 - n))?;
    for port in ["port", "vx0"] {
        machine.ip(&format!("link set {port} master br0 up"))?;
    }
    machine.ip("link set br0 up").map(drop)
}

/// A bridge with the host's port and the tunnel, and one with the underlay: OVS finds the way there by the address of the
/// second bridge's own port.
fn ovs(machine: &Netns, host: &Netns, n: usize, kind: &str) -> Result<Daemons, Failed> {
    let daemons = Daemons::start(machine, false)?;
    for line in [
        "add-br br-under -- set bridge br-under datapath_type=netdev".to_owned(),
        "add-port br-under under".to_owned(),
        "add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=standalone".to_owned(),
        "add-port br0 port".to_owned(),
        format!(
            "add-port br0 tun -- set interface tun type={kind} options:remote_ip=192.0.2.{} options:key=77",
            3 - n
        ),
    ] {
        daemons.vsctl(machine, &line)?;
    }
    machine.ip(&format!("addr add 192.0.2.{n}/24 dev br-under"))?;
    machine.ip("link set br-under up")?;
    // This datapath loses the unfinished checksums of its hosts: they must finish them.
    shell::finish("ethtool", host.command("ethtool").args(["-K", "eth0", "tx", "off"]))?;
    Ok(daemons)
}
