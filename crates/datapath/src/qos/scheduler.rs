//! The scheduler: which packet leaves next, and when.

use std::num::NonZeroU32;

use netloom_flow::Nanos;
use netloom_packet::{Gso, Headers, Offload, Wire};

use super::class::{Class, ClassCounters, ClassSettings, Turn};

/// A class of one scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(usize);

impl ClassId {
    /// The class above all others.
    pub const ROOT: Self = Self(0);
}

/// Classes in a tree, and what waits in them: items of any kind, each with what it is on the wire.
#[derive(Debug)]
pub struct Scheduler<T> {
    /// By id; removed ones are free to be used again. The root is always there.
    classes: Vec<Option<Class<T>>>,
    /// The class whose turn it is, of guarantees and of what is left over.
    turns: [usize; 2],
}

/// By what right a class may send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Right {
    turn: Turn,
    /// The deeper the class that lends, the lower; 0 is the class itself.
    level: usize,
    priority: u8,
    lender: usize,
}

impl Right {
    /// The first is served first.
    const fn rank(&self) -> (usize, u8) {
        (self.level, self.priority)
    }
}

impl<T> Scheduler<T> {
    /// A scheduler whose root may send as `root` says, `max_rate` above all. It is a class itself until it gets others.
    #[must_use]
    pub fn new(root: ClassSettings, now: Nanos) -> Self {
        Self { classes: vec![Some(Class::new(None, root, now))], turns: [0; 2] }
    }

    /// Adds a class below `parent`. `None` if that is not there, or has packets of its own.
    pub fn add(&mut self, parent: ClassId, settings: ClassSettings, now: Nanos) -> Option<ClassId> {
        self.class(parent.0).filter(|class| !class.is_waiting())?;
        let class = Some(Class::new(Some(parent.0), settings, now));
        let free = self.classes.iter().position(Option::is_none);
        match free.and_then(|at| self.classes.get_mut(at)) {
            Some(slot) => *slot = class,
            None => self.classes.push(class),
        }
        Some(ClassId(free.unwrap_or(self.classes.len() - 1)))
    }

    /// New settings for a class, in place: what waits stays, debts stay.
    pub fn change(&mut self, id: ClassId, settings: ClassSettings, now: Nanos) {
        if let Some(class) = self.class_mut(id.0) {
            class.change(settings, now);
        }
    }

    /// Removes a class without classes below, and gives back what waited. Not the root.
    pub fn remove(&mut self, id: ClassId) -> Vec<T> {
        if id == ClassId::ROOT || self.is_parent(id.0) {
            return Vec::new();
        }
        let class = self.classes.get_mut(id.0).and_then(Option::take);
        class.map(|mut class| class.drain().collect()).unwrap_or_default()
    }

    /// Gives back all that waits.
    pub fn drain(&mut self) -> Vec<T> {
        self.classes.iter_mut().flatten().flat_map(Class::drain).collect()
    }

    /// Lets an item wait in a class.
    ///
    /// # Errors
    /// The item, if the queue is full (it is counted), or the class is not there or has others below.
    pub fn enqueue(&mut self, id: ClassId, item: T, wire: Wire) -> Result<(), T> {
        if self.is_parent(id.0) {
            return Err(item);
        }
        match self.class_mut(id.0) {
            Some(class) => class.push(item, wire),
            None => Err(item),
        }
    }

    /// Lets an item wait in a class even if the queue is full: it has waited elsewhere.
    ///
    /// # Errors
    /// The item, if the class is not there or has others below.
    pub fn take_over(&mut self, id: ClassId, item: T, wire: Wire) -> Result<(), T> {
        if self.is_parent(id.0) {
            return Err(item);
        }
        match self.class_mut(id.0) {
            Some(class) => {
                class.keep(item, wire);
                Ok(())
            }
            None => Err(item),
        }
    }

    /// The next item that may leave at `now`, taken out, and its class.
    pub fn dequeue(&mut self, now: Nanos) -> Option<(ClassId, T)> {
        self.classes.iter_mut().flatten().for_each(|class| class.refill(now));
        let best = self.rights().map(|(_, right)| right.rank()).min()?;
        let (chosen, right) = self.choose(best)?;
        let (item, wire) = self.class_mut(chosen)?.pop(right.turn)?;
        self.charge(chosen, right, wire.bytes * 8);
        let [guaranteed, surplus] = &mut self.turns;
        *(if right.turn == Turn::Guaranteed { guaranteed } else { surplus }) = chosen;
        Some((ClassId(chosen), item))
    }

    /// When something may leave: at `now`, later, or `None` if nothing waits.
    #[must_use]
    pub fn next(&self, now: Nanos) -> Option<Nanos> {
        let waiting = (0..self.classes.len()).filter(|at| self.class(*at).is_some_and(Class::is_waiting));
        waiting.map(|at| self.opens_at(at).max(now)).min()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.classes.iter().flatten().any(Class::is_waiting)
    }

    /// What became of what a class was given.
    #[must_use]
    pub fn counters(&self, id: ClassId) -> Option<ClassCounters> {
        self.class(id.0).map(|class| class.counters)
    }

