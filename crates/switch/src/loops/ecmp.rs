//! Static shortest paths between switches, counted in hops.

use std::collections::VecDeque;

use netloom_flow::OfPort;

use super::graph::Graph;

/// The distances of all pairs of switches: two bytes a pair, 2 MB for 1,000 switches.
#[derive(Debug, Default)]
pub(crate) struct Distances {
    nodes: usize,
    /// `hops[to * nodes + from]`; [`FAR`]: not connected.
    hops: Vec<u16>,
}

const FAR: u16 = u16::MAX;

impl Distances {
    /// A breadth-first search from every switch.
    pub(crate) fn new(graph: &Graph) -> Self {
        let nodes = graph.len();
        let mut hops = vec![FAR; nodes * nodes];
        let mut waiting = VecDeque::new();
        for (to, row) in hops.chunks_exact_mut(nodes.max(1)).enumerate() {
            row[to] = 0;
            waiting.push_back(to);
            while let Some(node) = waiting.pop_front() {
                let next = row[node].saturating_add(1);
                for edge in graph.edges(node) {
                    if row[edge.to] == FAR {
                        row[edge.to] = next;
                        waiting.push_back(edge.to);
                    }
                }
            }
        }
        Self { nodes, hops }
    }

    /// The ports of `from` that lie on a shortest path to `to`, in order.
    pub(crate) fn next_hops<'a>(
        &'a self,
        graph: &'a Graph,
        from: usize,
        to: usize,
    ) -> impl Iterator<Item = OfPort> + 'a {
        let row = self.hops.get(to * self.nodes..).unwrap_or_default();
        let hops = move |node: usize| row.get(node).copied().unwrap_or(FAR);
        let here = hops(from);
        let closer = move |node: usize| here != FAR && hops(node).checked_add(1) == Some(here);
        graph.edges(from).iter().filter(move |edge| closer(edge.to)).map(|edge| edge.port)
    }
}
