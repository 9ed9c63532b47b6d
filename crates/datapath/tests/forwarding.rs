//! Frames from device to device: caches, actions, hops, limits and counters.

mod harness;

use std::sync::{Arc, Mutex};

use harness::{Answer, Lab, Naive, in_port, out};
use netloom_datapath::{Attach, CaptureSink, Change, Frame, OffloadCaps, PortSpec, Traffic, Way};
use netloom_flow::{
    DpAction, DropReason, LinkSettings, Nanos, PacketMask, PortId, RecircId, TenantId, WordSet, word,
};
use netloom_packet::{checksum, parse};
use netloom_testkit::{Host, Packet};

fn hosts() -> (Host, Host) {
    (Host::new(1), Host::new(2))
}

fn udp(n: u16) -> Packet {
    let (a, b) = hosts();
    a.udp(&b, (1_000 + n, 53), &[0; 100])
}

/// Port 1 to 2 and back.
fn cross() -> Naive {
    Naive::new(|key| Answer::all(vec![out(3 - in_port(key))]))
}

#[test]
fn a_miss_is_asked_once_and_then_remembered() {
    let mut lab = Lab::new(cross());
    lab.device(1);
    lab.device(2);
    lab.send(1, (0..100).map(udp));
    assert_eq!(lab.received(2), (0..100).map(udp).collect::<Vec<_>>());
    assert_eq!(lab.slow.asked.len(), 1, "one mask covers all");
    let hits = lab.slow.given[0].hits.read();
    assert_eq!((hits.packets, hits.bytes, hits.used), (100, 14_200, lab.now));
    assert_eq!(lab.rx(1), Traffic { packets: 100, bytes: 14_200 });
    assert_eq!(lab.tx(2), lab.rx(1));
    assert_eq!(lab.rx(2), Traffic::default());
    assert!(lab.drops().is_empty());
}

#[test]
fn an_answer_covers_only_what_was_looked_at() {
    let mut lab = Lab::new(Naive::new(|key| {
        let mut mask = PacketMask::default();
        mask.0[word::L4] = 0xffff << 48;
        let port = if key.0[word::L4] >> 48 == 1_001 { 3 } else { 2 };
        Answer { mask, actions: vec![out(port)], cacheable: true }
    }));
    (1..=3).for_each(|port| lab.device(port));
    lab.send(1, [udp(0), udp(1), udp(0), udp(1), udp(2)]);
    assert_eq!((lab.received(2).len(), lab.received(3).len()), (3, 2));
    assert_eq!(lab.slow.asked.len(), 3);
    assert_eq!(lab.worker.cached_flows(), 3);
}

#[test]
fn what_is_not_cacheable_is_asked_every_time() {
    let mut lab = Lab::new(Naive::new(|_| Answer { cacheable: false, ..Answer::all(vec![out(2)]) }));
    lab.device(1);
    lab.device(2);
    lab.send(1, (0..5).map(|_| udp(0)));
    assert_eq!((lab.slow.asked.len(), lab.worker.cached_flows()), (5, 0));
    assert!(lab.slow.given.iter().all(|t| t.hits.read().retired && t.hits.read().packets == 1));
}

#[test]
fn a_moved_epoch_is_asked_about_once_per_flow() {
    let mut lab = Lab::new(cross());
    lab.device(1);
    lab.device(2);
    lab.send(1, [udp(0), udp(0)]);
    assert_eq!(lab.slow.checked, 0);
    lab.epoch.advance();
    lab.send(1, [udp(0), udp(1), udp(0)]);
    assert_eq!((lab.slow.checked, lab.slow.asked.len()), (1, 1));
    lab.epoch.advance();
    lab.slow.valid = false;
    lab.send(1, [udp(0), udp(0)]);
    assert_eq!((lab.slow.checked, lab.slow.asked.len()), (2, 2));
    assert!(lab.slow.given[0].hits.read().retired);
    assert_eq!(lab.slow.given[0].hits.read().packets, 5, "final when retired");
    assert_eq!(lab.slow.given[1].hits.read().packets, 2);
}

