//! Queues of ports, and what may come in by them.

use std::num::NonZeroU32;
use std::sync::Arc;

use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{DropReason, LinkSettings, Policing, PortId, Qos};
use netloom_packet::{Headers, Wire, parse, segment, wire};

use crate::frame::Frame;
use crate::link::{Classes, Link};
use crate::port::Direction;
use crate::qos::{Policer, PolicerSettings, SharedPolicer};
use crate::wiring::board::Wiring;

impl Wiring {
    /// Gives a port queues, changes them in place, or takes them away.
    pub(crate) fn set_qos(&mut self, port: PortId, qos: Option<&Qos>) {
        let (seed, now) = (self.seed, self.now);
        let counters = Arc::clone(&self.counters);
        let Some(station) = self.station(port) else { return };
        let link_seed = station.link_seed;
        let way = Direction::FromSwitch;
        let link = match (station.link(way), qos) {
            (None, None) => return,
            (Some(link), _) => link,
            (none @ None, Some(_)) => {
                let report = counters.add_link(port, way);
                none.insert(Box::new(Link::new(seed, link_seed, way as u64, LinkSettings::default(), report)))
            }
        };
        let of = |queue| counters.add_queue(port, queue, now);
        match (qos, link.classes(now)) {
            (Some(qos), Some(classes)) => classes.change(qos, &of, now),
            (Some(qos), None) => {
                let classes = Classes::new(qos, link.settings(), &of, now);
                link.set_classes(Some(classes), now);
            }
            (None, Some(_)) => link.set_classes(None, now),
            (None, None) => {}
        }
        let wanted = |queue| qos.is_some_and(|qos| queue == DEFAULT_QUEUE || qos.queues.contains_key(&queue));
        counters.keep_queues(port, wanted);
        self.set_timer(port, way);
    }

    /// Sets what may come in by a port, from now on.
    pub(crate) fn set_policing(&mut self, port: PortId, policing: Option<Policing>) {
        let now = self.now;
        let Some(station) = self.station(port) else { return };
        let settings = policing.map(|policing| PolicerSettings {
            bits: policing.rate,
            burst_bits: policing.burst.map(|bytes| bytes.saturating_mul(8)),
            packets: policing.packet_rate,
            burst_packets: policing.packet_burst,
        });
        station.police.own = settings.map(|settings| Box::new(Policer::new(&settings, now)));
    }

    /// Sets what may come in by a port together with others.
    pub(crate) fn set_shared(&mut self, port: PortId, policer: Option<Arc<SharedPolicer>>) {
        if let Some(station) = self.station(port) {
            station.police.shared = policer;
        }
    }

    /// What of a frame may come in: all of it, its first wire packets, or nothing (`None`).
    #[cold]
    pub(super) fn police(
        &mut self,
        port: PortId,
        frame: &mut Frame<'_>,
        headers: &Headers,
        whole: Wire,
    ) -> Option<(Headers, Wire)> {
        let now = self.now;
        let police = &mut self.station(port)?.police;
        let own = police.own.as_deref_mut().map_or(whole.packets, |policer| policer.admit(whole, now));
        let passed = match &police.shared {
            Some(shared) if own > 0 => shared.admit(first(whole, own), now),
            _ => own,
        };
        if passed >= whole.packets {
            return Some((*headers, whole));
        }
        if own < whole.packets {
            self.drop(port, DropReason::Policed, whole.packets - own);
        }
        if passed < own {
            self.drop(port, DropReason::Quota, own - passed);
        }
        self.cut_to(frame, headers, NonZeroU32::new(passed)?)
    }

    /// Shortens a super-packet to its first segments.
    fn cut_to(
        &mut self,
        frame: &mut Frame<'_>,
        headers: &Headers,
        first: NonZeroU32,
    ) -> Option<(Headers, Wire)> {
        frame.fill();
        let mut cutter = segment::cut(frame.data(), headers, &frame.offload, first).ok()?;
        let unit = cutter.next_into(&mut self.scratch).ok().flatten()?;
        let part = self.scratch.get(..unit.len)?;
        frame.data_mut().get_mut(..unit.len)?.copy_from_slice(part);
        frame.truncate(unit.len);
        frame.offload = unit.offload;
        let headers = parse(frame.data()).ok()?;
        Some((headers, wire(frame.len(), &headers, &frame.offload)))
    }
}

/// The first of the packets of `whole`; the last of them may be shorter than the others.
fn first(whole: Wire, packets: u32) -> Wire {
    if packets >= whole.packets {
        return whole;
    }
    let each = whole.bytes.div_ceil(u64::from(whole.packets));
    Wire { packets, bytes: each * u64::from(packets) }
}
