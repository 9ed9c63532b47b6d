//! Rules come, change and go.

use std::sync::Arc;

use netloom_flow::{BridgeId, FlowText, Nanos, RuleId};

use crate::config::Origin;
use crate::events::{Change, Removed};
use crate::model::{Rule, RuleState, Table};
use crate::switch::Switch;
use crate::undo::Undo;

impl Switch {
    /// Adds a flow. One with the same match and priority is replaced, and returned with what it had carried.
    pub(crate) fn put_flow(
        &mut self,
        id: BridgeId,
        mut flow: FlowText,
        origin: Arc<Origin>,
        now: Nanos,
    ) -> Option<RuleState> {
        self.compact(&mut flow);
        let bridge = self.bridges.get_mut(id)?;
        let table = bridge.table_mut(flow.table);
        let (rules, tells) = (&mut table.rules, table.vacancy.is_some());
        let rule = self.rules.add(now, |rule| Rule { id: rule, bridge: id, flow, origin });
        let flow = &rule.flow;
        let old = rules.insert(&flow.matches, rule.priority(), Arc::clone(&rule));
        self.log.push(id, flow.table, &flow.matches);
        self.schedule(rule.id);
        self.note_trigger(rule.id);
        let old = old.and_then(|old| self.rules.remove(old.id));
        if let Some(old) = &old {
            self.triggers.forget(old.rule.id);
        }
        if let Some(old) = &old {
            self.journal.note(|| Undo::Removed(old.clone()));
        }
        self.journal.note(|| Undo::Added(rule.id));
        if tells {
            self.note_vacancy(id, rule.flow.table);
        }
        self.note_flow(&rule, Change::Added, old.as_ref().map(|old| &old.rule));
        old
    }

    /// Begins the counters of a rule at given values.
    pub(crate) fn set_counters(&mut self, id: RuleId, packets: u64, bytes: u64) {
        if let Some(state) = self.rules.get_mut(id) {
            (state.packets, state.bytes) = (packets, bytes);
        }
        self.note_trigger(id);
    }

    /// Gives a rule another flow with the same match and priority; its counters stay.
    pub(crate) fn replace(&mut self, rule: &Rule, mut flow: FlowText, origin: Arc<Origin>, now: Nanos) {
        let Rule { id, bridge, .. } = *rule;
        self.compact(&mut flow);
        if let Some(state) = self.rules.get(id) {
            self.journal.note(|| Undo::Changed(state.clone()));
        }
        let new = Arc::new(Rule { id, bridge, flow, origin });
        let Some(table) =
            self.bridges.get_mut(bridge).and_then(|bridge| bridge.tables.get_mut(&new.flow.table))
        else {
            return;
        };
        table.rules.insert(&new.flow.matches, new.priority(), Arc::clone(&new));
        self.log.push(bridge, new.flow.table, &new.flow.matches);
        let Some(state) = self.rules.get_mut(id) else { return };
        let old = std::mem::replace(&mut state.rule, Arc::clone(&new));
        state.modified = now;
        if (old.flow.cookie, &old.flow.actions) != (new.flow.cookie, &new.flow.actions) {
            self.note_flow(&new, Change::Modified, Some(&old));
            self.note_trigger(id);
        }
        self.schedule(id);
    }

    /// Notes that a flow is written elsewhere. Nothing that a packet could tell.
    pub(crate) fn set_origin(&mut self, id: RuleId, origin: &Origin) {
        let Some(state) = self.rules.get(id) else { return };
        self.put_in_place(Rule { origin: Arc::new(origin.clone()), ..Rule::clone(&state.rule) });
    }

    /// Gives a rule other timeouts. Nothing that a packet could tell.
    pub(super) fn set_flow(&mut self, id: RuleId, flow: FlowText) {
        let Some(state) = self.rules.get(id) else { return };
        self.put_in_place(Rule { flow, ..Rule::clone(&state.rule) });
        self.schedule(id);
    }

    fn put_in_place(&mut self, rule: Rule) {
        let new = Arc::new(rule);
        let Some(state) = self.rules.get_mut(new.id) else { return };
        state.rule = Arc::clone(&new);
        let bridge = self.bridges.get_mut(new.bridge);
        if let Some(table) = bridge.and_then(|bridge| bridge.tables.get_mut(&new.flow.table)) {
            table.rules.insert(&new.flow.matches, new.priority(), Arc::clone(&new));
        }
    }

