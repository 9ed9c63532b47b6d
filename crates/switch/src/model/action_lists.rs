//! Action lists of late: flows that do the same share their list.
//!
//! Most of a million flows do one of a few things. What is kept here is bounded, and found in one step; a list that is
//! not found any more is only stored once more.

use std::hash::BuildHasher;

use netloom_flow::{Action, ActionList};

use super::hash::Keyed;

/// How many lists are kept at most.
const PLACES: usize = 256;

/// Lists by their hash; a newer one takes the place of an older one.
#[derive(Debug)]
pub(crate) struct ActionLists {
    hash: Keyed,
    places: Box<[ActionList]>,
    /// The one that was asked for last.
    last: ActionList,
}

impl ActionLists {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            hash: Keyed(seed),
            places: vec![ActionList::default(); PLACES].into(),
            last: ActionList::default(),
        }
    }

    /// A list of these actions, that of another flow if there is one.
    pub(crate) fn share(&mut self, actions: &[Action]) -> ActionList {
        if *self.last != *actions {
            let place = self.place(actions);
            if **place != *actions {
                *place = actions.into();
            }
            self.last = place.clone();
        }
        self.last.clone()
    }

    /// Replaces a list that nobody shares by one that somebody has.
    pub(crate) fn intern(&mut self, list: &mut ActionList) {
        if !list.is_alone() {
            return;
        }
        let place = self.place(list);
        if *place == *list {
            *list = place.clone();
        } else {
            *place = list.clone();
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "reduced to the number of places")]
    fn place(&mut self, actions: &[Action]) -> &mut ActionList {
        let at = self.hash.hash_one(actions) as usize % PLACES;
        &mut self.places[at]
    }
}

#[cfg(test)]
mod tests {
    use netloom_flow::OfPort;

    use super::*;

    #[test]
    fn equal_lists_are_one_and_others_are_not() {
        let mut lists = ActionLists::new(7);
        let out = |port| vec![Action::Output(OfPort(port))];
        let first = lists.share(&out(1));
        assert!(std::ptr::eq(&*first, &*lists.share(&out(1))));
        let mut same: ActionList = out(1).into();
        lists.intern(&mut same);
        assert!(std::ptr::eq(&*first, &*same));
        for port in 0..1_000 {
            assert_eq!(*lists.share(&out(port)), *out(port));
        }
        let mut other: ActionList = vec![Action::Output(OfPort(5)), Action::PopVlan].into();
        lists.intern(&mut other);
        assert_eq!(*other, [Action::Output(OfPort(5)), Action::PopVlan]);
    }
}
