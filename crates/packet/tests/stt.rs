//! STT reassembly: any order, duplicates, contradictions, floods and time.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netloom_packet::build::Ends;
use netloom_packet::tunnel::stt::{
    Arrived, Limits, Lost, PORT, PieceHeader, Reassembly, Refused, Segment, Stt,
};
use netloom_packet::tunnel::{BadTunnel, CannotPush, Encap, Header, Outer, Underlay, push_stt_head};
use netloom_packet::{Mac, Offload};
use proptest::prelude::*;

const NOW: Duration = Duration::from_secs(100);

fn underlay(src: u8, tos: u8) -> Underlay {
    let ends = Ends::V4(Ipv4Addr::new(192, 0, 2, src), Ipv4Addr::new(192, 0, 2, 200));
    Underlay { ends, tos, ttl: 64, df: true, src_port: 40_000, dst_port: 7471, csum: true }
}

fn piece(src: u8, id: u32, frame: &[u8], from: usize, to: usize) -> Segment<'_> {
    let total = u16::try_from(frame.len()).unwrap();
    let offset = u16::try_from(from).unwrap();
    Segment { underlay: underlay(src, 0), total, offset, id, bytes: &frame[from..to] }
}

fn frame(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n * 7 % 256).unwrap()).collect()
}

fn whole(arrived: Arrived<'_>) -> Option<Vec<u8>> {
    match arrived {
        Arrived::Whole(whole) => Some(whole.bytes),
        Arrived::AtOnce(bytes) => Some(bytes.to_vec()),
        Arrived::Waiting => None,
    }
}

#[test]
fn two_frames_interleaved() {
    let mut reassembly = Reassembly::new(Limits::default());
    let (a, b) = (frame(3000), frame(2500));
    assert_eq!(reassembly.offer(&piece(1, 1, &a, 0, 1500), NOW), Ok(Arrived::Waiting));
    assert_eq!(reassembly.offer(&piece(1, 2, &b, 1500, 2500), NOW), Ok(Arrived::Waiting));
    assert_eq!(reassembly.offer(&piece(2, 1, &b, 0, 1500), NOW), Ok(Arrived::Waiting), "another sender");
    assert_eq!(reassembly.len(), 3);
    assert_eq!(reassembly.offer(&piece(1, 1, &a, 1500, 3000), NOW).map(whole), Ok(Some(a)));
    assert_eq!(reassembly.offer(&piece(1, 2, &b, 0, 1500), NOW).map(whole), Ok(Some(b)));
    assert_eq!(reassembly.len(), 1);
}

#[test]
fn a_frame_in_one_piece_is_not_copied() {
    let mut reassembly = Reassembly::new(Limits::default());
    let bytes = frame(900);
    let arrived = reassembly.offer(&piece(1, 1, &bytes, 0, 900), NOW).unwrap();
    let Arrived::AtOnce(same) = arrived else { panic!("{arrived:?}") };
    assert_eq!(same.as_ptr(), bytes.as_ptr());
    assert_eq!((reassembly.held(), reassembly.deadline()), (0, None));
}

#[test]
fn duplicates_are_dropped_and_contradictions_end_the_frame() {
    let bytes = frame(3000);
    let offers = |second: Segment<'_>| {
        let mut reassembly = Reassembly::new(Limits::default());
        reassembly.offer(&piece(1, 1, &bytes, 1000, 2000), NOW).unwrap();
        let refused = reassembly.offer(&second, NOW).map(whole);
        (refused, reassembly.len(), reassembly.held() == 0)
    };
    assert_eq!(offers(piece(1, 1, &bytes, 1000, 2000)), (Err(Refused::Duplicate), 1, false));
    assert_eq!(offers(piece(1, 1, &bytes, 1200, 1300)), (Err(Refused::Duplicate), 1, false));
    for (from, to) in [(0, 1001), (1999, 3000), (0, 3000 - 1), (900, 2000)] {
        assert_eq!(offers(piece(1, 1, &bytes, from, to)), (Err(Refused::Overlap), 0, true), "{from} {to}");
    }
    let other = vec![0; 3000];
    assert_eq!(offers(piece(1, 1, &other, 1000, 2000)), (Err(Refused::Overlap), 0, true), "other bytes");
    let longer = frame(3001);
    assert_eq!(offers(piece(1, 1, &longer, 0, 1000)), (Err(Refused::Length), 0, true));
}

