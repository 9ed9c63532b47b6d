//! Packets that come from nowhere: a controller made them, or sends one on that it was given.

use std::sync::Arc;

use netloom_flow::{DropReason, Nanos, PortId, Translation};
use netloom_packet::{parse, wire};

use crate::execute::{self, Carried, Next};
use crate::link::Load;
use crate::pass::WORK;
use crate::port::Slowpath;
use crate::wiring::Arrival;
use crate::worker::Worker;

impl Worker {
    /// Carries out a translation on a packet that no port received. It counts as one hit, and the translation is
    /// retired: it is for this packet only.
    ///
    /// `in_port` is where drops are counted and what a further lookup says the packet came by.
    pub fn inject(
        &mut self,
        in_port: PortId,
        frame: &[u8],
        translation: &Arc<Translation>,
        now: Nanos,
        slow: &mut dyn Slowpath,
    ) {
        self.inject_next(in_port, frame, translation, now, slow);
        self.wiring.flush();
    }

    /// The same for one of several: devices send what they have batched at [`Self::flush`].
    pub fn inject_next(
        &mut self,
        in_port: PortId,
        frame: &[u8],
        translation: &Arc<Translation>,
        now: Nanos,
        slow: &mut dyn Slowpath,
    ) {
        self.wiring.now = now;
        self.work = WORK;
        self.carry(in_port, frame, translation, now);
        translation.hits.retire();
        self.wiring.hand_up(slow);
        self.pass_arrivals(slow);
    }

    fn carry(&mut self, in_port: PortId, frame: &[u8], translation: &Translation, now: Nanos) {
        let tenant = self.wiring.station(in_port).map(|station| station.tenant).unwrap_or_default();
        let Some(mut packet) = self.wiring.pool.blank(frame.len()) else {
            return self.wiring.drop(in_port, DropReason::PoolExhausted, 1);
        };
        let mut lent = packet.frame();
        lent.data_mut().copy_from_slice(frame);
        (lent.meta.at, lent.meta.tenant) = (now, tenant);
        let Ok(headers) = parse(lent.data()) else {
            return self.wiring.drop(in_port, DropReason::Malformed, 1);
        };
        let wire = wire(lent.len(), &headers, &lent.offload);
        let mut carried = Carried { frame: &mut lent, headers, wire, in_port, ct: None };
        let next = execute::run(&mut self.wiring, &mut carried, &translation.actions);
        let Carried { headers, wire, ct, .. } = carried;
        translation.hits.add(1, frame.len() as u64, 0, now);
        let state = lent.state();
        packet.settle(state);
        match next {
            Next::Done => self.wiring.pool.recycle(packet),
            Next::Send(port) => self.wiring.output(port, Load::Owned(packet), &headers, wire),
            Next::Again(recirc) => {
                self.wiring.arrivals.push_back(Arrival { packet, port: in_port, recirc, ct });
            }
        }
    }
}
