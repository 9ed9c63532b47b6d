//! Once warm, nothing is allocated per packet: not for a hit, a hop, a rewrite, a flood or a link.

mod harness;

use std::sync::Arc;

use harness::{Answer, Naive, in_port, out};
use netloom_datapath::{
    Attach, Budget, Change, Frame, HEADROOM, OffloadCaps, PoolLimit, Port, PortSpec, Received, Refused,
    Tracker, TrackerConfig, Worker, WorkerConfig,
};
use netloom_flow::action::PacketInReason;
use netloom_flow::{
    Band, BandKind, Branch, BridgeId, DpAction, Epoch, FlowKey, LinkSettings, Meter, MeterRef, MeterSettings,
    Nanos, PortId, Punt, TableId, TenantId, WordSet, word,
};
use netloom_packet::Offload;
use netloom_testkit::Host;

/// Gives 32 packets a round and forgets what it is sent.
struct Source {
    buffer: Vec<u8>,
    offload: Offload,
    caps: OffloadCaps,
}

impl Port for Source {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        let end = self.buffer.len();
        for _ in 0..budget.packets {
            sink(&mut Frame::new(&mut self.buffer, HEADROOM..end, self.offload).expect("within the buffer"));
        }
        Received { packets: budget.packets, more: true, ..Received::default() }
    }

    fn transmit(&mut self, _frame: &mut Frame<'_>) -> Result<(), Refused> {
        Ok(())
    }

    fn offloads(&self) -> OffloadCaps {
        self.caps
    }
}

#[test]
fn nothing_is_allocated_per_packet() {
    let config = WorkerConfig {
        seed: 1,
        pool: PoolLimit::new(256 << 20),
        cache_limit: 1 << 20,
        epoch: Epoch::new(),
        worker: 0,
        workers: 1,
        tracker: Arc::new(Tracker::new(TrackerConfig { seed: 1, limit: 1 << 16 })),
    };
    let mut worker = Worker::new(config);
    let mut now = Nanos::from_secs(1);
    let big = Host::new(1).tcp_super(&Host::new(2), 20_000, 1_448);
    for id in 1..=4 {
        let mut buffer = vec![0; HEADROOM];
        buffer.extend(&big.bytes);
        let caps = if id == 3 { OffloadCaps::default() } else { OffloadCaps::ALL };
        let driver = Source { buffer, offload: big.offload, caps };
        let mut spec = PortSpec::new(PortId(id), TenantId(0), Attach::Switch);
        if id == 4 {
            spec.from_switch = LinkSettings {
                rate: Some(1_000_000_000),
                delay: Nanos::from_millis(1),
                jitter: Nanos::from_micros(50),
                ..LinkSettings::default()
            };
        }
        worker.apply(Change::AddPort(spec, Some(Box::new(driver))), now);
    }
    for (near, far) in [(10, 11), (11, 10)] {
        let spec = PortSpec::new(PortId(near), TenantId(0), Attach::Peer(PortId(far)));
        worker.apply(Change::AddPort(spec, None), now);
    }
    // A rewrite, three outputs (one cut in software, one shaped), a copy over a link, a hairpin.
    let ttl = DpAction::Set(WordSet {
        word: u8::try_from(word::IP).expect("a small number"),
        value: 9 << 40,
        mask: 0xff << 40,
    });
    // A meter that is exceeded now and then, a length that cuts, labels, and packets for controllers nobody takes.
    let branch = |actions: Vec<DpAction>| Arc::new(Branch { actions: actions.into(), ..Branch::default() });
    let band = Band { kind: BandKind::Drop, rate: 100_000, burst: 1_000 };
    let settings = MeterSettings { in_packets: true, with_burst: true, with_stats: true, bands: vec![band] };
    let rich = [
        DpAction::Meter { meter: MeterRef(Arc::new(Meter::new(settings))), passed: branch(vec![out(2)]) },
        DpAction::CheckLength { len: 1_200, longer: branch(vec![out(2)]), other: branch(vec![out(3)]) },
        DpAction::Clone(Box::new([DpAction::PushMpls { ethertype: 0x8847, lse: 0x140 }, out(2)])),
        DpAction::OutputTrunc { port: PortId(2), queue: 0, max_len: 64 },
        DpAction::Enqueue { port: PortId(2), queue: 3 },
        DpAction::Userspace(Arc::new(punt())),
    ];
    let mut slow = Naive::new(move |key| match in_port(key) {
        1 => Answer::all(
            rich.iter().cloned().chain([out(2), ttl.clone(), out(3), out(10), out(1), out(4)]).collect(),
        ),
        _ => Answer::all(vec![DpAction::PushVlan { tpid: 0x8100, tci: 1 }, out(2)]),
    });
    let mut round = |rounds: u32| {
        for _ in 0..rounds {
            now += Nanos::from_micros(500);
            worker.service(PortId(1), now, &mut slow);
            worker.poll(now, &mut slow);
        }
    };
    let known = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(7))));
    assert_eq!(known.count_total, 1, "the counter counts");
    round(200);
    let counted = allocation_counter::measure(|| round(100));
    assert_eq!(counted.count_total, 0, "{} bytes in 100 rounds of 32 packets", counted.bytes_total);
}

fn punt() -> Punt {
    Punt {
        bridge: BridgeId(0),
        is_served: false,
        table: TableId(0),
        cookie: None,
        reason: PacketInReason::Action,
        is_for_all: false,
        is_miss: false,
        is_miss_flow: false,
        max_len: 128,
        controller: 0,
        userdata: Box::default(),
        paused: None,
        key: FlowKey::default(),
        layout: None,
    }
}
