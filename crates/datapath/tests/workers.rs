//! Two workers that share the ports: what comes in at one leaves by a device or link of the other.

mod harness;

use std::sync::Arc;

use harness::{Answer, Device, Naive, in_port, out};
use netloom_datapath::{
    Attach, Change, Handoff, OffloadCaps, PoolLimit, PortSpec, Tracker, TrackerConfig, Worker, WorkerConfig,
};
use netloom_flow::{DpAction, DropReason, Epoch, LinkSettings, Nanos, PortId, TenantId, Track};
use netloom_packet::checksum;
use netloom_testkit::{Host, Packet, WireEnd};

struct Pair {
    workers: [Worker; 2],
    slow: [Naive; 2],
    wires: [WireEnd; 2],
    pool: PoolLimit,
    now: Nanos,
}

/// Port 1 belongs to worker 0, port 2 to worker 1; in between a chain of switches joined by peers 10-11 and 20-21, the
/// link of port 20 belonging to worker 1.
fn pair(last_link: LinkSettings) -> Pair {
    let pool = PoolLimit::new(64 << 20);
    let tracker = Arc::new(Tracker::new(TrackerConfig { seed: 1, limit: 1 << 16 }));
    let mut workers = [0, 1].map(|worker| {
        Worker::new(WorkerConfig {
            seed: 1,
            pool: pool.clone(),
            cache_limit: 1 << 20,
            epoch: Epoch::new(),
            worker,
            workers: 2,
            tracker: Arc::clone(&tracker),
        })
    });
    let now = Nanos::from_secs(1);
    let device = |port| PortSpec::new(PortId(port), TenantId(0), Attach::Switch);
    let peer = |port, peer| PortSpec::new(PortId(port), TenantId(0), Attach::Peer(PortId(peer)));
    let (mut drivers, mut wires) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (driver, wire) = Device::on_a_wire(OffloadCaps::ALL);
        drivers.push(Some(driver));
        wires.push(wire);
    }
    let specs = [
        (device(1), Some(0)),
        (PortSpec { worker: 1, ..device(2) }, Some(1)),
        (peer(10, 11), None),
        (peer(11, 10), None),
        (PortSpec { worker: 1, from_switch: last_link, ..peer(20, 21) }, None),
        (PortSpec { worker: 1, ..peer(21, 20) }, None),
    ];
    for (spec, device) in specs {
        for (index, worker) in workers.iter_mut().enumerate() {
            let mine = device.filter(|_| usize::from(spec.worker) == index);
            let driver = mine.and_then(|device: usize| drivers[device].take());
            worker.apply(Change::AddPort(spec.clone(), driver), now);
        }
    }
    let rule = || {
        Naive::new(|key| {
            let to = match in_port(key) {
                1 => 10,
                11 => 20,
                21 => 2,
                2 => 21,
                20 => 11,
                _ => 1,
            };
            Answer::all(vec![out(to)])
        })
    };
    let wires = wires.try_into().expect("two");
    Pair { workers, slow: [rule(), rule()], wires, pool, now }
}

impl Pair {
    /// One round of both: read, move over, let links go.
    fn round(&mut self) {
        for (index, port) in [(0, 1), (1, 2)] {
            self.workers[index].service(PortId(port), self.now, &mut self.slow[index]);
        }
        for index in 0..2 {
            self.workers[index].poll(self.now, &mut self.slow[index]);
            let other = 1 - index;
            let to = u16::try_from(other).expect("0 or 1");
            let moved: Vec<Handoff> = self.workers[index].handoffs(to).drain(..).collect();
            for handoff in moved {
                self.workers[other].accept(handoff, self.now, &mut self.slow[other]);
            }
            self.workers[other].flush();
        }
    }
}

fn packets() -> Vec<Packet> {
    (0..20).map(|n| Host::new(1).udp(&Host::new(2), (n, 1), &[0; 500])).collect()
}

#[test]
fn a_plain_chain_is_walked_by_one_worker_and_the_device_fed_by_the_other() {
    let mut pair = pair(LinkSettings::default());
    packets().into_iter().for_each(|packet| pair.wires[0].send(packet).expect("room"));
    pair.round();
    assert_eq!(pair.wires[1].drain(), packets());
    assert_eq!((pair.slow[0].asked.len(), pair.slow[1].asked.len()), (3, 0));
    let sum = |port, read: fn(&netloom_datapath::PortCounters) -> u64| -> u64 {
        pair.workers.iter().filter_map(|w| w.counters().port(PortId(port))).map(|c| read(&c)).sum()
    };
    for port in [1, 11, 21] {
        assert_eq!(sum(port, |c| c.rx().packets), 20, "rx {port}");
    }
    for port in [10, 20, 2] {
        assert_eq!(sum(port, |c| c.tx().packets), 20, "tx {port}");
    }
}

