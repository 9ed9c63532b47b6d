//! VLAN tags come and go at the front of the frame: 12 bytes move, the payload stays.

use netloom_flow::DropReason;
use netloom_packet::edit;
use netloom_packet::parse::MAX_VLANS;
use netloom_packet::vlan::TAG;

use crate::execute::Carried;
use crate::wiring::Wiring;

/// A tag's length as an offset.
const SHIFT: i16 = 4;

/// Pushes a tag; `false`, and the frame dropped, if the headroom is used up (by some sixteen tags).
pub(crate) fn push(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, tpid: u16, tci: u16) -> bool {
    let Carried { frame, headers, .. } = carried;
    // One more than is looked at: the headers are found anew then.
    if headers.vlans >= MAX_VLANS {
        frame.fill();
    }
    if !frame.push_front(TAG) {
        wiring.drop(carried.in_port, DropReason::Malformed, carried.wire.packets);
        return false;
    }
    if edit::push_vlan(frame.front_mut(), tpid, tci) {
        *headers = headers.vlan_pushed(frame.front());
        frame.offload = frame.offload.shifted(SHIFT);
        carried.recount();
    }
    true
}

pub(crate) fn pop(carried: &mut Carried<'_, '_>) {
    let Carried { frame, headers, .. } = carried;
    if edit::pop_vlan(frame.front_mut(), headers) && frame.pop_front(TAG) {
        *headers = headers.vlan_popped(frame.front());
        frame.offload = frame.offload.shifted(-SHIFT);
        carried.recount();
    }
}
