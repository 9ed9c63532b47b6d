//! A class of the scheduler: what it may have, what waits in it, what became of it.

use std::collections::VecDeque;

use netloom_flow::{LinkSettings, Nanos, QueueLimit};
use netloom_packet::Wire;

use super::bucket::Bucket;
use crate::link::Limit;

/// Bytes of a full Ethernet frame without FCS, as the wire counts.
const FRAME: u64 = 1_514;
/// The least burst: HTB's users know that less makes rates unreachable.
const LEAST_BURST: u64 = 2 * FRAME;
/// Units in a second of link time, if they are as long as they may be: 50 us each.
const PER_SECOND: u64 = 20_000;

/// What a class may have: a row of OVS's Queue table; for the root, of QoS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClassSettings {
    /// Guaranteed bits per second; 0: nothing is. Not used for the root.
    pub min_rate: u64,
    /// Most bits per second, of L2 bytes without FCS; `None`: what the class above has.
    pub max_rate: Option<u64>,
    /// Bytes that may leave at once after a pause; `None`: 10 ms at the rate, which must outlast the others' packets. At
    /// least two full frames.
    pub burst: Option<u64>,
    /// Who gets first what is left over guarantees: 0 before 1.
    pub priority: u8,
    /// Bytes per turn among classes of one priority; `None`: 100 ms at the guaranteed rate, between a full frame and
    /// 200,000.
    pub quantum: Option<u32>,
    /// What may wait; `None`: the larger of 1,000 packets and 50 ms at the maximum rate.
    pub queue: Option<QueueLimit>,
    /// The rate of what lies behind, if it has one: what [`Self::queue`] goes by without a maximum, and how long a unit
    /// may be.
    pub line_rate: Option<u64>,
}

impl ClassSettings {
    fn burst_bits(&self, rate: u64) -> u64 {
        self.burst.unwrap_or(rate / 8 / 100).max(LEAST_BURST).saturating_mul(8)
    }

    fn quantum(&self) -> i64 {
        let default = (self.min_rate / 80).clamp(FRAME, 200_000);
        i64::try_from(self.quantum.map_or(default, u64::from).max(1)).unwrap_or(i64::MAX)
    }

    fn limit(&self) -> Limit {
        let rate = self.max_rate.or(self.line_rate).or((self.queue.is_none()).then_some(self.min_rate));
        Limit::of(&LinkSettings { rate, queue: self.queue, ..LinkSettings::default() })
    }
}

/// What became of what a class was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassCounters {
    /// Left.
    pub sent: Wire,
    /// Refused because the queue was full.
    pub dropped: Wire,
    /// Waits.
    pub queued: Wire,
}

/// A class. Only those without classes below have packets.
#[derive(Debug)]
pub(super) struct Class<T> {
    pub(super) parent: Option<usize>,
    pub(super) settings: ClassSettings,
    pub(super) guarantee: Option<Bucket>,
    most: Option<Bucket>,
    /// What began the present debt of the maximum.
    owed: Owed,
    limit: Limit,
    quantum: i64,
    /// Bytes it may still send in this turn: of its guarantee, of what is left over.
    deficit: [i64; 2],
    items: VecDeque<(T, Wire)>,
    pub(super) counters: ClassCounters,
}

impl<T> Class<T> {
    pub(super) fn new(parent: Option<usize>, settings: ClassSettings, now: Nanos) -> Self {
        let guaranteed = guarantee(parent, &settings);
        Self {
            parent,
            guarantee: guaranteed.map(|rate| Bucket::new(rate, settings.burst_bits(rate), now)),
            most: settings.max_rate.map(|rate| Bucket::new(rate, settings.burst_bits(rate), now)),
            owed: Owed::default(),
            limit: settings.limit(),
            quantum: settings.quantum(),
            settings,
            deficit: [0; 2],
            items: VecDeque::new(),
            counters: ClassCounters::default(),
        }
    }

    /// New settings from `now` on. What waits stays, even if it is more than the new limit.
    pub(super) fn change(&mut self, settings: ClassSettings, now: Nanos) {
        let change = |old: Option<Bucket>, rate: u64, burst: u64| {
            let mut bucket = old.unwrap_or(Bucket::new(rate, 0, now));
            bucket.change(rate, burst, now);
            bucket
        };
        let guaranteed = guarantee(self.parent, &settings);
        self.guarantee = guaranteed.map(|rate| change(self.guarantee, rate, settings.burst_bits(rate)));
        self.most = settings.max_rate.map(|rate| change(self.most, rate, settings.burst_bits(rate)));
        (self.limit, self.quantum, self.settings) = (settings.limit(), settings.quantum(), settings);
    }

    pub(super) fn refill(&mut self, now: Nanos) {
        for bucket in [&mut self.guarantee, &mut self.most].into_iter().flatten() {
            bucket.refill(now);
        }
    }

    /// Whether the maximum lets a unit of `priority` leave, as of the last refill.
    pub(super) fn lets(&self, priority: u8) -> bool {
        self.most.is_none_or(|most| most.is_open_but_for(self.owed.by_those_behind(priority)))
    }

