//! Ethernet headers and Network Service Headers come and go.
//!
//! A packet that OpenFlow calls bare has an Ethernet header here all the same, whose addresses nobody looks at: so
//! whatever moves frames need not know of others.
//!
//! ```text
//! push_eth:  | 0 0 type | the frame as it was        push_nsh:  | dst src 0x894f | NSH | what was behind Ethernet
//! ```

use netloom_flow::DropReason;
use netloom_packet::bytes::{put, put16};
use netloom_packet::ethernet::HEADER as ETHERNET;
use netloom_packet::nsh::{self, Nsh};

use crate::execute::{Carried, wire};
use crate::wiring::Wiring;

/// Pushes an Ethernet header without addresses in front of the whole frame; `false`, and the frame dropped, if the
/// headroom is used up. The frame is no super-packet: no device cuts behind a second header.
pub(crate) fn push_eth(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, ethertype: u16) -> bool {
    wire::finish(carried);
    if !carried.frame.push_front(ETHERNET) {
        wiring.drop(carried.in_port, DropReason::Malformed, carried.wire.packets);
        return false;
    }
    let data = carried.frame.data_mut();
    put(data, 0, [0; 12]);
    put16(data, 12, ethertype);
    carried.reparse();
    true
}

/// Pops the Ethernet header, if another one is behind it; `false`, and the frame dropped, if there is none.
pub(crate) fn pop_eth(wiring: &mut Wiring, carried: &mut Carried<'_, '_>) -> bool {
    wire::finish_one(carried);
    let at = usize::from(carried.headers.l2_len);
    if carried.frame.len() < at + ETHERNET || !carried.frame.pop_front(at) {
        wiring.drop(carried.in_port, DropReason::Malformed, carried.wire.packets);
        return false;
    }
    carried.reparse();
    true
}

/// Pushes a Network Service Header behind Ethernet; `false`, and the frame dropped, if the headroom is used up. The
/// frame is no super-packet.
pub(crate) fn push_nsh(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, header: &[u8]) -> bool {
    wire::finish(carried);
    let at = usize::from(carried.headers.l2_len);
    let frame = &mut *carried.frame;
    if at < ETHERNET || frame.len() < at || !frame.push_front(header.len()) {
        wiring.drop(carried.in_port, DropReason::Malformed, carried.wire.packets);
        return false;
    }
    let data = frame.data_mut();
    data.copy_within(header.len()..header.len() + at, 0);
    if let Some(place) = data.get_mut(at..at + header.len()) {
        place.copy_from_slice(header);
    }
    put16(data, at - 2, nsh::TYPE);
    carried.reparse();
    true
}

/// Pops a Network Service Header behind Ethernet, if there is one; `false`, and the frame dropped, if there is none.
pub(crate) fn pop_nsh(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, ethertype: u16) -> bool {
    wire::finish_one(carried);
    let at = usize::from(carried.headers.l2_len);
    let header = Nsh::of(carried.frame.data(), &carried.headers);
    let Some(len) = header.map(|header| usize::from(header.len)).filter(|_| at >= ETHERNET) else {
        wiring.drop(carried.in_port, DropReason::Malformed, carried.wire.packets);
        return false;
    };
    let frame = &mut *carried.frame;
    frame.data_mut().copy_within(..at, len);
    if frame.pop_front(len) {
        put16(frame.data_mut(), at - 2, ethertype);
    }
    carried.reparse();
    true
}
