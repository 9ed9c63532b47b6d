//! What a bridge has that is to be kept.

use netloom_flow::{BridgeId, Nanos};

use super::{Kept, KeptFlow, KeptGroup, KeptMeter, KeptPort, KeptSettings, KeptTable};
use crate::config::Origin;
use crate::model::PortConfig;
use crate::switch::Switch;

/// Tells whether something that is kept has changed. Counters do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    flows: u64,
    others: u64,
}

impl Switch {
    /// Another one than before: something that is kept may be otherwise.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        Stamp { flows: self.log.total(), others: self.version() }
    }

    /// All bridges, by number.
    #[must_use]
    pub fn bridge_ids(&self) -> Vec<BridgeId> {
        self.bridges.values().map(|bridge| bridge.id).collect()
    }

    /// What a bridge keeps, without its flows: [`Self::keep_flows`] has those.
    #[must_use]
    pub fn keep(&self, bridge: BridgeId, now: Nanos) -> Option<Kept> {
        let bridge = self.bridges.get(bridge)?;
        let (config, is_controlled) = (&bridge.config, !bridge.is_alone());
        let ports = bridge.ports.values().filter(|port| port.config != PortConfig::default());
        Some(Kept {
            settings: KeptSettings::of(bridge),
            tables: bridge.tables.iter().map(|(id, table)| KeptTable::of(*id, table)).collect(),
            ports: ports.map(|port| KeptPort { number: port.number, config: port.config }).collect(),
            meters: bridge.meters.iter().map(|(id, entry)| KeptMeter::of(*id, entry, now)).collect(),
            groups: bridge.groups.values().map(|group| KeptGroup::of(group, now)).collect(),
            ..Kept::new(config.name.clone(), config.uuid, is_controlled, now)
        })
    }

    /// Adds a part of a bridge's flows to what it keeps, beginning with the place `from` of all there are; 0 is the first.
    /// Where to go on, if there is more: so nobody has to wait until a million are copied.
    ///
    /// What is gathered in parts is of one moment if [`Self::stamp`] is still the same at the end.
    pub fn keep_flows(&self, bridge: BridgeId, kept: &mut Kept, from: usize, most: usize) -> Option<usize> {
        let now = kept.clock;
        for state in self.rules.part(from, most) {
            if state.rule.bridge == bridge && *state.rule.origin != Origin::FailOpen {
                kept.flows.push(KeptFlow::of(state, now));
            }
        }
        let next = from.saturating_add(most);
        if next < self.rules.places() {
            return Some(next);
        }
        kept.flows.sort_unstable_by_key(|flow| flow.id);
        None
    }
}
