//! A frame while actions are carried out on it.

use netloom_flow::PortId;
use netloom_packet::{Csum, Gso, Headers, Wire, checksum, wire};

use crate::conntrack::Tracked;
use crate::frame::Frame;

/// A frame and what is known of it, kept true by every action.
#[derive(Debug)]
pub(crate) struct Carried<'a, 'b> {
    pub(crate) frame: &'a mut Frame<'b>,
    pub(crate) headers: Headers,
    pub(crate) wire: Wire,
    pub(crate) in_port: PortId,
    /// What tracking has said of it here.
    pub(crate) ct: Option<Tracked>,
}

impl Carried<'_, '_> {
    /// After an action that made the frame longer or shorter.
    pub(super) fn recount(&mut self) {
        self.wire = wire(self.frame.len(), &self.headers, &self.frame.offload);
    }

    /// Completes a checksum whose field lies beyond the first `head` bytes (behind long IPv6 extension headers).
    pub(super) fn finish_far_checksum(&mut self, head: usize) {
        if let Csum::Partial { start, offset } = self.frame.offload.csum
            && usize::from(start) + usize::from(offset) + 2 > head
            && self.frame.offload.gso == Gso::None
        {
            let mut offload = self.frame.offload;
            if checksum::complete(self.frame.data_mut(), &mut offload).is_ok() {
                self.frame.offload = offload;
            }
        }
    }
}
