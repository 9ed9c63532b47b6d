//! Packets that the slow path cannot say anything about yet: the switch they came to is being changed.

use netloom_flow::{DropReason, Nanos};
use netloom_packet::Wire;

use super::{Arrival, Wiring};
use crate::frame::Frame;
use crate::pass::Place;

/// Most packets that wait; what comes then is dropped.
const MOST: usize = 1_024;
/// How long until it is asked again.
const PAUSE: Nanos = Nanos::from_micros(200);

/// Packets that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    packets: Vec<Arrival>,
    /// When it is asked again.
    due: Nanos,
}

impl Waiting {
    /// When it is asked again, if any wait.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        (!self.packets.is_empty()).then_some(self.due)
    }
}

impl Wiring {
    /// Keeps a packet to be looked up again a little later.
    pub(crate) fn wait(&mut self, at: Place, frame: &Frame<'_>, wire: Wire) {
        let Place { port, recirc, ct } = at;
        let packet = if self.waiting.packets.len() < MOST { self.pool.own(frame) } else { None };
        let Some(packet) = packet else { return self.drop(port, DropReason::PoolExhausted, wire.packets) };
        if self.waiting.packets.is_empty() {
            self.waiting.due = self.now + PAUSE;
        }
        self.waiting.packets.push(Arrival { packet, port, recirc, ct });
    }

    /// Has those that wait looked up again, if it is time; says whether there are any.
    pub(crate) fn resume(&mut self) -> bool {
        let is_due = self.waiting.deadline().is_some_and(|due| due <= self.now);
        if is_due {
            let packets = std::mem::take(&mut self.waiting.packets);
            self.arrivals.extend(packets);
        }
        is_due
    }
}