#[test]
fn a_shaped_link_runs_at_its_owner_who_goes_on_from_there() {
    let mut pair = pair(LinkSettings { delay: Nanos::from_millis(5), ..LinkSettings::default() });
    packets().into_iter().for_each(|packet| pair.wires[0].send(packet).expect("room"));
    pair.round();
    pair.wires[1].assert_silent();
    assert_eq!(pair.workers[0].deadline(), None);
    assert_eq!(pair.workers[1].deadline(), Some(pair.now + Nanos::from_millis(5)));
    pair.now += Nanos::from_millis(5);
    pair.round();
    assert_eq!(pair.wires[1].drain(), packets());
    assert_eq!((pair.slow[0].asked.len(), pair.slow[1].asked.len()), (2, 1));
    // And back, where the link of port 11 belongs to the first worker and is plain.
    packets().into_iter().for_each(|packet| pair.wires[1].send(packet).expect("room"));
    pair.round();
    assert_eq!(pair.wires[0].drain(), packets());
}

#[test]
fn what_the_ring_has_no_room_for_is_counted_and_its_memory_comes_back() {
    let mut pair = pair(LinkSettings::default());
    // Nobody fetches.
    for _ in 0..100 {
        packets().into_iter().for_each(|packet| pair.wires[0].send(packet).expect("room"));
        pair.workers[0].service(PortId(1), pair.now, &mut pair.slow[0]);
    }
    let waiting = pair.workers[0].handoffs(1).len();
    let lost = pair.workers[0].counters().drops.read(DropReason::HandoffFull);
    assert_eq!((waiting as u64 + lost, waiting), (2_000, 1_024));
    let taken: Vec<Handoff> = pair.workers[0].handoffs(1).drain(..).collect();
    taken.into_iter().for_each(|handoff| pair.workers[0].count_lost_handoff(handoff));
    assert_eq!(pair.workers[0].counters().drops.read(DropReason::HandoffFull), 2_000);
    drop(pair.workers);
    assert_eq!(pair.pool.used(), 0);
}

/// A datagram in two fragments of 24 and 16 bytes, the second first.
fn fragments(udp: &Packet) -> [Packet; 2] {
    let part = |from: usize, to: usize, word: u16| {
        let mut bytes = [&udp.bytes[..34], &udp.bytes[34 + from..34 + to]].concat();
        let len = u16::try_from(20 + to - from).expect("short");
        bytes[16..18].copy_from_slice(&len.to_be_bytes());
        bytes[20..22].copy_from_slice(&word.to_be_bytes());
        bytes[24..26].fill(0);
        let sum = checksum::checksum(&bytes[14..34]);
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        Packet::plain(bytes)
    };
    [part(24, 40, 3), part(0, 24, 0x2000)]
}

#[test]
fn fragments_of_a_datagram_that_come_by_ports_of_two_workers_find_each_other() {
    let mut pair = pair(LinkSettings::default());
    let track = Track { commit: true, ..Track::default() };
    let actions = vec![DpAction::Ct(Box::new(track)), out(2)];
    pair.slow = [0, 1].map(|_| {
        let actions = actions.clone();
        Naive::new(move |_| Answer::all(actions.clone()))
    });
    let [second, first] = fragments(&Host::new(1).udp(&Host::new(2), (5, 6), &[7; 32]));
    pair.wires[0].send(second.clone()).expect("room");
    pair.round();
    assert_eq!((pair.wires[0].drain(), pair.wires[1].drain()), (vec![], vec![]), "it waits");
    pair.wires[1].send(first.clone()).expect("room");
    pair.round();
    assert_eq!(pair.wires[1].drain(), [second, first]);
    let drops =
        |worker: &Worker| DropReason::ALL.iter().map(|why| worker.counters().drops.read(*why)).sum::<u64>();
    assert_eq!(pair.workers.iter().map(drops).sum::<u64>(), 0);
    drop(pair.workers);
    assert_eq!(pair.pool.used(), 0);
}
