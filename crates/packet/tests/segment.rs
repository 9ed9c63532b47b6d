//! Super-packets cut into what they stand for, held against a plain reading of what TCP and UDP should send.

use std::num::NonZeroU32;

use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::segment::{TooSmall, Unit, cut};
use netloom_packet::tcp::flag;
use netloom_packet::{BadOffload, Csum, Gso, Headers, Mac, Offload, checksum, ipv4, parse, tcp, udp, wire};
use proptest::prelude::*;

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac([2, 0, 0, 0, 0, 2]);
const ONE: NonZeroU32 = NonZeroU32::MIN;

/// A super-packet and what there is to know about it.
struct Super {
    bytes: Vec<u8>,
    headers: Headers,
    offload: Offload,
}

fn super_packet(six: bool, tcp: bool, tags: u16, data: &[u8], gso_size: u16, flags: u16) -> Super {
    let ip = if six { Ip::v6([1; 8], [2; 8]) } else { Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]) };
    let ip = Ip { id: 0xfffe, ..ip };
    let ip = if tcp {
        ip.tcp(Tcp { src: 1, dst: 2, seq: 0xffff_ff00, ack: 7, flags, window: 9, options: &[1; 12], data })
    } else {
        ip.udp(1, 2, data)
    };
    let frame = (0..tags).fold(Frame::ip(A, B, ip), Frame::vlan);
    let mut bytes = vec![0xa5; frame.len()];
    let (_, offload) = frame.emit_partial(&mut bytes).expect("fits");
    let gso = match (tcp, six) {
        (false, _) => Gso::Udp,
        (true, false) => Gso::Tcp4,
        (true, true) => Gso::Tcp6,
    };
    let headers = parse(&bytes).expect("a frame");
    Super { bytes, headers, offload: Offload { gso, gso_size, ecn: flags & flag::CWR != 0, ..offload } }
}

/// All units, each in a buffer of its own.
fn units(from: &Super, per_unit: NonZeroU32) -> Vec<(Vec<u8>, Unit)> {
    let mut cutter = cut(&from.bytes, &from.headers, &from.offload, per_unit).expect("consistent");
    let mut units = Vec::new();
    let (mut left, mut longest) = (cutter.remaining(), cutter.longest());
    let mut buffer = vec![0xa5; longest + 8];
    while let Some(unit) = cutter.next_into(&mut buffer).expect("room") {
        assert!(buffer[unit.len..longest].iter().all(|b| *b == 0xa5), "nothing behind the unit");
        assert!(unit.len <= longest);
        left -= 1;
        assert_eq!(cutter.remaining(), left);
        units.push((buffer[..unit.len].to_vec(), unit));
        longest = longest.max(cutter.longest());
        buffer.fill(0xa5);
    }
    assert_eq!(left, 0);
    units
}

#[test]
fn three_segments_of_tcp() {
    let data: Vec<u8> = (0..=249).collect();
    let all = flag::FIN | flag::PSH | flag::ACK | flag::CWR | flag::ECE;
    let from = super_packet(false, true, 1, &data, 100, all);
    let cut = units(&from, ONE);
    assert_eq!(cut.len(), 3);
    let middle = flag::ACK | flag::ECE;
    let wanted = [
        (0xfffe, 0xffff_ff00, middle | flag::CWR, 100),
        (0xffff, 0xffff_ff64, middle, 100),
        (0x0000, 0xffff_ffc8, middle | flag::FIN | flag::PSH, 50),
    ];
    for ((mut bytes, unit), (id, seq, flags, len)) in cut.into_iter().zip(wanted) {
        let h = parse(&bytes).expect("a frame");
        let tcp = tcp::Tcp::of(&bytes, &h).expect("TCP");
        assert_eq!((tcp.seq(), tcp.flags(), h.payload_len()), (seq, flags, len));
        assert_eq!(ipv4::Ipv4::of(&bytes, &h).map(ipv4::Ipv4::id), Some(id));
        assert_eq!((unit.segments, unit.offload.gso, unit.offload.gso_size), (1, Gso::None, 0));
        let mut offload = unit.offload;
        assert_eq!(offload.csum, Csum::Partial { start: 38, offset: 16 });
        checksum::complete(&mut bytes, &mut offload).expect("in the frame");
        assert_eq!(checksum::verify_l4(&bytes, &h), Some(true));
        assert_eq!(checksum::verify_ipv4(&bytes, &h), Some(true));
    }
}