#[test]
fn flushing_retires_everything() {
    let mut lab = Lab::new(cross());
    lab.device(1);
    lab.device(2);
    lab.send(1, [udp(0)]);
    lab.worker.apply(Change::Flush, lab.now);
    assert!(lab.slow.given[0].hits.read().retired);
    lab.send(1, [udp(0)]);
    assert_eq!(lab.slow.asked.len(), 2);
}

#[test]
fn the_cache_keeps_to_its_limit() {
    let mut lab = Lab::with(
        Naive::new(|_| Answer {
            mask: PacketMask([u64::MAX; netloom_flow::PACKET_WORDS]),
            ..Answer::all(vec![out(2)])
        }),
        1 << 20,
        1 << 20,
        1,
    );
    lab.device(1);
    lab.device(2);
    for n in 0..10_000 {
        lab.send(1, [udp(n)]);
    }
    let flows = lab.worker.cached_flows();
    assert!((500..2_000).contains(&flows), "{flows} flows in 1 MiB");
    let retired = lab.slow.given.iter().filter(|t| t.hits.read().retired).count();
    assert_eq!(retired + flows, 10_000);
    assert_eq!(lab.received(2).len(), 10_000);
}

#[test]
fn packets_pass_however_many_masks_a_peer_provokes() {
    let mut n = 0;
    let mut lab = Lab::new(Naive::new(move |_| {
        n += 1;
        let mut mask = PacketMask::default();
        mask.0[word::IPV4] = n;
        Answer { mask, ..Answer::all(vec![out(2)]) }
    }));
    lab.device(1);
    lab.device(2);
    for from in 0..2_000 {
        let packet = Host::new(from).udp(&Host::new(9_999 - from), (1, 2), &[]);
        lab.send(1, [packet.clone(), packet]);
    }
    assert_eq!(lab.received(2).len(), 4_000);
}

#[test]
fn a_flood_sends_to_all_and_each_output_sees_the_frame_as_it_is_then() {
    let tag = DpAction::PushVlan { tpid: 0x8100, tci: 7 };
    let actions = vec![out(2), tag, out(3), DpAction::PopVlan, out(4)];
    let mut lab = Lab::new(Naive::new(move |_| Answer::all(actions.clone())));
    (1..=4).for_each(|port| lab.device(port));
    let (a, b) = hosts();
    let packet = a.tcp_super(&b, 10_000, 1_448);
    lab.send(1, [packet.clone(), udp(0)]);
    assert_eq!(lab.received(2), [packet.clone(), udp(0)]);
    assert_eq!(lab.received(3), [packet.clone().vlan(7), udp(0).vlan(7)]);
    assert_eq!(lab.received(4), [packet, udp(0)]);
    // 7 segments of 66 bytes of headers and 10,000 of payload, and the datagram; tagged, each is 4 longer.
    let plain = Traffic { packets: 8, bytes: 7 * 54 + 10_000 + 142 };
    assert_eq!(lab.tx(2), plain);
    assert_eq!(lab.tx(3), Traffic { bytes: plain.bytes + 8 * 4, ..plain });
}

#[test]
fn a_clone_leaves_the_packet_as_it_was() {
    let ttl =
        DpAction::Set(WordSet { word: u8::try_from(word::IP).unwrap(), value: 9 << 40, mask: 0xff << 40 });
    let inner = vec![DpAction::PushVlan { tpid: 0x88a8, tci: 5 }, ttl, out(2), DpAction::PopVlan];
    let mut lab =
        Lab::new(Naive::new(move |_| Answer::all(vec![DpAction::Clone(inner.clone().into()), out(3)])));
    lab.device(1);
    lab.device_with(2, OffloadCaps::default(), |_| {});
    lab.device(3);
    let (a, b) = hosts();
    let packet = a.tcp_super(&b, 4_000, 1_000);
    lab.send(1, [packet.clone()]);
    assert_eq!(lab.received(3), [packet]);
    let cloned = lab.received(2);
    assert_eq!(cloned.len(), 4);
    for packet in cloned {
        let headers = parse(&packet.bytes).unwrap();
        assert_eq!((headers.vlans, packet.bytes[headers.l3 as usize + 8]), (1, 9));
        assert_eq!(checksum::verify_l4(&packet.bytes, &headers), Some(true));
        assert_eq!(checksum::verify_ipv4(&packet.bytes, &headers), Some(true));
    }
}

