//! Frames whose end is somewhere else, as those of virtual machines are.

use std::sync::atomic::{AtomicU8, Ordering};

use netloom_datapath::{Body, Frame, HEADROOM};
use netloom_testkit::Packet;

/// Bytes that are at hand: the headers of some packets, and much less than a driver has.
const FRONT: usize = 64;

struct Elsewhere(Vec<AtomicU8>);

impl Body for Elsewhere {
    fn read(&self, skip: usize, to: &mut [u8]) {
        let from = &self.0[skip..skip + to.len()];
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
    }

    fn pieces(&self) -> &[&[AtomicU8]] {
        &[]
    }
}

/// Lends a packet; a long one with its front only, and behind it what is not to be seen.
pub(crate) fn lend(buffer: &mut Vec<u8>, packet: &Packet, sink: &mut dyn FnMut(&mut Frame<'_>)) {
    buffer.clear();
    buffer.resize(HEADROOM, 0xa5);
    let front = packet.bytes.len().min(FRONT);
    buffer.extend(&packet.bytes[..front]);
    let rest = packet.bytes.len() - front;
    buffer.resize(buffer.len() + rest, 0x5a);
    let body = Elsewhere(packet.bytes[front..].iter().map(|byte| AtomicU8::new(*byte)).collect());
    let front = HEADROOM..HEADROOM + front;
    let frame = Frame::with_body(buffer, front, &body, rest, packet.offload);
    sink(&mut frame.expect("there is room"));
}
