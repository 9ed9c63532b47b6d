//! What a link direction counts.

use crate::counters::{Counter, Passed, Traffic};

/// Counters of one direction of a shaped link: one writer, any readers.
///
/// Everything that entered is lost, dropped, queued, in flight or has left: `entered + duplicated = left + lost +
/// queue_full + down + too_long + no_memory + queued + in_flight`.
#[derive(Debug, Default)]
pub struct LinkCounters {
    pub(crate) entered: Passed,
    pub(crate) left: Passed,
    pub(crate) lost: Counter,
    pub(crate) duplicated: Counter,
    pub(crate) corrupted: Counter,
    pub(crate) reordered: Counter,
    pub(crate) queue_full: Counter,
    pub(crate) down: Counter,
    pub(crate) too_long: Counter,
    pub(crate) no_memory: Counter,
    pub(crate) queued: Counter,
    pub(crate) in_flight: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) busy: Counter,
}

/// One reading of [`LinkCounters`]; all in wire packets unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkRead {
    /// Handed to the link.
    pub entered: Traffic,
    /// Arrived at the other end.
    pub left: Traffic,
    /// Lost by the loss setting.
    pub lost: u64,
    /// Copies made by the duplicate setting.
    pub duplicated: u64,
    /// Arrived, or to arrive, with a flipped bit.
    pub corrupted: u64,
    /// Sent ahead by the reorder setting.
    pub reordered: u64,
    /// Refused by the queue.
    pub queue_full: u64,
    /// Dropped because the link was down.
    pub down: u64,
    /// Dropped because they were longer than the MTU.
    pub too_long: u64,
    /// Dropped for want of packet memory: the model did not want that.
    pub no_memory: u64,
    /// Waiting in the queue now.
    pub queued: u64,
    /// On their way now.
    pub in_flight: u64,
    /// Bytes that a rate was applied to.
    pub sent_bytes: u64,
    /// Nanoseconds of link time they took: `sent_bytes * 8e9 / busy` is the rate as emulated.
    pub busy: u64,
}

impl LinkCounters {
    /// Reads all counters; they may be from different moments by one packet.
    #[must_use]
    pub fn read(&self) -> LinkRead {
        LinkRead {
            entered: self.entered.read(),
            left: self.left.read(),
            lost: self.lost.read(),
            duplicated: self.duplicated.read(),
            corrupted: self.corrupted.read(),
            reordered: self.reordered.read(),
            queue_full: self.queue_full.read(),
            down: self.down.read(),
            too_long: self.too_long.read(),
            no_memory: self.no_memory.read(),
            queued: self.queued.read(),
            in_flight: self.in_flight.read(),
            sent_bytes: self.sent_bytes.read(),
            busy: self.busy.read(),
        }
    }
}
