//! Frames into tunnels and out of them: what is written is read back, and every checksum is right from scratch.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

use netloom_packet::build::{Ends, Frame, Ip, Tcp};
use netloom_packet::tunnel::erspan::{Erspan, Session};
use netloom_packet::tunnel::geneve::Geneve;
use netloom_packet::tunnel::gre::{self, Gre};
use netloom_packet::tunnel::stt::{self, Segment, Stt};
use netloom_packet::tunnel::vxlan::{Extension, Gbp, Next, Vxlan};
use netloom_packet::tunnel::{BadTunnel, CannotPush, Encap, Header, Kind, Layer, Outer, Payload, parse};
use netloom_packet::{Csum, Gso, Headers, Mac, Offload, checksum, parse as parse_frame};
use proptest::prelude::*;

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn outer(six: bool, csum: bool) -> Outer {
    let ends = if six {
        Ends::V6([0xfd00, 0, 0, 0, 0, 0, 0, 1].into(), [0xfd00, 0, 0, 0, 0, 0, 0, 2].into())
    } else {
        Ends::V4([192, 0, 2, 1].into(), [192, 0, 2, 2].into())
    };
    Outer { tos: 0xba, ttl: 63, src_port: 40_000, dst_port: 4789, csum, ..Outer::new(A, B, ends) }
}

/// A TCP segment, its checksum open or not.
fn inner(data: &[u8], open: bool) -> (Vec<u8>, Offload) {
    let tcp = Tcp { src: 1000, dst: 80, seq: 7, flags: 0x10, window: 9, data, ..Tcp::default() };
    let frame = Frame::ip(B, A, Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(tcp));
    let mut bytes = vec![0; frame.len()];
    if open {
        let (_, offload) = frame.emit_partial(&mut bytes).unwrap();
        return (bytes, offload);
    }
    frame.emit(&mut bytes).unwrap();
    (bytes, Offload::PLAIN)
}

fn push(encap: &Encap<'_>, frame: &[u8], offload: &Offload) -> (Vec<u8>, Offload) {
    let head = encap.len();
    let mut buffer = [&vec![0xa5; head + 3], frame].concat();
    let pushed = encap.push(&mut buffer, head + 3, offload).unwrap();
    assert_eq!((pushed.at, &buffer[..3], &buffer[head + 3..]), (3, &[0xa5; 3][..], frame));
    (buffer.split_off(3), pushed.offload)
}

/// All checksums of a tunnel packet, from scratch. The outer one already counts what is still open inside.
fn finished(mut frame: Vec<u8>, mut offload: Offload) -> (Vec<u8>, Headers) {
    checksum::complete(&mut frame, &mut offload).unwrap();
    let headers = parse_frame(&frame).unwrap();
    assert_ne!(checksum::verify_ipv4(&frame, &headers), Some(false));
    let none = headers.ip_proto == 17 && frame[usize::from(headers.l4) + 6..][..2] == [0, 0];
    assert!(none || checksum::verify_l4(&frame, &headers) != Some(false));
    (frame, headers)
}

