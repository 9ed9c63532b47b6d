//! The switches of a lab and the links between them, as a graph.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};

use netloom_flow::{BridgeId, OfPort};

use crate::model::{Keyed, Peer};

/// An edge as one of its ends sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The port it leaves by.
    pub(crate) port: OfPort,
    /// The node at the other end: an index.
    pub(crate) to: usize,
    /// The port it arrives at.
    pub(crate) far: OfPort,
}

/// Bridges in the order of their names, each with its edges in the order of neighbour and port. The order makes
/// everything computed from it the same in every run.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    bridges: Vec<BridgeId>,
    index: BTreeMap<BridgeId, usize>,
    edges: Vec<Vec<Edge>>,
}

impl Graph {
    /// Builds the graph. `links` holds each link in both directions.
    pub(crate) fn new<'a>(
        bridges: impl IntoIterator<Item = (&'a str, BridgeId)>,
        links: impl IntoIterator<Item = (BridgeId, OfPort, Peer)>,
    ) -> Self {
        let mut named: Vec<_> = bridges.into_iter().collect();
        named.sort_unstable();
        let bridges: Vec<BridgeId> = named.into_iter().map(|(_, bridge)| bridge).collect();
        let index: BTreeMap<_, _> = bridges.iter().enumerate().map(|(i, bridge)| (*bridge, i)).collect();
        let mut edges = vec![Vec::new(); bridges.len()];
        for (from, port, peer) in links {
            if let (Some(from), Some(to)) = (index.get(&from), index.get(&peer.bridge)) {
                edges[*from].push(Edge { port, to: *to, far: peer.port });
            }
        }
        for edges in &mut edges {
            edges.sort_unstable_by_key(|edge| (edge.to, edge.port));
        }
        Self { bridges, index, edges }
    }

    /// How many bridges there are.
    pub(crate) fn len(&self) -> usize {
        self.bridges.len()
    }

    pub(crate) fn node(&self, bridge: BridgeId) -> Option<usize> {
        self.index.get(&bridge).copied()
    }

    /// The bridges, by node.
    pub(crate) fn bridges(&self) -> &[BridgeId] {
        &self.bridges
    }

    /// A mark that changes with every edge.
    pub(crate) fn mark(&self) -> u64 {
        let mut hash = Keyed(2).build_hasher();
        self.bridges.hash(&mut hash);
        for edge in self.edges.iter().flatten() {
            (edge.port, edge.to).hash(&mut hash);
        }
        hash.finish()
    }

    /// The edges of a node.
    pub(crate) fn edges(&self, node: usize) -> &[Edge] {
        self.edges.get(node).map_or(&[], Vec::as_slice)
    }
}
