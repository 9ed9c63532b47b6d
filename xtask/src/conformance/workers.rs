//! One conformance/tester.py a pair of switches, side by side.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Child, Stdio};

use super::bed::{Bed, Pair};
use super::cases::{self, File};
use super::outcome::Outcome;
use super::skips::Skip;
use super::suite::Suite;
use super::{Args, Peer, Set};
use crate::run::{self, Failed};

/// Seconds before the tables of Open vSwitch tell of a packet; netloom's count at once.
const SETTLE: [(Peer, &str); 2] = [(Peer::Netloom, "0.1"), (Peer::Ovs, "1")];

/// Runs `files` and returns what became of each case, in the order of files and cases.
///
/// The machine may be busy, and the cases wait by the clock: files with a case that fails though it need not are run
/// once more, and such a case counts as passed if it passes then.
///
/// # Errors
/// [`Failed::Check`] if a tester ends before its last case.
pub(super) fn run(
    bed: &Bed,
    suite: &Suite,
    set: Set,
    files: &[File],
    args: &Args,
    skips: &[Skip],
) -> Result<Vec<Outcome>, Failed> {
    let mut outcomes = once(bed, suite, set, files, args)?;
    let doubtful = |case: &Outcome| !case.passed && !skips.iter().any(|skip| skip.covers(set, case));
    let again: BTreeSet<String> =
        outcomes.iter().filter(|case| doubtful(case)).map(|case| case.file.clone()).collect();
    if again.is_empty() {
        return Ok(outcomes);
    }
    println!("conformance: {} of {} files once more", again.len(), files.len());
    let files: Vec<File> = files.iter().filter(|file| again.contains(&file.name)).cloned().collect();
    let second = once(bed, suite, set, &files, args)?;
    for case in second.into_iter().filter(|case| case.passed) {
        let first = outcomes.iter_mut().find(|old| old.file == case.file && old.number == case.number);
        if let Some(first) = first {
            *first = case;
        }
    }
    Ok(outcomes)
}

fn once(bed: &Bed, suite: &Suite, set: Set, files: &[File], args: &Args) -> Result<Vec<Outcome>, Failed> {
    let shares = cases::share(files, bed.pairs().len());
    let mut children = Vec::new();
    for (pair, share) in bed.pairs().iter().zip(shares).filter(|(_, share)| !share.is_empty()) {
        children.push(Worker::start(bed, *pair, suite, set, &share, args)?);
    }
    let mut outcomes = Vec::new();
    for child in children {
        outcomes.extend(child.outcomes()?);
    }
    outcomes.sort_by(|a: &Outcome, b| (&a.file, a.number).cmp(&(&b.file, b.number)));
    Ok(outcomes)
}

/// A tester at work; killed when dropped before its end.
struct Worker(Option<Child>);

impl Worker {
    fn start(
        bed: &Bed,
        pair: Pair,
        suite: &Suite,
        set: Set,
        files: &[&str],
        args: &Args,
    ) -> Result<Self, Failed> {
        let version = set.name().replace("of", "openflow");
        let settle = SETTLE.iter().find(|(peer, _)| *peer == bed.peer()).map_or("1", |(_, time)| time);
        let mut command = bed.command(&suite.python.display().to_string());
        command
            .arg(run::root().join("conformance/tester.py"))
            .args(["--ofp-tcp-listen-port", &pair.port.to_string(), "--ofp-listen-host", "127.0.0.1"])
            .args(["--test-switch-target", &format!("{:016x}", pair.target)])
            .args(["--test-switch-tester", &format!("{:016x}", pair.tester)])
            .args(["--test-switch-target-version", &version, "--test-switch-tester-version", &version])
            .arg("--test-switch-dir")
            .arg(suite.folder(set))
            .env("CONFORMANCE_SECONDS", args.seconds.to_string())
            .env("CONFORMANCE_SETTLE", settle)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let child = command.spawn();
        let mut child = child.map_err(|source| Failed::Start { program: "tester.py".into(), source })?;
        let written = child.stdin.take().map(|mut pipe| pipe.write_all((files.join("\n") + "\n").as_bytes()));
        let worker = Self(Some(child));
        match written {
            Some(Err(source)) => Err(Failed::File { path: "standard input of tester.py".into(), source }),
            _ => Ok(worker),
        }
    }

    /// Waits for its end.
    fn outcomes(mut self) -> Result<Vec<Outcome>, Failed> {
        let early = |why: &str| Failed::Check(format!("tester.py: {why}"));
        let child = self.0.take().ok_or_else(|| early("gone"))?;
        let out = child.wait_with_output().map_err(|e| early(&e.to_string()))?;
        let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        if lines.last().is_none_or(|line| line["done"] != true) {
            return Err(early("ended before its last case"));
        }
        Ok(lines.iter().filter_map(Outcome::read).collect())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
