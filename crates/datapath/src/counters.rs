//! Counters: written by one worker, read by anyone at any time, without a lock on the packet's way.
//!
//! Packets and bytes are those of the wire: a super-packet counts as the packets it stands for, each with its own
//! headers; bytes are those of L2 without FCS.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_flow::{DropReason, Nanos, PortId};
use netloom_packet::Wire;

use crate::link::{Fidelity, LinkCounters};
use crate::port::Direction;

/// A number with one writer: adding is a load and a store, not a locked operation.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn subtract(&self, by: u64) {
        self.set(self.read().saturating_sub(by));
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn raise_to(&self, value: u64) {
        if value > self.read() {
            self.0.store(value, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Packets and bytes that passed somewhere.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    packets: Counter,
    bytes: Counter,
}

impl Passed {
    #[inline]
    pub(crate) fn add(&self, wire: Wire) {
        self.packets.add(u64::from(wire.packets));
        self.bytes.add(wire.bytes);
    }

    pub(crate) fn subtract(&self, wire: Wire) {
        self.packets.subtract(u64::from(wire.packets));
        self.bytes.subtract(wire.bytes);
    }

    pub(crate) fn read(&self) -> Traffic {
        Traffic { packets: self.packets.read(), bytes: self.bytes.read() }
    }
}

/// A reading of packets and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Wire packets.
    pub packets: u64,
    /// Wire bytes: L2 without FCS.
    pub bytes: u64,
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// Wire packets dropped, by reason.
#[derive(Debug)]
pub struct Drops([Counter; DropReason::COUNT]);

impl Default for Drops {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Drops {
    pub(crate) fn add(&self, reason: DropReason, packets: u64) {
        if let Some(counter) = self.0.get(reason.index()) {
            counter.add(packets);
        }
    }

    /// Wire packets dropped for `reason`.
    #[must_use]
    pub fn read(&self, reason: DropReason) -> u64 {
        self.0.get(reason.index()).map_or(0, Counter::read)
    }

    /// All reasons with packets, in the order of [`DropReason::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|reason| (*reason, self.read(*reason))).filter(|(_, n)| *n > 0)
    }
}

/// What one worker counted at one port.
#[derive(Debug, Default)]
pub struct PortCounters {
    pub(crate) rx: Passed,
    pub(crate) tx: Passed,
    pub(crate) drops: Drops,
}

impl PortCounters {
    /// Received by the switch at this port, after the link that leads to it.
    #[must_use]
    pub fn rx(&self) -> Traffic {
        self.rx.read()
    }

    /// Sent by the switch at this port: taken by its link, or by the device if there is no link to speak of.
    #[must_use]
    pub fn tx(&self) -> Traffic {
        self.tx.read()
    }

    /// Dropped: what came in by this port, and what was to leave by it.
    #[must_use]
    pub fn drops(&self) -> &Drops {
        &self.drops
    }
}

/// What one direction of a shaped link has to tell.
#[derive(Debug, Default)]
pub struct LinkReport {
    /// What entered, passed and was lost.
    pub counters: LinkCounters,
    /// How true its timing was.
    pub fidelity: Fidelity,
}

/// What a queue of a port counts.
#[derive(Debug, Default)]
pub struct QueueCounters {
    pub(crate) sent: Passed,
    pub(crate) dropped: Passed,
    pub(crate) held: Passed,
    /// When it was made.
    since: Nanos,
}

/// One reading of [`QueueCounters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueRead {
    /// Left by it.
    pub sent: Traffic,
    /// Refused because it was full.
    pub dropped: Traffic,
    /// Waits in it now.
    pub held: Traffic,
    /// When it was made.
    pub since: Nanos,
}

impl QueueCounters {
    /// Reads all counters; they may be from different moments by one packet.
    #[must_use]
    pub fn read(&self) -> QueueRead {
        QueueRead {
            sent: self.sent.read(),
            dropped: self.dropped.read(),
            held: self.held.read(),
            since: self.since,
        }
    }
}

/// All counters of one worker. Keep the `Arc` and read when you like.
#[derive(Debug, Default)]
pub struct Counters {
    /// Drops of all ports, those that are gone included.
    pub drops: Drops,
    frames: Counter,
    misses: Counter,
    ports: Mutex<BTreeMap<PortId, Arc<PortCounters>>>,
    links: Mutex<BTreeMap<(PortId, Direction), Arc<LinkReport>>>,
    queues: Mutex<BTreeMap<(PortId, u32), Arc<QueueCounters>>>,
}

impl Counters {
    /// Frames that devices brought, and lookups that no cached flow answered.
    #[must_use]
    pub fn lookups(&self) -> (u64, u64) {
        (self.frames.read(), self.misses.read())
    }

    /// A round at a device brought so many frames, for so many of which nobody had an answer.
    pub(crate) fn looked_up(&self, frames: u32, misses: u32) {
        self.frames.add(u64::from(frames));
        self.misses.add(u64::from(misses));
    }

    /// The counters of a port, if this worker knows it.
    #[must_use]
    pub fn port(&self, port: PortId) -> Option<Arc<PortCounters>> {
        lock(&self.ports).get(&port).cloned()
    }

    /// All ports.
    #[must_use]
    pub fn ports(&self) -> Vec<(PortId, Arc<PortCounters>)> {
        lock(&self.ports).iter().map(|(id, counters)| (*id, Arc::clone(counters))).collect()
    }

    /// The report of a link direction; a direction that was never shaped has none.
    #[must_use]
    pub fn link(&self, port: PortId, direction: Direction) -> Option<Arc<LinkReport>> {
        lock(&self.links).get(&(port, direction)).cloned()
    }

    /// All link directions that are or were shaped.
    #[must_use]
    pub fn links(&self) -> Vec<((PortId, Direction), Arc<LinkReport>)> {
        lock(&self.links).iter().map(|(id, report)| (*id, Arc::clone(report))).collect()
    }

    /// The queues of a port, by number; none if it has no queues.
    #[must_use]
    pub fn queues(&self, port: PortId) -> Vec<(u32, QueueRead)> {
        let queues = lock(&self.queues);
        queues.range((port, 0)..=(port, u32::MAX)).map(|((_, id), counters)| (*id, counters.read())).collect()
    }

    /// The counters of a queue; one that is there keeps its counters.
    pub(crate) fn add_queue(&self, port: PortId, queue: u32, now: Nanos) -> Arc<QueueCounters> {
        let fresh = || Arc::new(QueueCounters { since: now, ..QueueCounters::default() });
        Arc::clone(lock(&self.queues).entry((port, queue)).or_insert_with(fresh))
    }

    /// Forgets the queues of a port that `keep` does not name.
    pub(crate) fn keep_queues(&self, port: PortId, keep: impl Fn(u32) -> bool) {
        lock(&self.queues).retain(|(of, queue), _| *of != port || keep(*queue));
    }

    pub(crate) fn add_port(&self, port: PortId) -> Arc<PortCounters> {
        Arc::clone(lock(&self.ports).entry(port).or_default())
    }

    pub(crate) fn add_link(&self, port: PortId, direction: Direction) -> Arc<LinkReport> {
        Arc::clone(lock(&self.links).entry((port, direction)).or_default())
    }

    pub(crate) fn remove_port(&self, port: PortId) {
        lock(&self.ports).remove(&port);
        lock(&self.links).retain(|(id, _), _| *id != port);
        self.keep_queues(port, |_| false);
    }
}

/// A reader that panicked leaves the map as it was: nothing to be afraid of.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
