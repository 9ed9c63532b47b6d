//! Flows and bridges.

use std::fmt::Write as _;

use super::macs::known;
use crate::ovs::unixctl::Answer;
use crate::slowpath;
use crate::switchd::plant::Plant;

pub(super) fn list(plant: &mut Plant, _: &[String]) -> Answer {
    Ok(plant.desired.bridges.iter().map(|bridge| format!("{}\n", bridge.name)).collect())
}

/// All flows of a bridge, hidden ones included.
pub(super) fn dump(plant: &mut Plant, words: &[String]) -> Answer {
    let name = known(plant, words).map_err(|_| UNKNOWN.to_owned())?;
    let now = slowpath::now();
    let flows = plant.core.fresh().flows(name, "").map_err(|error| error.to_string())?;
    let mut text = String::new();
    for entry in flows {
        let flow = &entry.rule.flow;
        let actions = netloom_flow::text::Rule {
            priority: flow.priority,
            matches: &flow.matches,
            actions: &flow.actions,
        };
        let actions = actions.to_string();
        let actions = actions.split_once("actions=").map_or("", |(_, actions)| actions);
        // Writing to a string cannot fail.
        let _ = match flow.table.0 {
            0 => Ok(()),
            table => write!(text, "table_id={table}, "),
        };
        let _ = write!(
            text,
            "duration={}s, n_packets={}, n_bytes={}, priority={},",
            now.since(entry.created).0 / 1_000_000_000,
            entry.packets,
            entry.bytes,
            flow.priority,
        );
        let matches = flow.matches.to_string();
        if !matches.is_empty() {
            let _ = write!(text, "{matches},");
        }
        let _ = writeln!(text, "actions={actions}");
    }
    Ok(text)
}

/// OVS has other words for it here.
const UNKNOWN: &str = "Unknown bridge";

/// Has bridges call their controllers anew.
pub(super) fn reconnect(plant: &mut Plant, words: &[String]) -> Answer {
    let one = words.first();
    if one.is_some_and(|name| !plant.desired.bridges.iter().any(|bridge| bridge.name == *name)) {
        return Err(UNKNOWN.to_owned());
    }
    plant.reconnect(one.map(String::as_str));
    Ok(String::new())
}
