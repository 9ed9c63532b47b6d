//! Which datapath port stands for which end of a link, and how it is set up.

use std::collections::{BTreeMap, BTreeSet};

use netloom_datapath::{Attach, Inner, PortSpec};
use netloom_flow::{PortId, TenantId};
use netloom_lab::lab::{End, Lab};
use netloom_netdev::DoorKey;
use netloom_switch::config::Uuid;

use super::tunnel_settings;

/// The ports of all links. A number is never given twice while the lab runs.
///
/// A link between a node and a switch has one port, for both ends: the node's device is the switch's port. One
/// between two switches, or two nodes, has a port at each end.
#[derive(Debug, Clone, Default)]
pub(crate) struct PortMap {
    links: BTreeMap<String, [PortId; 2]>,
    /// Links between two switches.
    trunks: BTreeSet<String>,
    ends: BTreeMap<End, PortId>,
    next: u32,
}

impl PortMap {
    /// Gives ports to ends that have none, and forgets those of ends that are gone.
    ///
    /// The interface of a node keeps its port wherever its link leads: moving it to another switch is moving a cable,
    /// and the node does not notice. An end at a switch keeps it as long as the link has its name.
    pub(crate) fn update(&mut self, lab: &Lab) {
        let (mut links, mut ends, mut trunks) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for link in &lab.links {
            let ports = match (link.a.is_switch(), link.b.is_switch()) {
                (true, true) => self.of_trunk(&link.id),
                (false, true) => [self.of_node(&link.a); 2],
                (true, false) => [self.of_node(&link.b); 2],
                (false, false) => [self.of_node(&link.a), self.of_node(&link.b)],
            };
            if link.a.is_switch() && link.b.is_switch() {
                trunks.insert(link.id.clone());
            }
            ends.insert(link.a.clone(), ports[0]);
            ends.insert(link.b.clone(), ports[1]);
            links.insert(link.id.clone(), ports);
        }
        *self = Self { links, trunks, ends, next: self.next };
    }

    fn of_trunk(&mut self, link: &str) -> [PortId; 2] {
        let before = self.link(link).filter(|_| self.trunks.contains(link));
        before.unwrap_or_else(|| [self.fresh(), self.fresh()])
    }

    fn of_node(&mut self, end: &End) -> PortId {
        self.end(end).unwrap_or_else(|| self.fresh())
    }

    /// A number for a port that is no end of a link.
    pub(crate) fn fresh(&mut self) -> PortId {
        let port = PortId(self.next);
        self.next += 1;
        port
    }

    /// The ports at the ends of a link, left and right.
    pub(crate) fn link(&self, link: &str) -> Option<[PortId; 2]> {
        self.links.get(link).copied()
    }

    /// The port at an end of a link.
    pub(crate) fn end(&self, end: &End) -> Option<PortId> {
        self.ends.get(end).copied()
    }

    /// The port of a node's interface.
    pub(crate) fn interface(&self, node: &str, interface: &str) -> Option<PortId> {
        self.end(&End::Node { node: node.to_owned(), interface: interface.to_owned() })
    }
}

/// How every port of the lab is to be set up, in the order of the links.
pub(crate) fn port_specs(lab: &Lab, ports: &PortMap) -> Vec<PortSpec> {
    let workers = lab.options.workers.max(1);
    let interfaces = tenants_of_interfaces(lab);
    let tunnels = tenants_of_tunnels(lab);
    let mut specs = Vec::new();
    for link in &lab.links {
        let Some([a, b]) = ports.link(&link.id) else { continue };
        let tenant_of = |end: &End| match end {
            End::Node { node, interface } => {
                interfaces.get(&(node.as_str(), interface.as_str())).copied().unwrap_or(TenantId(u16::MAX))
            }
            End::Switch { .. } => TenantId(0),
            End::Tunnel { .. } => tunnels.get(link.id.as_str()).copied().unwrap_or(TenantId(u16::MAX)),
        };
        let link_seed = seed(lab.seed, &link.id);
        let spec = |port: PortId, end: &End, attach| {
            let worker = match &link.tunnel {
                // What comes by a door is looked up where the door is read.
                Some(tunnel) => door_worker(&tunnel_settings(tunnel).door(), workers),
                None => u16::try_from(port.0 % u32::from(workers)).unwrap_or(0),
            };
            PortSpec { worker, link_seed, ..PortSpec::new(port, tenant_of(end), attach) }
        };
        match (link.a.is_switch(), link.b.is_switch()) {
            (true, true) => {
                let inner = link.fused.as_ref();
                let inner = inner.map(|it| Inner { mtu: it.mtu(), clamp: it.tunnel.mss_clamp });
                let (forth, back) = (link.forth.clone(), link.back.clone());
                specs.push(PortSpec { from_switch: forth, inner, ..spec(a, &link.a, Attach::Peer(b)) });
                specs.push(PortSpec { from_switch: back, inner, ..spec(b, &link.b, Attach::Peer(a)) });
            }
            (false, false) => {
                specs.push(PortSpec { to_switch: link.forth.clone(), ..spec(a, &link.a, Attach::Wire(b)) });
                specs.push(PortSpec { to_switch: link.back.clone(), ..spec(b, &link.b, Attach::Wire(a)) });
            }
            (node_left, _) => {
                let left = !node_left;
                let (to_switch, from_switch) =
                    if left { (&link.forth, &link.back) } else { (&link.back, &link.forth) };
                let end = if left { &link.a } else { &link.b };
                let base = spec(a, end, Attach::Switch);
                specs.push(PortSpec {
                    to_switch: to_switch.clone(),
                    from_switch: from_switch.clone(),
                    ..base
                });
            }
        }
    }
    specs
}

/// The ports whose tenant may send only so many bits a second, together.
pub(crate) fn shares(lab: &Lab, ports: &PortMap) -> BTreeMap<PortId, (TenantId, u64)> {
    let interfaces = lab.nodes.iter().flat_map(|node| node.interfaces.iter().map(move |own| (node, own)));
    let share = |(node, own): (&netloom_lab::lab::Node, &netloom_lab::lab::Interface)| {
        let rate = lab.tenant(&own.tenant)?.quota.bandwidth?;
        Some((ports.interface(&node.name, &own.name)?, (super::tenant(lab, &own.tenant), rate)))
    };
    interfaces.filter_map(share).collect()
}

/// The worker that reads a door, and has the ports of all its tunnels.
pub(crate) fn door_worker(door: &DoorKey, workers: u16) -> u16 {
    u16::try_from(door.number() % u32::from(workers.max(1))).unwrap_or(0)
}

fn tenants_of_interfaces(lab: &Lab) -> BTreeMap<(&str, &str), TenantId> {
    lab.nodes
        .iter()
        .flat_map(|node| {
            node.interfaces
                .iter()
                .map(move |i| ((node.name.as_str(), i.name.as_str()), super::tenant(lab, &i.tenant)))
        })
        .collect()
}

fn tenants_of_tunnels(lab: &Lab) -> BTreeMap<&str, TenantId> {
    let ports = lab.switches.iter().flat_map(|switch| &switch.ports);
    let tunnels = ports.filter(|port| matches!(port.peer, End::Tunnel { .. }));
    tunnels
        .filter_map(|port| Some((port.link.as_str(), super::tenant(lab, port.tenant.as_deref()?))))
        .collect()
}

/// What the random streams of a link start from: the lab's seed and the link's name, nothing that an edit shifts.
fn seed(lab: u64, link: &str) -> u64 {
    let bits = Uuid::named(&[link]).0;
    u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0) ^ lab.rotate_left(17)
}
