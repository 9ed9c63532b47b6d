//! The difference between the flows two configurations of a bridge ask for.

use std::collections::BTreeMap;

use netloom_flow::text::PortNames;
use netloom_flow::{Action, FLOW_WORDS, FlowText, OfPort, TableId, parse_flow_with};

use crate::config::{self, BadFlow, ConfigError, FailMode, Numbers, Origin};
use crate::flow_mod::check_configured;
use crate::model::Bridge;
use crate::tables::{Known, Tables};

/// What to do about the flows of a bridge.
#[derive(Default)]
pub(crate) struct FlowChanges {
    pub(crate) added: Vec<(FlowText, Origin)>,
    pub(crate) removed: Vec<FlowText>,
    /// The same flows, written elsewhere.
    pub(crate) moved: Vec<(FlowText, Origin)>,
}

impl FlowChanges {
    pub(crate) fn new(
        present: Option<&Bridge>,
        wanted: &config::Bridge,
        numbers: &Numbers,
        tables: &Tables,
    ) -> Result<Self, ConfigError> {
        let new = configured_flows(wanted, &tables.known(), &|name| numbers.of(name))?;
        let old = match present {
            Some(bridge) => present_flows(bridge)?,
            None => Vec::new(),
        };
        let (old_ids, new_ids) = (by_id(&old), by_id(&new));
        let mut changes = Self::default();
        for (flow, origin) in new_ids.values() {
            match old_ids.get(&id_of(flow)) {
                Some((old, from)) if old == flow && from == origin => {}
                Some((old, _)) if old == flow => changes.moved.push((flow.clone(), origin.clone())),
                _ => changes.added.push((flow.clone(), origin.clone())),
            }
        }
        let gone = old_ids.values().filter(|(flow, _)| !new_ids.contains_key(&id_of(flow)));
        changes.removed.extend(gone.map(|(flow, _)| flow.clone()));
        let changes_hands = |bridge: &&Bridge| bridge.is_alone() != wanted.controller.is_empty();
        if let Some(bridge) = present.filter(changes_hands) {
            changes.removed.extend(others(bridge, &old_ids, &new_ids));
        }
        Ok(changes)
    }
}

/// The flows a bridge is configured with.
pub(crate) fn present_flows(bridge: &Bridge) -> Result<Vec<(FlowText, Origin)>, ConfigError> {
    let names = |name: &str| bridge.port_named(name);
    let tables = Tables::of(&bridge.config, &names)?;
    configured_flows(&bridge.config, &tables.known(), &names)
}

/// Flows that no configuration asked for: they go with the first controller that comes, and with the last that goes.
///
/// Source: `connmgr_set_controllers` of OVS.
fn others<'a>(
    bridge: &'a Bridge,
    old: &'a BTreeMap<FlowId, &(FlowText, Origin)>,
    new: &'a BTreeMap<FlowId, &(FlowText, Origin)>,
) -> impl Iterator<Item = FlowText> {
    let rules = bridge.tables.values().flat_map(|table| table.rules.iter().map(|(_, _, rule)| rule));
    let is_other = |rule: &&std::sync::Arc<crate::model::Rule>| {
        let id = id_of(&rule.flow);
        !old.contains_key(&id) && !new.contains_key(&id)
    };
    rules.filter(is_other).map(|rule| rule.flow.clone())
}

/// The flows a configuration asks for, as they were written; a bridge that is to learn by itself has one.
fn configured_flows(
    bridge: &config::Bridge,
    known: &Known,
    names: PortNames<'_>,
) -> Result<Vec<(FlowText, Origin)>, ConfigError> {
    let is_learning = bridge.fail_mode == FailMode::Standalone && bridge.controller.is_empty();
    if bridge.flows.is_empty() && is_learning {
        let actions = vec![Action::Output(OfPort::NORMAL)].into();
        return Ok(vec![(FlowText { priority: 0, actions, ..FlowText::default() }, Origin::Default)]);
    }
    let read = |flow: &config::Flow| {
        let bad = |span, message, hint| {
            ConfigError::Flow(Box::new(BadFlow {
                bridge: bridge.name.clone(),
                origin: flow.origin.clone(),
                text: flow.text.clone(),
                span,
                message,
                hint,
            }))
        };
        let read =
            parse_flow_with(&flow.text, names).map_err(|error| bad(error.span, error.message, error.hint))?;
        check_configured(known, &read).map_err(|error| bad(0..flow.text.len(), error.to_string(), None))?;
        Ok((read, flow.origin.clone()))
    };
    bridge.flows.iter().map(read).collect()
}

/// The flows by table, priority and match: of two alike the later one counts, as with `ovs-ofctl add-flows`.
pub(crate) fn by_id(flows: &[(FlowText, Origin)]) -> BTreeMap<FlowId, &(FlowText, Origin)> {
    flows.iter().map(|flow| (id_of(&flow.0), flow)).collect()
}

/// What identifies a flow, in the order in which flows are added.
pub(crate) type FlowId = (TableId, u16, [u64; FLOW_WORDS], [u64; FLOW_WORDS], Vec<(usize, u128, u128)>);

pub(crate) fn id_of(flow: &FlowText) -> FlowId {
    let matches = &flow.matches;
    (flow.table, flow.priority, matches.key().0, matches.mask().0, matches.options().collect())
}
