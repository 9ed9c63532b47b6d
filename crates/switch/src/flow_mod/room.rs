//! Room in a table: how many flows there may be, and which of them goes when another comes.

use netloom_flow::{BridgeId, FlowText, Nanos, RuleId, TableId};

use super::FlowError;
use crate::events::Removed;
use crate::model::{Table, TableLimit};
use crate::switch::Switch;

impl Switch {
    /// Limits a table. Flows that it has already stay.
    pub fn set_table_limit(&mut self, bridge: BridgeId, table: TableId, limit: TableLimit) {
        self.next_version();
        if let Some(bridge) = self.bridges.get_mut(bridge) {
            let table = bridge.table_mut(table);
            table.limit = limit;
            if !limit.evicts {
                table.evictable = None;
            }
        }
    }

    /// The limit of a table.
    #[must_use]
    pub fn table_limit(&self, bridge: BridgeId, table: TableId) -> TableLimit {
        let table = self.bridges.get(bridge).and_then(|bridge| bridge.tables.get(&table));
        table.map(|table| table.limit).unwrap_or_default()
    }

    /// Makes room for a flow, unless it replaces one.
    pub(super) fn make_room(
        &mut self,
        bridge: BridgeId,
        flow: &FlowText,
        now: Nanos,
    ) -> Result<(), FlowError> {
        let Some(bridge) = self.bridges.get(bridge) else { return Ok(()) };
        let Some(table) = bridge.tables.get(&flow.table) else { return Ok(()) };
        let count = u32::try_from(table.rules.len()).unwrap_or(u32::MAX);
        if count < table.limit.max_flows || table.rules.get(&flow.matches, flow.priority.into()).is_some() {
            return Ok(());
        }
        let (bridge, evicts) = (bridge.id, table.limit.evicts);
        let evicted = if evicts { self.first_to_go(bridge, flow.table) } else { None };
        let rule = evicted.ok_or(FlowError::TableFull(flow.table.0))?;
        self.remove_rule(rule, Removed::Eviction, now);
        Ok(())
    }

    /// The flow of least importance; of those, the one that would go first. Flows without a timeout stay.
    fn first_to_go(&mut self, bridge: BridgeId, table: TableId) -> Option<RuleId> {
        let rules = &self.rules;
        let place = |id: RuleId| rules.get(id)?.place();
        let Table { rules: all, evictable, .. } = self.bridges.get_mut(bridge)?.tables.get_mut(&table)?;
        let noted = || all.rules().filter_map(|rule| Some((place(rule.id)?, rule.id))).collect();
        let evictable = evictable.get_or_insert_with(noted);
        evictable.tidy(all.len(), place);
        while let Some((noted, id)) = evictable.pop() {
            match place(id) {
                Some(true_place) if true_place == noted => return Some(id),
                Some(true_place) => evictable.push(true_place, id),
                None => {}
            }
        }
        None
    }
}