#[test]
fn every_settable_field_is_set_and_checksums_stay_right() {
    let set = |word: usize, value: u64, mask: u64| {
        DpAction::Set(WordSet { word: u8::try_from(word).unwrap(), value, mask })
    };
    let actions = vec![
        set(word::ETH_DST, 0x0200_0000_0099 << 16, !0xffff),
        set(word::ETH_SRC, 0x0200_0000_0098 << 16, !0xffff),
        set(word::IPV4, 0x0a00_0063_0a00_0064, u64::MAX),
        set(word::IP, 0x0020_0500_0000_0000, 0x00ff_ff00_0000_0000),
        set(word::L4, 0x1234_5678_0000_0000, 0xffff_ffff_0000_0000),
        out(2),
    ];
    let mut lab = Lab::new(Naive::new(move |_| Answer::all(actions.clone())));
    lab.device(1);
    lab.device_with(2, OffloadCaps::default(), |_| {});
    let (a, b) = hosts();
    lab.send(1, [udp(0), a.tcp_super(&b, 100, 1_448)]);
    let received = lab.received(2);
    assert_eq!(received.len(), 2);
    for packet in received {
        let headers = parse(&packet.bytes).unwrap();
        assert_eq!(packet.bytes[..12], [2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 0, 0x98]);
        assert_eq!(packet.bytes[26..34], [10, 0, 0, 0x63, 10, 0, 0, 0x64]);
        assert_eq!((packet.bytes[15], packet.bytes[22]), (0x20, 5));
        assert_eq!(packet.bytes[34..38], [0x12, 0x34, 0x56, 0x78]);
        assert_eq!(checksum::verify_l4(&packet.bytes, &headers), Some(true));
        assert_eq!(checksum::verify_ipv4(&packet.bytes, &headers), Some(true));
    }
}

#[test]
fn hairpin_output_goes_back_in_order() {
    let mut lab = Lab::new(Naive::new(|_| Answer::all(vec![out(1)])));
    lab.device(1);
    lab.send(1, (0..40).map(udp));
    assert_eq!(lab.received(1), (0..40).map(udp).collect::<Vec<_>>());
    assert_eq!(lab.tx(1).packets, 40);
}

/// A chain of switches: port 1 in, pairs of peers (10, 11), (20, 21) .., port 2 out.
fn chain(links: u32) -> Lab {
    let mut lab = Lab::new(Naive::new(move |key| {
        let to = match in_port(key) {
            1 => 10,
            port if port == links * 10 + 1 => 2,
            port => port + 9,
        };
        Answer::all(vec![out(to)])
    }));
    lab.device(1);
    lab.device(2);
    for n in 1..=links {
        lab.peers(n * 10, n * 10 + 1, LinkSettings::default(), LinkSettings::default());
    }
    lab
}

#[test]
fn a_chain_of_switches_is_walked_in_place_with_every_counter() {
    let mut lab = chain(100);
    let (a, b) = hosts();
    lab.send(1, [udp(0), a.tcp_super(&b, 20_000, 1_448), udp(1)]);
    assert_eq!(lab.received(2), [udp(0), a.tcp_super(&b, 20_000, 1_448), udp(1)]);
    assert_eq!(lab.slow.asked.len(), 101);
    for n in 1..=100 {
        assert_eq!((lab.tx(n * 10), lab.rx(n * 10 + 1)), (lab.rx(1), lab.rx(1)));
    }
    assert_eq!(lab.pool.used(), 0, "no copy was made");
}

