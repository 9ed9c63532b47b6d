//! `coverage/*` and `memory/show`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::ovs::unixctl::Answer;
use crate::switchd::plant::Plant;

/// What was counted: lookups, and drops by their reason.
fn all(plant: &Plant) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    let mut add = |name: String, count: u64| *counters.entry(name).or_insert(0) += count;
    for worker in plant.core.counters() {
        let (frames, missed) = worker.lookups();
        add("datapath_frames".to_owned(), frames);
        add("datapath_upcalls".to_owned(), missed);
        for (reason, packets) in worker.drops.iter() {
            add(format!("datapath_drop_{}", word(reason.as_str())), packets);
        }
    }
    for entry in plant.core.fresh().drops() {
        add(format!("drop_{}", word(entry.reason.as_str())), entry.packets);
    }
    counters
}

/// A name for a reason: letters, digits and underscores.
fn word(reason: &str) -> String {
    reason.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

pub(super) fn show(plant: &mut Plant, _: &[String]) -> Answer {
    let all = all(plant);
    let (seen, silent): (Vec<_>, Vec<_>) = all.iter().partition(|(_, count)| **count > 0);
    let mut text = String::new();
    for (name, count) in &seen {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<40} total: {count}");
    }
    let _ = writeln!(text, "{} events never hit", silent.len());
    Ok(text)
}

pub(super) fn read(plant: &mut Plant, words: &[String]) -> Answer {
    let name = words.first().map(String::as_str).unwrap_or_default();
    all(plant).get(name).map(|count| format!("{count}\n")).ok_or_else(|| "No such counter".to_owned())
}

pub(super) fn memory(plant: &mut Plant, _: &[String]) -> Answer {
    let model = plant.core.fresh();
    let bridges = &plant.desired.bridges;
    let rules: usize =
        bridges.iter().flat_map(|bridge| model.tables(&bridge.name)).map(|table| table.flows).sum();
    let macs: usize = bridges.iter().map(|bridge| model.macs(&bridge.name).len()).sum();
    let connections = plant.core.tracker().count();
    let ports = plant.standing.len();
    Ok(format!("connections:{connections} macs:{macs} ports:{ports} rules:{rules}\n"))
}
