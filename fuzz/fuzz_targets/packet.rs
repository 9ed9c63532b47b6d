//! Anything at all as a frame with a virtio-net header in front: parse, count, edit, tag and cut it.
//!
//! Layout of an input: 12 bytes virtio-net header, 1 byte segments per unit, 1 byte number of edits, 17 bytes for
//! each edit (which field, its value), the rest is the frame.

#![no_main]

use std::num::NonZeroU32;

use libfuzzer_sys::fuzz_target;
use netloom_packet::edit::{Edit, pop_vlan, push_vlan};
use netloom_packet::nsh::Nsh;
use netloom_packet::segment::cut;
use netloom_packet::{Csum, Gso, Headers, Mac, Offload, checksum, parse, wire};

fuzz_target!(|input: &[u8]| {
    let Some((vnet, rest)) = input.split_first_chunk::<12>() else { return };
    let Some(([per_unit, edits], rest)) = rest.split_first_chunk::<2>() else { return };
    let edits = usize::from(edits % 8);
    let Some((edits, frame)) = rest.split_at_checked(edits * 17) else { return };
    let Ok(headers) = parse(frame) else {
        assert!(frame.len() < 14);
        return;
    };
    headers_are_ordered(&headers, frame.len());
    if let Some(nsh) = Nsh::of(frame, &headers) {
        assert!(usize::from(headers.l2_len) + usize::from(nsh.len) <= frame.len());
    }
    let Ok(offload) = Offload::parse(vnet) else { return };
    let mut again = [0xa5; 12];
    offload.emit(&mut again);
    assert_eq!(Offload::parse(&again), Ok(offload));
    let _ = wire(frame.len(), &headers, &offload);

    let frame = edited(frame, &headers, offload.csum, edits);
    let (frame, headers, offload) = tagged(&frame, headers, offload);
    if offload.check(frame.len(), &headers).is_ok() {
        segments(&frame, &headers, offload, NonZeroU32::MIN.saturating_add(u32::from(*per_unit)));
    }
});

fn headers_are_ordered(h: &Headers, len: usize) {
    assert!(h.end as usize <= len && h.l2_len >= 14);
    assert!(h.l3 == 0 || h.l3 == h.l2_len);
    assert!(h.l4 == 0 || h.l4 > h.l3 && h.l3 != 0 && u32::from(h.l4) <= h.end);
    assert!(h.payload == 0 || h.payload > h.l4 && h.l4 != 0 && u32::from(h.payload) <= h.end);
}

/// Applies the edits. A checksum that was right stays right; one in place and wrong stays wrong.
fn edited(frame: &[u8], headers: &Headers, csum: Csum, edits: &[u8]) -> Vec<u8> {
    let before = (checksum::verify_ipv4(frame, headers), checksum::verify_l4(frame, headers));
    let mut frame = frame.to_vec();
    let all_zero =
        frame.get(headers.l4.into()..headers.end as usize).is_some_and(|l4| l4.iter().all(|b| *b == 0));
    let mut edit = Edit::new(&mut frame, headers, csum);
    let mut deep = false;
    for each in edits.chunks_exact(17) {
        let Some(([field], v)) = each.split_first_chunk::<1>() else { continue };
        let mut ip6 = [0; 16];
        ip6.copy_from_slice(v);
        let [a, b, c, d, e, f, ..] = ip6;
        let (ip4, mac, word) = ([a, b, c, d], Mac([a, b, c, d, e, f]), u16::from_be_bytes([a, b]));
        match field % 23 {
            0 => edit.eth_dst(mac),
            1 => edit.eth_src(mac),
            2 => edit.vlan_tci(a & 1, word),
            3 => edit.ipv4_src(ip4),
            4 => edit.ipv4_dst(ip4),
            5 => edit.ipv6_src(ip6),
            6 => edit.ipv6_dst(ip6),
            7 => edit.ipv6_label(u32::from_be_bytes(ip4)),
            8 => edit.tos(a),
            9 => edit.ttl(a),
            10 => edit.dec_ttl().unwrap_or(false),
            11 => edit.arp_op(word),
            12 => edit.arp_sha(mac),
            13 => edit.arp_spa(ip4),
            14 => edit.arp_tha(mac),
            15 => edit.l4_src(word),
            16 => edit.l4_dst(word),
            17 => edit.icmp_type(a),
            18 => edit.icmp_code(a),
            19 => edit.nd_target(ip6),
            20 => edit.nd_sll(mac),
            21 => edit.mpls(a & 3, u32::from_be_bytes(ip4)),
            _ => edit.nsh(&Nsh {
                flags: a,
                ttl: b,
                path: u32::from_be_bytes(ip4),
                index: e,
                contexts: [u32::from_be_bytes(ip4); 4],
                ..Nsh::default()
            }),
        };
        deep = true;
    }
    assert_eq!(parse(&frame).as_ref(), Ok(headers), "an edit moved a header");
    if deep && !matches!(csum, Csum::Partial { .. }) {
        assert_eq!(before.0, checksum::verify_ipv4(&frame, headers), "IPv4 header checksum");
        // All bytes zero, checksum included, is the one wrong sum that any change of a word makes right.
        let after = checksum::verify_l4(&frame, headers);
        assert!(
            before.1 == after || all_zero && before.1 == Some(false),
            "L4 checksum: {before:?}, {after:?}"
        );
    }
    frame
}

