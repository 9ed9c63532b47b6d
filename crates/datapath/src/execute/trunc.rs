//! Truncated output: the first bytes of each wire packet leave by a port. The frame itself stays whole.

use netloom_flow::{DropReason, PortId};
use netloom_packet::{Offload, Wire, parse};

use crate::execute::{Carried, wire};
use crate::link::Load;
use crate::wiring::Wiring;

pub(crate) fn copy(
    wiring: &mut Wiring,
    carried: &mut Carried<'_, '_>,
    port: PortId,
    queue: u32,
    max_len: u32,
) {
    let max_len = usize::try_from(max_len).unwrap_or(usize::MAX);
    wire::each(wiring, carried, &mut |wiring, carried| {
        wire::finish(carried);
        let Some(mut packet) = wiring.pool.own(carried.frame) else {
            return wiring.drop(carried.in_port, DropReason::PoolExhausted, 1);
        };
        let mut frame = packet.frame();
        frame.truncate(max_len);
        frame.offload = Offload::default();
        let state = frame.state();
        let headers = parse(frame.data()).unwrap_or_default();
        let wire = Wire { packets: 1, bytes: frame.len() as u64 };
        packet.settle(state);
        wiring.enqueue(port, queue, Load::Owned(packet), &headers, wire);
    });
}
