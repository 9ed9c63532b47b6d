//! Locks: names that one session has at a time.
//!
//! Source: RFC 7047 §4.1.8.

use std::collections::BTreeMap;

use super::SessionId;

#[derive(Debug)]
struct Waiter {
    session: SessionId,
    stole: bool,
}

/// All locks. The first in each queue has the lock.
#[derive(Debug, Default)]
pub(super) struct Locks {
    queues: BTreeMap<String, Vec<Waiter>>,
}

impl Locks {
    pub(super) fn owner(&self, name: &str) -> Option<SessionId> {
        self.queues.get(name)?.first().map(|waiter| waiter.session)
    }

    /// Takes a place in the queue: at the end, or as a thief at the front. Returns whose lock was stolen.
    pub(super) fn join(&mut self, name: &str, session: SessionId, steals: bool) -> Option<SessionId> {
        let queue = self.queues.entry(name.to_owned()).or_default();
        let waiter = Waiter { session, stole: steals };
        if !steals {
            queue.push(waiter);
            return None;
        }
        queue.insert(0, waiter);
        let victim = queue.get(1).map(|victim| (victim.session, victim.stole));
        // Who waited in line gets it back; who had stolen it does not.
        if victim.is_some_and(|(_, stole)| stole) {
            queue.remove(1);
        }
        victim.map(|(session, _)| session)
    }

    /// Leaves the queue. Returns who has the lock now and had not before.
    pub(super) fn leave(&mut self, name: &str, session: SessionId) -> Option<SessionId> {
        let queue = self.queues.get_mut(name)?;
        let before = queue.first().map(|waiter| waiter.session);
        queue.retain(|waiter| waiter.session != session);
        let after = queue.first().map(|waiter| waiter.session);
        if queue.is_empty() {
            self.queues.remove(name);
        }
        after.filter(|_| after != before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_passes_on_in_line() {
        let [a, b, c, d] = [1, 2, 3, 4].map(SessionId);
        let mut locks = Locks::default();
        assert_eq!(locks.join("l", a, false), None);
        assert_eq!(locks.join("l", b, false), None);
        assert_eq!(locks.owner("l"), Some(a));
        assert_eq!(locks.join("l", c, true), Some(a), "c steals from a, who now waits");
        assert_eq!(locks.join("l", d, true), Some(c), "d steals from c, who is out");
        assert_eq!(locks.leave("l", d), Some(a));
        assert_eq!(locks.leave("l", b), None, "b only waited");
        assert_eq!(locks.leave("l", a), None);
        assert_eq!(locks.owner("l"), None);
    }
}
