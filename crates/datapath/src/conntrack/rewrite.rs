//! Writing into packets what translation says: addresses, ports, ids, the packet within an error, and texts.

use netloom_packet::bytes::{array_mut, be16, be32, put, put16};
use netloom_packet::checksum::{self, Sum, update};
use netloom_packet::edit::Edit;
use netloom_packet::parse::{FRAG_ANY, ip_proto};
use netloom_packet::{Csum, Headers};

use super::helper::Replacement;
use super::inner::Inner;
use super::sequence::Shift;
use super::tracker::Rewrite;
use super::tuple::narrow;
use crate::frame::Frame;

/// Translates a packet, or a fragment of one.
pub(crate) fn rewrite(data: &mut [u8], headers: &Headers, csum: Csum, rewrite: &Rewrite) {
    let Rewrite { to, source, destination, is_error } = rewrite;
    if *is_error && headers.frag & FRAG_ANY == 0 {
        within(data, headers, rewrite);
    }
    let mut edit = Edit::new(data, headers, csum);
    if *source {
        _ = if to.is_ipv6 { edit.ipv6_src(to.src.to_be_bytes()) } else { edit.ipv4_src(narrow(to.src)) };
    }
    if *destination {
        _ = if to.is_ipv6 { edit.ipv6_dst(to.dst.to_be_bytes()) } else { edit.ipv4_dst(narrow(to.dst)) };
    }
    if *is_error {
        return;
    }
    if to.is_icmp() {
        edit.icmp_id(to.src_port);
        return;
    }
    if *source {
        edit.l4_src(to.src_port);
    }
    if *destination {
        edit.l4_dst(to.dst_port);
    }
}

/// Translates the packet that an error is about. It went the other way, and its sender is to know it again.
fn within(data: &mut [u8], headers: &Headers, rewrite: &Rewrite) -> Option<()> {
    let inner = Inner::of(data, headers)?;
    let area = inner.l3..inner.end;
    let before = Sum::ZERO.bytes(data.get(area.clone())?).fold();
    let (address, port) = if inner.is_ipv6 { ((8, 24), 16) } else { ((12, 16), 4) };
    if rewrite.destination {
        change_address(data, &inner, address.0, port, rewrite.to.dst);
        change_port(data, &inner, 0, rewrite.to.dst_port);
    }
    if rewrite.source {
        change_address(data, &inner, address.1, port, rewrite.to.src);
        change_port(data, &inner, 2, rewrite.to.src_port);
    }
    let after = Sum::ZERO.bytes(data.get(area)?).fold();
    let at = usize::from(headers.l4) + 2;
    put16(data, at, update(be16(data, at)?, before, after)).then_some(())
}

/// Changes an address of the inner packet, with its own checksums as far as they are there.
fn change_address(data: &mut [u8], inner: &Inner, at: usize, len: usize, to: u128) -> Option<()> {
    let place = inner.l3 + at;
    let bytes = to.to_be_bytes();
    let new = bytes.get(16 - len..)?;
    let old = data.get_mut(place..place + len)?;
    let before = Sum::ZERO.bytes(old).fold();
    old.copy_from_slice(new);
    let after = Sum::ZERO.bytes(new).fold();
    if !inner.is_ipv6 {
        let check = inner.l3 + 10;
        put16(data, check, update(be16(data, check)?, before, after));
    }
    if inner.proto != ip_proto::ICMP {
        change_check(data, inner, before, after);
    }
    Some(())
}

fn change_port(data: &mut [u8], inner: &Inner, at: usize, to: u16) -> Option<()> {
    let place = match inner.proto {
        ip_proto::ICMP | ip_proto::ICMPV6 => inner.l4 + 4,
        ip_proto::TCP | ip_proto::UDP | ip_proto::SCTP => inner.l4 + at,
        _ => return None,
    };
    let old = be16(data, place)?;
    put16(data, place, to);
    change_check(data, inner, old, to)
}

/// Updates the checksum of the inner packet's protocol, if it is among the bytes that are there.
fn change_check(data: &mut [u8], inner: &Inner, before: u16, after: u16) -> Option<()> {
    let at = match inner.proto {
        ip_proto::TCP => 16,
        ip_proto::UDP => 6,
        ip_proto::ICMP | ip_proto::ICMPV6 => 2,
        _ => return None,
    };
    let place = inner.l4 + at;
    let check = be16(data.get(..inner.end)?, place)?;
    if check == 0 && inner.proto == ip_proto::UDP {
        return None;
    }
    put16(data, place, update(check, before, after)).then_some(())
}