fn headers_of(options: &[u8]) -> Vec<(Header<'_>, Kind, Payload)> {
    let gre = Gre { protocol: gre::TEB, csum: true, key: Some(77), seq: Some(5) };
    let session = Session { vlan: 5, cos: 1, en: 2, truncated: false, id: 99 };
    let three = Erspan::Three { session, timestamp: 1, sgt: 2, flags: 8, platform: Some(3) };
    let gbp = Some(Gbp { policy: 0x1234, flags: 0x08 });
    vec![
        (Header::Vxlan(Vxlan::new(0xabcdef)), Kind::Vxlan(Extension::None), Payload::Ethernet),
        (Header::Vxlan(Vxlan { gbp, ..Vxlan::new(7) }), Kind::Vxlan(Extension::Gbp), Payload::Ethernet),
        (
            Header::Vxlan(Vxlan { next: Some(Next::Ethernet), ..Vxlan::new(7) }),
            Kind::Vxlan(Extension::Gpe),
            Payload::Ethernet,
        ),
        (Header::Geneve(Geneve::new(7, options)), Kind::Geneve, Payload::Ethernet),
        (Header::Gre(gre), Kind::Gre, Payload::Ethernet),
        (Header::Gre(Gre { protocol: gre::TEB, ..Gre::default() }), Kind::Gre, Payload::Ethernet),
        (
            Header::Erspan { gre: Gre { protocol: gre::ERSPAN, ..Gre::default() }, erspan: Erspan::One },
            Kind::Gre,
            Payload::Ethernet,
        ),
        (
            Header::Erspan {
                gre: Gre { protocol: gre::ERSPAN, seq: Some(1), ..Gre::default() },
                erspan: Erspan::Two { session, index: 0xabcde },
            },
            Kind::Gre,
            Payload::Ethernet,
        ),
        (
            Header::Erspan { gre: Gre { protocol: gre::ERSPAN_3, ..gre }, erspan: three },
            Kind::Gre,
            Payload::Ethernet,
        ),
    ]
}

#[test]
fn every_tunnel_both_ways() {
    for six in [false, true] {
        for (header, kind, payload) in headers_of(&[1, 2, 0x80, 1, 9, 9, 9, 9]) {
            for (csum, open) in [(false, false), (true, false), (true, true), (false, true)] {
                let encap = Encap { outer: outer(six, csum), header };
                let (frame, offload) = inner(b"payload of odd length", open);
                let (packet, left) = push(&encap, &frame, &offload);
                let (packet, headers) = finished(packet, left);
                assert_eq!(headers.ip_proto, kind.ip_proto());
                let parsed = parse(&packet, &headers, Csum::Complete, kind, true).unwrap();
                assert_eq!((parsed.header, parsed.payload), (header, payload), "{header:?}");
                let (whole, _) = inner(b"payload of odd length", false);
                assert_eq!(packet[parsed.inner], whole, "{header:?}");
                let under = parsed.underlay;
                assert_eq!((under.ends, under.tos, under.ttl), (encap.outer.ends, 0xba, 63));
                assert_eq!(under.df, !six);
            }
        }
    }
}

#[test]
fn packets_of_layer_3() {
    let (frame, _) = inner(b"x", false);
    let header = Header::Gre(Gre { protocol: 0x0800, ..Gre::default() });
    let (packet, left) = push(&Encap { outer: outer(false, false), header }, &frame[14..], &Offload::PLAIN);
    let (packet, headers) = finished(packet, left);
    let parsed = parse(&packet, &headers, Csum::Complete, Kind::Gre, false).unwrap();
    assert_eq!((parsed.payload, &packet[parsed.inner]), (Payload::Ipv4, &frame[14..]));
}

#[test]
fn what_is_open_inside_is_still_open_outside() {
    let encap = Encap { outer: outer(false, true), header: Header::Vxlan(Vxlan::new(1)) };
    let (frame, offload) = inner(b"abc", true);
    let (packet, left) = push(&encap, &frame, &offload);
    let headers = parse_frame(&packet).unwrap();
    let parsed = parse(&packet, &headers, left.csum, Kind::Vxlan(Extension::None), false).unwrap();
    assert_eq!(parsed.csum, offload.csum);
}

/// Changes one byte (or bit field) of a right packet and says why it is refused.
fn refused(six: bool, change: impl Fn(&mut Vec<u8>), csum: Csum) -> Option<BadTunnel> {
    let encap = Encap { outer: outer(six, true), header: Header::Vxlan(Vxlan::new(1)) };
    let (frame, offload) = inner(b"abc", false);
    let (mut packet, _) = push(&encap, &frame, &offload);
    change(&mut packet);
    let headers = parse_frame(&packet).unwrap();
    parse(&packet, &headers, csum, Kind::Vxlan(Extension::None), false).err()
}

