//! Queues and policing of ports on a manual clock, with whole packets: rates, shares, priority, counters, changes.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

mod harness;

use std::sync::Arc;

use harness::{Answer, Lab, Naive, in_port, out};
use netloom_datapath::qos::SharedPolicer;
use netloom_datapath::{Change, Direction, OffloadCaps, QueueRead};
use netloom_flow::{
    DpAction, DropReason, LinkSettings, Nanos, PacketMask, Policing, PortId, Qos, Queue, QueueLimit, word,
};
use netloom_testkit::{Host, Packet};

const MS: fn(u64) -> Nanos = Nanos::from_millis;
const MBIT: u64 = 1_000_000;

/// Port 1 to port 2; the UDP destination port names the queue.
fn lab(settings: LinkSettings) -> Lab {
    let slow = Naive::new(|key| {
        let to = PortId(3 - in_port(key));
        let queue = u32::try_from(key.0[word::L4] >> 32 & 0xffff).unwrap();
        let action = if queue == 0 { DpAction::Output(to) } else { DpAction::Enqueue { port: to, queue } };
        let mut mask = PacketMask::default();
        (mask.0[word::IN_PORT], mask.0[word::L4]) = (u64::MAX, 0xffff << 32);
        Answer { mask, actions: vec![action], cacheable: true }
    });
    let mut lab = Lab::new(slow);
    lab.device(1);
    lab.device_with(2, OffloadCaps::ALL, |spec| spec.from_switch = settings);
    lab
}

fn qos(max_rate: Option<u64>, queues: impl IntoIterator<Item = (u32, Queue)>) -> Qos {
    Qos { max_rate, queues: queues.into_iter().collect() }
}

fn set(lab: &mut Lab, qos: Option<Qos>) {
    lab.worker.apply(Change::SetQos { port: PortId(2), qos: qos.map(Box::new) }, lab.now);
}

/// A datagram of `len` bytes for a queue, numbered.
fn datagram(queue: u16, n: u32, len: usize) -> Packet {
    let mut data = vec![0; len - 42];
    data[..4].copy_from_slice(&n.to_be_bytes());
    Host::new(1).udp(&Host::new(2), (1, queue), &data)
}

fn queue_of(packet: &Packet) -> u32 {
    u16::from_be_bytes(packet.bytes[36..38].try_into().unwrap()).into()
}

fn number(packet: &Packet) -> u32 {
    u32::from_be_bytes(packet.bytes[42..46].try_into().unwrap())
}

fn read(lab: &Lab, queue: u32) -> QueueRead {
    lab.counters.queues(PortId(2)).into_iter().find(|(id, _)| *id == queue).unwrap().1
}

/// Sends `mbit` of full packets into each queue every millisecond for `span`; what came out, in bits of each queue.
fn overload(lab: &mut Lab, queues: &[u16], mbit: u64, span: Nanos) -> Vec<u64> {
    let each = mbit * 1_000 / 8 / 1_514 + 1;
    let mut bits = vec![0; queues.len()];
    let end = lab.now + span;
    while lab.now < end {
        for queue in queues {
            lab.send(1, (0..each).map(|_| datagram(*queue, 0, 1_514)));
        }
        lab.run_for(MS(1));
        for packet in lab.received(2) {
            let at = queues.iter().position(|queue| u32::from(*queue) == queue_of(&packet)).unwrap();
            bits[at] += packet.bytes.len() as u64 * 8;
        }
    }
    bits
}

fn within(measured: u64, wanted: u64, percent: u64) -> bool {
    measured.abs_diff(wanted) * 100 <= wanted * percent
}

#[test]
fn queues_share_a_port_by_promise_priority_and_maximum() {
    let mut lab = lab(LinkSettings::default());
    let queues = [
        (1, Queue { min_rate: 5 * MBIT, priority: 2, ..Queue::default() }),
        (2, Queue { max_rate: Some(2 * MBIT), ..Queue::default() }),
        (3, Queue { priority: 1, ..Queue::default() }),
    ];
    set(&mut lab, Some(qos(Some(10 * MBIT), queues)));
    overload(&mut lab, &[1, 2, 3], 10, Nanos::from_secs(1));
    let bits = overload(&mut lab, &[1, 2, 3], 10, Nanos::from_secs(5));
    for (bits, mbit) in bits.iter().zip([5, 2, 3]) {
        assert!(within(*bits, 5 * mbit * MBIT, 1), "{bits} of {mbit} Mbit/s for 5 s");
    }
}

