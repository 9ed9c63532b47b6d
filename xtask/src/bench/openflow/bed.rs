//! Two switches of the same make to be controlled: `br0` with three hosts that is measured, `br1` beside it.

use std::path::PathBuf;

use netloom_sys::netns::NetNs;

use super::client::Client;
use super::generator::Sent;
use crate::bench::peer::{Lab, Peer, ovs};
use crate::bench::shell::Netns;
use crate::run::Failed;

/// Whom flow tables are measured with.
pub(super) const PEERS: [Peer; 2] = [Peer::Netloom, Peer::Ovs];

const HOSTS: usize = 5;
/// The number of each host's bridge.
const BRIDGES: [usize; HOSTS] = [0, 0, 1, 1, 0];

/// A switch with its hosts; everything goes when it is dropped.
#[derive(Debug)]
pub(super) struct Bed {
    /// Two of `br0`, at its ports 1 and 2, then two of `br1`, then one more of `br0` at port 3.
    pub(super) hosts: [Netns; HOSTS],
    socket: PathBuf,
    pid: u32,
    #[expect(dead_code, reason = "held so that it goes with the bed")]
    rest: Rest,
}

#[expect(dead_code, reason = "held so that it goes with the bed")]
#[derive(Debug)]
enum Rest {
    Lab(Lab),
    Ovs(ovs::Daemons, Netns),
}

impl Bed {
    pub(super) fn up(peer: Peer) -> Result<Self, Failed> {
        if peer == Peer::Netloom { netloom() } else { open_vswitch() }
    }

    /// A connection to `br0`.
    pub(super) fn connect(&self) -> Result<Client, Failed> {
        Client::connect(&self.socket)
    }

    /// Packets that a host has received. Read at once, since a switch that is behind goes on meanwhile.
    pub(super) fn arrived(&self, host: usize) -> Result<f64, Failed> {
        let name = &self.hosts[host].name;
        let wrong = |e: &dyn std::fmt::Display| Failed::Check(format!("{name}: {e}"));
        let netns = NetNs::open(format!("/run/netns/{name}")).map_err(|e| wrong(&e))?;
        let read = netns.run(|| std::fs::read_to_string("/proc/thread-self/net/dev"));
        let table = read.map_err(|e| wrong(&e))?.map_err(|e| wrong(&e))?;
        let row = table.lines().find_map(|line| line.trim_start().strip_prefix("eth0:"));
        let packets = row.and_then(|row| row.split_whitespace().nth(1)?.parse().ok());
        packets.ok_or_else(|| wrong(&"no eth0"))
    }

    /// Packets per second that a host receives while something is sent.
    pub(super) fn arriving(
        &self,
        host: usize,
        send: impl FnOnce() -> Result<Sent, Failed>,
    ) -> Result<f64, Failed> {
        let before = self.arrived(host)?;
        let sent = send()?;
        let arrived = (self.arrived(host)? - before) / sent.seconds;
        #[expect(clippy::cast_precision_loss, reason = "a count of packets")]
        let offered = sent.packets as f64 / sent.seconds;
        // Whether the sender or the switch was the limit.
        eprintln!("  {offered:.0} packets/s sent, {arrived:.0} arrived");
        Ok(arrived)
    }

    /// Bytes of memory that the switch holds.
    pub(super) fn resident(&self) -> Result<f64, Failed> {
        let path = format!("/proc/{}/status", self.pid);
        let text = std::fs::read_to_string(&path).map_err(|source| Failed::File { path, source })?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
        Ok(kilobytes * 1024.0)
    }
}

fn netloom() -> Result<Bed, Failed> {
    let id = std::process::id();
    let names: [String; HOSTS] = std::array::from_fn(|n| format!("nlb{id}-o{}", n + 1));
    let mut text = "netloom: 1\nname: openflow\nnodes:\n".to_owned();
    for (name, n) in names.iter().zip(1..) {
        text += &format!("  h{n}: {{ netns: {name}, ip: 10.0.0.{n}/24 }}\n");
    }
    text +=
        "switches: { br0: {}, br1: {} }\nlinks: [h1 -- br0, h2 -- br0, h3 -- br1, h4 -- br1, h5 -- br0]\n";
    let lab = Lab::up("openflow", &text)?;
    let socket = PathBuf::from("/run/netloom").join(lab.name()).join("br0.mgmt");
    let pid = lab.pid()?;
    Ok(Bed { hosts: names.map(|name| Netns::borrowed(&name)), socket, pid, rest: Rest::Lab(lab) })
}

fn open_vswitch() -> Result<Bed, Failed> {
    let switch = Netns::make("sw")?;
    let daemons = ovs::Daemons::start(&switch, false)?;
    let make = |n: usize| Netns::make(&format!("o{n}"));
    let hosts = [make(1)?, make(2)?, make(3)?, make(4)?, make(5)?];
    for bridge in ["br0", "br1"] {
        daemons.vsctl(&switch, &format!("add-br {bridge} -- set bridge {bridge} datapath_type=netdev"))?;
    }
    for ((host, bridge), n) in hosts.iter().zip(BRIDGES).zip(1..) {
        switch.ip(&format!("link add port{n} type veth peer name eth0 netns {}", host.name))?;
        switch.ip(&format!("link set port{n} up"))?;
        daemons.vsctl(&switch, &format!("add-port br{bridge} port{n}"))?;
        host.ip(&format!("addr add 10.0.0.{n}/24 dev eth0"))?;
        host.ip("link set eth0 up")?;
        crate::bench::shell::finish("ethtool", host.command("ethtool").args(["-K", "eth0", "tx", "off"]))?;
    }
    let socket = daemons.folder().join("br0.mgmt");
    let pid = daemons.pid("ovs-vswitchd")?;
    Ok(Bed { hosts, socket, pid, rest: Rest::Ovs(daemons, switch) })
}