#[test]
fn units_of_two_stay_super_packets() {
    let from = super_packet(false, true, 0, &[7; 500], 100, flag::ACK | flag::CWR);
    let cut = units(&from, NonZeroU32::new(2).expect("two"));
    let segments: Vec<_> = cut.iter().map(|(_, u)| (u.segments, u.offload.gso, u.offload.ecn)).collect();
    assert_eq!(segments, [(2, Gso::Tcp4, true), (2, Gso::Tcp4, false), (1, Gso::None, false)]);
    let ids: Vec<_> = cut
        .iter()
        .filter_map(|(b, _)| parse(b).ok().and_then(|h| ipv4::Ipv4::of(b, &h).map(|ip| ip.id())))
        .collect();
    assert_eq!(ids, [0xfffe, 0, 2]);
}

#[test]
fn other_frames_pass_whole() {
    let mut bytes = Frame::ip(A, B, Ip::v4([1; 4], [2; 4]).udp(1, 2, b"abc")).to_vec().expect("fits");
    bytes.resize(60, 0);
    let headers = parse(&bytes).expect("a frame");
    let from = Super { bytes: bytes.clone(), headers, offload: Offload::PLAIN };
    assert_eq!(units(&from, ONE), [(bytes, Unit { len: 60, segments: 1, offload: Offload::PLAIN })]);
}

#[test]
fn a_small_buffer_loses_nothing() {
    let from = super_packet(true, true, 0, &[7; 150], 100, flag::ACK);
    let mut cutter = cut(&from.bytes, &from.headers, &from.offload, ONE).expect("consistent");
    let needed = cutter.longest();
    assert_eq!(cutter.next_into(&mut [0; 100]), Err(TooSmall { needed }));
    let unit = cutter.next_into(&mut vec![0; needed]).expect("room").expect("a unit");
    assert_eq!(unit.len, needed);
    assert_eq!(cutter.remaining(), 1);
}

#[test]
fn hostile_metadata_is_refused() {
    let from = super_packet(false, true, 0, &[7; 150], 100, flag::ACK);
    let with = |offload: Offload| cut(&from.bytes, &from.headers, &offload, ONE).map(|_| ());
    assert_eq!(with(Offload { gso: Gso::Tcp6, ..from.offload }), Err(BadOffload::GsoHeaders));
    assert_eq!(with(Offload { gso: Gso::Udp, ..from.offload }), Err(BadOffload::GsoHeaders));
    assert_eq!(with(Offload { gso_size: 0, ..from.offload }), Err(BadOffload::GsoSize(0)));
    let shifted = Csum::Partial { start: 35, offset: 16 };
    assert_eq!(with(Offload { csum: shifted, ..from.offload }), Err(BadOffload::GsoCsum));
    assert_eq!(
        cut(&from.bytes[..100], &from.headers, &from.offload, ONE).map(|_| ()),
        Err(BadOffload::GsoHeaders),
        "headers of another frame"
    );
    assert_eq!(with(from.offload), Ok(()));
}

#[test]
fn more_than_64_kib() {
    let data = vec![9; 150_000];
    for six in [false, true] {
        let from = super_packet(six, true, 0, &data, 1400, flag::ACK);
        assert_eq!(from.headers.payload_len(), data.len());
        let cut = units(&from, NonZeroU32::new(40).expect("forty"));
        assert_eq!(cut.len(), 3);
        let sum: usize = cut.iter().filter_map(|(b, _)| parse(b).ok()).map(|h| h.payload_len()).sum();
        assert_eq!(sum, data.len());
    }
}