#[test]
fn counters_of_queues_are_exact() {
    let mut lab = lab(LinkSettings::default());
    let limited = Queue { limit: Some(QueueLimit::Packets(10)), ..Queue::default() };
    set(&mut lab, Some(qos(Some(MBIT), [(7, limited)])));
    // The burst of the port is two full frames: the third is charged to the debt, and the others wait.
    lab.send(1, (0..30).map(|n| datagram(7, n, 1_514)));
    let before = read(&lab, 7);
    assert_eq!(before.sent.packets + before.held.packets + before.dropped.packets, 30);
    assert_eq!(before.held.packets, 10);
    assert_eq!(before.dropped.bytes, before.dropped.packets * 1_514);
    assert_eq!(lab.drops(), [(DropReason::QueueFull, before.dropped.packets)]);
    // By a number that no queue has, it goes by queue 0, as by none at all.
    lab.send(1, [datagram(9, 0, 100), datagram(0, 0, 100)]);
    lab.run_for(Nanos::from_secs(2));
    let after = read(&lab, 7);
    assert_eq!((after.held.packets, after.sent.packets), (0, 30 - before.dropped.packets));
    assert_eq!(read(&lab, 0).sent.packets, 2);
    let received = lab.received(2);
    assert_eq!(received.len() as u64, after.sent.packets + 2);
    assert_eq!(lab.tx(2).packets, after.sent.packets + 2);
    let link = lab.link(2, Direction::FromSwitch);
    assert_eq!((link.queued, link.in_flight, link.queue_full), (0, 0, before.dropped.packets));
    assert_eq!(after.since, Nanos::from_secs(100));
}

#[test]
fn super_packets_are_cut_and_charged_as_what_they_are() {
    let mut lab = lab(LinkSettings::default());
    set(&mut lab, Some(qos(Some(100 * MBIT), [])));
    let sent: Vec<Packet> = (0..20).map(|_| Host::new(1).tcp_super(&Host::new(2), 64_000, 1_448)).collect();
    lab.send(1, sent);
    let start = lab.now;
    let mut last = start;
    let mut payload = 0;
    lab.run_until(start + Nanos::from_secs(1), |lab| {
        for packet in lab.received(2) {
            assert!(packet.bytes.len() <= 1_514, "one at a time at this rate: 50 us are less than one");
            payload += packet.bytes.len() - 54;
            last = lab.now;
        }
    });
    payload += lab.received(2).iter().map(|packet| packet.bytes.len() - 54).sum::<usize>();
    assert_eq!(payload, 20 * 64_000);
    let wire = 20 * (64_000 + 45 * 54);
    let counted = read(&lab, 0).sent;
    assert_eq!((counted.packets, counted.bytes), (20 * 45, wire));
    // All but the burst, 10 ms at the rate, took its time.
    let exact = wire * 8 * 10 - 10_000_000; // ns
    assert!(last.since(start).0.abs_diff(exact) < 400_000, "{last:?} {exact}");
}

#[test]
fn priority_goes_before_what_waits() {
    let mut lab = lab(LinkSettings::default());
    let queues = [(0, Queue { priority: 7, ..Queue::default() }), (1, Queue::default())];
    set(&mut lab, Some(qos(Some(10 * MBIT), queues)));
    lab.send(1, (0..500).map(|n| datagram(0, n, 1_514)));
    lab.run_for(MS(100));
    lab.received(2);
    for n in 0..20 {
        lab.run_for(Nanos::from_micros(7_301));
        lab.received(2);
        let asked = lab.now;
        lab.send(1, [datagram(1, n, 100)]);
        assert_eq!(lab.received(2).iter().map(queue_of).next_back(), Some(1));
        let mut took = None;
        lab.run_until(asked + MS(5), |lab| {
            for packet in lab.received(2) {
                if queue_of(&packet) == 1 {
                    took = Some(lab.now - asked);
                }
            }
        });
        // 1,514 bytes take 1.211 ms at this rate; it does not wait for them.
        assert_eq!(took, None, "it left while it was sent");
    }
    assert!(read(&lab, 0).held.packets > 0, "the other queue was full all the time");
    assert_eq!(read(&lab, 1).sent.packets, 20);
}