#[test]
fn time_runs_from_the_first_piece() {
    let timeout = Duration::from_millis(500);
    let mut reassembly = Reassembly::new(Limits { timeout, ..Limits::default() });
    let bytes = frame(3000);
    reassembly.offer(&piece(1, 1, &bytes, 0, 1000), NOW).unwrap();
    reassembly.offer(&piece(1, 2, &bytes, 0, 1000), NOW + timeout / 2).unwrap();
    reassembly.offer(&piece(1, 1, &bytes, 1000, 2000), NOW + timeout / 2).unwrap();
    assert_eq!(reassembly.deadline(), Some(NOW + timeout));
    reassembly.expire(NOW + timeout - Duration::from_nanos(1));
    assert_eq!(reassembly.len(), 2);
    // The last piece comes too late, and begins a frame that will never be whole.
    assert_eq!(reassembly.offer(&piece(1, 1, &bytes, 2000, 3000), NOW + timeout), Ok(Arrived::Waiting));
    assert_eq!(reassembly.lost(), Lost { timed_out: 1, ..Lost::default() });
    reassembly.expire(NOW + timeout * 3);
    assert_eq!((reassembly.len(), reassembly.held(), reassembly.deadline()), (0, 0, None));
}

#[test]
fn a_flood_costs_the_others_nothing() {
    let limits = Limits { peer_bytes: 200_000, total_bytes: 500_000, ..Limits::default() };
    let mut reassembly = Reassembly::new(limits);
    let bytes = frame(60_000);
    let small = frame(2000);
    // An honest peer's frame waits.
    reassembly.offer(&piece(9, 1, &small, 0, 1000), NOW).unwrap();
    for id in 0..10 {
        reassembly.offer(&piece(1, id, &bytes, 5, 6), NOW).unwrap();
        assert!(reassembly.held() <= limits.peer_bytes + 2_600);
    }
    assert_eq!(reassembly.lost(), Lost { peer_full: 7, ..Lost::default() });
    for id in 10..1000 {
        for src in 1..5 {
            // One byte is sent, 60,000 are claimed.
            reassembly.offer(&piece(src, id, &bytes, 5, 6), NOW).unwrap();
            assert!(reassembly.held() <= limits.total_bytes);
        }
    }
    assert!(reassembly.lost().all_full > 3000);
    let arrived = reassembly.offer(&piece(9, 1, &small, 1000, 2000), NOW);
    assert_eq!(arrived.map(whole), Ok(Some(small)));
}

#[test]
fn a_frame_longer_than_may_wait_is_refused() {
    let mut reassembly = Reassembly::new(Limits { peer_bytes: 10_000, ..Limits::default() });
    let bytes = frame(10_000);
    assert_eq!(reassembly.offer(&piece(1, 1, &bytes, 0, 1000), NOW), Err(Refused::TooLong));
    assert!(reassembly.is_empty());
}

#[test]
fn crumbs_end_the_frame() {
    let mut reassembly = Reassembly::new(Limits::default());
    let bytes = frame(60_000);
    let results: Vec<_> =
        (0..100).map(|n| reassembly.offer(&piece(1, 1, &bytes, n * 10, n * 10 + 1), NOW)).collect();
    let ended = results.iter().position(|result| *result == Err(Refused::Pieces));
    assert_eq!(ended, Some(64));
}

#[test]
fn a_mark_on_one_piece_marks_the_frame() {
    let mut reassembly = Reassembly::new(Limits::default());
    let bytes = frame(3000);
    let marked = Segment { underlay: underlay(1, 0x03), ..piece(1, 1, &bytes, 0, 1000) };
    reassembly.offer(&marked, NOW).unwrap();
    let Ok(Arrived::Whole(frame)) = reassembly.offer(&piece(1, 1, &bytes, 1000, 3000), NOW) else {
        panic!("not whole")
    };
    assert!(frame.marked);
    reassembly.recycle(frame.bytes);
    reassembly.offer(&piece(1, 2, &bytes, 1000, 3000), NOW).unwrap();
    let Ok(Arrived::Whole(frame)) = reassembly.offer(&piece(1, 2, &bytes, 0, 1000), NOW) else {
        panic!("not whole")
    };
    assert!(!frame.marked && frame.bytes == bytes, "nothing is left of the buffer's first use");
}

