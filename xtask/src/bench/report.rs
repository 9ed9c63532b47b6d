//! Medians of interleaved rounds, their spread, and ratios taken within each round.

use std::collections::BTreeMap;

use super::peer::Peer;

/// The values of one measurement: by peer, by round.
#[derive(Debug, Default)]
pub(super) struct Series {
    values: BTreeMap<Peer, Vec<f64>>,
}

impl Series {
    /// Adds this round's value of a peer.
    pub(super) fn add(&mut self, peer: Peer, value: f64) {
        self.values.entry(peer).or_default().push(value);
    }

    fn of(&self, peer: Peer) -> &[f64] {
        self.values.get(&peer).map_or(&[], Vec::as_slice)
    }

    /// The median of netloom's value over `peer`'s, each pair from the same round.
    pub(super) fn ratio(&self, peer: Peer) -> Option<f64> {
        let ratios: Vec<f64> = self
            .of(Peer::Netloom)
            .iter()
            .zip(self.of(peer))
            .filter(|(_, b)| **b > 0.0)
            .map(|(a, b)| a / b)
            .collect();
        median(&ratios)
    }

    /// Prints a Markdown table.
    pub(super) fn print(&self, title: &str, unit: &str) {
        println!(
            "\n### {title}\n\n| peer | median {unit} | min .. max | netloom / peer |\n|---|---|---|---|"
        );
        for peer in Peer::ALL {
            let values = self.of(peer);
            let Some(middle) = median(values) else { continue };
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(0.0, f64::max);
            let ratio = self.ratio(peer).map_or_else(String::new, |r| format!("{r:.2}x"));
            println!("| {} | {} | {} .. {} | {ratio} |", peer.name(), short(middle), short(low), short(high));
        }
    }
}

/// The middle of `values`.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => sorted.get(n / 2).copied(),
        n => Some((sorted.get(n / 2 - 1)? + sorted.get(n / 2)?) / 2.0),
    }
}

/// Three significant digits or so.
fn short(value: f64) -> String {
    match value {
        v if v >= 1000.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}
