//! Flows that tell by themselves how much they have counted: statistics triggers of OpenFlow 1.5.
//!
//! Counters move when hits are pulled, once a second while packets pass; so a threshold is told up to a second late, and
//! several that were passed together are told once. Only flows with a trigger are looked at.
//!
//! Source: OpenFlow 1.5.1 §5.8, `OFPIT_STAT_TRIGGER`. OVS has none.

use std::collections::{BTreeMap, BTreeSet};

use netloom_flow::action::{StatTrigger, Tally};
use netloom_flow::{Action, Nanos, RuleId};

use crate::events::Notice;
use crate::flow_mod::FlowEntry;
use crate::model::RuleState;
use crate::switch::Switch;

/// The triggers of all flows.
#[derive(Debug, Default)]
pub(crate) struct Triggers {
    by_rule: BTreeMap<RuleId, Watched>,
    /// When the age of a flow reaches a threshold.
    due: BTreeSet<(Nanos, RuleId)>,
}

#[derive(Debug, Clone, Copy)]
struct Watched {
    trigger: StatTrigger,
    due: Option<Nanos>,
    /// What was counted when it was looked at last.
    seen: Tally,
}

impl Triggers {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_rule.is_empty()
    }

    /// When an age is to be looked at next.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        self.due.first().map(|(date, _)| *date)
    }

    /// A flow is gone, or tells nothing any more.
    pub(crate) fn forget(&mut self, id: RuleId) {
        if let Some(Watched { due: Some(date), .. }) = self.by_rule.remove(&id) {
            self.due.remove(&(date, id));
        }
    }

    fn put(&mut self, id: RuleId, watched: Watched) {
        self.due.extend(watched.due.map(|date| (date, id)));
        self.by_rule.insert(id, watched);
    }
}

fn tally(state: &RuleState, now: Nanos) -> Tally {
    Tally { packets: state.packets, bytes: state.bytes, duration: now.since(state.created) }
}

impl Switch {
    /// Looks whether a flow, which is new or another now, has a trigger.
    pub(crate) fn note_trigger(&mut self, id: RuleId) {
        self.triggers.forget(id);
        let Some(state) = self.rules.get(id) else { return };
        let found = state.rule.flow.actions.iter().find_map(|action| match action {
            Action::StatTrigger(trigger) => Some(**trigger),
            _ => None,
        });
        let Some(trigger) = found else { return };
        let seen = tally(state, state.modified);
        let due = trigger.next_age(seen.duration).map(|age| state.created + age);
        self.triggers.put(id, Watched { trigger, due, seen });
    }

    /// Looks at a flow that has counted more.
    pub(crate) fn check_trigger(&mut self, id: RuleId, now: Nanos) {
        let (Some(watched), Some(state)) = (self.triggers.by_rule.get_mut(&id), self.rules.get(id)) else {
            return;
        };
        let tally = tally(state, now.max(state.created + watched.seen.duration));
        let fires = watched.trigger.fires(&watched.seen, &tally);
        watched.seen = tally;
        if fires {
            let (entry, bridge) = (FlowEntry::new(state), state.rule.bridge);
            self.outbox.push(bridge, Notice::Stats { entry, duration: tally.duration });
        }
    }

    /// Looks at flows whose age has reached a threshold.
    pub(crate) fn check_ages(&mut self, now: Nanos) {
        while let Some((date, id)) = self.triggers.due.first().copied()
            && date <= now
        {
            self.triggers.due.remove(&(date, id));
            self.check_trigger(id, now);
            let (Some(watched), Some(state)) = (self.triggers.by_rule.get_mut(&id), self.rules.get(id))
            else {
                continue;
            };
            watched.due = watched.trigger.next_age(watched.seen.duration).map(|age| state.created + age);
            self.triggers.due.extend(watched.due.map(|date| (date, id)));
        }
    }
}
