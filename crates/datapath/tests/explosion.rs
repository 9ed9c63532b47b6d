//! A port whose every packet looks new, beside ports that behave.

mod harness;

use harness::{Answer, Lab, Naive, in_port, out};
use netloom_datapath::{OffloadCaps, Quiet};
use netloom_flow::{DropReason, Nanos, PacketKey, PacketMask, PortId, Translation, word};
use netloom_testkit::{Host, Packet};

/// A datagram of a flow of its own.
fn datagram(n: u32) -> Packet {
    let [_, a, b, c] = n.to_be_bytes();
    let one = Host { ip: [10, a, b, c].into(), ..Host::new(1) };
    let two = Host { ip: [10, c, a, b].into(), ..Host::new(2) };
    one.udp(&two, (u16::from_be_bytes([a, b]), u16::from_be_bytes([b, c])), &[0; 20])
}

/// What is known of port 1 is known for all its packets. Those of port 2 are each looked at in other bits.
fn hostile(key: &PacketKey) -> Answer {
    let mut mask = PacketMask::default();
    if in_port(key) == 2 {
        let n = key.0[word::IPV4];
        mask.0[word::IPV4] = u64::MAX << (n % 31) | n;
        mask.0[word::L4] = u64::MAX << (n % 29);
    }
    Answer { mask, actions: vec![out(3)], cacheable: true }
}

fn lab(cache_limit: usize) -> Lab {
    let mut lab = Lab::with(Naive::new(hostile), 64 << 20, cache_limit, 7);
    for port in 1..=3 {
        lab.device_with(port, OffloadCaps::ALL, |_| {});
    }
    lab
}

#[test]
fn the_cache_keeps_to_its_limit_and_keeps_what_is_used() {
    let limit = 1 << 20;
    let mut lab = lab(limit);
    let asked_for = |lab: &Lab, port| lab.slow.asked.iter().filter(|key| in_port(key) == port).count();
    for round in 0..100 {
        lab.send(2, (0..100).map(|n| datagram(round * 100 + n)));
        lab.send(1, [datagram(round % 10)]);
        lab.now += Nanos::from_micros(100);
        let bytes = lab.worker.cached_flows() * size_of::<Translation>();
        assert!(bytes < limit, "{} flows", lab.worker.cached_flows());
    }
    assert_eq!(asked_for(&lab, 1), 1, "in use all the time, and never forgotten");
    assert!(asked_for(&lab, 2) > 7_500, "all new");
    assert_eq!(lab.drops(), Vec::<(DropReason, u64)>::new());
    assert_eq!(lab.received(3).len(), 100 * 101, "nobody's packets were lost");
    let retired = lab.slow.given.iter().filter(|given| given.hits.read().retired).count();
    assert_eq!(retired, lab.slow.given.len() - lab.worker.cached_flows(), "what is let go is final");
}

#[test]
fn a_port_of_new_flows_takes_a_quarter_of_its_turns_while_another_is_busy() {
    let mut lab = lab(16 << 20);
    for n in 0..6_400 {
        lab.wires[&1].send(datagram(n % 10)).expect("room on the wire");
        lab.wires[&2].send(datagram(n)).expect("room on the wire");
    }
    let round = |lab: &mut Lab, ports: &[u32]| {
        lab.now += Nanos::from_micros(10);
        lab.worker.begin_round(lab.now, Quiet::Elsewhere(lab.now));
        for port in ports {
            lab.worker.service(PortId(*port), lab.now, &mut lab.slow);
        }
    };
    for _ in 0..100 {
        round(&mut lab, &[1, 2]);
    }
    assert!(lab.rx(1).packets >= 99 * 32, "{}: a full turn each, once its flow is known", lab.rx(1).packets);
    assert!((800..900).contains(&lab.rx(2).packets), "{}", lab.rx(2).packets);
    let before = lab.rx(2).packets;
    for _ in 0..10 {
        round(&mut lab, &[2]);
    }
    assert!(lab.rx(2).packets >= before + 9 * 32, "alone, it has full turns");
}
