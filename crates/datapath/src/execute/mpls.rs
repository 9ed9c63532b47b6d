//! MPLS headers come and go behind Ethernet and VLAN headers.

use netloom_flow::DropReason;
use netloom_packet::bytes::put16;
use netloom_packet::{Malformed, parse};

use crate::execute::{Carried, wire};
use crate::wiring::Wiring;

/// A header's length.
const LSE: usize = 4;

/// Pushes a header; `false`, and the frame dropped, if the headroom is used up or there is no Ethernet type to change.
/// The frame is no super-packet: no device cuts behind MPLS.
pub(crate) fn push(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, ethertype: u16, lse: u32) -> bool {
    wire::finish(carried);
    let at = usize::from(carried.headers.l2_len);
    let frame = &mut *carried.frame;
    let fits = at >= 14 && frame.len() >= at && frame.push_front(LSE);
    if !fits {
        wiring.drop(carried.in_port, DropReason::Malformed, carried.wire.packets);
        return false;
    }
    let data = frame.data_mut();
    data.copy_within(LSE..LSE + at, 0);
    if let Some(place) = data.get_mut(at..at + LSE) {
        place.copy_from_slice(&lse.to_be_bytes());
    }
    put16(data, at - 2, ethertype);
    carried.reparse();
    true
}

/// Pops the outermost header, if there is one.
pub(crate) fn pop(carried: &mut Carried<'_, '_>, ethertype: u16) {
    let at = usize::from(carried.headers.l2_len);
    let frame = &mut *carried.frame;
    if carried.headers.mpls == 0 || at < 14 || frame.len() < at + LSE {
        return;
    }
    let data = frame.data_mut();
    data.copy_within(..at, LSE);
    if frame.pop_front(LSE) {
        put16(frame.data_mut(), at - 2, ethertype);
        carried.reparse();
    }
}

impl Carried<'_, '_> {
    /// After the Ethernet type changed.
    fn reparse(&mut self) {
        let parsed: Result<_, Malformed> = parse(self.frame.data());
        self.headers = parsed.unwrap_or_default();
        self.recount();
    }
}
