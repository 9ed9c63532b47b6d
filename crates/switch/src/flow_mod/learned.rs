//! Flows that packets add and end: `learn` and `fin_timeout`.

use std::sync::Arc;

use netloom_flow::{Action, BridgeId, FlowText, Nanos, RuleId, TableId};

use super::FlowQuery;
use crate::config::Origin;
use crate::events::Removed;
use crate::model::{Bridge, Rule, each_action};
use crate::switch::Switch;

/// Flows that are kept until the bundle is done.
const MOST_LATE: usize = 65_536;

/// A flow that was learned in the middle of a bundle.
#[derive(Debug)]
struct LateFlow {
    by: RuleId,
    flow: Arc<FlowText>,
    limit: u32,
    used: Nanos,
}

/// Flows that were learned in the middle of a bundle.
#[derive(Debug, Default)]
pub(crate) struct LateFlows(Vec<LateFlow>);

impl LateFlows {
    /// There are as many as flows are translated or credited meanwhile. Beyond the bound they are not learned: the next
    /// packet will say it again.
    fn push(&mut self, new: LateFlow) {
        if self.0.len() < MOST_LATE {
            self.0.push(new);
        }
    }

    fn take(&mut self) -> Vec<LateFlow> {
        std::mem::take(&mut self.0)
    }
}

impl Switch {
    /// Adds the flow that a rule learns from packets, or keeps it fresh. Says whether a lookup could tell.
    ///
    /// A rule that is gone, or does not learn any more, learns nothing from packets that passed before.
    pub(crate) fn learn_flow(
        &mut self,
        bridge: BridgeId,
        by: RuleId,
        flow: &Arc<FlowText>,
        limit: u32,
        used: Nanos,
    ) -> bool {
        // Nobody else may change the flows of a bridge in the middle of a bundle: its turn comes right after.
        if self.committing == Some(bridge) {
            self.late.push(LateFlow { by, flow: Arc::clone(flow), limit, used });
            return false;
        }
        let may = |bridge: &Bridge| bridge.may_learn(flow, limit);
        if !self.bridges.get(bridge).is_some_and(may) {
            return false;
        }
        if !self.rules.get(by).is_some_and(|state| learns(&state.rule.flow.actions)) {
            return false;
        }
        if let Some(rule) = self.rule_of(bridge, flow)
            && let Some(state) = self.rules.get_mut(rule)
            && is_same(&state.rule.flow, flow)
        {
            // A hard timeout counts from the last packet that would have added it.
            state.modified = state.modified.max(used);
            return false;
        }
        self.put_flow(bridge, FlowText::clone(flow), Arc::new(Origin::Learned), used);
        true
    }

    /// Learns what packets said to a bridge while a bundle was carried out on it, in the order in which they did.
    pub(crate) fn learn_late(&mut self, bridge: BridgeId) {
        let late = self.late.take();
        let mut is_changed = false;
        for LateFlow { by, flow, limit, used } in late {
            is_changed |= self.learn_flow(bridge, by, &flow, limit, used);
        }
        if is_changed {
            self.advance();
        }
    }

    /// Lowers the timeouts of a rule, if they are higher or there are none.
    pub(crate) fn lower_timeouts(&mut self, rule: RuleId, idle: u16, hard: u16) {
        let Some(state) = self.rules.get(rule) else { return };
        let lowered = |now: u16, to: u16| if to != 0 && (now == 0 || to < now) { to } else { now };
        let flow = &state.rule.flow;
        let (idle, hard) = (lowered(flow.idle_timeout, idle), lowered(flow.hard_timeout, hard));
        if (idle, hard) == (flow.idle_timeout, flow.hard_timeout) {
            return;
        }
        let new = FlowText { idle_timeout: idle, hard_timeout: hard, ..flow.clone() };
        self.set_flow(rule, new);
    }

    /// After a rule with `delete_learned` is gone: what it learned goes too, unless another such rule is left.
    pub(super) fn forget_learned(&mut self, gone: &Rule, now: Nanos) {
        let mut learned = Vec::new();
        each_action(&gone.flow.actions, &mut |action| {
            if let Action::Learn(learn) = action
                && learn.delete_learned
            {
                learned.push((learn.table, learn.cookie));
            }
        });
        for (table, cookie) in learned {
            let Some(bridge) = self.bridges.get(gone.bridge) else { return };
            let is_left = {
                let mut rules = bridge.tables.values().flat_map(|table| table.rules.rules());
                rules.any(|rule| keeps(&rule.flow.actions, table, cookie))
            };
            if is_left {
                continue;
            }
            let query = FlowQuery { table: Some(table), cookie: (cookie, u64::MAX), ..FlowQuery::default() };
            let rules = query.rules(bridge);
            rules.iter().for_each(|rule| self.remove_rule(rule.id, Removed::Delete, now));
        }
    }
}

impl Bridge {
    /// Whether a flow may be learned: it is there, or its table has fewer than `limit` of its cookie.
    pub(crate) fn may_learn(&self, flow: &FlowText, limit: u32) -> bool {
        let (true, Some(table)) = (limit != 0, self.tables.get(&flow.table)) else { return true };
        if table.rules.get(&flow.matches, flow.priority.into()).is_some() {
            return true;
        }
        let same = table.rules.iter().filter(|(_, _, rule)| rule.flow.cookie == flow.cookie);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        same.take(limit).count() < limit
    }
}

fn learns(actions: &[Action]) -> bool {
    let mut found = false;
    each_action(actions, &mut |action| found |= matches!(action, Action::Learn(_)));
    found
}

fn keeps(actions: &[Action], table: TableId, cookie: u64) -> bool {
    let mut found = false;
    each_action(actions, &mut |action| {
        if let Action::Learn(learn) = action {
            found |= learn.delete_learned && learn.table == table && learn.cookie == cookie;
        }
    });
    found
}

/// Whether a flow is what would be learned, but for timeouts that the end of a connection lowered.
fn is_same(present: &FlowText, learned: &FlowText) -> bool {
    (present.cookie, &present.actions, present.flags) == (learned.cookie, &learned.actions, learned.flags)
}
