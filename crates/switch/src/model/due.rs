//! Rules in the order in which something happens to them.
//!
//! What is noted of a rule is never later than what is true: packets put an idle timeout off, and only who comes to a
//! rule's turn asks again. So neither a packet nor a change costs more than it notes, and nothing is looked through.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use netloom_flow::RuleId;

/// So few notes are not worth being tidied.
const FEW: usize = 64;

/// Rules by what is noted of them, the lowest first.
#[derive(Debug)]
pub(crate) struct Due<T>(BinaryHeap<Reverse<(T, RuleId)>>);

impl<T: Ord + Copy> Default for Due<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<T: Ord + Copy> Due<T> {
    pub(crate) fn push(&mut self, at: T, rule: RuleId) {
        self.0.push(Reverse((at, rule)));
    }

    /// What comes next, or earlier than anything does.
    pub(crate) fn peek(&self) -> Option<(T, RuleId)> {
        self.0.peek().map(|Reverse(next)| *next)
    }

    pub(crate) fn pop(&mut self) -> Option<(T, RuleId)> {
        self.0.pop().map(|Reverse(next)| next)
    }

    /// Forgets notes of rules that are gone, and second ones of others, once they are more than those of the rules there
    /// are. `now` says what is true of a rule.
    pub(crate) fn tidy(&mut self, rules: usize, now: impl Fn(RuleId) -> Option<T>) {
        if self.0.len() <= FEW + 2 * rules {
            return;
        }
        let mut notes = std::mem::take(&mut self.0).into_vec();
        notes.sort_unstable_by_key(|Reverse((_, rule))| *rule);
        notes.dedup_by_key(|Reverse((_, rule))| *rule);
        let known = notes.into_iter().filter_map(|Reverse((_, rule))| Some(Reverse((now(rule)?, rule))));
        self.0 = known.collect();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T: Ord + Copy> FromIterator<(T, RuleId)> for Due<T> {
    fn from_iter<I: IntoIterator<Item = (T, RuleId)>>(notes: I) -> Self {
        Self(notes.into_iter().map(Reverse).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_comes_first_and_notes_of_the_past_do_not_gather() {
        let mut due = Due::default();
        for n in 0..10_000_u64 {
            due.push(n % 7, RuleId(n % 10));
            // Of every second rule, nothing is true any more.
            due.tidy(10, |rule| rule.0.is_multiple_of(2).then_some(rule.0 + 5));
        }
        assert!(due.len() <= FEW + 2 * 10, "{}", due.len());
        let first = due.pop();
        assert!(first.is_some_and(|(at, _)| at <= 6), "{first:?}");
        let ordered: Vec<_> = std::iter::from_fn(|| due.pop()).collect();
        assert!(ordered.is_sorted() && ordered.iter().any(|(_, rule)| *rule == RuleId(8)));
    }
}