#[test]
fn a_loop_of_switches_ends_and_leaves_nothing() {
    // Everything is flooded round a ring of three switches, and out at port 2.
    let mut lab = Lab::new(Naive::new(|key| {
        let port = in_port(key);
        Answer::all(match port {
            1 => vec![out(10), out(31), out(2)],
            // Peers: 10-11, 20-21, 30-31; switches {1, 2, 10, 31}, {11, 20}, {21, 30}.
            11 => vec![out(20), out(11)],
            20 => vec![out(11), out(20)],
            21 => vec![out(30), out(21)],
            30 => vec![out(21), out(30)],
            10 => vec![out(31), out(10), out(2)],
            _ => vec![out(10), out(31), out(2)],
        })
    }));
    lab.device(1);
    lab.device(2);
    let plain = LinkSettings::default;
    lab.peers(10, 11, plain(), plain());
    lab.peers(20, 21, plain(), plain());
    lab.peers(30, 31, plain(), plain());
    lab.send(1, [udp(0), udp(1)]);
    let hops: u64 = [1, 10, 11, 20, 21, 30, 31].iter().map(|port| lab.rx(*port).packets).sum();
    assert!((2..=2 * 4_096).contains(&hops), "{hops} hops");
    assert!(lab.drops().iter().all(|(reason, _)| *reason == DropReason::HopLimit));
    assert!(lab.drops()[0].1 > 0);
    assert!(lab.pool.used() < 2 << 20);
    lab.received(2);
    lab.send(1, [udp(2)]);
    assert!(lab.received(2).contains(&udp(2)), "still alive");
}

#[test]
fn recirculation_comes_back_with_its_number() {
    let mut lab = Lab::new(Naive::new(|key| {
        Answer::all(match key.0[word::IN_PORT] & 0xffff_ffff {
            0 => vec![
                DpAction::Recirculate(RecircId(7)),
                DpAction::PushVlan { tpid: 0x8100, tci: 3 },
                DpAction::Recirculate(RecircId(8)),
            ],
            7 => vec![out(2)],
            _ => vec![out(3)],
        })
    }));
    (1..=3).for_each(|port| lab.device(port));
    lab.send(1, [udp(0), udp(0)]);
    assert_eq!(lab.received(2), [udp(0), udp(0)]);
    assert_eq!(lab.received(3), [udp(0).vlan(3), udp(0).vlan(3)]);
    assert_eq!(lab.rx(1).packets, 2, "coming back is not receiving");
    assert_eq!(lab.slow.asked.len(), 3);
}

#[test]
fn the_tenant_of_the_first_port_goes_along() {
    let mut lab = chain(1);
    lab.device_with(1, OffloadCaps::ALL, |spec| spec.tenant = TenantId(5));
    lab.send(1, [udp(0)]);
    assert_eq!(lab.slow.asked.len(), 2);
    assert!(lab.slow.asked.iter().all(|key| key.0[word::TENANT] >> 48 == 5));
}

#[test]
fn every_drop_has_its_reason() {
    let mut lab = Lab::new(Naive::new(|key| {
        Answer::all(match in_port(key) {
            1 => vec![out(99)],
            2 => vec![out(4)],
            _ => vec![DpAction::Drop(DropReason::Tenant)],
        })
    }));
    (1..=4).for_each(|port| lab.device(port));
    lab.worker.apply(Change::SetPort { port: PortId(4), up: false }, lab.now);
    lab.send(1, [udp(0)]);
    lab.send(2, [udp(0)]);
    let (a, b) = hosts();
    lab.send(3, [a.tcp_super(&b, 5_000, 1_000)]);
    lab.send(4, [udp(0)]);
    lab.send(3, [Packet::plain([0; 13])]);
    let drops = lab.drops();
    for wanted in [
        (DropReason::NoPort, 1),
        (DropReason::PortDown, 2),
        (DropReason::Tenant, 5),
        (DropReason::Malformed, 1),
    ] {
        assert!(drops.contains(&wanted), "{wanted:?} in {drops:?}");
    }
    assert_eq!(drops.len(), 4);
    assert_eq!(lab.counters.port(PortId(3)).unwrap().drops().read(DropReason::Tenant), 5);
}

#[test]
fn metadata_that_lies_is_malformed() {
    let mut lab = Lab::new(cross());
    lab.device(1);
    lab.device(2);
    let (a, b) = hosts();
    let mut packet = udp(0);
    packet.offload = a.tcp_super(&b, 1_000, 100).offload;
    lab.send(1, [packet]);
    assert_eq!(lab.drops(), [(DropReason::Malformed, 1)]);
}

