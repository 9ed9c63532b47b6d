//! The queue in front of a link: what waits while the link is busy.
//!
//! The next packet is chosen only when the link becomes free, so whatever changes meanwhile acts at once.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;

use netloom_flow::{LinkSettings, Nanos, QueueLimit};
use netloom_packet::{Headers, Offload, Wire};

use crate::Packet;
use crate::link::classes::Classes;

/// A piece of traffic that a link handles as one: a packet, or a super-packet small enough for the link.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The packet.
    pub(crate) packet: Packet,
    /// What it is on the wire.
    pub(crate) wire: Wire,
    /// The number of its (first) wire packet in the direction, from 0: chance goes by it.
    pub(crate) number: u64,
    /// The queue it is for.
    pub(crate) queue: u32,
}

/// What a queue may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    packets: u64,
    bytes: u64,
    /// Full only when both are exceeded; otherwise when one is.
    both: bool,
}

impl Limit {
    /// No limit.
    pub(crate) const NONE: Self = Self { packets: u64::MAX, bytes: u64::MAX, both: false };

    /// The limit of a link's settings. The default with a rate is the larger of 1,000 packets and 50 ms at the rate.
    #[must_use]
    pub(crate) fn of(settings: &LinkSettings) -> Self {
        match (settings.queue, settings.rate) {
            (Some(QueueLimit::Packets(n)), _) => Self { packets: n.into(), ..Self::NONE },
            (Some(QueueLimit::Bytes(n)), _) => Self { bytes: n, ..Self::NONE },
            (None, Some(rate)) => Self { packets: 1_000, bytes: rate / 8 / 20, both: true },
            (None, None) => Self::NONE,
        }
    }

    /// Whether `held` and `more` go in together.
    #[must_use]
    pub(crate) const fn admits(&self, held: Wire, more: Wire) -> bool {
        let packets = held.packets as u64 + more.packets as u64 <= self.packets;
        let bytes = held.bytes + more.bytes <= self.bytes;
        if self.both { packets || bytes } else { packets && bytes }
    }
}

/// Orders what waits for a link.
pub(crate) trait QueueDiscipline: Send + fmt::Debug {
    /// Takes a unit, unless the queue is full.
    ///
    /// # Errors
    /// The unit, if it is refused.
    #[expect(
        clippy::result_large_err,
        reason = "what is refused is handed back, and boxing it would allocate"
    )]
    fn enqueue(&mut self, unit: Unit, now: Nanos) -> Result<(), Unit>;

    /// Takes a unit that waits already, from another discipline: it goes in even if the queue is full.
    fn take_over(&mut self, unit: Unit, now: Nanos);

    /// The next unit to send, taken out; `None`: nothing may be sent yet.
    fn dequeue(&mut self, now: Nanos) -> Option<Unit>;

    /// When a unit may be sent as far as the discipline is concerned: [`Nanos::ZERO`] stands for any time. `None`:
    /// nothing is queued.
    fn next(&self) -> Option<Nanos>;

    /// Gives back all that is queued, in the order in which it entered the link.
    fn drain(&mut self) -> Vec<Unit>;

    /// The settings of the link behind it, from now on. What is queued stays, even if it is more than may be.
    fn set_link(&mut self, settings: &LinkSettings, now: Nanos);

    /// How many segments of a super-packet may stay together in a queue; `None`: all of them.
    fn unit_segments(&self, queue: u32, headers: &Headers, offload: &Offload) -> Option<NonZeroU32> {
        let _ = (queue, headers, offload);
        None
    }

    /// Itself, if it has queues to choose from.
    fn classes(&mut self) -> Option<&mut Classes> {
        None
    }

    /// Whether nothing is queued.
    fn is_empty(&self) -> bool;
}

/// First in, first out; what does not fit is refused (tail drop).
#[derive(Debug)]
pub(crate) struct Fifo {
    units: VecDeque<Unit>,
    held: Wire,
    limit: Limit,
}

impl Fifo {
    /// An empty queue.
    #[must_use]
    pub(crate) const fn new(limit: Limit) -> Self {
        Self { units: VecDeque::new(), held: Wire { packets: 0, bytes: 0 }, limit }
    }

    fn push(&mut self, unit: Unit) {
        self.held.packets = self.held.packets.saturating_add(unit.wire.packets);
        self.held.bytes += unit.wire.bytes;
        self.units.push_back(unit);
    }
}

impl QueueDiscipline for Fifo {
    fn enqueue(&mut self, unit: Unit, _now: Nanos) -> Result<(), Unit> {
        if !self.limit.admits(self.held, unit.wire) {
            return Err(unit);
        }
        self.push(unit);
        Ok(())
    }

    fn take_over(&mut self, unit: Unit, _now: Nanos) {
        self.push(unit);
    }

    fn dequeue(&mut self, _now: Nanos) -> Option<Unit> {
        let unit = self.units.pop_front()?;
        self.held.packets = self.held.packets.saturating_sub(unit.wire.packets);
        self.held.bytes = self.held.bytes.saturating_sub(unit.wire.bytes);
        Some(unit)
    }

    fn next(&self) -> Option<Nanos> {
        (!self.units.is_empty()).then_some(Nanos::ZERO)
    }

    fn drain(&mut self) -> Vec<Unit> {
        self.held = Wire::default();
        std::mem::take(&mut self.units).into()
    }

    fn set_link(&mut self, settings: &LinkSettings, _now: Nanos) {
        self.limit = Limit::of(settings);
    }

    fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(packets: u32, bytes: u64) -> Wire {
        Wire { packets, bytes }
    }

    #[test]
    fn the_default_is_the_larger_of_packets_and_time() {
        let at = |rate| Limit::of(&LinkSettings { rate: Some(rate), ..LinkSettings::default() });
        // 1 Mbit/s: 50 ms are 6,250 bytes, so 1,000 packets count.
        assert!(at(1_000_000).admits(wire(999, 1_500_000), wire(1, 1_500)));
        assert!(!at(1_000_000).admits(wire(1_000, 1_500_000), wire(1, 1_500)));
        // 10 Gbit/s: 50 ms are 62.5 MB, far more than 1,000 packets of 64 bytes.
        assert!(at(10_000_000_000).admits(wire(900_000, 60_000_000), wire(1, 64)));
        assert!(!at(10_000_000_000).admits(wire(900_000, 62_500_000), wire(1, 64)));
    }

    #[test]
    fn explicit_limits_count_what_they_name() {
        let of =
            |queue| Limit::of(&LinkSettings { queue: Some(queue), rate: Some(1), ..LinkSettings::default() });
        assert!(!of(QueueLimit::Packets(10)).admits(wire(10, 1), wire(1, 1)));
        assert!(of(QueueLimit::Packets(10)).admits(wire(9, u64::MAX / 2), wire(1, 1)));
        assert!(!of(QueueLimit::Bytes(1_000)).admits(wire(1, 1_000), wire(1, 1)));
        assert!(of(QueueLimit::Bytes(1_000)).admits(wire(1_000, 999), wire(1, 1)));
    }
}
