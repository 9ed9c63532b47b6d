//! A switch whose controllers are all missed learns by itself (`fail_mode: standalone`).
//!
//! One flow does it, above all others, which controllers neither see nor change. So the flows of the configuration, which
//! alone are left beside it, say nothing until a controller is there again.
//!
//! Source: `fail-open.c` of OVS.

use netloom_flow::{Action, BridgeId, FlowText, Nanos, OfPort};

use crate::config::Origin;
use crate::events::Removed;
use crate::flow_changes::{by_id, id_of, present_flows};
use crate::flow_mod::FlowEntry;
use crate::model::{Bridge, FAIL_OPEN_PRIORITY};
use crate::switch::Switch;

impl Switch {
    /// Says that a bridge is on its own: every flow goes that its configuration does not ask for, and it learns by
    /// itself. Or that it is so no more: then all but that stays.
    pub fn set_fail_open(&mut self, bridge: BridgeId, is_open: bool, now: Nanos) {
        if self.bridges.get(bridge).is_none() {
            return;
        }
        if is_open {
            self.flush(bridge, now);
            if self.fail_open_rule(bridge).is_none() {
                self.put_flow(bridge, normal(), Origin::FailOpen.into(), now);
            }
        } else if let Some(rule) = self.fail_open_rule(bridge) {
            self.remove_rule(rule, Removed::Delete, now);
        }
        self.advance();
    }

    /// The flow by which a bridge learns while its controllers are missed.
    pub(crate) fn fail_open_entry(&self, bridge: &Bridge) -> Option<FlowEntry> {
        let rule = self.rules.get(self.fail_open_rule(bridge.id)?)?;
        Some(FlowEntry::new(rule))
    }

    fn fail_open_rule(&self, bridge: BridgeId) -> Option<netloom_flow::RuleId> {
        let flow = normal();
        let table = self.bridges.get(bridge)?.tables.get(&flow.table)?;
        table.rules.get(&flow.matches, FAIL_OPEN_PRIORITY).map(|rule| rule.id)
    }

    /// Removes every flow that the configuration does not ask for.
    fn flush(&mut self, id: BridgeId, now: Nanos) {
        let Some(bridge) = self.bridges.get(id) else { return };
        // What is configured was read before, so that it can be read again.
        let kept = present_flows(bridge).unwrap_or_default();
        let kept = by_id(&kept);
        let rules = bridge.tables.values().flat_map(|table| table.rules.iter());
        let gone: Vec<_> = rules
            .filter(|(_, _, rule)| !kept.contains_key(&id_of(&rule.flow)))
            .map(|(_, _, rule)| rule.id)
            .collect();
        gone.into_iter().for_each(|rule| self.remove_rule(rule, Removed::Delete, now));
        // Only a controller makes egress tables, and their flows are gone.
        self.begin_egress(id, None);
    }
}

fn normal() -> FlowText {
    // Told with the highest priority that can be written.
    FlowText {
        priority: u16::MAX,
        actions: vec![Action::Output(OfPort::NORMAL)].into(),
        ..FlowText::default()
    }
}
