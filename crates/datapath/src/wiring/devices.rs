//! Devices: the end of a frame's way.

use netloom_flow::{DropReason, PortId};
use netloom_packet::Wire;

use crate::frame::Frame;
use crate::port::Refused;
use crate::station::Late;
use crate::transmit;
use crate::wiring::board::Wiring;

impl Wiring {
    /// Hands a frame to a device; `count`: as sent by the port, which a link in front of the device has done before.
    pub(super) fn send(&mut self, port: PortId, frame: &mut Frame<'_>, wire: Wire, count: bool) {
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
            transmit::Sent::one(transmit::hand_over(&mut **driver, frame), wire)
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
}

impl From<Refused> for DropReason {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::DeviceFull,
            Refused::Error(_) => Self::DeviceError,
            Refused::Packet(reason) => reason,
        }
    }
}
