//! Output: the frame, as it is now, leaves by a port, and goes on to further actions.

use netloom_flow::PortId;

use crate::execute::Carried;
use crate::link::Load;
use crate::wiring::Wiring;

#[inline]
pub(crate) fn copy(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, port: PortId) {
    wiring.output(port, Load::Lent(carried.frame), &carried.headers, carried.wire);
}

/// The same by a queue of the port.
pub(crate) fn enqueue(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, port: PortId, queue: u32) {
    wiring.enqueue(port, queue, Load::Lent(carried.frame), &carried.headers, carried.wire);
}