/// Behind a link that has a rate of its own, queues decide who is next when it is free.
#[test]
fn queues_before_a_link_with_a_rate() {
    let mut lab = lab(LinkSettings { rate: Some(10 * MBIT), delay: MS(5), ..LinkSettings::default() });
    let queues = [
        (1, Queue { min_rate: 8 * MBIT, ..Queue::default() }),
        (2, Queue { min_rate: 2 * MBIT, ..Queue::default() }),
    ];
    set(&mut lab, Some(qos(None, queues)));
    overload(&mut lab, &[1, 2], 10, Nanos::from_secs(1));
    let bits = overload(&mut lab, &[1, 2], 10, Nanos::from_secs(4));
    assert!(within(bits[0], 32 * MBIT, 3) && within(bits[1], 8 * MBIT, 3), "{bits:?}");
    let link = lab.link(2, Direction::FromSwitch);
    assert!(within(link.sent_bytes * 8_000 / (link.busy / 1_000_000), 10 * MBIT, 1), "{link:?}");
}

#[test]
fn changes_lose_nothing_that_is_queued() {
    let mut lab = lab(LinkSettings { rate: Some(MBIT), ..LinkSettings::default() });
    lab.send(1, (0..10).map(|n| datagram(1, n, 1_000)));
    // From one queue to several, with what waits; to others; to none.
    set(&mut lab, Some(qos(None, [(1, Queue::default()), (2, Queue::default())])));
    lab.send(1, (10..20).map(|n| datagram(1, n, 1_000)));
    assert_eq!(read(&lab, 1).held.packets, 19, "the first is on the link");
    set(&mut lab, Some(qos(None, [(2, Queue::default())])));
    assert_eq!(read(&lab, 0).held.packets, 19, "their queue is gone");
    assert_eq!(lab.counters.queues(PortId(2)).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [0, 2]);
    lab.send(1, (20..30).map(|n| datagram(2, n, 1_000)));
    lab.set_link(2, Direction::FromSwitch, LinkSettings { rate: Some(2 * MBIT), ..LinkSettings::default() });
    set(&mut lab, None);
    assert!(lab.counters.queues(PortId(2)).is_empty());
    lab.run_for(Nanos::from_secs(2));
    let mut seen: Vec<u32> = lab.received(2).iter().map(number).collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..30));
    assert_eq!(lab.drops(), []);
    // And it is a port as any other again.
    lab.set_link(2, Direction::FromSwitch, LinkSettings::default());
    lab.send(1, [datagram(1, 0, 1_000)]);
    assert_eq!((lab.received(2).len(), lab.worker.deadline()), (1, None));
}

#[test]
fn a_link_that_goes_down_drops_what_is_queued_and_counts_it() {
    let mut lab = lab(LinkSettings::default());
    set(&mut lab, Some(qos(Some(MBIT), [(1, Queue::default())])));
    lab.send(1, (0..20).map(|n| datagram(1, n, 1_514)));
    let held = read(&lab, 1).held.packets;
    lab.set_link(2, Direction::FromSwitch, LinkSettings { up: false, ..LinkSettings::default() });
    assert_eq!(lab.drops(), [(DropReason::LinkDown, held)]);
    assert_eq!(read(&lab, 1).held.packets, 0);
    lab.set_link(2, Direction::FromSwitch, LinkSettings::default());
    lab.run_for(Nanos::from_secs(1));
    lab.received(2);
    lab.send(1, [datagram(1, 0, 100)]);
    assert_eq!(lab.received(2).len(), 1, "queues are there as before");
}

#[test]
fn a_port_replaced_keeps_its_queues_and_policing() {
    let mut lab = lab(LinkSettings::default());
    set(&mut lab, Some(qos(Some(MBIT), [(1, Queue::default())])));
    let policing = Some(Policing { packet_rate: Some(1), packet_burst: Some(1), ..Policing::default() });
    lab.worker.apply(Change::SetPolicing { port: PortId(1), policing }, lab.now);
    lab.device(1);
    lab.device(2);
    lab.send(1, (0..20).map(|n| datagram(1, n, 1_514)));
    assert_eq!(lab.drops(), [(DropReason::Policed, 18)], "the burst and one more");
    assert_eq!(read(&lab, 1).sent.packets, 2);
}

#[test]
fn policing_lets_in_its_rate_and_counts_the_rest() {
    let mut lab = lab(LinkSettings::default());
    let policing = Some(Policing { rate: Some(8 * MBIT), ..Policing::default() });
    lab.worker.apply(Change::SetPolicing { port: PortId(1), policing }, lab.now);
    overload(&mut lab, &[0], 20, Nanos::from_secs(1));
    let (rx, tx) = (lab.rx(1), lab.tx(2));
    let bits = overload(&mut lab, &[0], 20, Nanos::from_secs(4));
    assert!(within(bits[0], 32 * MBIT, 1), "{bits:?}");
    let (rx, tx) = (lab.rx(1).packets - rx.packets, lab.tx(2).packets - tx.packets);
    assert!(rx > 2 * tx, "what is dropped was received all the same: {rx} {tx}");
    let dropped = lab.counters.port(PortId(1)).unwrap().drops().read(DropReason::Policed);
    assert_eq!(lab.rx(1).packets, lab.tx(2).packets + dropped);
    lab.worker.apply(Change::SetPolicing { port: PortId(1), policing: None }, lab.now);
    let free = overload(&mut lab, &[0], 20, Nanos::from_secs(1));
    assert!(free[0] > 20 * MBIT, "{free:?}");
}

