//! Devices that only keep frames: what a node sends lies ready to be read, what it gets is put down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use netloom_datapath::{Budget, Frame, HEADROOM, OffloadCaps, Port, Received, Refused};
use netloom_flow::PortId;
use netloom_packet::Offload;

/// Frames at the devices of a trace.
#[derive(Debug, Clone, Default)]
pub(super) struct Desk(Arc<Mutex<Piles>>);

#[derive(Debug, Default)]
struct Piles {
    /// The frame that is to be read next, and where.
    outgoing: Option<(PortId, Vec<u8>)>,
    arrived: VecDeque<(PortId, Vec<u8>)>,
}

impl Desk {
    fn with<T>(&self, work: impl FnOnce(&mut Piles) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A device.
    pub(super) fn device(&self, port: PortId) -> Box<dyn Port> {
        Box::new(Device { port, desk: self.clone() })
    }

    /// Lays a frame ready at a device.
    pub(super) fn lay(&self, port: PortId, frame: Vec<u8>) {
        self.with(|piles| piles.outgoing = Some((port, frame)));
    }

    /// The next frame that came to a device.
    pub(super) fn take(&self) -> Option<(PortId, Vec<u8>)> {
        self.with(|piles| piles.arrived.pop_front())
    }
}

struct Device {
    port: PortId,
    desk: Desk,
}

impl Port for Device {
    fn receive(&mut self, _: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        let laid = self.desk.with(|piles| piles.outgoing.take_if(|(port, _)| *port == self.port));
        let Some((_, bytes)) = laid else { return Received::default() };
        let mut buffer = vec![0; HEADROOM + bytes.len() + HEADROOM];
        let data = HEADROOM..HEADROOM + bytes.len();
        if let Some(room) = buffer.get_mut(data.clone()) {
            room.copy_from_slice(&bytes);
        }
        if let Some(mut frame) = Frame::new(&mut buffer, data, Offload::default()) {
            sink(&mut frame);
        }
        Received { packets: 1, ..Received::default() }
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let (port, bytes) = (self.port, frame.data().to_vec());
        self.desk.with(|piles| piles.arrived.push_back((port, bytes)));
        Ok(())
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::default()
    }
}