proptest! {
    #[test]
    fn segments_are_the_super_packet(
        six in any::<bool>(), tcp in any::<bool>(), tags in 0u16..3,
        data in proptest::collection::vec(any::<u8>(), 0..1000),
        gso_size in 8u16..400, per_unit in 1u32..9, flags in 0u16..0x1000, complete in any::<bool>(),
    ) {
        let mut from = super_packet(six, tcp, tags, &data, gso_size, flags);
        if complete {
            checksum::complete(&mut from.bytes, &mut from.offload).unwrap();
        }
        let per_unit = NonZeroU32::new(per_unit).unwrap();
        let direct = units(&from, ONE);
        let count = wire(from.bytes.len(), &from.headers, &from.offload);
        prop_assert_eq!(direct.len(), count.packets as usize);
        prop_assert_eq!(direct.iter().map(|(b, _)| b.len() as u64).sum::<u64>(), count.bytes);

        // Cutting in two steps gives the same packets.
        let mut stepwise = Vec::new();
        let (mut packets, mut bytes) = (0, 0);
        for (unit_bytes, unit) in units(&from, per_unit) {
            let headers = parse(&unit_bytes).unwrap();
            let part = wire(unit_bytes.len(), &headers, &unit.offload);
            prop_assert_eq!(part.packets, unit.segments);
            prop_assert!(unit.segments <= per_unit.get());
            packets += part.packets;
            bytes += part.bytes;
            stepwise.extend(units(&Super { bytes: unit_bytes, headers, offload: unit.offload }, ONE));
        }
        prop_assert_eq!((packets, bytes), (count.packets, count.bytes));
        prop_assert_eq!(stepwise.len(), direct.len());

        let mut payload = Vec::new();
        let last = direct.len() - 1;
        for (n, ((mut a, unit), (mut b, twice))) in direct.into_iter().zip(stepwise).enumerate() {
            let (mut one, mut two) = (unit.offload, twice.offload);
            checksum::complete(&mut a, &mut one).unwrap();
            checksum::complete(&mut b, &mut two).unwrap();
            prop_assert_eq!(&a, &b);
            let h = parse(&a).unwrap();
            prop_assert_eq!(h.end as usize, a.len());
            prop_assert_eq!(checksum::verify_l4(&a, &h), Some(true));
            prop_assert_ne!(checksum::verify_ipv4(&a, &h), Some(false));
            if let Some(t) = tcp::Tcp::of(&a, &h) {
                prop_assert_eq!(t.seq(), 0xffff_ff00u32.wrapping_add(u32::try_from(payload.len()).unwrap()));
                let not_here = if n == 0 { 0 } else { flag::CWR }
                    | if n == last { 0 } else { flag::FIN | flag::PSH };
                prop_assert_eq!(t.flags(), flags & !not_here);
            } else {
                let u = udp::Udp::of(&a, &h).unwrap();
                prop_assert_eq!(usize::from(u.length()), 8 + h.payload_len());
            }
            payload.extend_from_slice(&a[h.payload.into()..]);
        }
        prop_assert_eq!(payload, data);
    }

    #[test]
    fn udp_without_a_checksum_stays_without(data in proptest::collection::vec(any::<u8>(), 1..500)) {
        let mut from = super_packet(false, false, 0, &data, 100, 0);
        from.offload.csum = Csum::Complete;
        from.bytes[40..42].fill(0);
        for (bytes, unit) in units(&from, ONE) {
            prop_assert_eq!(unit.offload, Offload::PLAIN);
            prop_assert_eq!(&bytes[40..42], &[0, 0]);
        }
    }

    #[test]
    fn any_bytes_any_metadata(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), raw in any::<[u8; 12]>(), gso in 0u8..8,
        l3 in 0u16..220, l4 in 0u16..220, payload in 0u16..220, end in 0u32..220, six in any::<bool>(), proto in prop::sample::select(vec![6u8, 17]),
    ) {
        let mut raw = raw;
        raw[1] = gso;
        raw[4] |= 8;
        let (Ok(offload), eth_type) = (Offload::parse(&raw), if six { 0x86dd } else { 0x0800 }) else { return Ok(()) };
        let headers = Headers { l2_len: l3, l3, l4, payload, end, eth_type, ip_proto: proto, ..Headers::default() };
        let offload = Offload { csum: Csum::Partial { start: l4, offset: if proto == 6 { 16 } else { 6 } }, ..offload };
        let mut buffer = [0; 700];
        if let Ok(mut cutter) = cut(&bytes, &headers, &offload, ONE) {
            let count = cutter.remaining();
            let mut seen = 0;
            while let Ok(Some(_)) = cutter.next_into(&mut buffer) {
                seen += 1;
            }
            prop_assert_eq!(seen, count);
        }
    }
}
