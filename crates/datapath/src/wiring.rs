//! Everything behind an output: ports, their links and their devices.
//!
//! What is sent to a port is handled here to its end: it waits on a link, is handed to a driver, or arrives at
//! another switch. Arrivals are queued and looked up one after the other by [`crate::pass`], never by recursion.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use netloom_flow::{DropReason, LinkSettings, Nanos, PortId, RecircId};
use netloom_packet::{Headers, Wire, parse, wire};

use crate::counters::Counters;
use crate::frame::Frame;
use crate::handoff::Handoff;
use crate::link::{Gate, Link, Load, Timers, Unit};
use crate::pool::{Packet, Pool, PoolLimit};
use crate::port::{Attach, Direction, Refused, Way};
use crate::station::{Late, Station};
use crate::transmit;

/// Most packets waiting for their lookup at another switch: beyond, they are going round in circles.
const ARRIVALS: usize = 4_096;
/// Most packets waiting for another worker.
const HANDOFFS: usize = 1_024;

/// See the module.
pub(crate) struct Wiring {
    stations: Vec<Option<Box<Station>>>,
    pub(crate) timers: Timers,
    pub(crate) pool: Pool,
    pub(crate) counters: Arc<Counters>,
    pub(crate) arrivals: VecDeque<Arrival>,
    /// Ports sent to since the last flush.
    dirty: Vec<PortId>,
    /// By worker.
    pub(crate) handoffs: Vec<Vec<Handoff>>,
    pub(crate) now: Nanos,
    worker: u16,
    seed: u64,
    /// Where a segment is put together for a device that cannot cut.
    scratch: Box<[u8]>,
}

/// A packet that has arrived at a switch.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) packet: Packet,
    pub(crate) port: PortId,
    /// Not 0: it was here before.
    pub(crate) recirc: RecircId,
}

