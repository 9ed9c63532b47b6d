//! The rules of the flow tables, and what they have carried.

use std::sync::Arc;

use netloom_flow::{BridgeId, FlowText, Nanos, RuleId};

use crate::config::Origin;
use crate::events::Removed;

/// A flow of a table. Changing one makes a new value; its number stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its number.
    pub id: RuleId,
    /// Its bridge.
    pub bridge: BridgeId,
    /// Table, priority, match, actions and all that is written with them.
    pub flow: FlowText,
    /// Who asked for it.
    pub origin: Arc<Origin>,
}

/// The priority of the flow by which a bridge is on its own. Source: `FAIL_OPEN_PRIORITY` of OVS.
pub(crate) const FAIL_OPEN_PRIORITY: u32 = 0xf0_f0f0;

impl Rule {
    /// Its priority in the table: above all that a flow can ask for, if it is not of a flow that somebody asked for.
    pub(crate) fn priority(&self) -> u32 {
        match *self.origin {
            Origin::FailOpen => FAIL_OPEN_PRIORITY,
            _ => self.flow.priority.into(),
        }
    }
}

/// A rule with its counters.
#[derive(Debug, Clone)]
pub(crate) struct RuleState {
    pub(crate) rule: Arc<Rule>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) created: Nanos,
    /// When a packet last hit it, or it was made.
    pub(crate) used: Nanos,
    /// When its actions last changed: `hard_timeout` counts from here.
    pub(crate) modified: Nanos,
}

impl RuleState {
    /// Its place among those that may be evicted: importance and end. Without an end it has none.
    pub(crate) fn place(&self) -> Option<(u16, Nanos)> {
        self.expires().map(|(date, _)| (self.rule.flow.importance, date))
    }

    /// When it goes and why, as far as is known now.
    pub(crate) fn expires(&self) -> Option<(Nanos, Removed)> {
        let flow = &self.rule.flow;
        let after = |seconds: u16, from: Nanos, why| {
            (seconds != 0).then(|| (from + Nanos::from_secs(u64::from(seconds)), why))
        };
        let hard = after(flow.hard_timeout, self.modified, Removed::Hard);
        let idle = after(flow.idle_timeout, self.used, Removed::Idle);
        // Of two at the same moment, the hard one counts, as in OVS.
        hard.into_iter().chain(idle).min_by_key(|(date, _)| *date)
    }
}

/// All rules of all bridges, found by number in one step.
///
/// A number is a slot and the generation of its use, so that the number of a rule that is gone finds nothing.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    slots: Vec<Slot>,
    free: Vec<u32>,
    len: usize,
    /// How often somebody has looked at a rule.
    #[cfg(test)]
    pub(crate) looks: std::sync::atomic::AtomicUsize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    state: Option<RuleState>,
}

impl Rules {
    /// Adds a rule; `make` is given its number.
    pub(crate) fn add(&mut self, now: Nanos, make: impl FnOnce(RuleId) -> Rule) -> Arc<Rule> {
        // A rule that was put back is in a slot that is still listed as free.
        while self
            .free
            .last()
            .is_some_and(|slot| self.slots.get(*slot as usize).is_some_and(|slot| slot.state.is_some()))
        {
            self.free.pop();
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            // By a quarter, where it would be doubled: what is not used is memory, too.
            if self.slots.len() == self.slots.capacity() && self.slots.len() >= 64 {
                self.slots.reserve_exact(self.slots.len() / 4);
            }
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let place = &mut self.slots[slot as usize];
        place.generation = place.generation.wrapping_add(1);
        let rule = Arc::new(make(RuleId((u64::from(place.generation) << 32) | u64::from(slot))));
        let state = RuleState {
            rule: Arc::clone(&rule),
            packets: 0,
            bytes: 0,
            created: now,
            used: now,
            modified: now,
        };
        place.state = Some(state);
        self.len += 1;
        rule
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How many places for rules there are; some may be empty.
    pub(crate) const fn places(&self) -> usize {
        self.slots.len()
    }

    /// The rules at `most` places, beginning with `from`.
    pub(crate) fn part(&self, from: usize, most: usize) -> impl Iterator<Item = &RuleState> {
        self.slots.iter().skip(from).take(most).filter_map(|slot| slot.state.as_ref())
    }

    pub(crate) fn get(&self, id: RuleId) -> Option<&RuleState> {
        #[cfg(test)]
        self.looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.slots.get(slot_of(id)).filter(|slot| slot.generation == generation_of(id))?.state.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: RuleId) -> Option<&mut RuleState> {
        self.slots.get_mut(slot_of(id)).filter(|slot| slot.generation == generation_of(id))?.state.as_mut()
    }

    /// Puts a rule back that was removed or changed since, under its old number.
    pub(crate) fn restore(&mut self, state: RuleState) {
        let id = state.rule.id;
        if let Some(slot) = self.slots.get_mut(slot_of(id)) {
            slot.generation = generation_of(id);
            self.len += usize::from(slot.state.is_none());
            slot.state = Some(state);
        }
    }

    pub(crate) fn remove(&mut self, id: RuleId) -> Option<RuleState> {
        let slot = self.slots.get_mut(slot_of(id)).filter(|slot| slot.generation == generation_of(id))?;
        let state = slot.state.take()?;
        self.len -= 1;
        self.free.push(u32::try_from(slot_of(id)).unwrap_or(u32::MAX));
        Some(state)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is the slot")]
const fn slot_of(id: RuleId) -> usize {
    id.0 as u32 as usize
}

const fn generation_of(id: RuleId) -> u32 {
    (id.0 >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(rules: &mut Rules) -> RuleId {
        let rule = rules.add(Nanos::ZERO, |id| Rule {
            id,
            bridge: BridgeId(0),
            flow: FlowText::default(),
            origin: Arc::new(Origin::Default),
        });
        rule.id
    }

    #[test]
    fn numbers_are_not_used_again() {
        let mut rules = Rules::default();
        let (first, second) = (add(&mut rules), add(&mut rules));
        assert!(rules.remove(first).is_some());
        assert!(rules.remove(first).is_none());
        let third = add(&mut rules);
        assert_ne!(first, third);
        assert!(rules.get(first).is_none());
        assert_eq!(rules.get(second).map(|state| state.rule.id), Some(second));
        assert_eq!(rules.get_mut(third).map(|state| state.rule.id), Some(third));
    }
}