    /// How many segments of a super-packet may stay together in a class: as many as are no longer than any burst on its
    /// way, and than 50 us at any rate. `None`: all.
    #[must_use]
    pub fn unit_segments(&self, id: ClassId, headers: &Headers, offload: &Offload) -> Option<NonZeroU32> {
        if offload.gso == Gso::None {
            return None;
        }
        let bytes = self.path(id.0).filter_map(|(_, class)| class.unit_bytes()).min()?;
        let segment = (u64::from(headers.payload) + u64::from(offload.gso_size)).max(1);
        let segments = u32::try_from(bytes / segment).unwrap_or(u32::MAX);
        Some(NonZeroU32::new(segments).unwrap_or(NonZeroU32::MIN))
    }

    fn class(&self, at: usize) -> Option<&Class<T>> {
        self.classes.get(at)?.as_ref()
    }

    fn class_mut(&mut self, at: usize) -> Option<&mut Class<T>> {
        self.classes.get_mut(at)?.as_mut()
    }

    fn is_parent(&self, at: usize) -> bool {
        self.classes.iter().flatten().any(|class| class.parent == Some(at))
    }

    /// A class and those above it, the root last.
    fn path(&self, at: usize) -> impl Iterator<Item = (usize, &Class<T>)> {
        let with = move |at: usize| self.class(at).map(|class| (at, class));
        std::iter::successors(with(at), move |(_, class)| class.parent.and_then(with))
    }

    /// Every class that may send now, and by what right.
    fn rights(&self) -> impl Iterator<Item = (usize, Right)> {
        (0..self.classes.len()).filter_map(|at| self.right(at).map(|right| (at, right)))
    }

    fn right(&self, at: usize) -> Option<Right> {
        let class = self.class(at).filter(|class| class.is_waiting())?;
        let priority = class.settings.priority;
        if self.path(at).any(|(_, class)| !class.lets(priority)) {
            return None;
        }
        // The root lends whatever its maximum leaves.
        let lends = |class: &Class<T>| match class.guarantee {
            Some(guarantee) => guarantee.is_open(),
            None => class.parent.is_none(),
        };
        let (level, (lender, _)) = self.path(at).enumerate().find(|(_, (_, class))| lends(class))?;
        let own = level == 0 && class.parent.is_some();
        let turn = if own { Turn::Guaranteed } else { Turn::Surplus };
        let level = if own { 0 } else { usize::MAX - self.path(lender).count() };
        Some(Right { turn, level, priority, lender })
    }

    /// When a class may send, as of the last refill.
    fn opens_at(&self, at: usize) -> Nanos {
        let priority = self.class(at).map_or(0, |class| class.settings.priority);
        let held = self.path(at).map(|(_, class)| class.lets_at(priority));
        let lent = self.path(at).filter_map(|(_, class)| match class.guarantee {
            Some(guarantee) => Some(guarantee.opens_at()),
            None => class.parent.is_none().then_some(Nanos::ZERO),
        });
        held.max().unwrap_or(Nanos::ZERO).max(lent.min().unwrap_or(Nanos::MAX))
    }

    /// Whose turn it is among the classes of a rank: deficit round robin, beginning with who was last.
    fn choose(&mut self, rank: (usize, u8)) -> Option<(usize, Right)> {
        let mut turns = i64::MAX;
        for pass in 0..2 {
            let mut found = None;
            for at in self.ring(rank) {
                let Some(right) = self.right(at).filter(|right| right.rank() == rank) else { continue };
                let Some(class) = self.class(at) else { continue };
                if class.has_turn(right.turn) {
                    found = Some((at, right));
                    break;
                }
                turns = turns.min(class.turns_short(right.turn));
            }
            if found.is_some() || pass == 1 {
                return found;
            }
            for at in 0..self.classes.len() {
                let Some(right) = self.right(at).filter(|right| right.rank() == rank) else { continue };
                if let Some(class) = self.class_mut(at) {
                    class.give_turns(right.turn, turns);
                }
            }
        }
        None
    }

    /// All classes, from the one whose turn it was.
    fn ring(&self, (level, _): (usize, u8)) -> impl Iterator<Item = usize> + use<T> {
        let [guaranteed, surplus] = self.turns;
        let first = if level == 0 { guaranteed } else { surplus };
        let count = self.classes.len();
        (first..count).chain(0..first.min(count))
    }

    /// Charges a class and those above for what it sent: their maximum all of them, their guarantee from the lender on.
    fn charge(&mut self, chosen: usize, right: Right, bits: u64) {
        let (mut at, mut lent) = (Some(chosen), false);
        let by_root = ClassId(right.lender) == ClassId::ROOT;
        while let Some(class) = at.and_then(|at| self.class_mut(at)) {
            lent |= at == Some(right.lender);
            class.charge(bits, right.priority, by_root);
            if let Some(guarantee) = class.guarantee.as_mut().filter(|_| lent) {
                guarantee.charge(bits);
            }
            at = class.parent;
        }
    }
}
