//! Actions that look at each packet as it is on the wire: meters, lengths, truncation, labels, and packets that go up
//! to a controller or come down from one.

mod harness;

use std::sync::Arc;

use harness::{Answer, Lab, Naive, out};
use netloom_datapath::{OffloadCaps, Slowpath};
use netloom_flow::action::PacketInReason;
use netloom_flow::{
    Band, BandKind, Branch, BridgeId, CopyTtl, DpAction, DropReason, FlowKey, Meter, MeterRef, MeterSettings,
    Nanos, NextHeader, PacketKey, PortId, Punt, TableId, Translation, Upcall, WordSet, word,
};
use netloom_packet::bytes::be16;
use netloom_packet::nsh::{self, Nsh, next};
use netloom_packet::{checksum, parse};
use netloom_testkit::{Host, Packet};

fn hosts() -> (Host, Host) {
    (Host::new(1), Host::new(2))
}

/// 20 wire packets of 1,000 bytes of payload in one frame, but for the last: 500.
fn big() -> Packet {
    let (a, b) = hosts();
    a.tcp_super(&b, 19_500, 1_000)
}

fn lab(actions: Vec<DpAction>) -> Lab {
    let mut lab = Lab::new(Naive::new(move |_| Answer::all(actions.clone())));
    (1..=3).for_each(|port| lab.device_with(port, OffloadCaps::ALL, |_| {}));
    lab
}

fn branch(actions: Vec<DpAction>) -> Arc<Branch> {
    Arc::new(Branch { actions: actions.into(), ..Branch::default() })
}

fn meter(in_packets: bool, kind: BandKind, rate: u32, burst: u32) -> MeterRef {
    let bands = vec![Band { kind, rate, burst }];
    MeterRef(Arc::new(Meter::new(MeterSettings { in_packets, with_burst: true, with_stats: true, bands })))
}

fn sum(packets: &[Packet]) -> usize {
    packets.iter().map(|packet| packet.bytes.len()).sum()
}

#[test]
fn a_meter_cuts_a_super_packet_where_its_rate_ends() {
    let (meter, passed) = (meter(true, BandKind::Drop, 10, 25), branch(vec![out(2)]));
    let actions = vec![DpAction::Meter { meter: meter.clone(), passed: Arc::clone(&passed) }];
    let mut lab = lab(actions);
    lab.send(1, [big(), big()]);
    let received = lab.received(2);
    assert_eq!(received.len(), 6, "one frame whole, and five of the next");
    assert_eq!(received[0], big());
    assert!(received[1..].iter().all(|packet| packet.bytes.len() == received[1].bytes.len()));
    let read = meter.0.read();
    assert_eq!((read.input.0, read.bands[0].0), (40, 15));
    assert_eq!(lab.drops(), [(DropReason::Meter, 15)]);
    let hits = passed.hits.read();
    assert_eq!(hits.packets, 25);
    assert_eq!(hits.bytes, lab.tx(2).bytes);
    assert_eq!(lab.slow.given[0].hits.read().packets, 40);
}

#[test]
fn what_comes_behind_a_branch_is_done_to_the_packet_as_it_was() {
    let strict = meter(true, BandKind::Drop, 1, 1);
    let edits = branch(vec![DpAction::PushVlan { tpid: 0x8100, tci: 5 }, out(2)]);
    let mut lab = lab(vec![DpAction::Meter { meter: strict, passed: edits }, out(3)]);
    lab.send(1, [big()]);
    assert_eq!(lab.received(2).len(), 1);
    assert_eq!(lab.received(3), [big()]);
}

