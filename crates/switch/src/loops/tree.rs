//! A spanning tree over the links between switches.
//!
//! One tree for each connected part, rooted at its lowest name, breadth first: every switch is as few hops from
//! the root as can be, and among equals hangs below the lowest name, by the lowest port. It is computed, not
//! negotiated: one daemon owns all switches, so nothing has to converge.
//!
//! Each node knows the interval of numbers that a walk through the tree gave to the nodes below it. So the way
//! from any switch to any other is found without a table of pairs: down, if the target is below, else up.

use std::hash::{BuildHasher, Hash, Hasher};

use netloom_flow::OfPort;

use super::graph::Graph;
use crate::model::Keyed;

/// A spanning forest.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    places: Vec<Place>,
}

/// Where a switch is in the forest.
#[derive(Debug, Clone, Default)]
struct Place {
    /// The root of its tree.
    root: usize,
    /// The port towards the root, and the node there.
    up: Option<(OfPort, usize)>,
    /// The nodes below, itself included, have the numbers `first..last`.
    first: usize,
    last: usize,
    /// Port and node of each child; their intervals follow each other.
    children: Vec<(OfPort, usize)>,
    /// A hash of the set of bridges below, itself included.
    members: u64,
}

impl Tree {
    /// Computes the forest.
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut places = vec![Place::default(); graph.len()];
        let mut seen = vec![false; graph.len()];
        let mut order = Vec::with_capacity(graph.len());
        for root in 0..graph.len() {
            if std::mem::replace(&mut seen[root], true) {
                continue;
            }
            places[root].root = root;
            let mut next = order.len();
            order.push(root);
            while let Some(&node) = order.get(next) {
                next += 1;
                for edge in graph.edges(node) {
                    if std::mem::replace(&mut seen[edge.to], true) {
                        continue;
                    }
                    places[node].children.push((edge.port, edge.to));
                    places[edge.to].up = Some((edge.far, node));
                    places[edge.to].root = root;
                    order.push(edge.to);
                }
            }
        }
        number(&mut places, &order, graph);
        Self { places }
    }

    /// The port of `from` by which `to` is reached; `None`: it is not, or is the same.
    pub(crate) fn next_hop(&self, from: usize, to: usize) -> Option<OfPort> {
        let (here, there) = (self.places.get(from)?, self.places.get(to)?);
        if here.root != there.root || from == to {
            return None;
        }
        if !(here.first..here.last).contains(&there.first) {
            return here.up.map(|(port, _)| port);
        }
        let at = here.children.partition_point(|(_, child)| self.places[*child].last <= there.first);
        here.children.get(at).map(|(port, _)| *port)
    }

    /// A mark that changes whenever the way from a node to some other may have changed.
    pub(crate) fn mark(&self, graph: &Graph, node: usize) -> u64 {
        let mut hash = Keyed(0).build_hasher();
        if let Some(place) = self.places.get(node) {
            place.up.map(|(port, _)| port).hash(&mut hash);
            for (port, child) in &place.children {
                port.hash(&mut hash);
                self.places[*child].members.hash(&mut hash);
            }
            graph.bridges().get(place.root).hash(&mut hash);
        }
        hash.finish()
    }

    /// Whether a port of a node is on the tree.
    pub(crate) fn contains(&self, node: usize, port: OfPort) -> bool {
        self.places.get(node).is_some_and(|place| {
            let mut ports = place.up.iter().chain(&place.children);
            ports.any(|(on_tree, _)| *on_tree == port)
        })
    }
}

/// Gives each node its interval: first the sizes, from the leaves up, then the places, from the roots down.
fn number(places: &mut [Place], order: &[usize], graph: &Graph) {
    let mut sizes = vec![1; places.len()];
    for node in order.iter().rev() {
        let own = Keyed(1).hash_one(graph.bridges().get(*node));
        places[*node].members = places[*node].members.wrapping_add(own);
        if let Some((_, parent)) = places[*node].up {
            sizes[parent] += sizes[*node];
            places[parent].members = places[parent].members.wrapping_add(places[*node].members);
        }
    }
    let mut free = 0;
    for node in order {
        if places[*node].up.is_none() {
            places[*node].first = free;
            free += sizes[*node];
        }
        places[*node].last = places[*node].first + sizes[*node];
        let mut first = places[*node].first + 1;
        for at in 0..places[*node].children.len() {
            let (_, child) = places[*node].children[at];
            places[child].first = first;
            first += sizes[child];
        }
    }
}

#[cfg(test)]
mod tests {
    use netloom_flow::BridgeId;
    use proptest::prelude::*;

    use super::*;
    use crate::model::Peer;

    /// Links as pairs of bridges; the nth link takes port n at both ends.
    fn graph(bridges: u32, links: &[(u32, u32)]) -> Graph {
        let names: Vec<String> = (0..bridges).map(|n| format!("s{n:03}")).collect();
        let named = names.iter().zip(0..).map(|(name, n)| (name.as_str(), BridgeId(n)));
        let ends = links.iter().zip(0..).filter(|((a, b), _)| a != b).flat_map(|((a, b), n)| {
            let end = |from: u32, to: u32| {
                (BridgeId(from), OfPort(n), Peer { bridge: BridgeId(to), port: OfPort(n) })
            };
            [end(*a, *b), end(*b, *a)]
        });
        Graph::new(named, ends)
    }

    #[test]
    fn a_ring_is_cut_opposite_of_the_root() {
        let graph = graph(4, &[(0, 1), (1, 2), (2, 3), (3, 0)]);
        let tree = Tree::new(&graph);
        let on_tree = |node| (0..4).filter(|port| tree.contains(node, OfPort(*port))).collect::<Vec<_>>();
        assert_eq!(
            [on_tree(0), on_tree(1), on_tree(2), on_tree(3)],
            [vec![0, 3], vec![0, 1], vec![1], vec![3]]
        );
        assert_eq!(tree.next_hop(3, 2), Some(OfPort(3)), "the long way: 2-3 is blocked");
        assert_eq!(tree.next_hop(1, 2), Some(OfPort(1)));
    }

    #[test]
    fn of_parallel_links_one_is_used_at_both_ends() {
        let graph = graph(2, &[(0, 1), (0, 1)]);
        let tree = Tree::new(&graph);
        for node in 0..2 {
            assert!(tree.contains(node, OfPort(0)) && !tree.contains(node, OfPort(1)));
        }
    }

    proptest! {
        #[test]
        fn every_way_leads_to_its_target_over_the_tree(
            links in proptest::collection::vec((0_u32..12, 0_u32..12), 0..30),
        ) {
            let graph = graph(12, &links);
            let tree = Tree::new(&graph);
            for from in 0..12 {
                for to in 0..12 {
                    let (mut at, mut hops) = (from, 0);
                    while let Some(port) = tree.next_hop(at, to) {
                        prop_assert!(tree.contains(at, port));
                        let edge = graph.edges(at).iter().find(|edge| edge.port == port);
                        at = edge.map_or(usize::MAX, |edge| edge.to);
                        hops += 1;
                        prop_assert!(hops < 12, "a loop between {from} and {to}");
                    }
                    let connected = tree.places[from].root == tree.places[to].root;
                    prop_assert_eq!(at == to, connected || from == to);
                }
            }
            for node in 0..12 {
                for edge in graph.edges(node) {
                    prop_assert_eq!(tree.places[node].root, tree.places[edge.to].root);
                }
            }
        }
    }
}