impl Wiring {
    pub(crate) fn new(
        seed: u64,
        worker: u16,
        workers: u16,
        limit: PoolLimit,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            stations: Vec::new(),
            timers: Timers::default(),
            pool: Pool::new(limit),
            counters,
            arrivals: VecDeque::new(),
            dirty: Vec::new(),
            handoffs: (0..workers).map(|_| Vec::new()).collect(),
            now: Nanos::ZERO,
            worker,
            seed,
            scratch: vec![0; transmit::SCRATCH].into_boxed_slice(),
        }
    }

    #[inline]
    pub(crate) fn station(&mut self, port: PortId) -> Option<&mut Station> {
        self.stations.get_mut(port.0 as usize)?.as_deref_mut()
    }

    pub(crate) fn put_station(&mut self, port: PortId, station: Station) {
        let at = port.0 as usize;
        if self.stations.len() <= at {
            self.stations.resize_with(at + 1, || None);
        }
        self.stations[at] = Some(Box::new(station));
    }

    pub(crate) fn take_station(&mut self, port: PortId) -> Option<Box<Station>> {
        self.stations.get_mut(port.0 as usize)?.take()
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = PortId> + '_ {
        (0u32..).zip(&self.stations).filter(|(_, station)| station.is_some()).map(|(id, _)| PortId(id))
    }

    /// Counts dropped wire packets, at the port they came in by or were to leave by.
    #[cold]
    pub(crate) fn drop(&mut self, port: PortId, reason: DropReason, packets: u32) {
        self.counters.drops.add(reason, packets.into());
        if let Some(station) = self.station(port) {
            station.counters.drops.add(reason, packets.into());
        }
    }

    /// A frame comes in by a port of a switch: counted, captured. `None` if the port does not take it.
    #[inline]
    pub(crate) fn receive(&mut self, port: PortId, frame: &Frame<'_>, wire: Wire) -> Option<Attach> {
        match self.station(port) {
            Some(station) if station.up => {
                station.counters.rx.add(wire);
                station.capture(Way::Rx, frame);
                Some(station.attach)
            }
            _ => {
                self.drop(port, DropReason::PortDown, wire.packets);
                None
            }
        }
    }

    /// A frame leaves by the near end of a plain link between switches: the port it arrives at, at once.
    #[inline]
    pub(crate) fn cross(&mut self, port: PortId, frame: &Frame<'_>, wire: Wire) -> Option<PortId> {
        let station = self.station(port)?;
        let peer = station.plain_peer()?;
        station.counters.tx.add(wire);
        station.capture(Way::Tx, frame);
        Some(peer)
    }

    /// A frame leaves by a port.
    pub(crate) fn output(&mut self, port: PortId, mut load: Load<'_, '_>, headers: &Headers, wire: Wire) {
        let (me, now) = (self.worker, self.now);
        let Some(station) = self.station(port) else {
            return self.refuse(port, DropReason::NoPort, load, wire);
        };
        if !station.up {
            return self.refuse(port, DropReason::PortDown, load, wire);
        }
        let peer = station.plain_peer();
        if station.worker != me && peer.is_none() {
            return self.hand_over(port, load, wire);
        }
        station.capture_load(&mut load);
        let peer = match &mut station.from_switch {
            Some(link) if !link.is_transparent() => match link.pass_in_place(&load, headers, wire, now) {
                Ok(true) => station.peer(),
                Ok(false) => return self.enter(port, Direction::FromSwitch, load, headers, wire),
                Err(reason) => {
                    if reason == DropReason::LinkLoss {
                        station.counters.tx.add(wire);
                    }
                    return self.refuse(port, reason, load, wire);
                }
            },
            _ => peer,
        };
        let counters = &station.counters;
        match (peer, load) {
            (Some(peer), Load::Lent(frame)) => {
                counters.tx.add(wire);
                self.queue_copy(peer, RecircId(0), frame, wire);
            }
            (Some(port), Load::Owned(packet)) => {
                counters.tx.add(wire);
                self.queue(Arrival { packet, port, recirc: RecircId(0) });
            }
            (None, Load::Lent(frame)) => self.send(port, frame, wire, true),
            (None, Load::Owned(mut packet)) => {
                self.send(port, &mut packet.frame(), wire, true);
                self.pool.recycle(packet);
            }
        }
    }

    /// Puts a load on a link direction, and lets leave what leaves at once.
    pub(crate) fn enter(
        &mut self,
        port: PortId,
        way: Direction,
        load: Load<'_, '_>,
        headers: &Headers,
        wire: Wire,
    ) {
        let Self { stations, pool, now, counters, .. } = self;
        let Some(station) = stations.get_mut(port.0 as usize).and_then(Option::as_deref_mut) else { return };
        let tx = Arc::clone(&station.counters);
        let Some(link) = station.link(way) else { return };
        let losses = Gate { pool, now: *now }.enter(link, load, headers, wire);
        for (reason, lost) in losses.iter() {
            counters.drops.add(reason, lost.packets.into());
            tx.drops.add(reason, lost.packets.into());
        }
        if way == Direction::FromSwitch {
            tx.tx.add(losses.taken(wire));
        }
        self.run_link(link_id(port, way), usize::MAX);
    }

    /// Lets leave what has arrived at the other end of a link, at most `most` units, and sets its timer.
    pub(crate) fn run_link(&mut self, id: u32, most: usize) -> usize {
        let (port, way) = link_of(id);
        let now = self.now;
        let mut left = 0;
        while left < most
            && let Some(departure) = self.link(port, way).and_then(|link| link.depart(now))
        {
            self.leave(port, way, departure.unit);
            left += 1;
        }
        let next = self.link(port, way).and_then(|link| link.next());
        self.timers.set(id, next);
        left
    }

    pub(crate) fn link(&mut self, port: PortId, way: Direction) -> Option<&mut Link> {
        self.station(port)?.link(way).as_deref_mut()
    }

    /// A unit has arrived at the other end of a link.
    fn leave(&mut self, port: PortId, way: Direction, unit: Unit) {
        let Some(station) = self.station(port) else { return };
        let Unit { mut packet, wire, .. } = unit;
        match (way, station.attach) {
            (Direction::ToSwitch, _) => self.queue(Arrival { packet, port, recirc: RecircId(0) }),
            (Direction::FromSwitch, Attach::Peer(peer)) => {
                self.queue(Arrival { packet, port: peer, recirc: RecircId(0) });
            }
            (Direction::FromSwitch, Attach::Switch | Attach::Wire(_)) => {
                self.send(port, &mut packet.frame(), wire, false);
                self.pool.recycle(packet);
            }
        }
    }

    /// Queues a copy of a frame for a lookup.
    pub(crate) fn queue_copy(&mut self, port: PortId, recirc: RecircId, frame: &Frame<'_>, wire: Wire) {
        match self.pool.own(frame) {
            Some(packet) => self.queue(Arrival { packet, port, recirc }),
            None => self.drop(port, DropReason::PoolExhausted, wire.packets),
        }
    }

    fn queue(&mut self, mut arrival: Arrival) {
        if self.arrivals.len() < ARRIVALS {
            self.arrivals.push_back(arrival);
        } else {
            let packets = wire_of(&arrival.packet.frame()).packets;
            self.drop(arrival.port, DropReason::HopLimit, packets);
            self.pool.recycle(arrival.packet);
        }
    }

    /// A packet for a port of another worker.
    fn hand_over(&mut self, port: PortId, load: Load<'_, '_>, wire: Wire) {
        let worker = self.station(port).map_or(0, |station| station.worker);
        let room = self.handoffs.get(usize::from(worker)).is_some_and(|list| list.len() < HANDOFFS);
        let packet = match load {
            _ if !room => return self.drop(port, DropReason::HandoffFull, wire.packets),
            Load::Lent(frame) => self.pool.own(frame),
            Load::Owned(packet) => Some(packet),
        };
        match (packet, self.handoffs.get_mut(usize::from(worker))) {
            (Some(packet), Some(list)) => list.push(Handoff { packet, port, wire }),
            _ => self.drop(port, DropReason::PoolExhausted, wire.packets),
        }
    }

    #[cold]
    fn refuse(&mut self, port: PortId, reason: DropReason, load: Load<'_, '_>, wire: Wire) {
        self.drop(port, reason, wire.packets);
        if let Load::Owned(packet) = load {
            self.pool.recycle(packet);
        }
    }

    /// Hands a frame to a device; `count`: as sent by the port, which a link in front of the device has done before.
    fn send(&mut self, port: PortId, frame: &mut Frame<'_>, wire: Wire, count: bool) {
        let Self { stations, scratch, dirty, .. } = self;
        let Some(station) = stations.get_mut(port.0 as usize).and_then(Option::as_deref_mut) else { return };
        let Some(driver) = &mut station.driver else {
            return if station.reading {
                self.send_later(port, frame, wire, count)
            } else {
                self.drop(port, DropReason::PortDown, wire.packets)
            };
        };
        let sent = if station.caps.takes(&frame.offload) {
            transmit::Sent::one(driver.transmit(frame), wire)
        } else {
            transmit::finished(&mut **driver, station.caps, frame, scratch)
        };
        if count {
            station.counters.tx.add(sent.taken);
        }
        if !std::mem::replace(&mut station.dirty, true) {
            dirty.push(port);
        }
        if let Some((reason, packets)) = sent.dropped {
            self.drop(port, reason, packets);
        }
    }

    /// The device is being read: what it is to send waits until that is over.
    #[cold]
    fn send_later(&mut self, port: PortId, frame: &Frame<'_>, wire: Wire, count: bool) {
        let packet = self.pool.own(frame);
        match (packet, self.station(port)) {
            (Some(packet), Some(station)) => station.late.push(Late { packet, wire, count }),
            _ => self.drop(port, DropReason::PoolExhausted, wire.packets),
        }
    }

    /// Sends what came for a device while it was being read.
    pub(crate) fn send_late(&mut self, port: PortId) {
        let Some(station) = self.station(port) else { return };
        let mut late = std::mem::take(&mut station.late);
        for Late { mut packet, wire, count } in late.drain(..) {
            self.send(port, &mut packet.frame(), wire, count);
            self.pool.recycle(packet);
        }
        if let Some(station) = self.station(port) {
            station.late = late;
        }
    }

    /// Lets every device that was sent to send what it has batched.
    pub(crate) fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for port in dirty.drain(..) {
            let Some(station) = self.station(port) else { continue };
            station.dirty = false;
            let flushed = station.driver.as_mut().map(|driver| driver.flush()).unwrap_or_default();
            if flushed.full > 0 {
                self.drop(port, DropReason::DeviceFull, flushed.full);
            }
            if flushed.failed > 0 {
                self.drop(port, DropReason::DeviceError, flushed.failed);
            }
        }
        self.dirty = dirty;
    }

    /// Sets one direction of a port's link.
    pub(crate) fn set_link(&mut self, port: PortId, way: Direction, settings: LinkSettings) {
        let (seed, now) = (self.seed, self.now);
        let counters = Arc::clone(&self.counters);
        let Some(station) = self.station(port) else { return };
        let link_seed = station.link_seed;
        let given_back = match station.link(way) {
            None if settings.is_plain() => return,
            none @ None => {
                let report = counters.add_link(port, way);
                *none = Some(Box::new(Link::new(seed, link_seed, way as u64, settings, report)));
                return;
            }
            Some(link) => link.change(settings, now),
        };
        for unit in given_back {
            self.drop(port, DropReason::LinkDown, unit.wire.packets);
            if let Some(link) = self.link(port, way) {
                link.count_dropped(DropReason::LinkDown, unit.wire.packets.into());
            }
            self.pool.recycle(unit.packet);
        }
        let next = self.link(port, way).and_then(|link| link.next());
        self.timers.set(link_id(port, way), next);
    }

    /// Gives up a port and what its links hold.
    pub(crate) fn remove(&mut self, port: PortId) {
        for way in [Direction::ToSwitch, Direction::FromSwitch] {
            let units = self.link(port, way).map(Link::drain).unwrap_or_default();
            for unit in units {
                self.drop(port, DropReason::PortDown, unit.wire.packets);
                self.pool.recycle(unit.packet);
            }
            self.timers.set(link_id(port, way), None);
        }
        self.take_station(port);
        self.counters.remove_port(port);
    }
}

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wiring")
            .field("ports", &self.ports().count())
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// The number of a link direction in the timers.
pub(crate) const fn link_id(port: PortId, way: Direction) -> u32 {
    port.0 << 1 | way as u32
}

const fn link_of(id: u32) -> (PortId, Direction) {
    (PortId(id >> 1), if id & 1 == 0 { Direction::ToSwitch } else { Direction::FromSwitch })
}

/// What a frame is on the wire.
pub(crate) fn wire_of(frame: &Frame<'_>) -> Wire {
    let headers = parse(frame.data()).unwrap_or_default();
    wire(frame.len(), &headers, &frame.offload)
}

impl From<Refused> for DropReason {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::DeviceFull,
            Refused::Error(_) => Self::DeviceError,
        }
    }
}
