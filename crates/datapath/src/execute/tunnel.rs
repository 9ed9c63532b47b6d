//! Output by a tunnel port: the frame carries along what flows want of the tunnel.

use netloom_flow::{PortId, TunnelKey};

use crate::execute::{Carried, output, trunc};
use crate::wiring::Wiring;

pub(crate) fn copy(
    wiring: &mut Wiring,
    carried: &mut Carried<'_, '_>,
    port: PortId,
    queue: u32,
    key: &TunnelKey,
    max_len: Option<u32>,
) {
    // What the packet itself came by counts again when it is looked up once more.
    let came_by = carried.frame.meta.tunnel.replace(*key);
    match max_len {
        Some(max_len) => trunc::copy(wiring, carried, port, queue, max_len),
        None => output::enqueue(wiring, carried, port, queue),
    }
    carried.frame.meta.tunnel = came_by;
}
