//! Recirculate with actions behind it: a copy is looked up again, after this frame is through.

use netloom_flow::RecircId;

use crate::execute::Carried;
use crate::wiring::Wiring;

pub(crate) fn copy(wiring: &mut Wiring, carried: &Carried<'_, '_>, id: RecircId) {
    wiring.queue_copy(carried.in_port, id, carried.ct, carried.frame, carried.wire);
}
