//! Two switches of the same make to be controlled: `br0` with two hosts that is measured, `br1` beside it.

use std::path::PathBuf;

use serde_json::Value;

use super::client::Client;
use crate::bench::peer::{Lab, Peer, ovs};
use crate::bench::shell::Netns;
use crate::run::Failed;

/// Whom flow tables are measured with.
pub(super) const PEERS: [Peer; 2] = [Peer::Netloom, Peer::Ovs];

/// A switch with its hosts; everything goes when it is dropped.
#[derive(Debug)]
pub(super) struct Bed {
    /// Two of `br0`, at its ports 1 and 2, then two of `br1`.
    pub(super) hosts: [Netns; 4],
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

    /// Has the two hosts of `br0` know each other, so that nobody must ask.
    pub(super) fn know_neighbours(&self) -> Result<(), Failed> {
        for (host, other, n) in [(0, 1, 2), (1, 0, 1)] {
            let told = self.hosts[other].ip("-j link show eth0")?;
            let links: Value = serde_json::from_str(&told).unwrap_or_default();
            let mac = links[0]["address"].as_str().unwrap_or_default();
            self.hosts[host].ip(&format!("neigh replace 10.0.0.{n} lladdr {mac} nud permanent dev eth0"))?;
        }
        Ok(())
    }

    /// Takes the second host its address: what comes to it is counted by its device and thrown away, and nothing answered.
    pub(super) fn hush(&self) -> Result<(), Failed> {
        self.hosts[1].ip("addr flush dev eth0").map(drop)
    }

    /// Packets that a host has received.
    pub(super) fn arrived(&self, host: usize) -> Result<f64, Failed> {
        let told = self.hosts[host].ip("-s -j link show eth0")?;
        let links: Value = serde_json::from_str(&told).unwrap_or_default();
        Ok(links[0]["stats64"]["rx"]["packets"].as_f64().unwrap_or(0.0))
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
    let names = [1, 2, 3, 4].map(|n| format!("nlb{id}-o{n}"));
    let mut text = "netloom: 1\nname: openflow\nnodes:\n".to_owned();
    for (name, n) in names.iter().zip(1..) {
        text += &format!("  h{n}: {{ netns: {name}, ip: 10.0.0.{n}/24 }}\n");
    }
    text += "switches: { br0: {}, br1: {} }\nlinks: [h1 -- br0, h2 -- br0, h3 -- br1, h4 -- br1]\n";
    let lab = Lab::up("openflow", &text)?;
    let socket = PathBuf::from("/run/netloom").join(lab.name()).join("br0.mgmt");
    let pid = lab.pid()?;
    Ok(Bed { hosts: names.map(|name| Netns::borrowed(&name)), socket, pid, rest: Rest::Lab(lab) })
}

fn open_vswitch() -> Result<Bed, Failed> {
    let switch = Netns::make("sw")?;
    let daemons = ovs::Daemons::start(&switch, false)?;
    let hosts = [Netns::make("o1")?, Netns::make("o2")?, Netns::make("o3")?, Netns::make("o4")?];
    for bridge in ["br0", "br1"] {
        daemons.vsctl(&switch, &format!("add-br {bridge} -- set bridge {bridge} datapath_type=netdev"))?;
    }
    for (host, n) in hosts.iter().zip(1..) {
        switch.ip(&format!("link add port{n} type veth peer name eth0 netns {}", host.name))?;
        switch.ip(&format!("link set port{n} up"))?;
        daemons.vsctl(&switch, &format!("add-port br{} port{n}", (n - 1) / 2))?;
        host.ip(&format!("addr add 10.0.0.{n}/24 dev eth0"))?;
        host.ip("link set eth0 up")?;
        crate::bench::shell::finish("ethtool", host.command("ethtool").args(["-K", "eth0", "tx", "off"]))?;
    }
    let socket = daemons.folder().join("br0.mgmt");
    let pid = daemons.pid("ovs-vswitchd")?;
    Ok(Bed { hosts, socket, pid, rest: Rest::Ovs(daemons, switch) })
}
