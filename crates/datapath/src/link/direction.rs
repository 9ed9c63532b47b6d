//! One direction: its settings, its two stages and its counters.

use std::num::NonZeroU32;
use std::sync::Arc;

use netloom_flow::{DropReason, LinkSettings, Loss, Nanos, QueueLimit};
use netloom_packet::{Gso, Headers, Offload, Wire};

use crate::counters::LinkReport;
use crate::link::classes::Classes;
use crate::link::delay::DelayLine;
use crate::link::enter::Load;
use crate::link::fate::{Lane, LossState, Stream};
use crate::link::fidelity::Second;
use crate::link::queue::{Fifo, Limit, QueueDiscipline, Unit};
use crate::link::rate::Transmitter;

/// The longest link time of one unit, unless it is a single packet.
const UNIT_TIME: Nanos = Nanos::from_micros(200);

/// One direction of a link.
#[derive(Debug)]
pub(crate) struct Link {
    settings: LinkSettings,
    stream: Stream,
    loss: LossState,
    /// Wire packets that entered: the number of the next.
    entered: u64,
    queue: Box<dyn QueueDiscipline>,
    /// The queue is several: what enters chooses one, and waits for its turn even if the link is free.
    has_classes: bool,
    transmitter: Transmitter,
    /// The entry in the line of the unit last sent by the transmitter.
    sending: u64,
    line: DelayLine,
    /// No later unit arrives before this, unless reordering is wanted.
    last_due: Nanos,
    second: Second,
    report: Arc<LinkReport>,
}

impl Link {
    /// A direction with its random stream: `direction` tells the two of a link apart.
    pub(crate) fn new(
        seed: u64,
        link: u64,
        direction: u64,
        settings: LinkSettings,
        report: Arc<LinkReport>,
    ) -> Self {
        Self {
            stream: Stream::new(seed, link, direction),
            loss: LossState::default(),
            entered: 0,
            queue: Box::new(Fifo::new(Limit::of(&settings))),
            has_classes: false,
            transmitter: Transmitter::default(),
            sending: 0,
            line: DelayLine::default(),
            last_due: Nanos::ZERO,
            second: Second::default(),
            report,
            settings,
        }
    }

    /// Whether a packet would pass it untouched and at once, so that it may be left aside.
    #[inline]
    pub(crate) fn is_transparent(&self) -> bool {
        !self.has_classes && self.line.is_empty() && self.queue.is_empty() && self.settings.is_plain()
    }

    /// When the link is to be looked at next.
    #[inline]
    pub(crate) fn next(&self) -> Option<Nanos> {
        let sends = self.queue.next().map(|opens| match self.settings.rate {
            None => opens,
            Some(_) => opens.max(self.transmitter.free_at()),
        });
        [sends.filter(|at| *at < Nanos::MAX), self.line.next()].into_iter().flatten().min()
    }

    /// Whether the link takes a frame at all, and if not, why.
    #[inline]
    pub(crate) fn refuses(
        &self,
        frame_len: usize,
        headers: &Headers,
        offload: &Offload,
    ) -> Option<DropReason> {
        if !self.settings.up {
            return Some(DropReason::LinkDown);
        }
        let longest = match offload.gso {
            Gso::None => frame_len,
            _ => frame_len.min(usize::from(headers.payload) + usize::from(offload.gso_size)),
        };
        // The MTU counts what comes after Ethernet and its tags.
        let l2 = 14 + 4 * usize::from(headers.vlans);
        let too_long = self.settings.mtu.is_some_and(|mtu| longest > l2 + mtu as usize);
        too_long.then_some(DropReason::TooLong)
    }

    /// How many segments of a super-packet may stay together in a queue; `None`: all of them.
    pub(crate) fn unit_segments(
        &self,
        queue: u32,
        headers: &Headers,
        offload: &Offload,
    ) -> Option<NonZeroU32> {
        if offload.gso == Gso::None {
            return None;
        }
        let by_queue = self.queue.unit_segments(queue, headers, offload);
        [by_queue, self.link_segments(headers, offload)].into_iter().flatten().min()
    }