#[test]
fn a_remarked_packet_keeps_a_right_checksum_and_only_above_the_rate() {
    let (a, b) = hosts();
    let mut packet = a.udp(&b, (1, 2), &[0; 40]);
    packet.bytes[15] = 10 << 2;
    let headers = packet.headers();
    packet.bytes[24..26].fill(0);
    let sum = checksum::checksum(&packet.bytes[usize::from(headers.l3)..34]);
    packet.bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    let meter = meter(true, BandKind::DscpRemark { precedence: 1 }, 1, 1);
    let mut lab = lab(vec![DpAction::Meter { meter, passed: branch(vec![out(2)]) }]);
    lab.send(1, [packet.clone(), packet.clone()]);
    let received = lab.received(2);
    assert_eq!(received[0], packet);
    assert_eq!(received[1].bytes[15] >> 2, 12);
    assert_eq!(checksum::checksum(&received[1].bytes[14..34]), 0);
}

#[test]
fn a_length_is_checked_for_each_packet_on_the_wire_without_its_tag() {
    let (longer, other) = (branch(vec![out(2)]), branch(vec![out(3)]));
    let check = |len| DpAction::CheckLength { len, longer: Arc::clone(&longer), other: Arc::clone(&other) };
    let full = 14 + 20 + 20 + 1_000;
    let mut all_longer = lab(vec![check(600)]);
    all_longer.send(1, [big()]);
    assert_eq!(
        (all_longer.received(2).len(), all_longer.received(3).len()),
        (19, 1),
        "the last one is shorter"
    );
    assert_eq!((longer.hits.read().packets, other.hits.read().packets), (19, 1));
    let mut whole = lab(vec![DpAction::PushVlan { tpid: 0x8100, tci: 1 }, check(full)]);
    whole.send(1, [big()]);
    assert_eq!(whole.received(3).len(), 1, "20 packets of at most so many bytes stay one frame");
}

#[test]
fn a_truncated_copy_has_finished_bytes_and_the_packet_stays_whole() {
    let mut lab = lab(vec![DpAction::OutputTrunc { port: PortId(2), queue: 0, max_len: 60 }, out(3)]);
    lab.send(1, [big()]);
    let received = lab.received(2);
    assert_eq!((received.len(), sum(&received)), (20, 1_200));
    assert!(received.iter().all(|packet| packet.offload.is_plain()));
    assert_eq!(lab.received(3), [big()]);
    assert_eq!(lab.tx(2).bytes, 1_200);
}

#[test]
fn a_label_stands_between_ethernet_and_ip_and_comes_off_again() {
    let (a, b) = hosts();
    let udp = a.udp(&b, (1, 2), &[7; 40]);
    let push = DpAction::PushMpls { ethertype: 0x8847, lse: 100 << 12 | 0x140 };
    let mut pushed = lab(vec![push.clone(), out(2)]);
    pushed.send(1, [udp.clone(), big()]);
    let received = pushed.received(2);
    assert_eq!(received.len(), 21, "no device cuts behind a label");
    let labelled = &received[0].bytes;
    assert_eq!(labelled[12..18], [0x88, 0x47, 0, 6, 0x41, 0x40]);
    assert_eq!((&labelled[..12], &labelled[18..]), (&udp.bytes[..12], &udp.bytes[14..]));
    assert_eq!(parse(labelled).unwrap().mpls, 1);
    let mut popped = lab(vec![push, DpAction::PopMpls { ethertype: 0x0800 }, out(2), out(3)]);
    popped.send(1, [udp.clone()]);
    assert_eq!((popped.received(2), popped.received(3)), (vec![udp.clone()], vec![udp]));
}

