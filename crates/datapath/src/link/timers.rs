//! One set of timers for all link directions of a worker: a binary heap in which every direction has at most one
//! entry, moved in place. Nanosecond precision, no allocation once it has grown.

use netloom_flow::Nanos;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// A binary heap by (due, id): equal moments come out in a fixed order.
    heap: Vec<(Nanos, u32)>,
    /// Where each id is in the heap plus one (0: not there).
    place: Vec<u32>,
}

impl Timers {
    /// The next to come due: when, and which.
    #[inline]
    pub(crate) fn next(&self) -> Option<(Nanos, u32)> {
        self.heap.first().copied()
    }

    /// Sets, moves or (`None`) removes the timer of `id`.
    pub(crate) fn set(&mut self, id: u32, due: Option<Nanos>) {
        if self.place.len() <= id as usize {
            if due.is_none() {
                return;
            }
            self.place.resize(id as usize + 1, 0);
        }
        match (self.place[id as usize].checked_sub(1), due) {
            (None, None) => {}
            (None, Some(due)) => {
                self.heap.push((due, id));
                self.up(self.heap.len() - 1);
            }
            (Some(at), Some(due)) => {
                let at = at as usize;
                if self.heap[at].0 != due {
                    self.heap[at].0 = due;
                    self.settle(at);
                }
            }
            (Some(at), None) => {
                let at = at as usize;
                self.place[id as usize] = 0;
                self.heap.swap_remove(at);
                if at < self.heap.len() {
                    self.settle(at);
                }
            }
        }
    }

    fn settle(&mut self, at: usize) {
        let at = self.up(at);
        self.down(at);
    }

    fn up(&mut self, mut at: usize) -> usize {
        while at > 0 && self.heap[at] < self.heap[(at - 1) / 2] {
            self.heap.swap(at, (at - 1) / 2);
            self.note(at);
            at = (at - 1) / 2;
        }
        self.note(at);
        at
    }

    fn down(&mut self, mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heap.len() && self.heap[child] < self.heap[least] {
                    least = child;
                }
            }
            if least == at {
                break;
            }
            self.heap.swap(at, least);
            self.note(at);
            at = least;
        }
        self.note(at);
    }

    fn note(&mut self, at: usize) {
        let (_, id) = self.heap[at];
        self.place[id as usize] = u32::try_from(at + 1).expect("no more timers than ids");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(ops in prop::collection::vec((0u32..40, prop::option::of(0u64..50)), 1..300)) {
            let (mut timers, mut model) = (Timers::default(), BTreeMap::new());
            for (id, due) in ops {
                timers.set(id, due.map(Nanos));
                match due {
                    Some(due) => model.insert(id, due),
                    None => model.remove(&id),
                };
                let least = model.iter().map(|(id, due)| (Nanos(*due), *id)).min();
                prop_assert_eq!(timers.next(), least);
            }
        }
    }
}