#[test]
fn malformed_outer_packets_have_their_reasons() {
    let udp = |six: bool| if six { 54 } else { 34 };
    for six in [false, true] {
        let at = udp(six);
        let wrong = refused(six, |p| p[at + 40] ^= 1, Csum::Complete);
        assert_eq!(wrong, Some(BadTunnel::OuterChecksum));
        assert_eq!(refused(six, |p| p[at + 40] ^= 1, Csum::Valid), None, "vouched for");
        let length = refused(six, |p| p[at + 5] -= 1, Csum::Valid);
        assert!(matches!(length, Some(BadTunnel::UdpLength(_))), "{length:?}");
        let zero = refused(six, |p| p[at + 6..at + 8].fill(0), Csum::Complete);
        assert_eq!(zero, six.then_some(BadTunnel::ZeroChecksum));
        let other = refused(six, |p| p[if six { 20 } else { 23 }] = 6, Csum::Complete);
        assert_eq!(other, Some(BadTunnel::NotThisTunnel));
        let flags = refused(six, |p| p[at + 8] = 0, Csum::Valid);
        assert_eq!(flags, Some(BadTunnel::VxlanFlags(0)));
    }
    assert_eq!(refused(false, |p| p[20] = 0x20, Csum::Complete), Some(BadTunnel::Fragment));
    assert_eq!(refused(false, |p| p[12] = 9, Csum::Complete), Some(BadTunnel::NotThisTunnel));
}

#[test]
fn an_inner_packet_must_have_its_header() {
    let encap = Encap { outer: outer(false, false), header: Header::Vxlan(Vxlan::new(1)) };
    for length in 0..14 {
        let (packet, _) = push(&encap, &vec![0; length], &Offload::PLAIN);
        let headers = parse_frame(&packet).unwrap();
        let parsed = parse(&packet, &headers, Csum::Complete, Kind::Vxlan(Extension::None), false);
        assert_eq!(parsed, Err(BadTunnel::Truncated(Layer::Inner)));
    }
}

#[test]
fn what_cannot_be_pushed() {
    let encap = Encap { outer: outer(false, true), header: Header::Vxlan(Vxlan::new(1)) };
    let mut short = vec![0; 100];
    assert_eq!(encap.push(&mut short, 49, &Offload::PLAIN), Err(CannotPush::Headroom { needed: 50 }));
    let mut long = vec![0; 66_000];
    assert_eq!(encap.push(&mut long, 50, &Offload::PLAIN), Err(CannotPush::TooLong));
    let gso = Offload { gso: Gso::Tcp4, gso_size: 1000, ..Offload::PLAIN };
    assert_eq!(encap.push(&mut short, 60, &gso), Err(CannotPush::SuperPacket));
    let odd = Offload { csum: Csum::Partial { start: 15, offset: 2 }, ..Offload::PLAIN };
    assert_eq!(encap.push(&mut short, 50, &odd), Err(CannotPush::Contradiction));
    let beyond = Offload { csum: Csum::Partial { start: 100, offset: 2 }, ..Offload::PLAIN };
    assert_eq!(encap.push(&mut short, 50, &beyond), Err(CannotPush::Contradiction));
}

#[test]
fn a_super_packet_for_the_device_to_cut() {
    let data = vec![7; 4000];
    let (frame, offload) = inner(&data, true);
    let offload = Offload { gso: Gso::Tcp4, gso_size: 1400, ..offload };
    let headers = parse_frame(&frame).unwrap();
    let encap = Encap { outer: outer(true, true), header: Header::Geneve(Geneve::new(1, &[])) };
    let mut buffer = [&vec![0; encap.len()], &frame[..]].concat();
    let (pushed, gso) = encap.push_super(&mut buffer, encap.len(), &headers, &offload).unwrap();
    assert_eq!((pushed.at, gso.outer_l4, gso.inner_l3), (0, 54, 54 + 8 + 8 + 14));
    assert!(gso.outer_v6 && gso.outer_csum);
    let start = 54 + 16 + 34;
    assert_eq!(pushed.offload.csum, Csum::Partial { start, offset: 16 });
    assert_eq!((pushed.offload.gso, pushed.offload.gso_size), (Gso::Tcp4, 1400));
    let len = u32::try_from(buffer.len() - 54).unwrap();
    let outer = parse_frame(&buffer).unwrap();
    let pseudo = checksum::pseudo(&buffer, &outer, len).unwrap().fold();
    assert_eq!(buffer[60..62], pseudo.to_be_bytes());
    let gre = Encap { header: Header::Gre(Gre { protocol: gre::TEB, ..Gre::default() }), ..encap };
    let refused = gre.push_super(&mut buffer, 100, &headers, &offload);
    assert_eq!(refused, Err(CannotPush::SuperPacket));
}