/// Moves the sequence numbers of a TCP segment.
pub(crate) fn shift(data: &mut [u8], headers: &Headers, csum: Csum, [here, there]: [Shift; 2]) {
    let l4 = usize::from(headers.l4);
    let (Some(seq), Some(ack)) = (be32(data, l4 + 4), be32(data, l4 + 8)) else { return };
    let blocks = if there.is_none() { Vec::new() } else { acknowledged(data, headers) };
    let numbers: Vec<(usize, u32)> =
        blocks.into_iter().filter_map(|at| Some((at, there.acked(be32(data, l4 + at)?)))).collect();
    let mut edit = Edit::new(data, headers, csum);
    if !here.is_none() {
        edit.tcp_word(4, here.sent(seq));
    }
    if !there.is_none() {
        edit.tcp_word(8, there.acked(ack));
        numbers.into_iter().for_each(|(at, number)| _ = edit.tcp_word(at, number));
    }
}

/// Where selective acknowledgements have numbers, from the beginning of the TCP header on.
///
/// Source: RFC 2018 section 3: kind 5, length, pairs of 32 bits.
fn acknowledged(data: &[u8], headers: &Headers) -> Vec<usize> {
    let (l4, payload) = (usize::from(headers.l4), usize::from(headers.payload));
    let (mut at, mut places) = (l4 + 20, Vec::new());
    while at < payload {
        let (kind, len) = match data.get(at..) {
            Some([0, ..] | []) | None => break,
            Some([1, ..]) => (1, 1),
            Some([kind, len, ..]) if *len >= 2 => (*kind, usize::from(*len)),
            Some(_) => break,
        };
        if kind == 5 && at + len <= payload {
            places.extend(
                (at + 2..at + len).step_by(4).filter(|place| place + 4 <= at + len).map(|place| place - l4),
            );
        }
        at += len;
    }
    places
}

/// Puts a text into the payload of a TCP segment that is no super-packet. `false`: there is no room for it.
pub(crate) fn replace(frame: &mut Frame<'_>, headers: &mut Headers, replacement: &Replacement) -> bool {
    let Replacement { range, text } = replacement;
    let (from, to) = (usize::from(headers.payload) + range.start, usize::from(headers.payload) + range.end);
    let end = headers.end as usize;
    if to > end || end > frame.len() || headers.payload == 0 {
        return false;
    }
    // Headers move, and what follows the text stays where it is.
    if text.len() > range.len() {
        let by = text.len() - range.len();
        if !frame.push_front(by) {
            return false;
        }
        frame.data_mut().copy_within(by..by + from, 0);
    } else {
        let by = range.len() - text.len();
        frame.data_mut().copy_within(..from, by);
        if !frame.pop_front(by) {
            return false;
        }
    }
    if let Some(place) = frame.data_mut().get_mut(from..from + text.len()) {
        place.copy_from_slice(text.as_bytes());
    }
    let Ok(new_end) = u32::try_from(end + text.len() - range.len()) else { return false };
    headers.end = new_end;
    lengthen(frame, headers).is_some()
}

/// Puts right lengths and checksums of a segment whose payload has changed.
fn lengthen(frame: &mut Frame<'_>, headers: &Headers) -> Option<()> {
    let csum = frame.offload.csum;
    let data = frame.data_mut();
    let (l3, l4, end) = (usize::from(headers.l3), usize::from(headers.l4), headers.end as usize);
    if headers.is_ipv4() {
        let length = u16::try_from(end - l3).ok()?;
        let old = be16(data, l3 + 2)?;
        put16(data, l3 + 2, length);
        put16(data, l3 + 10, update(be16(data, l3 + 10)?, old, length));
    } else {
        put16(data, l3 + 4, u16::try_from(end - l3 - 40).ok()?);
    }
    let field = checksum::l4_field(headers)?;
    let pseudo = checksum::pseudo(data, headers, u32::try_from(end - l4).ok()?)?;
    if matches!(csum, Csum::Partial { .. }) {
        put16(data, field, pseudo.fold());
    } else {
        *array_mut::<2>(data, field)? = [0; 2];
        let check = pseudo.bytes(data.get(l4..end)?).finish();
        put(data, field, check.to_be_bytes());
    }
    Some(())
}
