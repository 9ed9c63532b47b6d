//! Which of many flows was used last: the one that must give way when there are too many.

use std::collections::BTreeMap;

/// Flows in the order of their last use, at most `limit` of them. It knows no clock: `now` is told, in nanoseconds.
#[derive(Debug)]
pub(super) struct Lru<K> {
    limit: usize,
    /// When each was used last, and in which turn.
    used: BTreeMap<K, (u64, u64)>,
    order: BTreeMap<(u64, u64), K>,
    turn: u64,
}

/// Within so much time a further use of a flow is not worth noting, in nanoseconds.
const GRAIN: u64 = 250_000_000;

impl<K: Ord + Copy> Lru<K> {
    /// None yet.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), used: BTreeMap::new(), order: BTreeMap::new(), turn: 0 }
    }

    /// A flow is used. Returns the one that has to go for it, if it is new and there are too many.
    pub(super) fn touch(&mut self, key: K, now: u64) -> Option<K> {
        if let Some(last) = self.used.get(&key) {
            if now.saturating_sub(last.0) < GRAIN {
                return None;
            }
            self.order.remove(last);
        }
        let evicted = if !self.used.contains_key(&key) && self.used.len() >= self.limit {
            self.order.first_key_value().map(|(_, oldest)| *oldest)
        } else {
            None
        };
        if let Some(oldest) = evicted {
            self.forget(oldest);
        }
        self.turn += 1;
        self.used.insert(key, (now, self.turn));
        self.order.insert((now, self.turn), key);
        evicted
    }

    /// A flow has ended.
    pub(super) fn forget(&mut self, key: K) {
        if let Some(last) = self.used.remove(&key) {
            self.order.remove(&last);
        }
    }

    /// Takes out a flow that has not been used since `before`, if there is one.
    pub(super) fn expire(&mut self, before: u64) -> Option<K> {
        let (&(last, _), &key) = self.order.first_key_value()?;
        (last < before).then(|| self.forget(key))?;
        Some(key)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.used.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_used_longest_ago_gives_way() {
        let mut lru = Lru::new(2);
        assert_eq!(lru.touch('a', 0), None);
        assert_eq!(lru.touch('b', 1), None);
        assert_eq!(lru.touch('a', GRAIN), None);
        assert_eq!(lru.touch('c', GRAIN + 1), Some('b'));
        assert_eq!(lru.touch('a', GRAIN + 2), None, "it is one of the two");
        assert_eq!(lru.len(), 2);
    }

    #[test]
    fn what_is_not_used_goes_in_time_and_once() {
        let mut lru = Lru::new(8);
        lru.touch(1, 0);
        lru.touch(2, 10);
        lru.touch(1, GRAIN);
        assert_eq!(lru.expire(10), None);
        assert_eq!(lru.expire(11), Some(2));
        assert_eq!(lru.expire(u64::MAX), Some(1));
        assert_eq!(lru.expire(u64::MAX), None);
        lru.forget(1);
        assert_eq!(lru.len(), 0);
    }

    #[test]
    fn many_uses_at_once_stay_apart() {
        let mut lru = Lru::new(100);
        for key in 0..100 {
            assert_eq!(lru.touch(key, 7), None);
        }
        assert_eq!(lru.touch(100, 7), Some(0));
        assert_eq!((lru.used.len(), lru.order.len()), (100, 100));
    }
}
