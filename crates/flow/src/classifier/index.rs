//! A table from hashes to small numbers, of 8 bytes for each place.
//!
//! A hash may stand in it more than once: who asks tells the entries apart. Linear probing, and what is removed leaves
//! no trace, so that a table that rules come to and go from for days is as fast as a new one.

/// From hashes to numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// A power of two of them, or none.
    places: Vec<Place>,
    len: usize,
}

/// An entry. The number is one more than what it stands for; 0: no entry.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    hash: u32,
    number: u32,
}

/// The half of a hash that is kept: its upper bits are mixed best.
const fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Index {
    const fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    /// The first number under this hash that `is` it.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(usize) -> bool) -> Option<usize> {
        self.place(hash, |number| is(number as usize)).map(|at| self.places[at].number as usize - 1)
    }

    /// Asks for the memory of a hash.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u32 {
        self.places.get(short(hash) as usize & self.mask()).map_or(0, |place| place.number)
    }

    /// Whether there is an entry under this hash.
    #[inline]
    pub(super) fn contains(&self, hash: u64) -> bool {
        self.place(hash, |_| true).is_some()
    }

    #[inline]
    fn place(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<usize> {
        let (short, mask) = (short(hash), self.mask());
        let mut at = short as usize & mask;
        loop {
            let place = self.places.get(at)?;
            if place.number == 0 {
                return None;
            }
            if place.hash == short && is(place.number - 1) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an entry.
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        self.len += 1;
        self.put(Place { hash: short(hash), number: number + 1 });
    }

    fn put(&mut self, new: Place) {
        let mask = self.mask();
        let mut at = new.hash as usize & mask;
        while self.places[at].number != 0 {
            at = (at + 1) & mask;
        }
        self.places[at] = new;
    }

    fn grow(&mut self) {
        let more = (self.places.len() * 2).max(4);
        let old = std::mem::replace(&mut self.places, vec![Place::default(); more]);
        old.into_iter().filter(|place| place.number != 0).for_each(|place| self.put(place));
    }

    /// Removes the entry of a number under a hash.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        let Some(mut gap) = self.place(hash, |other| other == number) else { return };
        self.len -= 1;
        let mask = self.mask();
        let mut at = gap;
        // Whatever could not lie in the gap's place because it was taken moves up.
        loop {
            at = (at + 1) & mask;
            let place = self.places[at];
            if place.number == 0 {
                break;
            }
            let (from_home, from_gap) =
                (at.wrapping_sub(place.hash as usize) & mask, at.wrapping_sub(gap) & mask);
            if from_home >= from_gap {
                self.places[gap] = place;
                gap = at;
            }
        }
        self.places[gap] = Place::default();
    }

    /// Counts one more under a hash: then the numbers are counts, and each hash is there once.
    pub(super) fn count(&mut self, hash: u64) {
        match self.place(hash, |_| true) {
            Some(at) => self.places[at].number += 1,
            None => self.insert(hash, 1),
        }
    }

    /// Counts one less.
    pub(super) fn discount(&mut self, hash: u64) {
        let Some(at) = self.place(hash, |_| true) else { return };
        // An entry of a count of 1 has the number 2, being one more.
        match self.places[at].number {
            2 => self.remove(hash, 1),
            _ => self.places[at].number -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of which many meet in one place.
    fn hash(i: u32) -> u64 {
        u64::from(i % 7) << 32 | u64::from(i % 3) << 40
    }

    #[test]
    fn what_is_added_is_found_until_it_is_removed() {
        let mut index = Index::default();
        assert!(!index.contains(5 << 32));
        for i in 0..500 {
            index.insert(hash(i), i);
        }
        for i in (0..500).step_by(2) {
            index.remove(hash(i), i);
        }
        for i in 0..500_u32 {
            let found = index.find(hash(i), |number| number == i as usize);
            assert_eq!(found, (i % 2 == 1).then_some(i as usize));
        }
        for i in (1..500).step_by(2) {
            index.remove(hash(i), i);
        }
        assert!((0..500).all(|i| !index.contains(hash(i))));
        assert_eq!(index.len, 0);
    }

    #[test]
    fn counts_go_up_and_down() {
        let mut index = Index::default();
        for hash in [1 << 32, 2 << 32, 1 << 32] {
            index.count(hash);
        }
        index.discount(1 << 32);
        assert!(index.contains(1 << 32) && index.contains(2 << 32));
        index.discount(1 << 32);
        assert!(!index.contains(1 << 32) && index.contains(2 << 32));
    }
}
