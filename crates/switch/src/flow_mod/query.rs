//! Which flows are meant.

use std::cmp::Reverse;
use std::sync::Arc;

use netloom_flow::text::DEFAULT_PRIORITY;
use netloom_flow::{BridgeId, FlowFilter, FlowMatch, OfPort, TableId};

use super::{FlowCommand, FlowEntry, FlowMod, Matching};
use crate::config::Origin;
use crate::model::{Bridge, Rule};
use crate::switch::Switch;

/// Which flows of a bridge are meant: all that pass every test.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowQuery {
    /// Only in this table.
    pub table: Option<TableId>,
    /// Only those for a part of these packets.
    pub matches: FlowMatch,
    /// Only the one with exactly this match and this priority.
    pub strict: Option<u16>,
    /// Only those whose cookie has these bits: value and mask.
    pub cookie: (u64, u64),
    /// Only those that output to this port.
    pub out_port: Option<OfPort>,
    /// Only those that use this group.
    pub out_group: Option<u32>,
}

impl FlowQuery {
    /// What a filter in text means.
    #[must_use]
    pub fn of_text(filter: &FlowFilter, matching: Matching) -> Self {
        let strict = match matching {
            Matching::Loose => None,
            Matching::Strict => Some(filter.priority.unwrap_or(DEFAULT_PRIORITY)),
        };
        Self {
            table: filter.table,
            matches: filter.matches.clone(),
            strict,
            cookie: filter.cookie.unwrap_or_default(),
            out_port: filter.out_port,
            out_group: filter.out_group,
        }
    }

    /// The flows a change is about.
    pub(super) fn of_mod(change: &FlowMod) -> Self {
        let is_strict = matches!(change.command, FlowCommand::ModifyStrict | FlowCommand::DeleteStrict);
        let deletes = matches!(change.command, FlowCommand::Delete | FlowCommand::DeleteStrict);
        Self {
            table: change.table,
            matches: change.matches.clone(),
            strict: is_strict.then_some(change.priority),
            cookie: change.cookie_filter,
            out_port: change.out_port.filter(|_| deletes),
            out_group: change.out_group.filter(|_| deletes),
        }
    }

    fn means(&self, rule: &Rule) -> bool {
        if *rule.origin == Origin::FailOpen {
            return false;
        }
        let flow = &rule.flow;
        let is_matched = match self.strict {
            None => self.matches.covers(&flow.matches),
            Some(priority) => priority == flow.priority && self.matches == flow.matches,
        };
        let (cookie, mask) = self.cookie;
        is_matched
            && (flow.cookie ^ cookie) & mask == 0
            && self.out_port.is_none_or(|port| flow.actions.iter().any(|action| action.outputs_to(port)))
            && self.out_group.is_none_or(|group| flow.actions.iter().any(|action| action.uses_group(group)))
    }

    /// The rules that are meant, by table; within one in no particular order.
    pub(crate) fn rules(&self, bridge: &Bridge) -> Vec<Arc<Rule>> {
        let tables = bridge.tables.iter().filter(|(id, _)| self.table.is_none_or(|table| table == **id));
        if let Some(priority) = self.strict {
            let priority = u32::from(priority);
            let rules = tables.filter_map(|(_, table)| table.rules.get(&self.matches, priority));
            return rules.filter(|rule| self.means(rule)).cloned().collect();
        }
        let rules = tables.flat_map(|(_, table)| table.rules.rules());
        rules.filter(|rule| self.means(rule)).cloned().collect()
    }
}

impl Switch {
    /// The flows that are meant with their counters as they stand: by table, priority from the highest, then age.
    #[must_use]
    pub fn flow_entries(&self, bridge: BridgeId, query: &FlowQuery) -> Vec<FlowEntry> {
        let Some(bridge) = self.bridges.get(bridge) else { return Vec::new() };
        let mut rules = query.rules(bridge);
        rules.sort_by_key(|rule| (rule.flow.table, Reverse(rule.flow.priority), rule.id));
        rules.iter().filter_map(|rule| self.rules.get(rule.id)).map(FlowEntry::new).collect()
    }
}
