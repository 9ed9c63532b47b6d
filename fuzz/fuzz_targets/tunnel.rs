//! Anything at all as packets of an underlay: take them apart as every kind of tunnel, put STT frames together, write
//! what was read once more.
//!
//! Layout of an input: 1 byte state of the checksum and which tunnel's port it came to, then packets: 2 bytes length,
//! the frame.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use netloom_packet::build::Ends;
use netloom_packet::too_big::{self, Router};
use netloom_packet::tunnel::stt::{self, Arrived, Limits, PieceHeader, Reassembly, Segment};
use netloom_packet::tunnel::vxlan::Extension;
use netloom_packet::tunnel::{BadTunnel, Encap, Header, Kind, Outer, Parsed, inherit, parse};
use netloom_packet::{Csum, Headers, Mac, Offload, mss, parse as parse_frame, segment};

const LIMITS: Limits =
    Limits { peer_bytes: 80_000, total_bytes: 200_000, timeout: Duration::from_millis(10) };

fuzz_target!(|input: &[u8]| {
    let Some((choice, mut rest)) = input.split_first() else { return };
    let csum = if choice & 1 == 0 { Csum::Valid } else { Csum::Complete };
    let kind = match choice >> 1 & 7 {
        0 => Kind::Vxlan(Extension::None),
        1 => Kind::Vxlan(Extension::Gbp),
        2 => Kind::Vxlan(Extension::Gpe),
        3 => Kind::Geneve,
        _ => Kind::Gre,
    };
    let mut reassembly = Reassembly::new(LIMITS);
    let mut now = Duration::ZERO;
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(more.len());
        let (frame, more) = more.split_at(length);
        rest = more;
        now += Duration::from_millis(1);
        let Ok(headers) = parse_frame(frame) else { continue };
        if let Ok(parsed) = parse(frame, &headers, csum, kind, choice & 0x80 != 0) {
            tunnelled(frame, &parsed);
        }
        if let Ok(segment) = Segment::of(frame, &headers, csum) {
            as_a_socket_hands_it_over(frame, &headers, &segment);
            reassembled(&mut reassembly, &segment, now);
        }
        answered(frame, &headers, csum);
    }
});

/// What is inside lies inside; headers that were read are written to be read alike.
fn tunnelled(frame: &[u8], parsed: &Parsed<'_>) {
    let inner = frame.get(parsed.inner.clone()).expect("inside");
    let outer =
        Outer { csum: parsed.underlay.csum, ..Outer::new(Mac::ZERO, Mac::ZERO, parsed.underlay.ends) };
    let encap = Encap { outer, header: parsed.header };
    let mut buffer = [&vec![0; encap.len()], inner].concat();
    let Ok(pushed) = encap.push(&mut buffer, encap.len(), &Offload::PLAIN) else {
        assert!(buffer.len() > 65_000, "it came in a packet, so it goes into one");
        return;
    };
    assert_eq!((pushed.at, &buffer[encap.len()..]), (0, inner));
    let headers = parse_frame(&buffer).expect("a frame");
    let kind = match parsed.header {
        Header::Vxlan(vxlan) if vxlan.gbp.is_some() => Kind::Vxlan(Extension::Gbp),
        Header::Vxlan(vxlan) if vxlan.next.is_some() => Kind::Vxlan(Extension::Gpe),
        Header::Vxlan(_) => Kind::Vxlan(Extension::None),
        Header::Geneve(_) => Kind::Geneve,
        _ => Kind::Gre,
    };
    let again = parse(&buffer, &headers, Csum::Complete, kind, true).expect("our own is right");
    assert_eq!((again.header, again.payload), (parsed.header, parsed.payload));
    let Ok(inner_headers) = parse_frame(inner) else { return };
    let mut left = inner.to_vec();
    let _ = inherit::leave(&mut left, &inner_headers, parsed.csum, parsed.underlay.tos);
    assert_eq!(left.len(), inner.len());
}

/// Without the headers in front a piece is the same one, or its checksum is wrong; and it is written as it was read.
fn as_a_socket_hands_it_over(frame: &[u8], headers: &Headers, segment: &Segment<'_>) {
    let packet = &frame[headers.l4.into()..headers.end as usize];
    match Segment::received(packet, segment.underlay) {
        Ok(again) => {
            assert_eq!((again.id, again.offset, again.bytes), (segment.id, segment.offset, segment.bytes))
        }
        Err(bad) => assert_eq!(bad, BadTunnel::OuterChecksum),
    }
    let mut written = packet.to_vec();
    let header = PieceHeader {
        src_port: segment.underlay.src_port,
        dst_port: segment.underlay.dst_port,
        total: segment.total,
        offset: segment.offset,
        id: segment.id,
        is_last: true,
    };
    assert!(header.emit_summed(&mut written, segment.underlay.ends));
    let again = Segment::received(&written, segment.underlay).expect("our own is right");
    assert_eq!((again.total, again.offset, again.id), (segment.total, segment.offset, segment.id));
}

/// Memory is bounded; a whole frame is as long as its pieces said; what it asks to be done can be done.
fn reassembled(reassembly: &mut Reassembly, piece: &Segment<'_>, now: Duration) {
    let whole = match reassembly.offer(piece, now) {
        Ok(Arrived::AtOnce(bytes)) => bytes.to_vec(),
        Ok(Arrived::Whole(whole)) => whole.bytes,
        _ => Vec::new(),
    };
    assert!(reassembly.held() <= LIMITS.total_bytes);
    assert!(reassembly.deadline().is_none_or(|deadline| deadline > now));
    if whole.is_empty() {
        return;
    }
    assert_eq!(whole.len(), usize::from(piece.total));
    let Ok(opened) = stt::open(&whole) else { return };
    let inner = &whole[opened.inner];
    let headers = parse_frame(inner).expect("an Ethernet frame");
    let mut cutter =
        segment::cut(inner, &headers, &opened.offload, std::num::NonZeroU32::MIN).expect("checked");
    let mut out = vec![0; cutter.longest()];
    while let Some(unit) = cutter.next_into(&mut out).expect("the longest fits") {
        let mut offload = unit.offload;
        netloom_packet::checksum::complete(&mut out[..unit.len], &mut offload).expect("inside");
    }
    let ends = Ends::V4([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let header = Header::Stt { stt: opened.stt, id: 1 };
    let encap = Encap { outer: Outer::new(Mac::ZERO, Mac::ZERO, ends), header };
    let mut buffer = [&vec![0; encap.len()], inner].concat();
    if encap.push(&mut buffer, encap.len(), &opened.offload).is_ok() {
        let again = stt::open(&buffer[54..]).expect("our own is right");
        assert_eq!((again.stt.context, again.offload), (opened.stt.context, opened.offload));
    }
}

/// What is said about a packet that is too big fits and is short; clamping leaves the length alone.
fn answered(frame: &[u8], headers: &Headers, csum: Csum) {
    let mut out = [0; too_big::MAX_FRAME];
    for ip in [[10, 0, 0, 1].into(), [1, 0, 0, 0, 0, 0, 0, 1].into()] {
        let router = Router { mac: Mac::ZERO, ip };
        if let Ok(length) = too_big::emit(frame, headers, &router, 1400, &mut out) {
            let said = parse_frame(&out[..length]).expect("a frame");
            assert_ne!(netloom_packet::checksum::verify_l4(&out[..length], &said), Some(false));
        }
    }
    let mut clamped = frame.to_vec();
    if let Some(old) = mss::clamp(&mut clamped, headers, csum, 500) {
        assert!(old > 500);
        assert_eq!(mss::clamp(&mut clamped, headers, csum, 500), None);
    }
}