/// Pushes a tag and pops it again; hands on the frame as it was, or with the tag if it has an odd length.
fn tagged(frame: &[u8], headers: Headers, offload: Offload) -> (Vec<u8>, Headers, Offload) {
    let mut buffer = vec![0xa5; 4];
    buffer.extend_from_slice(frame);
    assert!(push_vlan(&mut buffer, 0x8100, 0x0123));
    let pushed = headers.vlan_pushed(&buffer);
    assert_eq!(parse(&buffer), Ok(pushed));
    if frame.len() % 2 == 1 {
        return (buffer, pushed, offload.shifted(4));
    }
    assert!(pop_vlan(&mut buffer, &pushed));
    let popped = pushed.vlan_popped(&buffer[4..]);
    assert_eq!((&buffer[4..], popped), (frame, headers));
    assert_eq!(offload.shifted(4).shifted(-4).gso, offload.gso);
    (buffer.split_off(4), popped, offload)
}

/// Cuts; the units are what [`wire`] counted, and their payload is the frame's.
fn segments(frame: &[u8], headers: &Headers, offload: Offload, per_unit: NonZeroU32) {
    let Ok(mut cutter) = cut(frame, headers, &offload, per_unit) else { return };
    let counted = wire(frame.len(), headers, &offload);
    let (mut packets, mut bytes, mut payload) = (0, 0, Vec::new());
    let mut buffer = vec![0; cutter.longest()];
    while let Some(unit) = cutter.next_into(&mut buffer).expect("the longest fits") {
        let out = &mut buffer[..unit.len];
        if offload.gso == Gso::None {
            assert_eq!(out, frame);
            return;
        }
        let h = parse(out).expect("a frame");
        assert_eq!(h.payload, headers.payload);
        assert_eq!(h.end as usize, out.len());
        let part = wire(out.len(), &h, &unit.offload);
        assert_eq!(part.packets, unit.segments);
        packets += part.packets;
        bytes += part.bytes;
        payload.extend_from_slice(&out[usize::from(h.payload)..]);
        let mut left = unit.offload;
        let computed =
            matches!(left.csum, Csum::Partial { .. }) && !matches!(offload.csum, Csum::Partial { .. });
        checksum::complete(out, &mut left).expect("inside the frame");
        if computed && unit.segments == 1 {
            assert_ne!(checksum::verify_l4(out, &h), Some(false));
        }
    }
    assert_eq!((packets, bytes), (counted.packets, counted.bytes));
    assert_eq!(payload, &frame[usize::from(headers.payload)..headers.end as usize]);
}