    /// The same as far as the link itself is concerned.
    fn link_segments(&self, headers: &Headers, offload: &Offload) -> Option<NonZeroU32> {
        let s = &self.settings;
        let single = s.loss != Loss::default()
            || !(s.duplicate.is_zero() && s.reorder.is_zero() && s.corrupt.is_zero())
            || s.jitter > Nanos::ZERO
            || matches!(s.queue, Some(QueueLimit::Packets(_)));
        if single {
            return Some(NonZeroU32::MIN);
        }
        let rate = s.rate?;
        let segment = (u64::from(headers.payload) + u64::from(offload.gso_size)).max(1);
        let segments = u128::from(rate) * u128::from(UNIT_TIME.0) / 8_000_000_000 / u128::from(segment);
        Some(u32::try_from(segments).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN))
    }

    /// What becomes of a frame on a link that neither holds nor changes packets: it passes in place (`Ok(true)`), is
    /// dropped (`Err`), or, the link being of another kind, must enter (`Ok(false)`).
    pub(crate) fn pass_in_place(
        &mut self,
        load: &Load<'_, '_>,
        headers: &Headers,
        wire: Wire,
        now: Nanos,
    ) -> Result<bool, DropReason> {
        let s = &self.settings;
        let holds = s.rate.is_some() || s.delay > Nanos::ZERO || s.jitter > Nanos::ZERO || s.queue.is_some();
        let changes = !(s.duplicate.is_zero() && s.corrupt.is_zero() && s.reorder.is_zero());
        let waits = !self.line.is_empty() || !self.queue.is_empty();
        let cut = s.loss != Loss::default() && wire.packets > 1;
        if holds || changes || waits || cut || self.has_classes {
            return Ok(false);
        }
        self.count_entered(wire);
        let number = self.number(wire.packets);
        let refused = self.refuses(load.len(), headers, &load.offload());
        let lost =
            || self.loss.loses(&self.settings.loss, self.stream, number).then_some(DropReason::LinkLoss);
        if let Some(reason) = refused.or_else(lost) {
            self.count_dropped(reason, wire.packets.into());
            return Err(reason);
        }
        self.report.counters.left.add(wire);
        self.note_timing(now, load.meta().at, load.meta().unread, wire);
        Ok(true)
    }

    /// Notes how late what was to leave at `due` leaves.
    fn note_timing(&mut self, now: Nanos, due: Nanos, unread: u32, wire: Wire) {
        let error = now.since(due) + Nanos(unread.into());
        self.second.note(now, error, wire.packets, self.settings.delay, &self.report.fidelity);
    }

    /// Counts what enters, before anything else is done with it.
    pub(crate) fn count_entered(&mut self, wire: Wire) {
        self.report.counters.entered.add(wire);
    }

    /// Counts what is dropped for `reason`.
    pub(crate) fn count_dropped(&mut self, reason: DropReason, packets: u64) {
        let counters = &self.report.counters;
        match reason {
            DropReason::LinkDown => counters.down.add(packets),
            DropReason::TooLong => counters.too_long.add(packets),
            DropReason::LinkLoss => counters.lost.add(packets),
            DropReason::QueueFull => counters.queue_full.add(packets),
            _ => counters.no_memory.add(packets),
        }
    }

    /// The number of the next wire packet; `packets` of them enter now.
    #[inline]
    pub(crate) fn number(&mut self, packets: u32) -> u64 {
        let number = self.entered;
        self.entered += u64::from(packets);
        number
    }

    /// Whether the nth packet is lost. To be asked once per packet and in order.
    #[inline]
    pub(crate) fn loses(&mut self, number: u64) -> bool {
        self.settings.loss != Loss::default() && self.loss.loses(&self.settings.loss, self.stream, number)
    }

    /// Whether the nth packet gets a flipped bit, and if so which, as a number to be reduced to the frame's length.
    pub(crate) fn corrupts(&self, number: u64) -> Option<u64> {
        self.stream
            .happens(number, Lane::Corrupt, self.settings.corrupt)
            .then(|| self.stream.draw(number, Lane::CorruptBit))
    }

    /// Whether the nth packet arrives twice.
    pub(crate) fn duplicates(&self, number: u64) -> bool {
        self.stream.happens(number, Lane::Duplicate, self.settings.duplicate)
    }

    pub(crate) fn count_corrupted(&self) {
        self.report.counters.corrupted.add(1);
    }

    pub(crate) fn count_duplicated(&self) {
        self.report.counters.duplicated.add(1);
    }

    /// Takes a unit into the queue, or straight onto the link if that is free. `now` bounds how far the schedule may
    /// be run ahead.
    ///
    /// # Errors
    /// The unit, if the queue is full.
    #[expect(
        clippy::result_large_err,
        reason = "what is refused is handed back, and boxing it would allocate"
    )]
    pub(crate) fn admit(&mut self, unit: Unit, now: Nanos) -> Result<(), Unit> {
        let at = unit.packet.at();
        self.transmit_queued(at.min(now));
        let free = match self.settings.rate {
            None => true,
            Some(_) => self.transmitter.free_at() <= at,
        };
        let wire = unit.wire;
        if free && !self.has_classes && self.queue.is_empty() {
            self.transmit(unit, at);
            return Ok(());
        }
        self.queue.enqueue(unit, at)?;
        self.report.counters.queued.add(u64::from(wire.packets));
        if self.has_classes {
            // The queue it is in may send at once, whatever waits in others.
            self.transmit_queued(at.min(now));
        }
        Ok(())
    }

    /// The next unit that has arrived at the other end at `now`.
    pub(crate) fn depart(&mut self, now: Nanos) -> Option<Unit> {
        self.transmit_queued(now);
        let transit = self.line.pop(now)?;
        let mut unit = transit.unit;
        self.report.counters.in_flight.subtract(u64::from(unit.wire.packets));
        self.report.counters.left.add(unit.wire);
        self.note_timing(now, transit.due, unit.packet.meta.unread, unit.wire);
        unit.packet.meta.at = transit.due;
        Some(unit)
    }

    /// Judges the present second of its timing if that is over.
    pub(crate) fn close_second(&mut self, now: Nanos) {
        self.second.close(now, &self.report.fidelity);
    }

    /// Judges what there is of the present second, and begins another.
    pub(crate) fn cut_second(&mut self) {
        self.second.judge(&self.report.fidelity);
    }

    /// New settings from `now` on, in place. What waits stays, unless the link goes down: then it is given back.
    pub(crate) fn change(&mut self, settings: LinkSettings, now: Nanos) -> Vec<Unit> {
        self.transmit_queued(now);
        let old = std::mem::replace(&mut self.settings, settings);
        self.queue.set_link(&self.settings, now);
        if old.rate != self.settings.rate {
            let shift = self.transmitter.change(old.rate, self.settings.rate, now);
            self.line.reschedule(self.sending, old.reorder.is_zero(), |due| match shift {
                Ok(earlier) => due - earlier,
                Err(later) => due + later,
            });
        }
        // With a shorter delay, newcomers may overtake what is on its way; otherwise order is kept.
        let shorter = self.settings.delay < old.delay;
        self.last_due = self.line.last().filter(|_| !shorter).unwrap_or_default();
        if self.settings.up {
            self.transmit_queued(now);
            return Vec::new();
        }
        self.drain()
    }

    /// These queues, or (`None`) one for all, from `now` on. What waits goes over to them.
    pub(crate) fn set_classes(&mut self, classes: Option<Classes>, now: Nanos) {
        self.transmit_queued(now);
        let waiting = self.queue.drain();
        self.has_classes = classes.is_some();
        self.queue = match classes {
            Some(classes) => Box::new(classes),
            None => Box::new(Fifo::new(Limit::of(&self.settings))),
        };
        self.queue.set_link(&self.settings, now);
        waiting.into_iter().for_each(|unit| self.queue.take_over(unit, now));
    }

    /// The queues, if there are several; what they may send by `now` is sent.
    pub(crate) fn classes(&mut self, now: Nanos) -> Option<&mut Classes> {
        self.transmit_queued(now);
        self.queue.classes()
    }

    /// Its settings.
    pub(crate) const fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    /// Gives back all that waits or is on its way.
    pub(crate) fn drain(&mut self) -> Vec<Unit> {
        let mut units: Vec<Unit> = self.line.drain().map(|transit| transit.unit).collect();
        units.extend(self.queue.drain());
        self.report.counters.queued.set(0);
        self.report.counters.in_flight.set(0);
        units
    }

    /// Sends what waits, as far as the link is free by `until`.
    #[inline]
    fn transmit_queued(&mut self, until: Nanos) {
        while let Some(opens) = self.queue.next() {
            let start = match self.settings.rate {
                None if opens == Nanos::ZERO => until,
                None => opens,
                Some(_) => opens.max(self.transmitter.free_at()),
            };
            if start > until {
                return;
            }
            let Some(unit) = self.queue.dequeue(start) else { return };
            self.report.counters.queued.subtract(u64::from(unit.wire.packets));
            self.transmit(unit, start);
        }
    }

    /// Puts a unit on the link at `start`: it takes its link time and then its delay.
    fn transmit(&mut self, unit: Unit, start: Nanos) {
        let counters = &self.report.counters;
        let mut through = start;
        if let Some(rate) = self.settings.rate {
            let took = self.transmitter.send(unit.wire.bytes, rate, start);
            through = self.transmitter.free_at();
            counters.sent_bytes.add(unit.wire.bytes);
            counters.busy.add(took.0);
        }
        let mut due = through + self.stream.delay(unit.number, &self.settings);
        if self.settings.reorder.is_zero() {
            due = due.max(self.last_due);
            self.last_due = due;
        } else if self.stream.happens(unit.number, Lane::Reorder, self.settings.reorder) {
            counters.reordered.add(1);
            due = through;
        }
        counters.in_flight.add(u64::from(unit.wire.packets));
        self.sending = self.line.insert(due, unit);
    }
}