    /// When the maximum lets a unit of `priority` leave, as of the last refill.
    pub(super) fn lets_at(&self, priority: u8) -> Nanos {
        self.most.map_or(Nanos::ZERO, |most| most.opens_but_for(self.owed.by_those_behind(priority)))
    }

    /// Charges the maximum for a unit of `priority`; `lent` says that nobody's guarantee pays for it.
    pub(super) fn charge(&mut self, bits: u64, priority: u8, lent: bool) {
        let Some(most) = &mut self.most else { return };
        if most.is_open() {
            self.owed = Owed { bits, priority, lent, passed: 0 };
        } else {
            self.owed.passed = self.owed.passed.saturating_add(bits);
        }
        most.charge(bits);
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.items.is_empty()
    }

    pub(super) fn push(&mut self, item: T, wire: Wire) -> Result<(), T> {
        if !self.limit.admits(self.counters.queued, wire) {
            add(&mut self.counters.dropped, wire);
            return Err(item);
        }
        self.keep(item, wire);
        Ok(())
    }

    pub(super) fn keep(&mut self, item: T, wire: Wire) {
        add(&mut self.counters.queued, wire);
        self.items.push_back((item, wire));
    }

    /// Takes out the next packet; `turn` says whose deficit pays.
    pub(super) fn pop(&mut self, turn: Turn) -> Option<(T, Wire)> {
        let (item, wire) = self.items.pop_front()?;
        subtract(&mut self.counters.queued, wire);
        add(&mut self.counters.sent, wire);
        let bytes = i64::try_from(wire.bytes).unwrap_or(i64::MAX);
        let deficit = self.deficit_mut(turn);
        *deficit = deficit.saturating_sub(bytes);
        if self.items.is_empty() {
            // Turns are not saved up for later.
            self.deficit = self.deficit.map(|deficit| deficit.min(0));
        }
        Some((item, wire))
    }

    /// Takes out all that waits.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.counters.queued = Wire::default();
        self.deficit = [0; 2];
        std::mem::take(&mut self.items).into_iter().map(|(item, _)| item)
    }

    /// Whether it has bytes left in this turn.
    pub(super) fn has_turn(&self, turn: Turn) -> bool {
        let [guaranteed, surplus] = self.deficit;
        (if turn == Turn::Guaranteed { guaranteed } else { surplus }) > 0
    }

    /// How many turns it must be given to have bytes left.
    pub(super) fn turns_short(&self, turn: Turn) -> i64 {
        let [guaranteed, surplus] = self.deficit;
        let deficit = if turn == Turn::Guaranteed { guaranteed } else { surplus };
        deficit.saturating_neg().max(0) / self.quantum + 1
    }

    pub(super) fn give_turns(&mut self, turn: Turn, turns: i64) {
        let bytes = self.quantum.saturating_mul(turns);
        let deficit = self.deficit_mut(turn);
        *deficit = deficit.saturating_add(bytes);
    }

    const fn deficit_mut(&mut self, turn: Turn) -> &mut i64 {
        let [guaranteed, surplus] = &mut self.deficit;
        match turn {
            Turn::Guaranteed => guaranteed,
            Turn::Surplus => surplus,
        }
    }

    /// The longest unit that keeps this class's rates smooth, and others from waiting long; `None`: any.
    pub(super) fn unit_bytes(&self) -> Option<u64> {
        // What others may have to wait for it, and no more than the burst.
        let by_line = self.settings.line_rate.map(|rate| rate / 8 / PER_SECOND);
        let by_class = self
            .settings
            .max_rate
            .map(|rate| (rate / 8 / PER_SECOND).min(self.settings.burst_bits(rate) / 8));
        [by_line, by_class].into_iter().flatten().min()
    }
}

/// The unit that took the maximum of a class into debt, and what has left since.
///
/// A shaper's debt is no wire that is busy: who comes first need not wait for the unit of those behind that began it.
/// Those behind then wait for both, so the rate holds. What was sent by a guarantee is waited for, and no more may go
/// past a unit than it is long: guarantees hold, however much those in front have to send.
#[derive(Debug, Clone, Copy, Default)]
struct Owed {
    bits: u64,
    priority: u8,
    /// It was sent of what was left over.
    lent: bool,
    /// Bits that have left since.
    passed: u64,
}

impl Owed {
    /// Bits that do not count for a unit of `priority`.
    const fn by_those_behind(self, priority: u8) -> u64 {
        if self.lent && self.priority > priority && self.passed < self.bits { self.bits } else { 0 }
    }
}

/// Whose bytes are spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// The class's own guarantee.
    Guaranteed,
    /// What classes above have left.
    Surplus,
}

/// The guaranteed rate; the root lends by its maximum alone.
fn guarantee(parent: Option<usize>, settings: &ClassSettings) -> Option<u64> {
    (parent.is_some() && settings.min_rate > 0).then_some(settings.min_rate)
}

const fn add(sum: &mut Wire, wire: Wire) {
    sum.packets = sum.packets.saturating_add(wire.packets);
    sum.bytes = sum.bytes.saturating_add(wire.bytes);
}

const fn subtract(sum: &mut Wire, wire: Wire) {
    sum.packets = sum.packets.saturating_sub(wire.packets);
    sum.bytes = sum.bytes.saturating_sub(wire.bytes);
}