#[test]
fn a_backbone_header_stands_before_the_whole_frame_and_comes_off_again() {
    let (a, b) = hosts();
    let udp = a.udp(&b, (1, 2), &[7; 40]);
    let push = DpAction::PushPbb { itag: 0x6000_00cb };
    let mut pushed = lab(vec![push.clone(), push.clone(), out(2)]);
    pushed.send(1, [udp.clone(), big()]);
    let received = pushed.received(2);
    assert_eq!(received.len(), 21, "no device cuts behind a backbone header");
    let twice = &received[0].bytes;
    assert_eq!(twice[12..18], [0x88, 0xe7, 0x60, 0, 0, 0xcb]);
    assert_eq!(
        (&twice[..12], &twice[18..30], &twice[30..36]),
        (&udp.bytes[..12], &udp.bytes[..12], &twice[12..18])
    );
    assert_eq!(twice[36..], udp.bytes[..]);
    let isid = DpAction::Set(WordSet {
        word: u8::try_from(word::PBB).unwrap(),
        value: 0x101_0005,
        mask: 0x1ff_ffff,
    });
    let mut set = lab(vec![push.clone(), isid, out(2), DpAction::PopPbb, DpAction::PopPbb, out(3)]);
    set.send(1, [udp.clone()]);
    assert_eq!(set.received(2)[0].bytes[14..18], [0x68, 1, 0, 5]);
    assert_eq!(set.received(3), vec![udp], "and nothing more comes off");
}

#[test]
fn a_service_header_stands_between_two_ethernet_headers_and_comes_off_again() {
    let (a, b) = hosts();
    let udp = a.udp(&b, (1, 2), &[7; 40]);
    let nsh = Nsh { ttl: 63, md_type: 1, next: next::ETHERNET, index: 255, ..Nsh::default() };
    let push = [
        DpAction::PushEth { ethertype: 0x6558 },
        DpAction::PushNsh(nsh.emit(&[]).unwrap().into()),
        set(word::NSH, 5 << 8, 5 << 8),
        set(word::NSH_CONTEXT + 1, 9, 0xffff_ffff),
    ];
    let pop = [DpAction::PopNsh { ethertype: 0x6558 }, DpAction::PopEth];
    let mut lab = lab([&push[..], &[out(2)], &pop, &[out(3)]].concat());
    lab.send(1, [udp.clone(), big()]);
    let received = lab.received(2);
    assert_eq!(received.len(), 21, "no device cuts behind a service header");
    let bytes = &received[0].bytes;
    let expected = Nsh { len: 24, path: 5, contexts: [0, 0, 0, 9], ..nsh };
    assert_eq!(Nsh::of(bytes, &parse(bytes).unwrap()), Some(expected));
    assert_eq!(
        (&bytes[..14], &bytes[38..]),
        (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x89, 0x4f][..], &udp.bytes[..])
    );
    assert_eq!(lab.received(3)[0], udp);
}

#[test]
fn a_service_header_stands_behind_ethernet_too_and_none_is_popped_that_is_not_there() {
    let (a, b) = hosts();
    let udp = a.udp(&b, (1, 2), &[7; 40]);
    let nsh = Nsh { ttl: 63, md_type: 2, next: next::IPV4, index: 255, ..Nsh::default() };
    let header = nsh.emit(&nsh::tlv(1, 2, &[3; 5]).unwrap()).unwrap();
    let push = DpAction::PushNsh(header.clone().into());
    let mut pushed = lab(vec![push.clone(), out(2), DpAction::PopNsh { ethertype: 0x0800 }, out(3)]);
    pushed.send(1, [udp.clone()]);
    let bytes = &pushed.received(2)[0].bytes;
    assert_eq!((&bytes[..12], &bytes[12..14]), (&udp.bytes[..12], &[0x89, 0x4f][..]));
    assert_eq!((&bytes[14..34], &bytes[34..]), (&header[..], &udp.bytes[14..]));
    assert_eq!(pushed.received(3), std::slice::from_ref(&udp));
    let short = Packet::plain([&[1; 12][..], &[0x65, 0x58], &[1; 13]].concat());
    for (frame, pop) in [(&udp, DpAction::PopNsh { ethertype: 0x0800 }), (&short, DpAction::PopEth)] {
        let mut popped = lab(vec![pop, out(2)]);
        popped.send(1, [frame.clone()]);
        assert_eq!((popped.received(2).len(), popped.drops()), (0, vec![(DropReason::Malformed, 1)]));
    }
    // The longest header comes off a copy, and the packet itself is as it was.
    let long = Nsh { md_type: 2, next: next::IPV4, ..nsh }.emit(&[9; 244]).unwrap();
    let frame = Packet::plain([&udp.bytes[..12], &[0x89, 0x4f], &long, &udp.bytes[14..]].concat());
    let copy = DpAction::Clone([DpAction::PopNsh { ethertype: 0x0800 }, out(2)].into());
    let mut copied = self::lab(vec![copy, out(3)]);
    copied.send(1, [frame.clone()]);
    assert_eq!((copied.received(2), copied.received(3)), (vec![udp.clone()], vec![frame]));
    // Headers are pushed as long as there is headroom: 64 bytes here.
    let mut lab = lab(vec![push.clone(), push.clone(), push.clone(), out(2), push, out(3)]);
    lab.send(1, [udp]);
    assert_eq!((lab.received(2).len(), lab.received(3).len()), (1, 0));
    assert_eq!(lab.drops(), [(DropReason::Malformed, 1)]);
}

