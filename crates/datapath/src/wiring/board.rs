//! The ports of a worker, and the way out of a switch.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{DropReason, Nanos, PortId, Punt, RecircId};
use netloom_packet::{Headers, Wire, parse, wire};

use crate::conntrack::{Tracked, Tracker};
use crate::counters::Counters;
use crate::frame::Frame;
use crate::handoff::Handoff;
use crate::link::{Link, Load, Timers};
use crate::pool::{Packet, Pool, PoolLimit};
use crate::port::{Attach, Direction, Way};
use crate::station::Station;
use crate::transmit;
use crate::wiring::links::link_id;
use crate::wiring::waiting::Waiting;

/// Most packets waiting for their lookup at another switch: beyond, they are going round in circles.
const ARRIVALS: usize = 4_096;
/// Most packets waiting for another worker.
const HANDOFFS: usize = 1_024;

/// Most packets for controllers that one frame can leave.
pub(crate) const PUNTS: usize = 64;

/// A finished copy of a packet for a controller.
#[derive(Debug)]
pub(crate) struct Punted {
    pub(crate) packet: Packet,
    pub(crate) punt: Arc<Punt>,
    /// The datapath port it came in by.
    pub(crate) port: PortId,
}

/// See the module.
pub(crate) struct Wiring {
    pub(super) stations: Vec<Option<Box<Station>>>,
    pub(crate) timers: Timers,
    pub(crate) pool: Pool,
    pub(crate) counters: Arc<Counters>,
    pub(crate) arrivals: VecDeque<Arrival>,
    /// Packets to be looked up again.
    pub(crate) waiting: Waiting,
    /// Ports sent to since the last flush.
    pub(super) dirty: Vec<PortId>,
    /// By worker.
    pub(crate) handoffs: Vec<Vec<Handoff>>,
    /// Packets for controllers, of the frame that is being passed on.
    pub(crate) punts: Vec<Punted>,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) now: Nanos,
    pub(super) worker: u16,
    pub(super) seed: u64,
    /// Where a segment is put together for a device that cannot cut.
    pub(super) scratch: Box<[u8]>,
}

/// A packet that has arrived at a switch.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) packet: Packet,
    pub(crate) port: PortId,
    /// Not 0: it was here before.
    pub(crate) recirc: RecircId,
    /// What tracking said of it then.
    pub(crate) ct: Option<Tracked>,
}

