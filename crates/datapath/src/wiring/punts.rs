//! Packets for controllers, on their way to the slow path.

use netloom_flow::DropReason;

use crate::port::Slowpath;
use crate::wiring::{Punted, Wiring};

impl Wiring {
    /// Hands up what the frame that was just passed on has left for controllers.
    #[inline]
    pub(crate) fn hand_up(&mut self, slow: &mut dyn Slowpath) {
        if !self.punts.is_empty() {
            self.hand_up_all(slow);
        }
    }

    #[cold]
    fn hand_up_all(&mut self, slow: &mut dyn Slowpath) {
        let mut punts = std::mem::take(&mut self.punts);
        for Punted { packet, punt, port } in punts.drain(..) {
            if !slow.punt(&punt, packet.data(), self.now) {
                self.drop(port, DropReason::ControllerFull, 1);
            }
            self.pool.recycle(packet);
        }
        self.punts = punts;
    }
}