#[test]
fn peers_differ_by_both_ends() {
    let peer = netloom_packet::tunnel::stt::Peer::of(&underlay(3, 0));
    assert_eq!(peer.src, IpAddr::from([192, 0, 2, 3]));
    assert_eq!(peer.dst, IpAddr::from([192, 0, 2, 200]));
}

proptest! {
    /// Pieces of several frames in any order, some twice, make the frames, and nothing is left.
    #[test]
    fn any_order(lengths in prop::collection::vec(40..20_000usize, 1..5), size in 700..2000usize,
                 order in any::<prop::sample::Index>(), seed: u64) {
        let frames: Vec<Vec<u8>> = lengths.iter().map(|len| frame(*len)).collect();
        let mut pieces = Vec::new();
        for (id, bytes) in frames.iter().enumerate() {
            for from in (0..bytes.len()).step_by(size) {
                pieces.push((id, from, (from + size).min(bytes.len())));
            }
        }
        // A shuffle of our own: deterministic by the seed.
        let mut state = seed | 1;
        for at in (1..pieces.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let other = usize::try_from(state >> 33).unwrap() % (at + 1);
            pieces.swap(at, other);
        }
        let twice = order.index(pieces.len());
        let mut reassembly = Reassembly::new(Limits::default());
        let mut done = vec![false; frames.len()];
        for (n, (id, from, to)) in pieces.iter().enumerate() {
            let piece = piece(1, u32::try_from(*id).unwrap(), &frames[*id], *from, *to);
            let arrived = reassembly.offer(&piece, NOW).unwrap();
            if let Some(bytes) = whole(arrived) {
                prop_assert_eq!(&bytes, &frames[*id]);
                prop_assert!(!done[*id]);
                done[*id] = true;
            } else if n == twice {
                prop_assert_eq!(reassembly.offer(&piece, NOW), Err(Refused::Duplicate));
            }
        }
        prop_assert!(done.iter().all(|done| *done));
        prop_assert_eq!((reassembly.len(), reassembly.held()), (0, 0));
    }

    /// Hostile pieces: whatever comes, memory stays bounded and a whole frame has the length it claims.
    #[test]
    fn any_pieces(pieces in prop::collection::vec((0..3u32, 40..300u16, 0..300u16, 1..300usize, 0..50u64), 0..200)) {
        let limits = Limits { peer_bytes: 3_000, total_bytes: 4_000, timeout: Duration::from_millis(20) };
        let mut reassembly = Reassembly::new(limits);
        let bytes = frame(300);
        let mut now = NOW;
        for (id, total, offset, len, wait) in pieces {
            now += Duration::from_millis(wait);
            let len = len.min(usize::from(total.saturating_sub(offset)));
            if len == 0 {
                continue;
            }
            let underlay = underlay(u8::try_from(id % 2).unwrap(), 0);
            let segment = Segment { underlay, total, offset, id, bytes: &bytes[..len] };
            if let Ok(arrived) = reassembly.offer(&segment, now) && let Some(bytes) = whole(arrived) {
                prop_assert_eq!(bytes.len(), usize::from(total));
            }
            prop_assert!(reassembly.held() <= limits.total_bytes);
            prop_assert!(reassembly.deadline().is_none_or(|deadline| deadline > now));
        }
    }
}

/// draft-davie-stt-08 §3.1, by hand: from 192.0.2.1 port 40000 to 192.0.2.2 port 7471, the last 46 of 66 bytes of frame
/// 5, from byte 20 on. Sequence number 0x0042 0014, acknowledgment number 5, ACK and PSH.
const LAST_PIECE: [u8; 20] =
    [0x9c, 0x40, 0x1d, 0x2f, 0x00, 0x42, 0x00, 0x14, 0, 0, 0, 5, 0x50, 0x18, 0xff, 0xff, 0x75, 0xbd, 0, 0];

