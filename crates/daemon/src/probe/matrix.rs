//! In which order many pairs are asked, so that the machine's neighbour tables are not overrun.
//!
//! Every pair of nodes that talk costs an entry at each of them, and the kernel counts the entries of all namespaces
//! against one limit (`gc_thresh3`, 1,024 unless somebody raised it). So pairs are asked block by block: all pairs
//! between 16 nodes and 16 others, both ways, cost 512 entries; then those are deleted and the next block begins.

/// Nodes on one side of a block.
const SIDE: usize = 16;

/// A block: indexes into the list of pairs.
pub(super) type Block = Vec<usize>;

/// Groups `pairs` of node indexes into blocks; every pair is in exactly one.
pub(super) fn blocks(pairs: &[(usize, usize)]) -> Vec<Block> {
    let block_of = |&(a, b): &(usize, usize)| {
        let (a, b) = (a / SIDE, b / SIDE);
        (a.min(b), a.max(b))
    };
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    // Stable: inside a block the given order stays.
    order.sort_by_key(|&index| pairs.get(index).map(block_of));
    let mut blocks: Vec<Block> = Vec::new();
    let mut last = None;
    for index in order {
        let key = pairs.get(index).map(block_of);
        if key != last || blocks.is_empty() {
            blocks.push(Vec::new());
            last = key;
        }
        if let Some(block) = blocks.last_mut() {
            block.push(index);
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_pair_is_in_one_block_and_blocks_are_small() {
        let nodes = 50;
        let pairs: Vec<(usize, usize)> =
            (0..nodes).flat_map(|a| (0..nodes).filter(move |b| *b != a).map(move |b| (a, b))).collect();
        let blocks = blocks(&pairs);
        let mut seen: Vec<usize> = blocks.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..pairs.len()).collect::<Vec<_>>());
        for block in &blocks {
            let entries: BTreeSet<(usize, usize)> =
                block.iter().flat_map(|&i| [pairs[i], (pairs[i].1, pairs[i].0)]).collect();
            assert!(entries.len() <= 512, "{} neighbour entries", entries.len());
        }
    }

    #[test]
    fn both_ways_of_a_pair_are_in_one_block() {
        let pairs = [(0, 40), (3, 4), (40, 0)];
        assert_eq!(blocks(&pairs), [vec![1], vec![0, 2]]);
    }

    #[test]
    fn nothing_is_no_block() {
        assert!(blocks(&[]).is_empty());
    }
}