    /// Takes a rule out of its table, and tells it if that was asked for.
    pub(crate) fn remove_rule(&mut self, id: RuleId, reason: Removed, now: Nanos) {
        let Some(state) = self.rules.remove(id) else { return };
        self.triggers.forget(id);
        let (bridge, flow) = (state.rule.bridge, &state.rule.flow);
        let table = self.bridges.get_mut(bridge).and_then(|bridge| bridge.tables.get_mut(&flow.table));
        let tells = table.as_ref().is_some_and(|table| table.vacancy.is_some());
        if let Some(table) = table {
            table.rules.remove(&flow.matches, state.rule.priority());
        }
        if tells {
            self.note_vacancy(bridge, flow.table);
        }
        self.log.push(bridge, flow.table, &flow.matches);
        self.outbox.removed(&state, reason, now);
        self.note_flow(&state.rule, Change::Removed(reason), None);
        self.journal.note(|| Undo::Removed(state.clone()));
        self.forget_learned(&state.rule, now);
    }

    /// Removes flows whose time has come, at most so many. Says whether there were any, and whether more are left.
    pub(crate) fn expire_rules(&mut self, now: Nanos, most: usize) -> (bool, bool) {
        let (mut gone, mut later) = (0, Vec::new());
        while gone < most
            && let Some((date, id)) = self.due.peek()
            && date <= now
        {
            self.due.pop();
            match self.rules.get(id).and_then(RuleState::expires) {
                Some((date, _)) if date > now => self.due.push(date, id),
                // A bundle may have to be undone: only it changes these.
                Some(_) if self.committing.is_some_and(|busy| self.is_of(id, busy)) => later.push(id),
                Some((_, reason)) => {
                    gone += 1;
                    self.remove_rule(id, reason, now);
                }
                None => {}
            }
        }
        let more = self.due.peek().is_some_and(|(date, _)| date <= now);
        later.into_iter().for_each(|id| self.schedule(id));
        (gone > 0, more)
    }

    fn is_of(&self, id: RuleId, bridge: BridgeId) -> bool {
        self.rules.get(id).is_some_and(|state| state.rule.bridge == bridge)
    }

    /// Notes when a rule goes, and its place among those that may be evicted.
    pub(crate) fn schedule(&mut self, id: RuleId) {
        let rules = &self.rules;
        let Some((place, rule)) = rules.get(id).and_then(|state| Some((state.place()?, &state.rule))) else {
            return;
        };
        let table = self.bridges.get_mut(rule.bridge).and_then(|it| it.tables.get_mut(&rule.flow.table));
        if let Some(Table { rules: all, evictable: Some(evictable), .. }) = table {
            evictable.push(place, id);
            evictable.tidy(all.len(), |id| rules.get(id)?.place());
        }
        self.due.push(place.1, id);
        self.due.tidy(rules.len(), |id| rules.get(id)?.place().map(|(_, date)| date));
    }

    /// What a rule keeps for as long as it lives takes no more room than it needs.
    fn compact(&mut self, flow: &mut FlowText) {
        flow.matches.share();
        self.action_lists.intern(&mut flow.actions);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use netloom_flow::{Epoch, FieldId, FlowMatch};

    use super::*;
    use crate::config::{Bridge, Config, Uuid};
    use crate::{FlowMod, Settings};

    const TOGETHER: u16 = 10;

    /// So many flows with hard timeouts; the first few end after 10 s, the others later.
    fn switch(flows: u16) -> Switch {
        let bridge = Bridge { uuid: Uuid::named(&["s1"]), name: "s1".into(), ..Bridge::default() };
        let mut switch = Switch::new(Settings::default(), Epoch::default());
        let config = Config { bridges: vec![bridge], ..Config::default() };
        switch.reconfigure(&config, Nanos::ZERO).expect("a good one");
        let id = switch.names["s1"];
        let origin = Arc::new(Origin::Command);
        for n in 0..flows {
            let mut matches = FlowMatch::any();
            matches.set(FieldId::EthType, 0x0800);
            matches.set(FieldId::Ipv4Dst, n.into());
            let hard_timeout = if n < TOGETHER { 10 } else { 20 + n % 1_000 };
            let flow = FlowText { matches, hard_timeout, ..FlowText::default() };
            switch.flow_mod(id, FlowMod::add(flow), Arc::clone(&origin), Nanos::ZERO).expect("a good flow");
        }
        switch
    }

    #[test]
    fn time_passes_without_a_look_at_rules_that_do_not_end() {
        for flows in [100, 50_000] {
            let mut switch = switch(flows);
            let looks = |switch: &Switch| switch.rules.looks.swap(0, Ordering::Relaxed);
            looks(&switch);
            for second in 0..10 {
                switch.tick(Nanos::from_secs(second));
                assert_eq!(switch.deadline(), Some(Nanos::from_secs(10)));
            }
            assert_eq!(looks(&switch), 0, "{flows} flows");
            switch.tick(Nanos::from_secs(10));
            assert_eq!(looks(&switch), usize::from(TOGETHER), "{flows} flows");
            assert_eq!(switch.rules.len(), usize::from(flows - TOGETHER) + 1, "with the bridge's own");
        }
    }
}
