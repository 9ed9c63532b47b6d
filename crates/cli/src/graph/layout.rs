//! Where things stand in a drawing: layers by distance from the middle, each layer spread evenly.
//!
//! Deterministic, and good for what labs look like: trees, lines, stars, fat trees.

use std::collections::{BTreeMap, VecDeque};

use netloom_api::Graph;

/// A place in a drawing: column and row, and how many stand in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) of: usize,
}

/// A spot for every thing, and how many rows there are.
pub(super) fn layout(graph: &Graph) -> (BTreeMap<&str, Spot>, usize) {
    let names = || {
        let switches = graph.switches.iter().map(|switch| switch.name.as_str());
        switches.chain(graph.nodes.iter().map(|node| node.name.as_str()))
    };
    let mut neighbours: BTreeMap<&str, Vec<&str>> = names().map(|name| (name, Vec::new())).collect();
    for link in &graph.links {
        let (a, b) = (link.a.node.as_str(), link.b.node.as_str());
        for (from, to) in [(a, b), (b, a)] {
            if let Some(list) = neighbours.get_mut(from) {
                list.push(to);
            }
        }
    }
    let mut rows: Vec<Vec<&str>> = Vec::new();
    let mut row_of: BTreeMap<&str, usize> = BTreeMap::new();
    let mut order: Vec<_> = names().collect();
    // A stable sort: switches first, as `names` gives them, the best joined one as the root.
    order.sort_by_key(|name| std::cmp::Reverse(neighbours.get(name).map_or(0, Vec::len)));
    for root in order {
        if row_of.contains_key(root) {
            continue;
        }
        let mut queue = VecDeque::from([(root, 0)]);
        row_of.insert(root, 0);
        while let Some((name, row)) = queue.pop_front() {
            if rows.len() <= row {
                rows.resize(row + 1, Vec::new());
            }
            if let Some(list) = rows.get_mut(row) {
                list.push(name);
            }
            for &next in neighbours.get(name).into_iter().flatten() {
                if neighbours.contains_key(next) && !row_of.contains_key(next) {
                    row_of.insert(next, row + 1);
                    queue.push_back((next, row + 1));
                }
            }
        }
    }
    let spots = rows.iter().enumerate().flat_map(|(row, list)| {
        list.iter().enumerate().map(move |(column, &name)| (name, Spot { column, row, of: list.len() }))
    });
    (spots.collect(), rows.len())
}
