//! Flows that are not as the configuration has them: what others changed by hand, and the way back.

use std::collections::BTreeMap;
use std::fmt;

use netloom_flow::{FlowText, Nanos};

use crate::config::Origin;
use crate::events::Removed;
use crate::flow_changes::{by_id, id_of, present_flows};
use crate::model::Bridge;
use crate::switch::Switch;

/// A flow that is not as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowDrift {
    /// Whether it is there though it was not asked for; else it was asked for and is not there.
    pub added: bool,
    /// The flow, in the syntax of ovs-ofctl.
    pub text: String,
}

impl fmt::Display for FlowDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}flow {}", if self.added { '+' } else { '-' }, self.text)
    }
}

impl Switch {
    /// How the flows of a bridge differ from its configuration, by table, priority and match; nothing if there is no
    /// such bridge. A flow with other actions is one that is missing and one that is there.
    #[must_use]
    pub fn flow_drift(&self, bridge: &str) -> Vec<FlowDrift> {
        let Some(bridge) = self.bridge_named(bridge) else { return Vec::new() };
        let mut out = Vec::new();
        for (present, wanted) in differences(bridge) {
            out.extend(wanted.map(|(flow, _)| FlowDrift { added: false, text: flow.to_string() }));
            out.extend(present.map(|flow| FlowDrift { added: true, text: flow.to_string() }));
        }
        out
    }

    /// Gives a bridge the flows of its configuration again. Returns how many flows were added or removed.
    pub fn reset_flows(&mut self, bridge: &str, now: Nanos) -> usize {
        let Some(bridge) = self.bridge_named(bridge) else { return 0 };
        let (id, differences) = (bridge.id, differences(bridge));
        let count = differences.len();
        for (present, wanted) in differences {
            if let Some(rule) = present.and_then(|flow| self.rule_of(id, &flow)) {
                self.remove_rule(rule, Removed::Delete, now);
            }
            if let Some((flow, origin)) = wanted {
                self.put_flow(id, flow, origin.into(), now);
            }
        }
        if count > 0 {
            self.advance();
        }
        count
    }
}

type Difference = (Option<FlowText>, Option<(FlowText, Origin)>);

/// Flows as they are, and as they are wanted, where the two differ.
fn differences(bridge: &Bridge) -> Vec<Difference> {
    // What is configured was read before, so that it can be read again.
    let configured = present_flows(bridge).unwrap_or_default();
    let mut all: BTreeMap<_, Difference> = BTreeMap::new();
    for (id, flow) in by_id(&configured) {
        all.insert(id, (None, Some(flow.clone())));
    }
    let rules = bridge.tables.values().flat_map(|table| table.rules.iter());
    for (_, _, rule) in rules.filter(|(_, _, rule)| is_changed_by_hand(bridge, &rule.origin)) {
        all.entry(id_of(&rule.flow)).or_default().0 = Some(rule.flow.clone());
    }
    let differs = |(present, wanted): &Difference| match (present, wanted) {
        (Some(present), Some((wanted, _))) => present != wanted,
        _ => true,
    };
    all.into_values().filter(differs).collect()
}

/// Flows of the bridge's own controllers are what it has controllers for.
fn is_changed_by_hand(bridge: &Bridge, origin: &Origin) -> bool {
    match origin {
        Origin::Learned | Origin::FailOpen => false,
        Origin::Controller { target } => !bridge.config.controller.contains(target),
        Origin::Default | Origin::File { .. } | Origin::Command => true,
    }
}
