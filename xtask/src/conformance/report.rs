//! Tables on the screen, results kept under target/, and docs/conformance.md made of them.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum as _;
use serde_json::{Value, json};

use super::cases::Which;
use super::outcome::{Counts, Outcome, Score};
use super::skips::Skip;
use super::told::Told;
use super::{Peer, Set};
use crate::run::{self, Failed};

/// What docs/conformance.md says first.
const HEAD: &str = "# Conformance to OpenFlow

Written by `cargo xtask conformance`; do not edit. What is run again is written anew, the rest stays.

os-ken, the successor of Ryu, has a public suite of tests of OpenFlow switches: a case gives the switch flows, sends
packets into a port, and looks at what comes out of which, at the counters, and at the flows as they read back. It is
run here against netloom and, in the same way, against Open vSwitch with its userspace datapath. `conformance/tester.py`
carries the cases out; its first lines name what it does otherwise than os-ken and why.

*passed* and *failed* count cases; *skipped* are failures of cases that are wrong themselves or ask for what the
standard forbids, each named with its reason below. Failures of netloom that are known are named with theirs, and count. Cases of throughput send for a shorter time than they ask for.
The machine may be busy and the cases wait by the clock, so a file with a failure is run once more: a case counts as
passed if it passes then.

Most failures of Open vSwitch are of features that it does not have: backbone headers (PBB), `copy_ttl_in` and
`copy_ttl_out` (an error of type 0x02, code 0x00), `ipv6_exthdr` and the fields of PBB (0x04, 0x06). A time-out or a
packet-in of the wrong switch may be due to a busy machine even so.
";

/// Prints the counts of a run, its failures, and cases that should not have passed.
pub(super) fn print(peer: Peer, set: Set, which: Which, score: &Score) {
    println!("{:<10} {:<5} {:<10} {:<7} passed failed skipped", "peer", "set", "cases", "group");
    for (group, counts) in score.counts() {
        println!(
            "{:<10} {:<5} {:<10} {group:<7} {:>6} {:>6} {:>7}",
            peer.name(),
            set.name(),
            which.name(),
            counts.passed,
            counts.failed,
            counts.skipped
        );
    }
    for case in score.unexpected() {
        println!("FAILED {}#{} {}: {}", case.file, case.number, case.case, short(&case.detail));
    }
    for case in score.surprising().filter(|_| peer == Peer::Netloom) {
        println!("PASSED, yet in skips.toml: {}#{} {}", case.file, case.number, case.case);
    }
}

/// The first characters of a text of one line.
fn short(text: &str) -> String {
    text.chars().take(160).map(|c| if c == '\n' { ' ' } else { c }).collect()
}

/// Where the outcomes of a run are kept.
fn place(peer: Peer, set: Set, which: Which) -> PathBuf {
    run::target().join(format!("conformance/{}-{}-{}.json", peer.name(), set.name(), which.name()))
}

/// Keeps the outcomes of whole sets, so that sets can be run one by one.
///
/// # Errors
/// [`Failed::File`].
pub(super) fn keep(peer: Peer, set: Set, which: Which, seconds: u32, score: &Score) -> Result<(), Failed> {
    let cases: Vec<Value> = score.outcomes().map(Outcome::to_json).collect();
    let path = place(peer, set, which);
    let text = json!({ "seconds": seconds, "cases": cases }).to_string();
    std::fs::write(&path, text).map_err(|source| Failed::File { path: path.display().to_string(), source })
}

/// A run that was kept.
struct Kept {
    peer: Peer,
    set: Set,
    which: Which,
    seconds: u64,
    score: Score,
}

impl Kept {
    fn read(peer: Peer, set: Set, which: Which, skips: &[Skip]) -> Option<Self> {
        let text = std::fs::read_to_string(place(peer, set, which)).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        let cases: Vec<Outcome> = value["cases"].as_array()?.iter().filter_map(Outcome::read).collect();
        let seconds = value["seconds"].as_u64()?;
        Some(Self { peer, set, which, seconds, score: Score::of(set, cases, skips) })
    }
}

/// A part of docs/conformance.md.
enum Part {
    /// From outcomes that are kept.
    Run(Kept),
    /// As it stood there.
    Told(Told),
}