fn set(at: usize, value: u64, mask: u64) -> DpAction {
    DpAction::Set(WordSet { word: u8::try_from(at).expect("a word"), value, mask })
}

#[test]
fn a_ttl_is_copied_between_a_label_and_ip_behind_it() {
    let (a, b) = hosts();
    let udp = a.udp(&b, (1, 2), &[7; 40]);
    let label = |ttl: u32| DpAction::PushMpls { ethertype: 0x8847, lse: 100 << 12 | 0x100 | ttl };
    let mut lab = lab(vec![
        label(9),
        DpAction::CopyTtl(CopyTtl::Out),
        out(2),
        DpAction::PopMpls { ethertype: 0x0800 },
        label(33),
        DpAction::CopyTtl(CopyTtl::In),
        DpAction::PopMpls { ethertype: 0x0800 },
        out(3),
    ]);
    lab.send(1, [udp.clone()]);
    assert_eq!(lab.received(2)[0].bytes[17], udp.bytes[22]);
    let inward = &lab.received(3)[0].bytes;
    assert_eq!(inward[22], 33);
    assert_eq!(checksum::verify_ipv4(inward, &parse(inward).unwrap()), Some(true));
}

#[test]
fn a_field_that_says_what_follows_is_written_and_the_rest_stays() {
    let (a, b) = hosts();
    let udp = a.udp(&b, (1, 2), &[7; 40]);
    let next = |next| DpAction::SetNext(next);
    let label = DpAction::PushMpls { ethertype: 0x8847, lse: 100 << 12 | 0x109 };
    let mut lab = lab(vec![
        next(NextHeader::IpProto(6)),
        out(2),
        next(NextHeader::EthType(0x88b5)),
        // There is no IP any more.
        next(NextHeader::IpProto(17)),
        out(3),
        label,
        next(NextHeader::BottomOfStack(false)),
        out(2),
    ]);
    lab.send(1, [udp.clone()]);
    let [tcp, labelled] = &lab.received(2)[..] else { panic!("two packets") };
    assert_eq!(tcp.bytes[23], 6);
    // The checksum of UDP, which counts the protocol.
    let check = checksum::update(be16(&udp.bytes, 40).unwrap(), 17, 6);
    let mut wanted = udp.bytes.clone();
    wanted[40..42].copy_from_slice(&check.to_be_bytes());
    assert_eq!((&tcp.bytes[..23], &tcp.bytes[26..]), (&wanted[..23], &wanted[26..]));
    assert_eq!(checksum::verify_ipv4(&tcp.bytes, &parse(&tcp.bytes).unwrap()), Some(true));
    let other = &lab.received(3)[0].bytes;
    assert_eq!((&other[12..14], &other[14..]), (&[0x88, 0xb5][..], &tcp.bytes[14..]));
    assert_eq!(labelled.bytes[14..18], [0, 6, 0x40, 9]);
}

