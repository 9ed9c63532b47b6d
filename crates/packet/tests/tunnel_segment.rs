//! Super-packets into tunnels without offload: each packet is what its segment alone would have become.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

use std::num::NonZeroU32;

use netloom_packet::build::{Ends, Frame, Ip, Tcp};
use netloom_packet::tunnel::geneve::Geneve;
use netloom_packet::tunnel::gre::{self, Gre};
use netloom_packet::tunnel::segment::{self, NotWritten};
use netloom_packet::tunnel::stt::{self, Arrived, Limits, Reassembly, Segment, Stt};
use netloom_packet::tunnel::vxlan::{Extension, Vxlan};
use netloom_packet::tunnel::{CannotPush, Encap, Header, Kind, Outer, parse};
use netloom_packet::{Csum, Gso, Headers, Mac, Offload, checksum, parse as parse_frame, segment as plain};
use proptest::prelude::*;
use std::time::Duration;

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const ONE: NonZeroU32 = NonZeroU32::MIN;

fn outer(six: bool) -> Outer {
    let ends = if six {
        Ends::V6([1; 8].into(), [2; 8].into())
    } else {
        Ends::V4([192, 0, 2, 1].into(), [192, 0, 2, 2].into())
    };
    let df = false;
    Outer { src_port: 40_000, dst_port: 4789, csum: true, id: 0xffff, df, ..Outer::new(A, A, ends) }
}

fn super_packet(six: bool, tcp: bool, data: &[u8], gso_size: u16) -> (Vec<u8>, Headers, Offload) {
    let ip = if six { Ip::v6([3; 8], [4; 8]) } else { Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]) };
    let ip = if tcp {
        ip.tcp(Tcp { src: 1, dst: 2, flags: 0x18, data, ..Tcp::default() })
    } else {
        ip.udp(1, 2, data)
    };
    let frame = Frame::ip(A, A, ip);
    let mut bytes = vec![0; frame.len()];
    let (_, offload) = frame.emit_partial(&mut bytes).unwrap();
    let gso = match (tcp, six) {
        (false, _) => Gso::Udp,
        (true, false) => Gso::Tcp4,
        (true, true) => Gso::Tcp6,
    };
    let headers = parse_frame(&bytes).unwrap();
    (bytes, headers, Offload { gso, gso_size, ..offload })
}

/// The inner packets as they would be without a tunnel, all checksums in place.
fn segments(frame: &[u8], headers: &Headers, offload: &Offload) -> Vec<Vec<u8>> {
    let mut cutter = plain::cut(frame, headers, offload, ONE).unwrap();
    let mut out = vec![0; cutter.longest()];
    let mut all = Vec::new();
    while let Some(unit) = cutter.next_into(&mut out).unwrap() {
        let mut offload = unit.offload;
        checksum::complete(&mut out[..unit.len], &mut offload).unwrap();
        all.push(out[..unit.len].to_vec());
    }
    all
}

fn opened(packet: &[u8], kind: Kind) -> Vec<u8> {
    let headers = parse_frame(packet).unwrap();
    assert_ne!(checksum::verify_ipv4(packet, &headers), Some(false));
    let parsed = parse(packet, &headers, Csum::Complete, kind, false).unwrap();
    packet[parsed.inner].to_vec()
}

