//! The nodes of a lab as stations of the prober.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use netloom_lab::address::Family;
use netloom_lab::lab::{ArpMode, Node};

use crate::engine::Running;
use crate::engine::running::State;
use crate::probe::{Place, Station};

/// Seconds after which a node's programs have had time to take their ports.
const SERVICES_S: f64 = 3.0;
/// Delays that a path may have one after the other.
const HOPS: usize = 4;

/// Stations, and what else a prober must know of the lab.
#[derive(Debug)]
pub(in crate::engine) struct Crowd {
    /// The stations.
    pub(in crate::engine) stations: Vec<Station>,
    index: BTreeMap<String, usize>,
    /// The nodes that forward, by index.
    pub(in crate::engine) forwarders: Vec<usize>,
    /// Neighbour entries are permanent.
    pub(in crate::engine) permanent: bool,
    /// Nanoseconds that a packet may take from one node to another, as far as links are slow by their settings.
    pub(in crate::engine) slack: u64,
}

impl Crowd {
    /// Where a node is among the stations.
    pub(in crate::engine) fn at(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// A station by its node's name.
    pub(in crate::engine) fn station(&self, name: &str) -> Option<&Station> {
        self.stations.get(self.at(name)?)
    }
}

impl Running {
    /// Every node of the lab as it is now.
    pub(in crate::engine) fn crowd(&self) -> Crowd {
        let state = self.state();
        let settled = self.age() > SERVICES_S;
        let nodes = state.lab.nodes.iter();
        let station = |node: &Node| {
            Some(Station { place: self.machines.place(node), ..station(&state, node, settled)? })
        };
        let known: Vec<(&Node, Station)> = nodes.filter_map(|node| Some((node, station(node)?))).collect();
        let forwards = |(at, (node, _)): (usize, &(&Node, Station))| node.forward.then_some(at);
        Crowd {
            forwarders: known.iter().enumerate().filter_map(forwards).collect(),
            index: known.iter().enumerate().map(|(at, (node, _))| (node.name.clone(), at)).collect(),
            stations: known.into_iter().map(|(_, station)| station).collect(),
            permanent: state.lab.options.arp == ArpMode::Static,
            slack: slack(&state),
        }
    }
}

fn station(state: &State, node: &Node, settled: bool) -> Option<Station> {
    let made = state.nodes.get(&node.name).filter(|_| !node.is_nic())?;
    let v4 = node.address(Family::Ipv4).and_then(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None });
    let v6 = node.address(Family::Ipv6).and_then(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None });
    Some(Station {
        name: node.name.clone(),
        netns: Arc::clone(&made.netns),
        v4,
        v6,
        addresses: node.addresses().map(|address| address.ip).collect(),
        place: Place::Here,
        down: made.stopped.then(|| "it is stopped".to_owned()),
        may_listen: settled || node.run.is_empty(),
    })
}

/// The delays of the slowest links, one after the other.
fn slack(state: &State) -> u64 {
    let of_spec = state.specs.values().flat_map(|spec| [&spec.to_switch, &spec.from_switch]);
    let mut delays: Vec<u64> =
        of_spec.map(|link| link.delay.0.saturating_add(link.jitter.0.saturating_mul(4))).collect();
    delays.sort_unstable_by(|a, b| b.cmp(a));
    delays.iter().take(HOPS).fold(0, |sum: u64, delay| sum.saturating_add(*delay)).min(10_000_000_000)
}