/// Of a super-packet the first segments pass, whole and right.
#[test]
fn policing_cuts_super_packets() {
    let mut lab = lab(LinkSettings::default());
    let policing = Some(Policing { packet_rate: Some(100), packet_burst: Some(9), ..Policing::default() });
    lab.worker.apply(Change::SetPolicing { port: PortId(1), policing }, lab.now);
    let sent = Host::new(1).tcp_super(&Host::new(2), 64_000, 1_448);
    lab.send(1, [sent.clone()]);
    let received = lab.received(2);
    assert_eq!(received.len(), 1);
    let [first] = &received[..] else { panic!("one super-packet") };
    assert_eq!(first.bytes.len(), 54 + 10 * 1_448);
    assert_eq!(first.bytes[54..], sent.bytes[54..54 + 10 * 1_448]);
    assert_eq!(u16::from_be_bytes([first.bytes[16], first.bytes[17]]), 40 + 10 * 1_448, "length of IP");
    assert_eq!(first.offload.gso, sent.offload.gso);
    assert_eq!(lab.tx(2).packets, 10);
    assert_eq!(lab.drops(), [(DropReason::Policed, 35)]);
}

/// Two ports have the rate of one together, and a port's own policing is asked first.
#[test]
fn ports_of_a_tenant_share_its_rate() {
    let slow = Naive::new(|_| Answer {
        mask: PacketMask::default(),
        actions: vec![DpAction::Output(PortId(2))],
        cacheable: true,
    });
    let mut lab = Lab::new(slow);
    (1..=3).for_each(|port| lab.device(port));
    let tenants = Arc::new(SharedPolicer::new(1_600_000));
    for port in [1, 3] {
        let policer = Some(Arc::clone(&tenants));
        lab.worker.apply(Change::SetShared { port: PortId(port), policer }, lab.now);
    }
    let packets = |number| (0..100).map(move |n| datagram(number, n, 1_000));
    lab.send(1, packets(0));
    lab.send(3, packets(0));
    // 500 ms are 100,000 bytes, and one goes into debt.
    assert_eq!(lab.received(2).len(), 101);
    assert_eq!(lab.drops(), [(DropReason::Quota, 99)]);
    assert_eq!((tenants.counters().packets, tenants.counters().dropped), (101, 99));
    let policing = Some(Policing { packet_rate: Some(1), packet_burst: Some(1), ..Policing::default() });
    lab.worker.apply(Change::SetPolicing { port: PortId(1), policing }, lab.now);
    lab.run_for(Nanos::from_secs(1));
    lab.device(1);
    lab.send(1, packets(0));
    assert_eq!(
        lab.received(2).len(),
        2,
        "what its own policing lets in; both are kept when a port is replaced"
    );
    lab.worker.apply(Change::SetShared { port: PortId(3), policer: None }, lab.now);
    lab.send(3, packets(0));
    lab.send(3, packets(0));
    assert_eq!(lab.received(2).len(), 200);
}

/// Across a link between switches the queue of the near end says nothing at the far one.
#[test]
fn the_next_switch_has_queues_of_its_own() {
    let slow = Naive::new(|key| match in_port(key) {
        1 => Answer::all(vec![DpAction::Enqueue { port: PortId(3), queue: 1 }]),
        _ => Answer::all(vec![out(2)]),
    });
    let mut lab = Lab::new(slow);
    lab.device(1);
    lab.device(2);
    lab.peers(3, 4, LinkSettings::default(), LinkSettings::default());
    lab.slow.valid = true;
    for port in [2, 3] {
        let both = qos(Some(MBIT), [(1, Queue::default())]);
        lab.worker.apply(Change::SetQos { port: PortId(port), qos: Some(Box::new(both)) }, lab.now);
    }
    lab.send(1, [datagram(0, 0, 100)]);
    lab.run_for(MS(10));
    let sent = |port| -> Vec<u64> {
        lab.counters.queues(PortId(port)).iter().map(|(_, read)| read.sent.packets).collect()
    };
    assert_eq!((sent(3), sent(2)), (vec![0, 1], vec![1, 0]));
    assert_eq!(lab.received(2).len(), 1);
}
