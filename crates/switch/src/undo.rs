//! Undoing: what a bundle changed before one of its changes failed.
//!
//! While a bundle is carried out, each step leaves behind what it takes to go back. Steps are undone in reverse, so each
//! finds the model as it left it.

use std::sync::Arc;

use netloom_flow::{BridgeId, Nanos, OfPort, RuleId};

use crate::model::{Group, MeterEntry, PortConfig, RuleState};
use crate::switch::Switch;

/// How to undo one step.
#[derive(Debug)]
pub(crate) enum Undo {
    /// A rule was added.
    Added(RuleId),
    /// A rule was removed.
    Removed(RuleState),
    /// A rule became another.
    Changed(RuleState),
    /// A group was added, changed or removed.
    Group(BridgeId, u32, Option<Box<Group>>),
    /// A meter was added, changed or removed.
    Meter(BridgeId, u32, Option<MeterEntry>),
    /// A port was configured.
    Port(BridgeId, OfPort, PortConfig),
}

/// Steps that may have to be undone.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// `None`: nothing will be undone.
    steps: Option<Vec<Undo>>,
}

impl Journal {
    /// For changes that can be undone.
    pub(crate) const fn new() -> Self {
        Self { steps: Some(Vec::new()) }
    }

    pub(crate) fn note(&mut self, undo: impl FnOnce() -> Undo) {
        if let Some(steps) = &mut self.steps {
            steps.push(undo());
        }
    }
}

impl Switch {
    /// Carries out changes, all of them or none: if one fails, those before it are undone, and nobody is told of them. Not
    /// while a bundle is being carried out.
    pub(crate) fn all_or_none<T, E>(
        &mut self,
        now: Nanos,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let journal = std::mem::replace(&mut self.journal, Journal::new());
        let mut told = std::mem::take(&mut self.outbox);
        let done = work(self);
        let mut undoable = std::mem::replace(&mut self.journal, journal);
        if done.is_err() {
            self.undo_some(&mut undoable, usize::MAX, now);
            self.outbox = told;
            self.advance();
        } else {
            told.append(&mut self.outbox);
            self.outbox = told;
        }
        done
    }

    /// Undoes the last `count` steps of a journal; says whether none is left, and then all is as it was.
    pub(crate) fn undo_some(&mut self, journal: &mut Journal, count: usize, now: Nanos) -> bool {
        let Some(steps) = &mut journal.steps else { return true };
        let rest = steps.split_off(steps.len().saturating_sub(count));
        let is_done = steps.is_empty();
        rest.into_iter().rev().for_each(|step| self.undo(step, now));
        is_done
    }

    fn undo(&mut self, step: Undo, now: Nanos) {
        match step {
            Undo::Added(id) => {
                let Some(state) = self.rules.remove(id) else { return };
                self.triggers.forget(id);
                let (bridge, flow) = (state.rule.bridge, &state.rule.flow);
                let table =
                    self.bridges.get_mut(bridge).and_then(|bridge| bridge.tables.get_mut(&flow.table));
                if let Some(table) = table {
                    table.rules.remove(&flow.matches, state.rule.priority());
                }
                self.log.push(bridge, flow.table, &flow.matches);
            }
            Undo::Removed(mut state) | Undo::Changed(mut state) => {
                // What it has carried between two steps is not undone.
                if let Some(present) = self.rules.get(state.rule.id).filter(|it| it.packets > state.packets) {
                    (state.packets, state.bytes) = (present.packets, present.bytes);
                    state.used = state.used.max(present.used);
                }
                let rule = Arc::clone(&state.rule);
                self.rules.restore(state);
                let (bridge, flow) = (rule.bridge, &rule.flow);
                if let Some(bridge) = self.bridges.get_mut(bridge) {
                    let rules = &mut bridge.table_mut(flow.table).rules;
                    rules.insert(&flow.matches, rule.priority(), Arc::clone(&rule));
                }
                self.log.push(bridge, flow.table, &flow.matches);
                self.schedule(rule.id);
                self.note_trigger(rule.id);
            }
            Undo::Group(bridge, id, group) => {
                let version = self.next_version();
                let Some(bridge) = self.bridges.get_mut(bridge) else { return };
                match group {
                    Some(group) => _ = bridge.groups.insert(id, Group { version, ..*group }),
                    None => _ = bridge.groups.remove(&id),
                }
            }
            Undo::Meter(bridge, id, meter) => {
                let version = self.next_version();
                let Some(bridge) = self.bridges.get_mut(bridge) else { return };
                match meter {
                    Some(meter) => _ = bridge.meters.insert(id, MeterEntry { version, ..meter }),
                    None => _ = bridge.meters.remove(&id),
                }
            }
            Undo::Port(bridge, port, config) => _ = self.set_port_config(bridge, port, config, now),
        }
    }
}
