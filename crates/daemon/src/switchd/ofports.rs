//! OpenFlow numbers of a bridge's ports.
//!
//! A number that is asked for is given if it is free. Else a port keeps the one it has, or had in another process; else it
//! gets the next one after the last that was given so, so that a number does not come back at once as another port's.
//!
//! Source: `alloc_ofp_port` of OVS; ovs-vswitchd.conf.db(5), `ofport` and `ofport_request`.

use std::collections::BTreeMap;

use super::desired::MAX_OFPORT;

/// A port that is to have a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// The number it asks for.
    pub(super) request: Option<u16>,
    /// The number it has, or had.
    pub(super) before: Option<u16>,
}

/// The number that a wish names.
type Choice = fn(&Wish) -> Option<u16>;

/// Hands out the numbers of one bridge.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    last: u16,
    taken: Taken,
}

/// Numbers that ports have: a bit for each there may be.
#[derive(Debug, Clone)]
struct Taken(Box<[u64; 1024]>);

impl Default for Taken {
    fn default() -> Self {
        Self(Box::new([0; 1024]))
    }
}

impl Taken {
    fn contains(&self, number: u16) -> bool {
        self.0.get(usize::from(number / 64)).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Whether it was free.
    fn insert(&mut self, number: u16) -> bool {
        let Some(word) = self.0.get_mut(usize::from(number / 64)) else { return false };
        let bit = 1 << (number % 64);
        let was_free = *word & bit == 0;
        *word |= bit;
        was_free
    }

    fn remove(&mut self, number: u16) {
        if let Some(word) = self.0.get_mut(usize::from(number / 64)) {
            *word &= !(1 << (number % 64));
        }
    }
}

impl Numbers {
    /// The numbers of all ports, by key. `None` for those that find none: there are 65,279.
    pub(super) fn allot<K: Ord + Copy>(&mut self, wishes: &[(K, Wish)]) -> BTreeMap<K, Option<u16>> {
        self.taken = Taken::default();
        let mut numbers = BTreeMap::new();
        // Those that stay as they are come first: nobody takes a number away from a port that has it.
        let rounds: [Choice; 3] = [
            |wish| wish.before.filter(|before| wish.request.is_none_or(|request| request == *before)),
            |wish| wish.request,
            |wish| wish.before,
        ];
        for round in rounds {
            for (key, wish) in wishes {
                if !numbers.contains_key(key)
                    && let Some(number) = round(wish)
                    && self.taken.insert(number)
                {
                    numbers.insert(*key, Some(number));
                }
            }
        }
        for (key, _) in wishes {
            numbers.entry(*key).or_insert_with(|| self.next());
        }
        numbers
    }

    /// The number of one more port.
    pub(super) fn add(&mut self, wish: Wish) -> Option<u16> {
        let taken = &mut self.taken;
        let named = wish.request.into_iter().chain(wish.before).find(|number| taken.insert(*number));
        named.or_else(|| self.next())
    }

    /// A port has its number no more.
    pub(super) fn free(&mut self, number: u16) {
        self.taken.remove(number);
    }

    fn next(&mut self) -> Option<u16> {
        let after = (self.last.saturating_add(1)..=MAX_OFPORT).chain(1..=self.last.min(MAX_OFPORT));
        let free = after.into_iter().find(|number| !self.taken.contains(*number))?;
        self.taken.insert(free);
        self.last = free;
        Some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(request: u16, before: u16) -> Wish {
        Wish { request: Some(request).filter(|n| *n > 0), before: Some(before).filter(|n| *n > 0) }
    }

    fn allot(numbers: &mut Numbers, wishes: &[(char, Wish)]) -> Vec<(char, u16)> {
        numbers.allot(wishes).into_iter().map(|(key, number)| (key, number.unwrap_or(0))).collect()
    }

    #[test]
    fn numbers_start_at_one_and_do_not_come_back_at_once() {
        let mut numbers = Numbers::default();
        let first = allot(&mut numbers, &[('a', wish(0, 0)), ('b', wish(0, 0))]);
        assert_eq!(first, [('a', 1), ('b', 2)]);
        let second = allot(&mut numbers, &[('a', wish(0, 1)), ('c', wish(0, 0))]);
        assert_eq!(second, [('a', 1), ('c', 3)], "2 was just let go");
    }

    #[test]
    fn one_more_port_gets_what_it_would_get_among_all() {
        let mut numbers = Numbers::default();
        allot(&mut numbers, &[('a', wish(1, 0)), ('b', wish(2, 0)), ('c', wish(7, 0))]);
        assert_eq!(numbers.add(wish(0, 0)), Some(3));
        assert_eq!(numbers.add(wish(9, 0)), Some(9));
        assert_eq!(numbers.add(wish(7, 5)), Some(5), "what it had, if what it asks for is taken");
        assert_eq!(numbers.add(wish(7, 2)), Some(4), "3 was given a moment ago");
        numbers.free(2);
        assert_eq!(numbers.add(wish(0, 0)), Some(6), "the next one, not the one that was just left");
        assert_eq!(numbers.add(wish(2, 0)), Some(2));
    }

    #[test]
    fn a_request_gets_a_free_number_and_takes_none_away() {
        let mut numbers = Numbers::default();
        let all =
            [('a', wish(0, 1)), ('b', wish(1, 0)), ('c', wish(7, 0)), ('d', wish(7, 0)), ('e', wish(9, 2))];
        let got = allot(&mut numbers, &all);
        assert_eq!(got, [('a', 1), ('b', 2), ('c', 7), ('d', 3), ('e', 9)]);
    }

    #[test]
    fn what_a_port_had_is_kept_unless_it_is_taken() {
        let mut numbers = Numbers::default();
        assert_eq!(allot(&mut numbers, &[('a', wish(0, 5)), ('b', wish(0, 5))]), [('a', 5), ('b', 1)]);
    }

    #[test]
    fn after_the_last_number_the_first_free_one_comes() {
        let mut numbers = Numbers { last: MAX_OFPORT, ..Numbers::default() };
        assert_eq!(allot(&mut numbers, &[('a', wish(0, 1)), ('b', wish(0, 0))]), [('a', 1), ('b', 2)]);
        let all: Vec<(u32, Wish)> = (0..=u32::from(MAX_OFPORT)).map(|key| (key, wish(0, 0))).collect();
        let got = numbers.allot(&all);
        assert_eq!(got.values().filter(|number| number.is_none()).count(), 1, "one more than there are");
    }
}