impl Wiring {
    pub(crate) fn new(
        seed: u64,
        worker: u16,
        workers: u16,
        limit: PoolLimit,
        counters: Arc<Counters>,
        tracker: Arc<Tracker>,
    ) -> Self {
        Self {
            stations: Vec::new(),
            timers: Timers::default(),
            pool: Pool::new(limit),
            counters,
            arrivals: VecDeque::new(),
            waiting: Waiting::default(),
            dirty: Vec::new(),
            handoffs: (0..workers).map(|_| Vec::new()).collect(),
            punts: Vec::new(),
            tracker,
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

    /// A frame comes in by a port of a switch: counted, captured, policed. `None` if the port does not take it.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        port: PortId,
        frame: &mut Frame<'_>,
        headers: &mut Headers,
        wire: &mut Wire,
    ) -> Option<Attach> {
        match self.station(port) {
            Some(station) if station.up => {
                station.counters.rx.add(*wire);
                station.capture(Way::Rx, frame);
                let attach = station.attach;
                if station.police.is_needed() {
                    (*headers, *wire) = self.police(port, frame, headers, *wire)?;
                }
                Some(attach)
            }
            _ => {
                let packets = wire.packets;
                self.drop(port, DropReason::PortDown, packets);
                None
            }
        }
    }

    /// A frame leaves by the near end of a plain link between switches: the port it arrives at, at once.
    #[inline]
    pub(crate) fn cross(&mut self, port: PortId, frame: &mut Frame<'_>, wire: Wire) -> Option<PortId> {
        let station = self.station(port)?;
        let peer = station.plain_peer()?;
        station.counters.tx.add(wire);
        station.capture(Way::Tx, frame);
        Some(peer)
    }

    /// A frame leaves by a port.
    pub(crate) fn output(&mut self, port: PortId, load: Load<'_, '_>, headers: &Headers, wire: Wire) {
        self.enqueue(port, DEFAULT_QUEUE, load, headers, wire);
    }

    /// A frame leaves by a queue of a port, if that has queues.
    pub(crate) fn enqueue(
        &mut self,
        port: PortId,
        queue: u32,
        mut load: Load<'_, '_>,
        headers: &Headers,
        wire: Wire,
    ) {
        let (me, now) = (self.worker, self.now);
        let Some(station) = self.station(port) else {
            return self.refuse(port, DropReason::NoPort, load, wire);
        };
        if !station.up {
            return self.refuse(port, DropReason::PortDown, load, wire);
        }
        let peer = station.plain_peer();
        if station.worker != me && peer.is_none() {
            return self.hand_over(port, queue, load, wire);
        }
        station.capture_load(&mut load);
        let peer = match &mut station.from_switch {
            Some(link) if !link.is_transparent() => match link.pass_in_place(&load, headers, wire, now) {
                Ok(true) => station.peer(),
                Ok(false) => return self.enter(port, Direction::FromSwitch, queue, load, headers, wire),
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
                self.queue_copy(peer, RecircId(0), None, frame, wire);
            }
            (Some(port), Load::Owned(packet)) => {
                counters.tx.add(wire);
                self.queue(Arrival { packet, port, recirc: RecircId(0), ct: None });
            }
            (None, Load::Lent(frame)) => self.send(port, frame, wire, true),
            (None, Load::Owned(mut packet)) => {
                self.send(port, &mut packet.frame(), wire, true);
                self.pool.recycle(packet);
            }
        }
    }

    /// Queues a copy of a frame for a lookup.
    pub(crate) fn queue_copy(
        &mut self,
        port: PortId,
        recirc: RecircId,
        ct: Option<Tracked>,
        frame: &Frame<'_>,
        wire: Wire,
    ) {
        match self.pool.own(frame) {
            Some(packet) => self.queue(Arrival { packet, port, recirc, ct }),
            None => self.drop(port, DropReason::PoolExhausted, wire.packets),
        }
    }

    pub(super) fn queue(&mut self, mut arrival: Arrival) {
        if self.arrivals.len() < ARRIVALS {
            self.arrivals.push_back(arrival);
        } else {
            let packets = wire_of(&arrival.packet.frame()).packets;
            self.drop(arrival.port, DropReason::HopLimit, packets);
            self.pool.recycle(arrival.packet);
        }
    }

    /// This worker's number.
    pub(crate) const fn number(&self) -> u16 {
        self.worker
    }

    /// Whether this is the first of the workers.
    pub(crate) const fn is_first(&self) -> bool {
        self.worker == 0
    }

    /// Drops fragments whose datagrams were not completed in time.
    pub(crate) fn give_up_fragments(&mut self, now: Nanos) {
        let gone = self.tracker.fragments().expire(now);
        for (port, packets) in gone {
            for packet in packets {
                self.drop(port, DropReason::FragmentTimeout, 1);
                self.pool.recycle(packet);
            }
        }
    }

    /// A packet for a port of another worker.
    fn hand_over(&mut self, port: PortId, queue: u32, load: Load<'_, '_>, wire: Wire) {
        let worker = self.station(port).map_or(0, |station| station.worker);
        let room = self.handoffs.get(usize::from(worker)).is_some_and(|list| list.len() < HANDOFFS);
        let packet = match load {
            _ if !room => return self.drop(port, DropReason::HandoffFull, wire.packets),
            Load::Lent(frame) => self.pool.own(frame),
            Load::Owned(packet) => Some(packet),
        };
        match (packet, self.handoffs.get_mut(usize::from(worker))) {
            (Some(packet), Some(list)) => list.push(Handoff { packet, port, queue, wire }),
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

/// What a frame is on the wire.
fn wire_of(frame: &Frame<'_>) -> Wire {
    let headers = parse(frame.data()).unwrap_or_default();
    wire(frame.len(), &headers, &frame.offload)
}
