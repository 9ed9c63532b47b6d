//! The steps of a trace as they are found: a tree, since every copy has a way of its own.

use std::collections::VecDeque;

use netloom_api::{Trace, TraceDrop, TraceLookup, TraceStep, TraceWhat};
use netloom_flow::{PortId, RecircId};

/// A stretch of the way: through a switch, or at a node.
pub(super) type Stretch = usize;

#[derive(Debug)]
enum Item {
    Step(TraceStep),
    Goes(Stretch),
}

/// Where a copy is to turn up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// At a switch, by this port.
    Port(PortId),
    /// Looked up again under this number.
    Again(RecircId),
    /// At a node's device.
    Device(PortId),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Story {
    stretches: Vec<Vec<Item>>,
    due: VecDeque<(Where, Stretch)>,
    pub(super) lookups: Vec<TraceLookup>,
    delivered: Vec<String>,
    drops: Vec<TraceDrop>,
}

impl Story {
    /// The first stretch of a way.
    pub(super) fn begin(&mut self) -> Stretch {
        self.stretches.push(Vec::new());
        self.stretches.len() - 1
    }

    /// A stretch that comes after what there is of another one.
    pub(super) fn branch(&mut self, from: Stretch) -> Stretch {
        let new = self.begin();
        if let Some(items) = self.stretches.get_mut(from) {
            items.push(Item::Goes(new));
        }
        new
    }

    /// A copy of a stretch is to turn up somewhere.
    pub(super) fn expect(&mut self, from: Stretch, place: Where) {
        let new = self.branch(from);
        self.due.push_back((place, new));
    }

    /// A copy turned up: the stretch that goes on with it; `None`: it was to end on the way.
    pub(super) fn arrived(&mut self, place: Where) -> Option<Stretch> {
        let at = self.due.iter().position(|(known, _)| *known == place)?;
        self.due.remove(at).map(|(_, stretch)| stretch)
    }

    pub(super) fn say(&mut self, at: Stretch, depth: u16, what: TraceWhat) {
        match &what {
            TraceWhat::Drop(drop) => self.drops.push(drop.clone()),
            TraceWhat::Delivered { to } => self.delivered.push(to.clone()),
            _ => {}
        }
        if let Some(items) = self.stretches.get_mut(at) {
            items.push(Item::Step(TraceStep { depth, what }));
        }
    }

    /// The whole.
    pub(super) fn tell(self) -> Trace {
        let mut steps = Vec::new();
        // What is still to be told, the next at the end: stretch, the item in it, indentation.
        let mut next = vec![(0, 0, 0)];
        while let Some((stretch, at, base)) = next.pop() {
            let Some(items) = self.stretches.get(stretch) else { continue };
            match items.get(at) {
                None => {}
                Some(Item::Step(step)) => {
                    steps.push(TraceStep { depth: base + step.depth, what: step.what.clone() });
                    next.push((stretch, at + 1, base));
                }
                Some(Item::Goes(other)) => {
                    let ways = items.iter().filter(|item| matches!(item, Item::Goes(_))).count();
                    let is_only = ways == 1 && at + 1 == items.len();
                    let before = items.get(..at).unwrap_or_default().iter().rev();
                    let mut last =
                        before.filter_map(|it| if let Item::Step(it) = it { Some(it.depth) } else { None });
                    let inner = if is_only { base } else { base + last.next().unwrap_or(0) + 1 };
                    next.push((stretch, at + 1, base));
                    next.push((*other, 0, inner));
                }
            }
        }
        Trace {
            steps,
            lookups: self.lookups,
            delivered: self.delivered,
            drops: self.drops,
            ..Trace::default()
        }
    }
}
