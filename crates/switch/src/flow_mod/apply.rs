//! Carrying out a change of flows.

use std::sync::Arc;

use netloom_flow::{BridgeId, FlowText, Nanos};

use super::check::{check_flow, check_overlap};
use super::{FlowCommand, FlowError, FlowMod, FlowQuery};
use crate::config::Origin;
use crate::events::Removed;
use crate::switch::Switch;

/// Tables a flow may be in are below this; the one above is internal to OVS.
const TABLES: u8 = 254;

impl Switch {
    /// Carries out a change of flows. Pull all hits first: what a flow has carried is told when it goes.
    ///
    /// Returns how many flows were changed or removed; for `Add`, and where a modification added one, 0.
    ///
    /// # Errors
    /// Nothing was changed: an action is not supported, a table or a group does not exist, or `check_overlap` was
    /// asked for and found one.
    pub fn flow_mod(
        &mut self,
        bridge: BridgeId,
        change: FlowMod,
        origin: impl Into<Arc<Origin>>,
        now: Nanos,
    ) -> Result<usize, FlowError> {
        self.change_flows(bridge, change, origin.into(), now)
    }

    fn change_flows(
        &mut self,
        bridge: BridgeId,
        change: FlowMod,
        origin: Arc<Origin>,
        now: Nanos,
    ) -> Result<usize, FlowError> {
        if let Some(table) = change.table.filter(|table| table.0 >= TABLES) {
            return Err(FlowError::BadTable(table.0));
        }
        match change.command {
            FlowCommand::Delete | FlowCommand::DeleteStrict => {
                return Ok(self.delete_flows(bridge, &FlowQuery::of_mod(&change), now));
            }
            FlowCommand::Add => {
                let (checks, resets) = (change.flags.check_overlap, change.flags.reset_counts);
                self.add_checked(bridge, change.into_flow(), (checks, resets), origin, now)?;
                self.advance();
                return Ok(0);
            }
            FlowCommand::Modify | FlowCommand::ModifyStrict => {}
        }
        let query = FlowQuery::of_mod(&change);
        let flow = change.clone().into_flow();
        self.check(bridge, &flow)?;
        let rules = self.bridges.get(bridge).map(|bridge| query.rules(bridge)).unwrap_or_default();
        for rule in &rules {
            let cookie = change.cookie.unwrap_or(rule.flow.cookie);
            let changed = FlowText { actions: change.actions.clone(), cookie, ..rule.flow.clone() };
            self.replace(rule, changed, Arc::clone(&origin), now);
            if change.flags.reset_counts {
                self.set_counters(rule.id, 0, 0);
            }
        }
        if rules.is_empty() && change.cookie.is_some() && change.cookie_filter.1 == 0 {
            self.make_room(bridge, &flow, now)?;
            self.put_flow(bridge, flow, origin, now);
        }
        self.advance();
        Ok(rules.len())
    }

    fn add_checked(
        &mut self,
        bridge: BridgeId,
        flow: FlowText,
        (checks, resets): (bool, bool),
        origin: Arc<Origin>,
        now: Nanos,
    ) -> Result<(), FlowError> {
        self.check(bridge, &flow)?;
        if checks && let Some(bridge) = self.bridges.get(bridge) {
            check_overlap(bridge, &flow)?;
        }
        self.make_room(bridge, &flow, now)?;
        let old = self.put_flow(bridge, flow, origin, now);
        if let Some(old) = old.filter(|_| !resets)
            && let Some(rule) = self.rule_of(bridge, &old.rule.flow)
        {
            self.set_counters(rule, old.packets, old.bytes);
        }
        Ok(())
    }

    fn check(&self, bridge: BridgeId, flow: &FlowText) -> Result<(), FlowError> {
        let Some(bridge) = self.bridges.get(bridge) else {
            return Err(FlowError::NoBridge(bridge.to_string()));
        };
        check_flow(Some(bridge), flow)
    }

    /// Removes the flows that are meant, and returns how many.
    pub(crate) fn delete_flows(&mut self, bridge: BridgeId, query: &FlowQuery, now: Nanos) -> usize {
        let rules = self.bridges.get(bridge).map(|bridge| query.rules(bridge)).unwrap_or_default();
        for rule in &rules {
            self.remove_rule(rule.id, Removed::Delete, now);
        }
        if !rules.is_empty() {
            self.advance();
        }
        rules.len()
    }
}
