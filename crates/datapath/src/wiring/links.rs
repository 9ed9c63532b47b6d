//! Links: on at one end, off at the other.

use std::sync::Arc;

use netloom_flow::{DropReason, LinkSettings, PortId, RecircId};
use netloom_packet::{Headers, Wire};

use crate::link::{Gate, Link, Load, Unit};
use crate::port::{Attach, Direction};
use crate::station::Station;
use crate::wiring::board::{Arrival, Wiring};

impl Wiring {
    /// Puts a load on a link direction. What is to leave at once leaves when timers are looked at next, in its turn.
    pub(crate) fn enter(
        &mut self,
        port: PortId,
        way: Direction,
        queue: u32,
        load: Load<'_, '_>,
        headers: &Headers,
        wire: Wire,
    ) {
        let Self { stations, pool, now, counters, .. } = self;
        let Some(station) = stations.get_mut(port.0 as usize).and_then(Option::as_deref_mut) else { return };
        let Station { to_switch, from_switch, counters: port_counters, .. } = station;
        let link = match way {
            Direction::ToSwitch => to_switch,
            Direction::FromSwitch => from_switch,
        };
        let Some(link) = link else { return };
        let losses = Gate { pool, now: *now, queue }.enter(link, load, headers, wire);
        for (reason, lost) in losses.iter() {
            counters.drops.add(reason, lost.packets.into());
            port_counters.drops.add(reason, lost.packets.into());
        }
        if way == Direction::FromSwitch {
            port_counters.tx.add(losses.taken(wire));
        }
        self.set_timer(port, way);
    }

    /// Lets leave one unit that has arrived at the other end of a link, or moves its queue on; sets its timer.
    pub(crate) fn run_link(&mut self, id: u32) {
        let (port, way) = link_of(id);
        let now = self.now;
        if let Some(unit) = self.link(port, way).and_then(|link| link.depart(now)) {
            self.leave(port, way, unit);
        }
        self.set_timer(port, way);
    }

    pub(super) fn set_timer(&mut self, port: PortId, way: Direction) {
        let next = self.link(port, way).and_then(|link| link.next());
        self.timers.set(link_id(port, way), next);
    }

    pub(crate) fn link(&mut self, port: PortId, way: Direction) -> Option<&mut Link> {
        self.station(port)?.link(way).as_deref_mut()
    }

    /// A unit has arrived at the other end of a link.
    fn leave(&mut self, port: PortId, way: Direction, unit: Unit) {
        let Some(station) = self.station(port) else { return };
        let Unit { mut packet, wire, .. } = unit;
        match (way, station.attach) {
            (Direction::ToSwitch, _) => self.queue(Arrival { packet, port, recirc: RecircId(0), ct: None }),
            (Direction::FromSwitch, Attach::Peer(peer)) => {
                self.queue(Arrival { packet, port: peer, recirc: RecircId(0), ct: None });
            }
            (Direction::FromSwitch, Attach::Switch | Attach::Wire(_)) => {
                self.send(port, &mut packet.frame(), wire, false);
                self.pool.recycle(packet);
            }
        }
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
        self.set_timer(port, way);
    }
}

/// The number of a link direction in the timers.
pub(super) const fn link_id(port: PortId, way: Direction) -> u32 {
    port.0 << 1 | way as u32
}

const fn link_of(id: u32) -> (PortId, Direction) {
    (PortId(id >> 1), if id & 1 == 0 { Direction::ToSwitch } else { Direction::FromSwitch })
}
