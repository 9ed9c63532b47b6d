//! What a lab takes of the machine: memory and time of its processes, and its bytes on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What the processes of a lab take.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Taken {
    /// Bytes of memory; what several share counts by their share.
    pub(super) memory: f64,
    /// Seconds of processors, so far, of the processes that are there.
    pub(super) cpu_s: f64,
}

/// What a daemon and all its descendants take.
pub(super) fn taken(daemon: u32) -> Taken {
    let stats: BTreeMap<u32, Stat> = processes().filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let ticks = precise(rustix::param::clock_ticks_per_second()).max(1.0);
    let mut sum = Taken::default();
    for pid in family(daemon, &stats) {
        sum.cpu_s += stats.get(&pid).map_or(0.0, |stat| precise(stat.ticks) / ticks);
        sum.memory += memory(pid);
    }
    sum
}

/// Of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u64,
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Source: proc_pid_stat(5): the name in parentheses may hold anything; fields 4, 14 and 15.
fn parse(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.get(line.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
}

/// A process and all that descend from it.
fn family(first: u32, stats: &BTreeMap<u32, Stat>) -> BTreeSet<u32> {
    let mut all = BTreeSet::from([first]);
    loop {
        let before = all.len();
        all.extend(
            stats
                .iter()
                .filter(|(_, stat)| all.contains(&stat.parent))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        if all.len() == before {
            return all;
        }
    }
}

/// Bytes; 0 of one that may not be looked at or is gone.
fn memory(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    let kib = line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0);
    precise(kib) * 1_024.0
}

/// Bytes on the disk below a folder.
pub(super) fn on_disk(folder: &Path) -> f64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut sum = 0;
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(known) = entry.metadata() else { continue };
            sum += known.blocks() * 512;
            if known.is_dir() {
                left.push(entry.path());
            }
        }
    }
    precise(sum)
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn precise(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let line = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 50 6 7 8 20 0 1 0 100";
        assert_eq!(parse(line), Some(Stat { parent: 3, ticks: 56 }));
        assert_eq!(parse("7 (a"), None);
    }

    #[test]
    fn a_family_is_all_generations() {
        let stat = |parent| Stat { parent, ticks: 0 };
        let stats = BTreeMap::from([(2, stat(9)), (3, stat(2)), (4, stat(1)), (9, stat(1))]);
        assert_eq!(family(9, &stats), BTreeSet::from([2, 3, 9]));
    }

    #[test]
    fn this_process_takes_something() {
        let own = taken(std::process::id());
        assert!(own.memory > 100_000.0, "{own:?}");
    }
}
