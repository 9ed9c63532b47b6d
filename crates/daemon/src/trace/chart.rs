//! Where every datapath port leads, and what it is called.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use netloom_datapath::{Attach, PortSpec};
use netloom_flow::{LinkSettings, OfPort, PortId};
use netloom_lab::Lab;
use netloom_lab::lab::{End, Interface, Node};

use crate::wiring::PortMap;

/// A node's interface, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seat {
    pub(crate) node: usize,
    pub(crate) interface: usize,
}

/// A datapath port.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    /// The name of this end: `s1:s1-eth1`; on a link between two nodes `h1:eth0`.
    pub(crate) here: String,
    /// The name of the other end: `h1:eth0`, `s2:s2-eth1`.
    pub(crate) there: String,
    /// Whose device it is.
    pub(crate) seat: Option<Seat>,
    /// As it is set up now.
    pub(crate) spec: PortSpec,
}

impl Spot {
    /// The port at the other end of a link that has one at each.
    pub(crate) const fn peer(&self) -> Option<PortId> {
        match self.spec.attach {
            Attach::Peer(peer) | Attach::Wire(peer) => Some(peer),
            Attach::Switch => None,
        }
    }

    /// What the link does to packets that leave the switch here, in words.
    pub(crate) fn settings(&self) -> String {
        settings(&self.spec.from_switch)
    }

    /// What it does to packets that a node sends.
    pub(crate) fn inward(&self) -> String {
        settings(&self.spec.to_switch)
    }
}

fn settings(link: &LinkSettings) -> String {
    if link.is_plain() {
        return String::new();
    }
    let words = netloom_lab::setting_words::words(&link.into());
    let words = words.iter().filter(|(key, _)| *key != "state");
    words.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
}

/// The lab as a trace sees it.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) lab: Arc<Lab>,
    pub(crate) ports: BTreeMap<PortId, Spot>,
    seats: BTreeMap<Seat, PortId>,
    numbers: BTreeMap<(String, u32), (String, PortId)>,
}

impl Chart {
    /// The lab as it is now.
    pub(crate) fn new(lab: &Arc<Lab>, map: &PortMap, specs: &BTreeMap<PortId, PortSpec>) -> Self {
        let (mut ports, mut seats, mut numbers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let by_name = seats_by_name(lab);
        let seat = |end: &End| match end {
            End::Node { node, interface } => by_name.get(&(node.as_str(), interface.as_str())).copied(),
            End::Switch { .. } | End::Tunnel { .. } => None,
        };
        for link in &lab.links {
            let Some([a, b]) = map.link(&link.id) else { continue };
            let names = [name(lab, &link.a), name(lab, &link.b)];
            for (at, end) in [&link.a, &link.b].into_iter().enumerate() {
                let port = if at == 0 { a } else { b };
                if let Some(seat) = seat(end) {
                    seats.insert(seat, port);
                }
                if let End::Switch { switch, port: number } = end {
                    numbers.insert((switch.clone(), *number), (names[at].clone(), port));
                }
                // A node at a switch has one port, called after the switch's end.
                if a == b && !end.is_switch() {
                    continue;
                }
                let Some(spec) = specs.get(&port) else { continue };
                let whose = seat(&link.a)
                    .filter(|_| a == b || at == 0)
                    .or_else(|| seat(&link.b).filter(|_| a == b || at == 1));
                let (here, there) = (names[at].clone(), names[1 - at].clone());
                ports.insert(port, Spot { here, there, seat: whose, spec: spec.clone() });
            }
        }
        Self { lab: Arc::clone(lab), ports, seats, numbers }
    }

    pub(crate) fn node(&self, seat: Seat) -> Option<&Node> {
        self.lab.nodes.get(seat.node)
    }

    pub(crate) fn interface(&self, seat: Seat) -> Option<&Interface> {
        self.node(seat)?.interfaces.get(seat.interface)
    }

    /// What a datapath port is called: by the node behind it, if there is one.
    pub(crate) fn port_name(&self, port: PortId) -> String {
        let name = |spot: &Spot| if spot.seat.is_some() { &spot.there } else { &spot.here }.clone();
        self.ports.get(&port).map_or_else(|| port.to_string(), name)
    }

    /// `h1:eth0`.
    pub(crate) fn seat_name(&self, seat: Seat) -> String {
        match (self.node(seat), self.interface(seat)) {
            (Some(node), Some(interface)) => format!("{}:{}", node.name, interface.name),
            _ => String::new(),
        }
    }

    /// The datapath port of an interface.
    pub(crate) fn port_of(&self, seat: Seat) -> Option<PortId> {
        self.seats.get(&seat).copied()
    }

    /// Who has an address in the broadcast domain of an interface.
    pub(crate) fn neighbour(&self, seat: Seat, address: IpAddr) -> Option<Seat> {
        let domain = self.interface(seat)?.domain;
        self.owners(address).find(|found| self.interface(*found).is_some_and(|i| i.domain == domain))
    }

    /// Everybody who has an address.
    pub(crate) fn owners(&self, address: IpAddr) -> impl Iterator<Item = Seat> + '_ {
        self.seats.keys().copied().filter(move |seat| {
            self.interface(*seat).is_some_and(|i| i.addresses.iter().any(|known| known.ip == address))
        })
    }

    /// A port of a switch by its number: its name, and the datapath's.
    pub(crate) fn switch_port(&self, switch: &str, number: OfPort) -> Option<&(String, PortId)> {
        self.numbers.get(&(switch.to_owned(), number.0))
    }

    /// `s1-eth2`, or the number or name of a port that is none of the lab's.
    pub(crate) fn port_word(&self, switch: &str, number: OfPort) -> String {
        match self.switch_port(switch, number) {
            Some((name, _)) => name.split_once(':').map_or(name.clone(), |(_, port)| port.to_owned()),
            None => number.to_string(),
        }
    }
}

fn seats_by_name(lab: &Lab) -> BTreeMap<(&str, &str), Seat> {
    let mut seats = BTreeMap::new();
    for (node, found) in lab.nodes.iter().enumerate() {
        for (interface, known) in found.interfaces.iter().enumerate() {
            seats.insert((found.name.as_str(), known.name.as_str()), Seat { node, interface });
        }
    }
    seats
}

fn name(lab: &Lab, end: &End) -> String {
    match end {
        End::Node { node, interface } => format!("{node}:{interface}"),
        End::Tunnel { peer, .. } => format!("tunnel to {peer}"),
        End::Switch { switch, port } => {
            let known = lab.switch(switch).and_then(|found| found.port(*port));
            known.map_or_else(|| format!("{switch}:{port}"), |known| format!("{switch}:{}", known.name))
        }
    }
}
