//! Wire by wire: for actions that have to see each packet as it is on the wire, a super-packet is cut.

use std::num::NonZeroU32;

use netloom_flow::DropReason;
use netloom_packet::{Gso, checksum, parse, segment, wire};

use crate::execute::Carried;
use crate::wiring::Wiring;

/// Calls `each` for every wire packet a frame stands for, in order. A frame that is one is lent as it is; the parts of
/// a super-packet are copies of their own.
pub(crate) fn each(
    wiring: &mut Wiring,
    carried: &mut Carried<'_, '_>,
    each: &mut dyn FnMut(&mut Wiring, &mut Carried<'_, '_>),
) {
    if carried.frame.offload.gso == Gso::None {
        return each(wiring, carried);
    }
    let (in_port, meta, ct) = (carried.in_port, carried.frame.meta, carried.ct);
    let (headers, offload) = (carried.headers, carried.frame.offload);
    let mut left = carried.wire.packets;
    let Ok(mut cutter) = segment::cut(carried.frame.data(), &headers, &offload, NonZeroU32::MIN) else {
        return wiring.drop(in_port, DropReason::Malformed, left);
    };
    while left > 0 {
        let Some(mut packet) = wiring.pool.blank(cutter.longest()) else {
            return wiring.drop(in_port, DropReason::PoolExhausted, left);
        };
        let mut frame = packet.frame();
        if let Ok(Some(unit)) = cutter.next_into(frame.data_mut()) {
            frame.truncate(unit.len);
            (frame.offload, frame.meta) = (unit.offload, meta);
            let headers = parse(frame.data()).unwrap_or_default();
            let wire = wire(frame.len(), &headers, &frame.offload);
            each(wiring, &mut Carried { frame: &mut frame, headers, wire, in_port, ct });
            left = left.saturating_sub(1);
        } else {
            left = 0;
        }
        wiring.pool.recycle(packet);
    }
}

/// Completes what is left open of a frame's checksum.
pub(crate) fn finish(carried: &mut Carried<'_, '_>) {
    let mut offload = carried.frame.offload;
    if checksum::complete(carried.frame.data_mut(), &mut offload).is_ok() {
        carried.frame.offload = offload;
    }
}

/// The same unless the frame is still to be cut: before headers in front of the checksum go, and its place with them.
pub(crate) fn finish_one(carried: &mut Carried<'_, '_>) {
    if carried.frame.offload.gso == Gso::None {
        finish(carried);
    }
}
