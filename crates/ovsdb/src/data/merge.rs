//! Walking two sorted lists at once.

use std::cmp::Ordering;

/// What is in one of two sorted lists and not in the other, in order: `(true, x)` if `x` is in the second.
#[derive(Debug)]
pub(crate) struct Differences<'a, T> {
    old: &'a [T],
    new: &'a [T],
}

impl<'a, T: Ord> Differences<'a, T> {
    pub(crate) const fn new(old: &'a [T], new: &'a [T]) -> Self {
        Self { old, new }
    }
}

impl<'a, T: Ord> Iterator for Differences<'a, T> {
    type Item = (bool, &'a T);

    fn next(&mut self) -> Option<(bool, &'a T)> {
        loop {
            let order = match (self.old.first(), self.new.first()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.cmp(new),
            };
            match order {
                Ordering::Less => {
                    let (first, rest) = self.old.split_first()?;
                    self.old = rest;
                    return Some((false, first));
                }
                Ordering::Greater => {
                    let (first, rest) = self.new.split_first()?;
                    self.new = rest;
                    return Some((true, first));
                }
                Ordering::Equal => {
                    self.old = self.old.get(1..).unwrap_or_default();
                    self.new = self.new.get(1..).unwrap_or_default();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_come_in_order() {
        let found: Vec<(bool, i32)> =
            Differences::new(&[1, 2, 4, 6], &[2, 3, 6, 7]).map(|(new, x)| (new, *x)).collect();
        assert_eq!(found, [(false, 1), (true, 3), (false, 4), (true, 7)]);
    }
}
