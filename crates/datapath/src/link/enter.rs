//! How traffic gets onto a link: checked, cut to what the link treats as one, and exposed to chance.

use std::num::NonZeroU32;

use netloom_flow::{DropReason, Nanos};
use netloom_packet::segment::{self, Cutter};
use netloom_packet::{Csum, Headers, Wire, checksum};

use crate::frame::Frame;
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
}

/// What entering a link needs beside the link.
#[derive(Debug)]
pub(crate) struct Gate<'p> {
    pub(crate) pool: &'p mut Pool,
    pub(crate) now: Nanos,
}

impl Gate<'_> {
    /// Puts a load on a link. What is dropped at once is told to `dropped`, as reason and wire packets.
    pub(crate) fn enter(
        &mut self,
        link: &mut Link,
        mut load: Load<'_, '_>,
        headers: &Headers,
        wire: Wire,
        dropped: &mut dyn FnMut(DropReason, u32),
    ) {
        link.count_entered(wire);
        let mut packet;
        let frame: &mut Frame<'_> = match &mut load {
            Load::Lent(frame) => frame,
            Load::Owned(owned) => {
                packet = owned.frame();
                &mut packet
            }
        };
        if let Some(reason) = link.refuses(frame.len(), headers, &frame.offload) {
            dropped(reason, wire.packets);
        } else if let Some(segments) = link.unit_segments(headers, &frame.offload).filter(|n| n.get() < wire.packets)
        {
            self.cut(link, frame, headers, segments, wire.packets, dropped);
        } else {
            self.whole(link, load, wire, dropped);
            return;
        }
        if let Load::Owned(packet) = load {
            self.pool.recycle(packet);
        }
    }

    /// A packet, or a super-packet that stays together.
    fn whole(&mut self, link: &mut Link, load: Load<'_, '_>, wire: Wire, dropped: &mut dyn FnMut(DropReason, u32)) {
        let number = link.number(wire.packets);
        if link.loses(number) {
            dropped(DropReason::LinkLoss, wire.packets);
            if let Load::Owned(packet) = load {
                self.pool.recycle(packet);
            }
            return;
        }
        match load.own(self.pool) {
            Some(packet) => self.offer(link, Unit { packet, wire, number }, dropped),
            None => dropped(DropReason::PoolExhausted, wire.packets),
        }
    }

    /// A super-packet, `segments` at a time.
    fn cut(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        headers: &Headers,
        segments: NonZeroU32,
        mut packets: u32,
        dropped: &mut dyn FnMut(DropReason, u32),
    ) {
        let Ok(mut cutter) = segment::cut(frame.data(), headers, &frame.offload, segments) else {
            return dropped(DropReason::Malformed, packets);
        };
        while cutter.remaining() > 0 {
            let Some(mut unit) = self.next_unit(&mut cutter, frame, headers) else {
                return dropped(DropReason::PoolExhausted, packets);
            };
            packets = packets.saturating_sub(unit.wire.packets);
            unit.number = link.number(unit.wire.packets);
            if link.loses(unit.number) {
                dropped(DropReason::LinkLoss, unit.wire.packets);
                self.pool.recycle(unit.packet);
            } else {
                self.offer(link, unit, dropped);
            }
        }
    }

    fn next_unit(&mut self, cutter: &mut Cutter<'_>, frame: &Frame<'_>, headers: &Headers) -> Option<Unit> {
        let mut packet = self.pool.blank(cutter.longest())?;
        let mut part = packet.frame();
        let cut = cutter.next_into(part.data_mut()).ok().flatten()?;
        part.truncate(cut.len);
        part.offload = cut.offload;
        part.meta = frame.meta;
        let state = part.state();
        packet.settle(state);
        let repeated = u64::from(cut.segments.saturating_sub(1)) * u64::from(headers.payload);
        Some(Unit { packet, wire: Wire { packets: cut.segments, bytes: cut.len as u64 + repeated }, number: 0 })
    }

    /// Damage, duplication, and into the queue.
    fn offer(&mut self, link: &mut Link, mut unit: Unit, dropped: &mut dyn FnMut(DropReason, u32)) {
        if let Some(bit) = link.corrupts(unit.number) {
            flip(&mut unit.packet, bit);
            link.count_corrupted();
        }
        let twin = if link.duplicates(unit.number) { self.twin(link, &mut unit, dropped) } else { None };
        for unit in [Some(unit), twin].into_iter().flatten() {
            if let Err(refused) = link.admit(unit, self.now) {
                dropped(DropReason::QueueFull, refused.wire.packets);
                self.pool.recycle(refused.packet);
            }
        }
    }

    fn twin(&mut self, link: &Link, unit: &mut Unit, dropped: &mut dyn FnMut(DropReason, u32)) -> Option<Unit> {
        link.count_duplicated();
        let copy = self.pool.own(&unit.packet.frame());
        if copy.is_none() {
            dropped(DropReason::PoolExhausted, unit.wire.packets);
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
