//! How traffic gets onto a link: checked, cut to what the link treats as one, and exposed to chance.

use std::num::NonZeroU32;

use netloom_flow::{DropReason, Nanos};
use netloom_packet::segment::{self, Cutter};
use netloom_packet::{Csum, Headers, Offload, Wire, checksum};

use crate::frame::{Frame, Meta};
use crate::link::{Link, Unit};
use crate::pool::{Packet, Pool};

/// A frame to be put on a link: one that is owned is not copied if it stays whole.
#[derive(Debug)]
pub(crate) enum Load<'a, 'b> {
    Lent(&'a mut Frame<'b>),
    Owned(Packet),
}

impl Load<'_, '_> {
    fn own(self, pool: &mut Pool) -> Option<Packet> {
        match self {
            Self::Lent(frame) => pool.own(frame),
            Self::Owned(packet) => Some(packet),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lent(frame) => frame.len(),
            Self::Owned(packet) => packet.len(),
        }
    }

    fn data(&mut self) -> &[u8] {
        match self {
            Self::Lent(frame) => {
                frame.fill();
                frame.data()
            }
            Self::Owned(packet) => packet.data(),
        }
    }

    pub(super) const fn offload(&self) -> Offload {
        match self {
            Self::Lent(frame) => frame.offload,
            Self::Owned(packet) => packet.offload,
        }
    }

    pub(super) const fn meta(&self) -> Meta {
        match self {
            Self::Lent(frame) => frame.meta,
            Self::Owned(packet) => packet.meta,
        }
    }
}

/// What was dropped on entering a link, by reason.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Losses([Wire; LOSSES.len()]);

/// Why a link drops what enters. All but the first were never sent.
const LOSSES: [DropReason; 6] = [
    DropReason::LinkLoss,
    DropReason::LinkDown,
    DropReason::TooLong,
    DropReason::QueueFull,
    DropReason::PoolExhausted,
    DropReason::Malformed,
];

impl Losses {
    fn add(&mut self, reason: DropReason, wire: Wire) {
        if let Some(sum) = LOSSES.iter().position(|r| *r == reason).and_then(|at| self.0.get_mut(at)) {
            sum.packets = sum.packets.saturating_add(wire.packets);
            sum.bytes += wire.bytes;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (DropReason, Wire)> + '_ {
        LOSSES.into_iter().zip(self.0).filter(|(_, wire)| wire.packets > 0)
    }

    /// What of `wire` the link took: sent by the port, whether or not the link loses it.
    pub(crate) fn taken(&self, wire: Wire) -> Wire {
        self.0.iter().skip(1).fold(wire, |left, lost| Wire {
            packets: left.packets.saturating_sub(lost.packets),
            bytes: left.bytes.saturating_sub(lost.bytes),
        })
    }
}

/// What entering a link needs beside the link.
#[derive(Debug)]
pub(crate) struct Gate<'p> {
    pub(crate) pool: &'p mut Pool,
    pub(crate) now: Nanos,
    /// The queue that is wanted.
    pub(crate) queue: u32,
}