fn last_piece() -> (PieceHeader, Vec<u8>, Ends) {
    let header =
        PieceHeader { src_port: 40_000, dst_port: PORT, total: 66, offset: 20, id: 5, is_last: true };
    let ends = Ends::V4([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let mut packet = vec![0xa5; 20];
    packet.extend(0..46);
    assert!(header.emit_summed(&mut packet, ends));
    (header, packet, ends)
}

#[test]
fn a_piece_as_the_draft_has_it() {
    let (header, packet, ends) = last_piece();
    assert_eq!(packet[..20], LAST_PIECE);
    let segment = Segment::received(&packet, Underlay { ends, ..underlay(1, 0) }).unwrap();
    assert_eq!((segment.total, segment.offset, segment.id), (66, 20, 5));
    assert_eq!((segment.underlay.src_port, segment.underlay.dst_port), (40_000, 7471));
    assert_eq!(segment.bytes, (0..46).collect::<Vec<u8>>());
    let mut middle = packet;
    assert!(PieceHeader { is_last: false, ..header }.emit(&mut middle));
    assert_eq!(middle[13], 0x10, "ACK alone");
    assert!(!header.emit(&mut [0; 19]));
}

#[test]
fn a_received_piece_is_right_or_open_or_refused() {
    let (_, packet, ends) = last_piece();
    let read = |packet: &[u8]| {
        Segment::received(packet, Underlay { ends, ..underlay(1, 0) }).map(|piece| piece.bytes.len())
    };
    assert_eq!(read(&packet), Ok(46));
    for at in 0..packet.len() {
        let mut damaged = packet.clone();
        damaged[at] ^= 0x10;
        assert!(read(&damaged).is_err(), "byte {at}");
    }
    for length in 0..packet.len() {
        assert!(read(&packet[..length]).is_err(), "{length} bytes");
    }
    // As a super-packet has it: the sum of addresses, protocol and length, 66 bytes, and nothing else.
    let mut open = packet.clone();
    let sum = 0xc000_u32 + 0x0201 + 0xc000 + 0x0202 + 6 + 66;
    open[16..18].copy_from_slice(&u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap().to_be_bytes());
    assert_eq!(read(&open), Ok(46));
    open.push(0);
    assert!(read(&open).is_err(), "of another length");
    let mut flags = packet;
    flags[13] |= 0x04;
    assert_eq!(read(&flags), Err(BadTunnel::SttTcp), "RST");
}

#[test]
fn there_is_room_in_front_of_a_frame_that_was_put_together() {
    let mut reassembly = Reassembly::with_front(Limits::default(), 64);
    let bytes = frame(3000);
    for _ in 0..2 {
        reassembly.offer(&piece(1, 1, &bytes, 1000, 3000), NOW).unwrap();
        let arrived = reassembly.offer(&piece(1, 1, &bytes, 0, 1000), NOW).unwrap();
        let Arrived::Whole(whole) = arrived else { panic!("not whole") };
        assert_eq!(whole.bytes[64..], bytes);
        reassembly.recycle(whole.bytes);
        assert_eq!(reassembly.held(), 0);
    }
}

/// A gather list says the same as one buffer.
#[test]
fn headers_beside_their_frame_are_those_before_it() {
    for (six, length) in [(false, 100), (false, 9_000), (true, 9_000)] {
        let ends = if six {
            Ends::V6([1; 8].into(), [2; 8].into())
        } else {
            Ends::V4([192, 0, 2, 1].into(), [192, 0, 2, 2].into())
        };
        let outer = Outer { dst_port: PORT, src_port: 9, ..Outer::new(Mac([2; 6]), Mac([4; 6]), ends) };
        let stt = Stt::new(77);
        let encap = Encap { outer, header: Header::Stt { stt, id: 3 } };
        let mut whole = vec![0; encap.len() + length];
        let pushed = encap.push(&mut whole, encap.len(), &Offload::PLAIN).unwrap();
        let mut head = vec![0xa5; encap.len()];
        assert_eq!(push_stt_head(&outer, &stt, 3, length, &mut head), Ok(pushed.offload));
        assert_eq!(head, whole[..encap.len()]);
        let short = push_stt_head(&outer, &stt, 3, length, &mut head[1..]);
        assert_eq!(short, Err(CannotPush::Headroom { needed: encap.len() }));
    }
}
