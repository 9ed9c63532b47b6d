//! What is done about loops between switches: a spanning tree, shortest paths, or nothing.
//!
//! Only switches without a controller take part, and only links that are up in both directions. What comes out is
//! a [`Role`] for each port that leads to another switch, and [`Routes`] from switch to switch.

mod ecmp;
mod graph;
mod tree;

use std::collections::BTreeMap;

use netloom_flow::{BridgeId, Nanos, OfPort};

use self::ecmp::Distances;
use self::graph::Graph;
use self::tree::Tree;
use crate::config::Loops;
use crate::model::{Bridge, Port, Role};
use crate::switch::Switch;

/// The ways between the switches of a lab.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    graph: Graph,
    tree: Tree,
    /// With `loops: ecmp`.
    distances: Option<Distances>,
    /// For each bridge a mark of its ways to all others.
    marks: BTreeMap<BridgeId, u64>,
}

impl Routes {
    /// The port of `from` that leads to `to` over the tree.
    pub(crate) fn over_tree(&self, from: BridgeId, to: BridgeId) -> Option<OfPort> {
        self.tree.next_hop(self.graph.node(from)?, self.graph.node(to)?)
    }

    /// The ports of `from` that lie on a shortest path to `to`; none unless loops are treated as `ecmp`.
    pub(crate) fn shortest(&self, from: BridgeId, to: BridgeId) -> Vec<OfPort> {
        let (Some(distances), Some(from), Some(to)) =
            (&self.distances, self.graph.node(from), self.graph.node(to))
        else {
            return Vec::new();
        };
        distances.next_hops(&self.graph, from, to).collect()
    }

    fn new(graph: Graph, loops: Loops) -> Self {
        let tree = Tree::new(&graph);
        let distances = (loops == Loops::Ecmp).then(|| Distances::new(&graph));
        let everything = distances.as_ref().map_or(0, |_| graph.mark());
        let marks = graph
            .bridges()
            .iter()
            .enumerate()
            .map(|(node, bridge)| (*bridge, tree.mark(&graph, node) ^ everything))
            .collect();
        Self { graph, tree, distances, marks }
    }

    fn is_on_tree(&self, bridge: BridgeId, port: OfPort) -> bool {
        self.graph.node(bridge).is_some_and(|node| self.tree.contains(node, port))
    }
}

impl Switch {
    /// Computes the ways between the switches anew after a change of bridges or links, and tells whom it concerns.
    ///
    /// MAC entries that no longer lead the right way are forgotten. An entry of an address of the lab that still
    /// does is kept.
    pub(crate) fn reroute(&mut self, now: Nanos) {
        let routes = Routes::new(self.graph(), self.loops);
        let changed: Vec<BridgeId> = self
            .bridges
            .values()
            .map(|bridge| bridge.id)
            .filter(|bridge| routes.marks.get(bridge) != self.routes.marks.get(bridge))
            .collect();
        self.routes = routes;
        self.assign_roles();
        for bridge in changed {
            self.forget_wrong_ways(bridge, now);
        }
    }

    fn graph(&self) -> Graph {
        let alone = || self.bridges.values().filter(|bridge| bridge.is_alone());
        let links = alone().flat_map(|bridge| {
            bridge.ports.values().filter_map(|port| {
                let (peer, far) = self.other_end(port)?;
                (peer.is_alone() && port.is_up() && far.is_up()).then_some((
                    bridge.id,
                    port.number,
                    port.peer?,
                ))
            })
        });
        Graph::new(alone().map(|bridge| (bridge.config.name.as_str(), bridge.id)), links)
    }

    fn assign_roles(&mut self) {
        let mut changes = Vec::new();
        for bridge in self.bridges.values() {
            for port in bridge.ports.values().filter(|port| port.peer_dp.is_some()) {
                let role = self.role(bridge, port);
                if role != port.role {
                    changes.push((bridge.id, port.number, role));
                }
            }
        }
        for (bridge, number, role) in changes {
            let version = self.next_version();
            if let Some(bridge) = self.bridges.get_mut(bridge) {
                bridge.version = version;
                if let Some(port) = bridge.ports.get_mut(&number) {
                    port.role = role;
                    port.version = version;
                }
            }
        }
    }

    fn role(&self, bridge: &Bridge, port: &Port) -> Role {
        let Some((peer, far)) = self.other_end(port) else { return Role::Forwarding };
        if self.loops == Loops::Allow || !bridge.is_alone() || !peer.is_alone() {
            return Role::Forwarding;
        }
        if !port.is_up() || !far.is_up() {
            return Role::Down;
        }
        match self.loops {
            _ if self.routes.is_on_tree(bridge.id, port.number) => Role::Forwarding,
            Loops::Ecmp => Role::Shortcut,
            Loops::Tree | Loops::Allow => Role::Blocked,
        }
    }

    fn forget_wrong_ways(&mut self, id: BridgeId, now: Nanos) {
        let version = self.next_version();
        let Self { bridges, routes, directory, dp_ports, versions, .. } = self;
        let Some(bridge) = bridges.get_mut(id) else { return };
        bridge.version = version;
        bridge.flushed = now;
        let ports = &bridge.ports;
        bridge.macs.retain(
            |key, entry| {
                let leads_away = ports.get(&entry.port).is_some_and(|port| port.peer_dp.is_some());
                let homes = directory.homes_of_mac(key.mac).iter().filter(|home| home.tenant == key.tenant);
                let mut targets = homes.filter_map(|home| dp_ports.get(&home.port));
                !leads_away || targets.any(|(to, _)| routes.over_tree(id, *to) == Some(entry.port))
            },
            |key| versions.bump(versions.of_mac(id, key)),
        );
    }
}
