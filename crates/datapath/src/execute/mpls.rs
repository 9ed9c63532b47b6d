//! MPLS headers come and go behind Ethernet and VLAN headers.

use netloom_flow::{CopyTtl, DropReason};
use netloom_packet::bytes::{be16, put, put16};
use netloom_packet::{Malformed, checksum, parse};

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
    wire::finish_one(carried);
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

/// Copies the TTL between the only header and IP behind it; nothing where there is no such pair.
pub(crate) fn copy_ttl(carried: &mut Carried<'_, '_>, direction: CopyTtl) {
    let at = usize::from(carried.headers.l2_len);
    let data = carried.frame.data_mut();
    let (outer, ip) = (at + 3, at + LSE);
    let inner = match data.get(ip).map(|first| first >> 4) {
        Some(4) if data.len() >= ip + 20 => ip + 8,
        Some(6) if data.len() >= ip + 40 => ip + 7,
        _ => return,
    };
    let is_only = carried.headers.mpls == 1 && data.get(at + 2).is_some_and(|bottom| bottom & 1 == 1);
    let (Some(&label), Some(&hops)) = (data.get(outer), data.get(inner)) else { return };
    match direction {
        _ if !is_only => {}
        CopyTtl::Out => _ = put(data, outer, [hops]),
        CopyTtl::In => {
            _ = put(data, inner, [label]);
            if inner == ip + 8 {
                let old = be16(data, ip + 10).unwrap_or(0);
                put16(data, ip + 10, checksum::update(old, u16::from(hops) << 8, u16::from(label) << 8));
            }
        }
    }
}

impl Carried<'_, '_> {
    /// After headers came or went.
    pub(crate) fn reparse(&mut self) {
        let parsed: Result<_, Malformed> = parse(self.frame.data());
        self.headers = parsed.unwrap_or_default();
        self.recount();
    }
}