#[test]
fn a_device_without_offloads_gets_finished_packets() {
    let mut lab = Lab::new(cross());
    lab.device(1);
    lab.device_with(2, OffloadCaps::default(), |_| {});
    let (a, b) = hosts();
    lab.send(1, [a.tcp_super(&b, 10_000, 1_448), a.tcp6_super(&b, 3_000, 1_428)]);
    let received = lab.received(2);
    assert_eq!(received.len(), 7 + 3);
    for packet in &received {
        assert!(packet.offload.is_plain());
        assert_eq!(checksum::verify_l4(&packet.bytes, &packet.headers()), Some(true));
    }
    assert_eq!(lab.tx(2), lab.rx(1));
}

#[test]
fn a_full_device_is_a_counted_drop() {
    let mut lab = Lab::new(cross());
    lab.device(1);
    lab.device(2);
    lab.wires[&2].set_up(false);
    lab.send(1, [udp(0), udp(1)]);
    assert_eq!(lab.drops(), [(DropReason::DeviceFull, 2)]);
    assert_eq!(lab.tx(2), Traffic::default());
}

#[test]
fn a_wire_joins_two_devices_without_a_lookup() {
    let mut lab = Lab::new(Naive::new(|_| unreachable!("nothing to look up")));
    for (port, other) in [(1, 2), (2, 1)] {
        lab.device_with(port, OffloadCaps::ALL, |spec| spec.attach = Attach::Wire(PortId(other)));
    }
    lab.send(1, [udp(0)]);
    lab.send(2, [udp(1)]);
    assert_eq!((lab.received(2), lab.received(1)), (vec![udp(0)], vec![udp(1)]));
}

#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<(Way, Nanos, usize)>>>);

impl CaptureSink for Tape {
    fn frame(&mut self, way: Way, at: Nanos, frame: &Frame<'_>) {
        self.0.lock().expect("nobody panicked").push((way, at, frame.len()));
    }
}

#[test]
fn a_capture_sees_both_ways_until_it_ends() {
    let mut lab = Lab::new(cross());
    lab.device(1);
    lab.device(2);
    let tape = Tape::default();
    let start = |sink| Change::SetCapture { port: PortId(1), sink };
    lab.worker.apply(start(Some(Box::new(tape.clone()))), lab.now);
    lab.send(1, [udp(0)]);
    lab.send(2, [udp(0)]);
    lab.worker.apply(start(None), lab.now);
    lab.send(1, [udp(0)]);
    assert_eq!(*tape.0.lock().unwrap(), [(Way::Rx, lab.now, 142), (Way::Tx, lab.now, 142)]);
}

#[test]
fn a_removed_port_is_gone_and_a_replaced_one_keeps_counting() {
    let mut lab = Lab::new(cross());
    lab.device(1);
    lab.device(2);
    lab.send(1, [udp(0)]);
    lab.device(2);
    lab.send(1, [udp(0)]);
    assert_eq!((lab.received(2).len(), lab.tx(2).packets), (1, 2));
    lab.worker.apply(Change::RemovePort(PortId(2)), lab.now);
    lab.send(1, [udp(0)]);
    assert_eq!(lab.drops(), [(DropReason::NoPort, 1)]);
    assert!(lab.counters.port(PortId(2)).is_none());
    let spec = PortSpec::new(PortId(2), TenantId(0), Attach::Switch);
    lab.worker.apply(Change::AddPort(spec, None), lab.now);
    lab.send(1, [udp(0)]);
    assert_eq!(lab.counters.drops.read(DropReason::PortDown), 1, "no driver yet");
}

#[test]
fn idle_flows_expire_and_busy_ones_stay() {
    let mut lab = Lab::new(Naive::new(|_| Answer {
        mask: PacketMask([u64::MAX; netloom_flow::PACKET_WORDS]),
        ..Answer::all(vec![out(2)])
    }));
    lab.device(1);
    lab.device(2);
    lab.send(1, (0..100).map(udp));
    lab.now += Nanos::from_secs(10);
    lab.send(1, (0..10).map(udp));
    lab.worker.expire(lab.now);
    assert_eq!(lab.worker.cached_flows(), 10);
    assert_eq!(lab.slow.given.iter().filter(|t| t.hits.read().retired).count(), 90);
}