/// Its super-packet's pieces say it too.
#[test]
fn every_wire_packet_of_a_super_packet_says_what_follows() {
    let mut lab = lab(vec![DpAction::SetNext(NextHeader::EthType(0x88b5)), out(2)]);
    lab.send(1, [big()]);
    let pieces = lab.received(2);
    assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.bytes[12..14] == [0x88, 0xb5]));
}

fn punt() -> Arc<Punt> {
    Arc::new(Punt {
        bridge: BridgeId(0),
        is_served: false,
        table: TableId(0),
        cookie: None,
        reason: PacketInReason::Action,
        is_for_all: false,
        is_miss: false,
        is_miss_flow: false,
        max_len: 100,
        controller: 0,
        userdata: Box::default(),
        paused: None,
        key: FlowKey::default(),
        layout: None,
    })
}

/// Answers as another one does, and keeps what goes up while there is room.
struct Controller {
    slow: Naive,
    got: Vec<Vec<u8>>,
    room: usize,
}

impl Slowpath for Controller {
    fn translate(&mut self, upcall: &Upcall<'_>) -> Arc<Translation> {
        self.slow.translate(upcall)
    }

    fn still_valid(&mut self, key: &PacketKey, translation: &Translation) -> bool {
        self.slow.still_valid(key, translation)
    }

    fn punt(&mut self, _punt: &Arc<Punt>, frame: &[u8], _now: Nanos) -> bool {
        let fits = self.got.len() < self.room;
        if fits {
            self.got.push(frame.to_vec());
        }
        fits
    }
}

#[test]
fn every_wire_packet_goes_up_finished_and_what_finds_no_room_is_counted() {
    let actions = vec![DpAction::Userspace(punt()), out(2)];
    let mut lab = lab(actions.clone());
    let slow = Naive::new(move |_| Answer::all(actions.clone()));
    let mut controller = Controller { slow, got: Vec::new(), room: 15 };
    lab.wires[&1].send(big()).unwrap();
    lab.worker.service(PortId(1), lab.now, &mut controller);
    assert_eq!(lab.received(2), [big()], "the packet itself went on whole");
    assert_eq!(controller.got.len(), 15);
    assert_eq!(lab.drops(), [(DropReason::ControllerFull, 5)]);
    for frame in &controller.got {
        let headers = parse(frame).unwrap();
        assert_eq!((frame.len(), headers.payload_len()), (1_054, 1_000));
        assert_eq!(checksum::checksum(&frame[14..34]), 0);
    }
    lab.send(1, [big()]);
    assert_eq!(lab.drops(), [(DropReason::ControllerFull, 25)], "nobody there: counted");
    assert!(lab.pool.used() < 1 << 20);
}

#[test]
fn a_packet_from_above_is_carried_out_once() {
    let mut lab = lab(Vec::new());
    let (a, b) = hosts();
    let udp = a.udp(&b, (1, 2), &[7; 40]);
    let answer = |actions: Vec<DpAction>| {
        let mut naive = Naive::new(move |_| Answer { cacheable: false, ..Answer::all(actions.clone()) });
        naive.translate(&Upcall { key: &PacketKey::default(), packet: &[], now: Nanos::ZERO })
    };
    let translation = answer(vec![out(2), DpAction::PushVlan { tpid: 0x8100, tci: 9 }, out(3)]);
    lab.worker.inject(PortId(1), &udp.bytes, &translation, lab.now, &mut lab.slow);
    assert_eq!(lab.received(2), std::slice::from_ref(&udp));
    assert_eq!(lab.received(3)[0].bytes.len(), udp.bytes.len() + 4);
    let hits = translation.hits.read();
    assert_eq!((hits.packets, hits.bytes, hits.retired), (1, udp.bytes.len() as u64, true));
    assert_eq!(lab.tx(2).packets, 1);
    let translation = answer(vec![out(2)]);
    lab.worker.inject(PortId(99), &[1, 2, 3], &translation, lab.now, &mut lab.slow);
    assert_eq!((lab.received(2).len(), lab.drops()), (0, vec![(DropReason::Malformed, 1)]));
}
