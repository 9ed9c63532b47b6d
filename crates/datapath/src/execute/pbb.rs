//! Backbone headers (802.1ah) come and go before everything else.
//!
//! ```text
//! | b-dst 6 | b-src 6 | B-tags | 0x88e7 | I-TAG 4 | customer's frame: c-dst, c-src, ...
//! ```

use netloom_flow::DropReason;
use netloom_packet::bytes::put;
use netloom_packet::ethernet::HEADER as ETHERNET;

use crate::execute::{Carried, wire};
use crate::wiring::Wiring;

const TYPE: u16 = 0x88e7;
/// The service tag's length.
const ITAG: usize = 4;

/// Pushes a header; `false`, and the frame dropped, if the headroom is used up. The frame is no super-packet: no
/// device cuts behind the header.
pub(crate) fn push(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, itag: u32) -> bool {
    wire::finish(carried);
    let frame = &mut *carried.frame;
    if frame.len() < ETHERNET || !frame.push_front(ETHERNET + ITAG) {
        wiring.drop(carried.in_port, DropReason::Malformed, carried.wire.packets);
        return false;
    }
    let data = frame.data_mut();
    let addresses = ETHERNET + ITAG..ETHERNET + ITAG + 12;
    data.copy_within(addresses, 0);
    put(data, 12, TYPE.to_be_bytes());
    put(data, ETHERNET, itag.to_be_bytes());
    carried.reparse();
    true
}

/// Pops the header, if there is one with a whole Ethernet header behind it.
pub(crate) fn pop(carried: &mut Carried<'_, '_>) {
    wire::finish_one(carried);
    let all = usize::from(carried.headers.l2_len) + ITAG;
    if carried.headers.eth_type == TYPE
        && carried.frame.len() >= all + ETHERNET
        && carried.frame.pop_front(all)
    {
        carried.reparse();
    }
}