/// Into STT and out again; what was open is open again, and a super-packet is one again.
#[test]
fn stt_carries_what_is_left_to_do() {
    for six in [false, true] {
        let outer = Outer { dst_port: stt::PORT, mtu: 65_000, ..outer(six, true) };
        let header =
            Header::Stt { stt: Stt { tci: Some(0x6005), ..Stt::new(u64::MAX - 9) }, id: 0xdead_beef };
        let (frame, open) = inner(&[5; 3000], true);
        let (closed, _) = inner(&[5; 3000], false);
        let gso = Offload { gso: Gso::Tcp4, gso_size: 1400, hdr_len: 54, ..open };
        let valid = Offload { csum: Csum::Valid, ..Offload::PLAIN };
        for (frame, offload) in [(&frame, open), (&frame, gso), (&closed, Offload::PLAIN), (&closed, valid)] {
            let (packet, left) = push(&Encap { outer, header }, frame, &offload);
            let (packet, headers) = finished(packet, left);
            let segment = Segment::of(&packet, &headers, Csum::Complete).unwrap();
            assert!(segment.is_whole());
            assert_eq!((segment.id, segment.underlay.dst_port), (0xdead_beef, stt::PORT));
            let opened = stt::open(segment.bytes).unwrap();
            assert_eq!((opened.stt.context, opened.stt.tci), (u64::MAX - 9, Some(0x6005)));
            assert_eq!((&segment.bytes[opened.inner], opened.offload), (&frame[..], offload.at_rest()));
        }
    }
}

/// The hint about the headers' length is not carried for single packets.
trait AtRest {
    fn at_rest(self) -> Self;
}

impl AtRest for Offload {
    fn at_rest(self) -> Self {
        if self.gso == Gso::None { Self { hdr_len: 0, ..self } } else { self }
    }
}

/// A super-packet whose checksum is in place gets it opened: STT has no other way to say it.
#[test]
fn stt_opens_the_checksum_of_a_super_packet() {
    let outer = Outer { mtu: 65_000, ..outer(false, true) };
    let encap = Encap { outer, header: Header::Stt { stt: Stt::new(1), id: 1 } };
    let (closed, _) = inner(&[5; 3000], false);
    let (open, offload) = inner(&[5; 3000], true);
    let mut buffer = [&vec![0; encap.len()], &closed[..]].concat();
    let gso = Offload { gso: Gso::Tcp4, gso_size: 1400, csum: Csum::Valid, ..Offload::PLAIN };
    encap.push(&mut buffer, encap.len(), &gso).unwrap();
    let opened = stt::open(&buffer[54..]).unwrap();
    assert_eq!((&buffer[54..][opened.inner], opened.offload.csum), (&open[..], offload.csum));
}

