//! Medians of interleaved rounds, their spread, ratios taken within each round, and the page they are written to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use super::peer::Peer;
use crate::run::{self, Failed};

/// All that was printed, for the page.
static PAGE: Mutex<String> = Mutex::new(String::new());

/// Prints a line and keeps it for the page.
pub(super) fn line(text: &str) {
    println!("{text}");
    let mut page = PAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    page.push_str(text);
    page.push('\n');
}

/// Begins a section with a table of these columns.
pub(super) fn table(title: &str, columns: &[&str]) {
    line(&format!("\n### {title}\n\n| {} |", columns.join(" | ")));
    line(&format!("|{}", "---|".repeat(columns.len())));
}

/// A row of the table begun last.
pub(super) fn row(cells: &[&str]) {
    line(&format!("| {} |", cells.join(" | ")));
}

/// Writes the tables into a page: in place of those with the same titles, else behind the others, which stay as they
/// are. Each says what was run, where and when.
///
/// # Errors
/// [`Failed::File`].
pub(super) fn write(path: &Path, command: &str) -> Result<(), Failed> {
    let date = run::told("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
    let kernel = run::told("uname", &["-sr"]);
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = |key: &str| processor.lines().filter(|l| l.starts_with(key)).count();
    let model = processor.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let stamp = format!(
        "`{command}`, {}, {} x {}, {}, load average at the end {}",
        date.trim(),
        named("processor"),
        model.trim_start_matches([':', ' ', '\t']),
        kernel.trim(),
        load.split_whitespace().next().unwrap_or("unknown"),
    );
    let before = std::fs::read_to_string(path).unwrap_or_default();
    let new = PAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let page = merge(&before, &new, &stamp);
    std::fs::write(path, page).map_err(|source| Failed::File { path: path.display().to_string(), source })
}

/// What a new page begins with.
const HEAD: &str = "# Benchmarks\n\nThe tables are written by `cargo xtask bench --write`, never by hand. Peers run in \
                    the same rounds, one after the other; every table gives medians and their spread, every ratio is \
                    the median of the ratios within a round. A row marked **missed** does not reach what was asked.";

/// A page with new sections in it.
fn merge(before: &str, new: &str, stamp: &str) -> String {
    let (head, mut all) = sections(before);
    for (title, text) in sections(new).1 {
        let section = (title, format!("{text}\n\n{stamp}"));
        match all.iter_mut().find(|(known, _)| *known == section.0) {
            Some(old) => *old = section,
            None => all.push(section),
        }
    }
    let head = if head.is_empty() { HEAD } else { head };
    all.iter().fold(format!("{head}\n"), |page, (title, text)| page + "\n### " + title + "\n\n" + text + "\n")
}

/// What stands before the first section of a page, and each section's title and text.
fn sections(page: &str) -> (&str, Vec<(String, String)>) {
    let mut pieces = page.split("\n### ");
    let head = pieces.next().unwrap_or_default().trim();
    let parted = pieces.filter_map(|piece| piece.split_once('\n'));
    (head, parted.map(|(title, text)| (title.trim().to_owned(), text.trim().to_owned())).collect())
}

/// What is asked of a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    /// At least the first, better the second.
    AtLeast(f64, f64),
    /// At most the first, better the second.
    AtMost(f64, f64),
}

impl Asked {
    /// What to write beside `value`.
    pub(super) fn verdict(self, value: f64) -> String {
        let (must, aim, held, reached, word) = match self {
            Self::AtLeast(must, aim) => (must, aim, value >= must, value >= aim, "at least"),
            Self::AtMost(must, aim) => (must, aim, value <= must, value <= aim, "at most"),
        };
        let asked =
            if (must - aim).abs() < f64::EPSILON { format!("{must}") } else { format!("{must}, aim {aim}") };
        match (held, reached) {
            (false, _) => format!("**missed**: {word} {asked}"),
            (true, false) => format!("holds: {word} {asked}"),
            (true, true) => format!("reached: {word} {asked}"),
        }
    }
}

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
    fn ratio(&self, peer: Peer) -> Option<f64> {
        let ratios: Vec<f64> = self
            .of(Peer::Netloom)
            .iter()
            .zip(self.of(peer))
            .filter(|(_, b)| **b > 0.0)
            .map(|(a, b)| a / b)
            .collect();
        median(&ratios)
    }

    /// Prints a table, with what is asked of the ratio to a peer.
    pub(super) fn print(&self, title: &str, unit: &str, asked: &[(Peer, Asked)]) {
        table(
            title,
            &["peer", &format!("median {unit}"), "min .. max", "netloom / peer", "asked of the ratio"],
        );
        for peer in Peer::ALL {
            let values = self.of(peer);
            let Some(middle) = median(values) else { continue };
            let ratio = self.ratio(peer).filter(|_| peer != Peer::Netloom);
            let wanted = asked.iter().find(|(of, _)| *of == peer).map(|(_, asked)| *asked);
            let verdict = wanted.zip(ratio).map_or_else(String::new, |(asked, ratio)| asked.verdict(ratio));
            let ratio = ratio.map_or_else(String::new, |r| format!("{r:.2}x"));
            row(&[peer.name(), &short(middle), &spread(values), &ratio, &verdict]);
        }
    }
}

/// The least and the greatest of `values`.
pub(super) fn spread(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{} .. {}", short(low), short(high))
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

/// That less was done than wanted.
pub(super) fn short_of(done: usize, wanted: usize) -> String {
    format!("{done} of {wanted} were done in time")
}

/// Three significant digits or so.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_tables_take_the_place_of_old_ones_and_others_stay() {
        let first = merge("", "\n### A\n\n| a |\n\n### B\n\n| b |\n\nRatio.\n", "run 1");
        assert!(first.starts_with("# Benchmarks\n"));
        assert!(
            first.ends_with("\n### A\n\n| a |\n\nrun 1\n\n### B\n\n| b |\n\nRatio.\n\nrun 1\n"),
            "{first}"
        );
        let written = first.replace("# Benchmarks\n", "# Flow tables\n\nBy hand.\n");
        let second = merge(&written, "\n### C\n\n| c |\n\n### A\n\n| new |\n", "run 2");
        assert!(second.starts_with("# Flow tables\n\nBy hand.\n"), "{second}");
        let (_, all) = sections(&second);
        let told: Vec<(&str, &str)> =
            all.iter().map(|(title, text)| (title.as_str(), text.as_str())).collect();
        let wanted = [("A", "| new |\n\nrun 2"), ("B", "| b |\n\nRatio.\n\nrun 1"), ("C", "| c |\n\nrun 2")];
        assert_eq!(told, wanted);
        assert_eq!(merge(&second, "", ""), second, "nothing new, nothing changed");
    }
}