/// Writes docs/conformance.md from all that was kept; what was not stays as it is there.
///
/// # Errors
/// [`Failed::File`].
pub(super) fn write(skips: &[Skip]) -> Result<(), Failed> {
    let path = run::root().join("docs/conformance.md");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let mut parts = Vec::new();
    let mut missing = Vec::new();
    for &set in Set::value_variants() {
        for which in [Which::Packets, Which::Throughput] {
            // OpenFlow 1.0 has neither groups nor meters to measure.
            for &peer in Peer::value_variants() {
                let told = || Told::read(&before, peer, set, which).map(Part::Told);
                match Kept::read(peer, set, which, skips).map(Part::Run).or_else(told) {
                    Some(part) => parts.push(part),
                    None if (set, which) == (Set::Of10, Which::Throughput) => {}
                    None => missing.push(format!("{} of {} with {}", which.name(), set.name(), peer.name())),
                }
            }
        }
    }
    let mut text = HEAD.to_owned();
    table(&mut text, &parts);
    if !missing.is_empty() {
        let _ = writeln!(text, "\nNot run: {}.", missing.join(", "));
    }
    reasons(&mut text, skips);
    for part in &parts {
        match part {
            Part::Run(run) => failures(&mut text, run),
            Part::Told(told) => text.push_str(&told.failures),
        }
    }
    std::fs::write(&path, text).map_err(|source| Failed::File { path: path.display().to_string(), source })
}

fn table(text: &mut String, parts: &[Part]) {
    text.push_str("\n## Scores\n\n| set | cases | peer | group | passed | failed | skipped | of |\n");
    text.push_str("|---|---|---|---|--:|--:|--:|--:|\n");
    for part in parts {
        let run = match part {
            Part::Run(run) => run,
            Part::Told(told) => {
                text.push_str(&told.rows);
                continue;
            }
        };
        let counts = run.score.counts();
        let mut row = |group: &str, n: Counts| {
            let which = match run.which {
                Which::Throughput => format!("throughput, {} s", run.seconds),
                which => which.name().to_owned(),
            };
            let _ = writeln!(
                text,
                "| {} | {which} | {} | {group} | {} | {} | {} | {} |",
                run.set.name(),
                run.peer.name(),
                n.passed,
                n.failed,
                n.skipped,
                n.cases()
            );
        };
        for (group, n) in &counts {
            row(group, *n);
        }
        let sum = counts.values().fold(Counts::default(), |sum, n| Counts {
            passed: sum.passed + n.passed,
            failed: sum.failed + n.failed,
            skipped: sum.skipped + n.skipped,
        });
        row("**all**", sum);
    }
}

fn reasons(text: &mut String, skips: &[Skip]) {
    for (title, is_failure) in [("Known failures of netloom", true), ("Skipped", false)] {
        let _ = writeln!(text, "\n## {title}\n");
        if !skips.iter().any(|skip| skip.is_failure == is_failure) {
            text.push_str("None.\n");
        }
        for skip in skips.iter().filter(|skip| skip.is_failure == is_failure) {
            let _ = write!(text, "- `{}` ({}", skip.files, skip.sets);
            if skip.cases != "*" {
                let _ = write!(text, "; cases `{}`", skip.cases);
            }
            let _ = writeln!(text, "): {}", skip.reason);
        }
    }
}

/// Failures of a run, those with the same message of a file together.
fn failures(text: &mut String, run: &Kept) {
    let mut failed = run.score.failed().peekable();
    if failed.peek().is_none() {
        return;
    }
    let (peer, set, which) = (run.peer.name(), run.set.name(), run.which.name());
    let _ = writeln!(text, "\n## Failed: {peer}, {set}, {which}\n");
    while let Some(first) = failed.next() {
        let mut numbers = vec![first.number.to_string()];
        let same = |next: &&Outcome| next.file == first.file && message(next) == message(first);
        while let Some(next) = failed.next_if(same) {
            numbers.push(next.number.to_string());
        }
        let _ = writeln!(text, "- `{}` {}: {}", first.file, numbers.join(", "), message(first));
    }
}

/// What was wrong, without values, which differ from run to run.
fn message(case: &Outcome) -> &str {
    let what = case.detail.lines().next().unwrap_or_default();
    let end =
        ["incorrect packet", "incorrect flows", "incorrect meters", "throughput", "incorrect packet-in"]
            .into_iter()
            .find_map(|words| what.find(words).map(|at| at + words.len()));
    what.get(..end.unwrap_or(what.len())).unwrap_or(what)
}

#[cfg(test)]
mod tests {
    use super::{Outcome, message, short};

    #[test]
    fn messages_are_told_without_values() {
        let case = |detail: &str| Outcome {
            file: String::new(),
            number: 0,
            case: String::new(),
            passed: false,
            detail: detail.to_owned(),
        };
        let thrown = case("Received unexpected throughput: {'in_port': 2} 1166.86kbps");
        assert_eq!(message(&thrown), "Received unexpected throughput");
        let refused = case("Failed to add flows: OFPErrorMsg[type=0x02, code=0x0f]");
        assert_eq!(message(&refused), refused.detail);
        assert_eq!(short(&"é\n".repeat(200)).chars().count(), 160);
    }
}