#[test]
fn malformed_stt_segments_have_their_reasons() {
    let encap = Encap { outer: outer(false, true), header: Header::Stt { stt: Stt::new(1), id: 1 } };
    let (frame, offload) = inner(b"abc", false);
    let (packet, left) = push(&encap, &frame, &offload);
    let (packet, _) = finished(packet, left);
    let with = |at: usize, byte: u8| {
        let mut packet = packet.clone();
        packet[at] = byte;
        let headers = parse_frame(&packet).unwrap();
        let segment = Segment::of(&packet, &headers, Csum::Valid);
        segment.map(|segment| stt::open(segment.bytes).map(|_| ()))
    };
    assert_eq!(with(46, 0x60), Err(BadTunnel::SttTcp), "options");
    assert_eq!(with(47, 0x02), Err(BadTunnel::SttTcp), "SYN");
    assert_eq!(with(39, 31), Err(BadTunnel::SttLength(31)));
    assert_eq!(with(39, 60), Err(BadTunnel::SttPiece));
    assert_eq!(with(41, 1), Err(BadTunnel::SttPiece), "reaches beyond by its offset");
    assert_eq!(with(54, 1), Ok(Err(BadTunnel::SttVersion(1))));
    assert_eq!(with(23, 17), Err(BadTunnel::NotThisTunnel));
    let headers = parse_frame(&packet).unwrap();
    let mut wrong = packet.clone();
    wrong[60] ^= 1;
    assert_eq!(Segment::of(&wrong, &headers, Csum::Complete), Err(BadTunnel::OuterChecksum));
}

proptest! {
    /// Nothing of an underlay's frame makes parsing panic, and what is inside lies inside.
    #[test]
    fn any_bytes(mut frame in prop::collection::vec(any::<u8>(), 0..200), proto in 0..4usize, six: bool) {
        // Far enough to matter: IP with a right length.
        let ip = if six { 40 } else { 20 };
        if frame.len() > 14 + ip {
            let len = u16::try_from(frame.len() - 14).unwrap();
            let proto = [17, 47, 6, 0][proto];
            if six {
                frame[12..14].copy_from_slice(&[0x86, 0xdd]);
                frame[14] = 0x60;
                frame[18..20].copy_from_slice(&(len - 40).to_be_bytes());
                frame[20] = proto;
            } else {
                frame[12..15].copy_from_slice(&[8, 0, 0x45]);
                frame[16..18].copy_from_slice(&len.to_be_bytes());
                frame[20..22].fill(0);
                frame[23] = proto;
            }
        }
        let Ok(headers) = parse_frame(&frame) else { return Ok(()) };
        let kinds = [Extension::None, Extension::Gbp, Extension::Gpe].map(Kind::Vxlan);
        for kind in kinds.into_iter().chain([Kind::Geneve, Kind::Gre]) {
            if let Ok(parsed) = parse(&frame, &headers, Csum::Valid, kind, true) {
                prop_assert!(frame.get(parsed.inner).is_some());
            }
        }
        if let Ok(segment) = Segment::of(&frame, &headers, Csum::Valid) {
            let _ = stt::open(segment.bytes);
        }
        let _ = stt::open(&frame);
    }

    /// Building and parsing are each other's opposite for any fields and any payload.
    #[test]
    fn any_fields(vni in 0..1u32 << 24, key: Option<u32>, seq: Option<u32>, csum: bool, six: bool,
                  words in prop::collection::vec(any::<u32>(), 0..10),
                  data in prop::collection::vec(any::<u8>(), 0..300), open: bool) {
        let mut options = vec![];
        for chunk in words.chunks(3) {
            let data: Vec<u8> = chunk.iter().flat_map(|word| word.to_be_bytes()).collect();
            options.extend([1, 2, 3, u8::try_from(chunk.len()).unwrap()]);
            options.extend(data);
        }
        let headers = [
            (Header::Vxlan(Vxlan::new(vni)), Kind::Vxlan(Extension::None)),
            (Header::Geneve(Geneve::new(vni, &options)), Kind::Geneve),
            (Header::Gre(Gre { protocol: gre::TEB, csum, key, seq }), Kind::Gre),
        ];
        for (header, kind) in headers {
            let encap = Encap { outer: outer(six, csum), header };
            let (frame, offload) = inner(&data, open);
            let (packet, left) = push(&encap, &frame, &offload);
            let (packet, headers) = finished(packet, left);
            let parsed = parse(&packet, &headers, Csum::Complete, kind, true).unwrap();
            prop_assert_eq!(parsed.header, header);
            let (whole, _) = inner(&data, false);
            prop_assert_eq!(&packet[parsed.inner], &whole[..]);
        }
    }
}
