//! Bridges are given what was kept of them.

use netloom_datapath::Tracker;
use netloom_flow::Nanos;
use netloom_switch::Switch;

use super::Folder;
use super::text::Whole;

/// What was found of some bridges.
#[derive(Debug, Default)]
pub(in crate::switchd) struct Found(Vec<Whole>);

impl Found {
    /// Reads the files of these bridges. What is of no use is logged, and left out.
    pub(in crate::switchd) fn of<'n>(folder: &Folder, bridges: impl Iterator<Item = &'n str>) -> Self {
        let read = |bridge: &str| match folder.read(bridge) {
            Ok(whole) => whole,
            Err(error) => {
                tracing::warn!(target: "bridge", bridge, "nothing is restored: {error}");
                None
            }
        };
        Self(bridges.filter_map(read).collect())
    }
}

/// Gives bridges what was found of them, each wholly or not at all. No port may take packets yet.
pub(in crate::switchd) fn restore(found: &Found, switch: &mut Switch, tracker: &Tracker, now: Nanos) {
    for Whole { bridge: kept, connections } in &found.0 {
        let bridge = kept.name.as_str();
        let Some(id) = switch.bridge_id(bridge) else { continue };
        if let Err(error) = switch.restore(id, kept, now) {
            tracing::warn!(target: "bridge", bridge, "nothing is restored: {error}");
            continue;
        }
        let passed = now.since(kept.clock);
        let resumed = connections.iter().filter(|it| tracker.resume(id, it, passed, now)).count();
        let (flows, groups, meters) = (kept.flows.len(), kept.groups.len(), kept.meters.len());
        tracing::info!(
            target: "bridge",
            bridge,
            flows,
            groups,
            meters,
            connections = resumed,
            "restored from {} ms ago",
            passed.0 / 1_000_000
        );
    }
}
