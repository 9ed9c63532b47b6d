//! Drop: nothing more happens to the frame, and it is counted.

use netloom_flow::DropReason;

use crate::execute::Carried;
use crate::wiring::Wiring;

#[cold]
pub(crate) fn count(wiring: &mut Wiring, carried: &Carried<'_, '_>, reason: DropReason) {
    wiring.drop(carried.in_port, reason, carried.wire.packets);
}