fn kinds() -> [(Header<'static>, Kind); 3] {
    let gre = Gre { protocol: gre::TEB, csum: true, key: Some(1), seq: Some(u32::MAX) };
    [
        (Header::Vxlan(Vxlan::new(5)), Kind::Vxlan(Extension::None)),
        (Header::Geneve(Geneve::new(5, &[0xff, 0xff, 1, 1, 1, 2, 3, 4])), Kind::Geneve),
        (Header::Gre(gre), Kind::Gre),
    ]
}

fn packets(encap: Encap<'_>, kind: Kind, six: bool, tcp: bool, data: &[u8], size: u16) {
    let (frame, headers, offload) = super_packet(six, tcp, data, size);
    let mut cutter = segment::cut(encap, &frame, &headers, &offload).unwrap();
    let mut out = vec![0; cutter.longest()];
    let needed = cutter.longest();
    let short = cutter.next_into(&mut vec![0; needed - 1]);
    assert_eq!(short, Err(NotWritten::TooSmall { needed }));
    let expected = segments(&frame, &headers, &offload);
    let mut ids = Vec::new();
    for segment in &expected {
        let unit = cutter.next_into(&mut out).unwrap().unwrap();
        let mut offload = unit.offload;
        checksum::complete(&mut out[..unit.len], &mut offload).unwrap();
        assert_eq!(&opened(&out[..unit.len], kind), segment);
        ids.push(u16::from_be_bytes([out[18], out[19]]));
    }
    assert_eq!(cutter.next_into(&mut out), Ok(None));
    if matches!(encap.outer.ends, Ends::V4(..)) && ids.len() > 1 {
        assert_eq!(ids[..2], [0xffff, 0], "IPv4's identification counts");
    }
}

#[test]
fn one_packet_a_segment() {
    for (header, kind) in kinds() {
        for (outer_six, six, tcp) in
            [(false, false, true), (true, false, true), (false, true, true), (true, true, false)]
        {
            packets(Encap { outer: outer(outer_six), header }, kind, six, tcp, &[7; 5001], 1400);
        }
    }
}

#[test]
fn a_train_falls_apart_into_the_same_packets() {
    for (header, kind) in &kinds()[..2] {
        for outer_six in [false, true] {
            let encap = Encap { outer: outer(outer_six), header: *header };
            let (frame, headers, offload) = super_packet(false, true, &[9; 60_000], 1400);
            let expected = segments(&frame, &headers, &offload);
            let mut cutter = segment::cut(encap, &frame, &headers, &offload).unwrap();
            let mut got = Vec::new();
            let mut out = vec![0; 30_000];
            let mut trains = 0;
            while let Some(unit) = cutter.train_into(&mut out).unwrap() {
                trains += 1;
                let headers = parse_frame(&out[..unit.len]).unwrap();
                assert_eq!(unit.offload.check(unit.len, &headers), Ok(()));
                for mut packet in units(&out[..unit.len], &headers, &unit.offload) {
                    let headers = parse_frame(&packet).unwrap();
                    assert_eq!(checksum::verify_l4(&packet, &headers), Some(true));
                    got.push(opened(&packet, *kind));
                    packet.clear();
                }
            }
            assert_eq!((got, trains), (expected, 3));
        }
    }
}

/// As the kernel, or our own [`plain::cut`], takes a train apart.
fn units(frame: &[u8], headers: &Headers, offload: &Offload) -> Vec<Vec<u8>> {
    segments(frame, headers, offload)
}

#[test]
fn trains_need_udp_with_a_checksum() {
    let (frame, headers, offload) = super_packet(false, true, &[9; 6000], 1400);
    let gre = Encap { outer: outer(false), header: kinds()[2].0 };
    let bare = Encap { outer: Outer { csum: false, ..outer(false) }, header: kinds()[0].0 };
    for encap in [gre, bare] {
        let mut cutter = segment::cut(encap, &frame, &headers, &offload).unwrap();
        let refused = cutter.train_into(&mut [0; 9000]);
        assert_eq!(refused, Err(NotWritten::Cannot(CannotPush::SuperPacket)));
    }
}

/// A super-packet of 60 KB in one STT frame, cut as any TCP super-packet is, put together, and cut inside.
#[test]
fn stt_is_cut_outside_and_stays_whole_inside() {
    for six in [false, true] {
        let (frame, headers, offload) = super_packet(six, true, &[3; 60_000], 1400);
        let encap = Encap { outer: outer(six), header: Header::Stt { stt: Stt::new(42), id: 7 } };
        let mut buffer = [&vec![0; encap.len()], &frame[..]].concat();
        let pushed = encap.push(&mut buffer, encap.len(), &offload).unwrap();
        let outer_headers = parse_frame(&buffer).unwrap();
        assert_eq!(pushed.offload.check(buffer.len(), &outer_headers), Ok(()));
        let pieces = segments(&buffer, &outer_headers, &pushed.offload);
        assert!(pieces.iter().all(|piece| piece.len() <= 1514) && pieces.len() == 42);
        let mut reassembly = Reassembly::new(Limits::default());
        let mut whole = None;
        for piece in pieces.iter().rev() {
            let headers = parse_frame(piece).unwrap();
            let segment = Segment::of(piece, &headers, Csum::Complete).unwrap();
            match reassembly.offer(&segment, Duration::ZERO).unwrap() {
                Arrived::Whole(frame) => whole = Some(frame.bytes),
                arrived => assert_eq!(arrived, Arrived::Waiting),
            }
        }
        let whole = whole.expect("all pieces came");
        let opened = stt::open(&whole).unwrap();
        assert_eq!((opened.stt.context, &whole[opened.inner.clone()]), (42, &frame[..]));
        let inner = &whole[opened.inner];
        let inner_headers = parse_frame(inner).unwrap();
        let expected = segments(&frame, &headers, &offload);
        assert_eq!(segments(inner, &inner_headers, &opened.offload), expected);
    }
}

#[test]
fn a_frame_that_fits_is_one_piece() {
    let (frame, _, _) = super_packet(false, true, &[3; 1000], 1400);
    let encap = Encap { outer: outer(false), header: Header::Stt { stt: Stt::new(42), id: 7 } };
    let mut buffer = [&vec![0; encap.len()], &frame[..]].concat();
    let pushed = encap.push(&mut buffer, encap.len(), &Offload::PLAIN).unwrap();
    assert_eq!(pushed.offload.gso, Gso::None);
    let long = vec![0; 65_500];
    let mut buffer = [&vec![0; encap.len()], &long[..]].concat();
    assert_eq!(encap.push(&mut buffer, encap.len(), &Offload::PLAIN), Err(CannotPush::TooLong));
}

proptest! {
    #[test]
    fn any_super_packet(len in 1..20_000usize, size in 200..3000u16, six: bool, outer_six: bool, tcp: bool,
                        which in 0..3usize) {
        let data: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let (header, kind) = kinds()[which];
        packets(Encap { outer: outer(outer_six), header }, kind, six, tcp, &data, size);
    }
}