impl Gate<'_> {
    /// Puts a load on a link, and says what of it was dropped at once.
    pub(crate) fn enter(
        &mut self,
        link: &mut Link,
        load: Load<'_, '_>,
        headers: &Headers,
        wire: Wire,
    ) -> Losses {
        let mut losses = Losses::default();
        link.count_entered(wire);
        self.offer_load(link, load, headers, wire, &mut losses);
        losses.iter().for_each(|(reason, wire)| link.count_dropped(reason, wire.packets.into()));
        losses
    }

    fn offer_load(
        &mut self,
        link: &mut Link,
        mut load: Load<'_, '_>,
        headers: &Headers,
        wire: Wire,
        dropped: &mut Losses,
    ) {
        let offload = load.offload();
        if let Some(reason) = link.refuses(load.len(), headers, &offload) {
            dropped.add(reason, wire);
        } else if let Some(segments) =
            link.unit_segments(self.queue, headers, &offload).filter(|n| n.get() < wire.packets)
        {
            self.cut(link, &mut load, headers, segments, wire, dropped);
        } else {
            self.whole(link, load, wire, dropped);
            return;
        }
        if let Load::Owned(packet) = load {
            self.pool.recycle(packet);
        }
    }

    /// A packet, or a super-packet that stays together.
    fn whole(&mut self, link: &mut Link, load: Load<'_, '_>, wire: Wire, dropped: &mut Losses) {
        let number = link.number(wire.packets);
        if link.loses(number) {
            dropped.add(DropReason::LinkLoss, wire);
            if let Load::Owned(packet) = load {
                self.pool.recycle(packet);
            }
            return;
        }
        match load.own(self.pool) {
            Some(packet) => self.offer(link, Unit { packet, wire, number, queue: self.queue }, dropped),
            None => dropped.add(DropReason::PoolExhausted, wire),
        }
    }

    /// A super-packet, `segments` at a time.
    fn cut(
        &mut self,
        link: &mut Link,
        load: &mut Load<'_, '_>,
        headers: &Headers,
        segments: NonZeroU32,
        mut left: Wire,
        dropped: &mut Losses,
    ) {
        let (offload, meta) = (load.offload(), load.meta());
        let Ok(mut cutter) = segment::cut(load.data(), headers, &offload, segments) else {
            return dropped.add(DropReason::Malformed, left);
        };
        while cutter.remaining() > 0 {
            let Some(mut unit) = self.next_unit(&mut cutter, meta, headers) else {
                return dropped.add(DropReason::PoolExhausted, left);
            };
            left.packets = left.packets.saturating_sub(unit.wire.packets);
            left.bytes = left.bytes.saturating_sub(unit.wire.bytes);
            unit.number = link.number(unit.wire.packets);
            if link.loses(unit.number) {
                dropped.add(DropReason::LinkLoss, unit.wire);
                self.pool.recycle(unit.packet);
            } else {
                self.offer(link, unit, dropped);
            }
        }
    }

    fn next_unit(&mut self, cutter: &mut Cutter<'_>, meta: Meta, headers: &Headers) -> Option<Unit> {
        let mut packet = self.pool.blank(cutter.longest())?;
        let mut part = packet.frame();
        let cut = cutter.next_into(part.data_mut()).ok().flatten()?;
        part.truncate(cut.len);
        part.offload = cut.offload;
        part.meta = meta;
        let state = part.state();
        packet.settle(state);
        let repeated = u64::from(cut.segments.saturating_sub(1)) * u64::from(headers.payload);
        Some(Unit {
            packet,
            wire: Wire { packets: cut.segments, bytes: cut.len as u64 + repeated },
            number: 0,
            queue: self.queue,
        })
    }

    /// Damage, duplication, and into the queue.
    fn offer(&mut self, link: &mut Link, mut unit: Unit, dropped: &mut Losses) {
        if let Some(bit) = link.corrupts(unit.number) {
            flip(&mut unit.packet, bit);
            link.count_corrupted();
        }
        let twin = if link.duplicates(unit.number) { self.twin(link, &mut unit, dropped) } else { None };
        for unit in [Some(unit), twin].into_iter().flatten() {
            if let Err(refused) = link.admit(unit, self.now) {
                dropped.add(DropReason::QueueFull, refused.wire);
                self.pool.recycle(refused.packet);
            }
        }
    }

    fn twin(&mut self, link: &Link, unit: &mut Unit, dropped: &mut Losses) -> Option<Unit> {
        link.count_duplicated();
        let copy = self.pool.own(&unit.packet.frame());
        if copy.is_none() {
            dropped.add(DropReason::PoolExhausted, unit.wire);
        }
        copy.map(|packet| Unit { packet, ..*unit })
    }
}

/// Flips one bit of a packet whose checksum is completed first, so that the receiver can notice.
fn flip(packet: &mut Packet, bit: u64) {
    let mut frame = packet.frame();
    let mut offload = frame.offload;
    // A checksum field outside the frame cannot be completed; the packet is damaged all the same.
    let _ = checksum::complete(frame.data_mut(), &mut offload);
    offload.csum = Csum::Complete; // nobody vouches for it any more
    frame.offload = offload;
    let at = bit % (frame.len() as u64 * 8).max(1);
    if let Some(byte) = usize::try_from(at / 8).ok().and_then(|at| frame.data_mut().get_mut(at)) {
        *byte ^= 1 << (at % 8);
    }
    let state = frame.state();
    packet.settle(state);
}
