//! A worker with devices in memory, a naive slow path and a manual clock.

#![allow(dead_code, reason = "each test file uses a part of it")]

mod elsewhere;

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_datapath::{
    Attach, Budget, Change, Counters, Direction, Frame, LinkRead, OffloadCaps, PoolLimit, Port, PortSpec,
    Received, Refused, Slowpath, Tracker, TrackerConfig, Traffic, Worker, WorkerConfig,
};
use netloom_flow::{
    DpAction, DropReason, Epoch, Hits, LinkSettings, Nanos, PacketKey, PacketMask, PortId, TenantId,
    Translation, Upcall,
};
use netloom_testkit::{Packet, Wire, WireEnd};

/// A device in memory.
pub(crate) struct Device {
    end: WireEnd,
    caps: OffloadCaps,
}

impl Device {
    pub(crate) fn on_a_wire(caps: OffloadCaps) -> (Box<dyn Port>, WireEnd) {
        let (near, far) = Wire::with_limit(1 << 20);
        (Box::new(Self { end: near, caps }), far)
    }
}

impl Port for Device {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        let mut received = Received::default();
        let mut buffer = Vec::new();
        while let Some(packet) = self.end.receive() {
            elsewhere::lend(&mut buffer, &packet, sink);
            received.packets += 1;
            if received.packets == budget.packets {
                received.more = self.end.waiting() > 0;
                break;
            }
        }
        received
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        assert!(self.caps.takes(&frame.offload), "{:?} given to a device of {:?}", frame.offload, self.caps);
        let packet = Packet { bytes: frame.data().to_vec(), offload: frame.offload };
        self.end.send(packet).map_err(|_| Refused::Full)
    }

    fn offloads(&self) -> OffloadCaps {
        self.caps
    }
}

/// Says what to do with a packet by a function of its key; remembers how often it was asked.
pub(crate) struct Naive {
    rule: Box<dyn FnMut(&PacketKey) -> Answer>,
    pub(crate) asked: Vec<PacketKey>,
    pub(crate) checked: usize,
    pub(crate) valid: bool,
    pub(crate) given: Vec<Arc<Translation>>,
}

/// What a rule says: what was looked at, what to do, whether to remember it.
pub(crate) struct Answer {
    pub(crate) mask: PacketMask,
    pub(crate) actions: Vec<DpAction>,
    pub(crate) cacheable: bool,
}

impl Answer {
    pub(crate) fn all(actions: Vec<DpAction>) -> Self {
        Self { mask: PacketMask::default(), actions, cacheable: true }
    }
}

impl Naive {
    pub(crate) fn new(rule: impl FnMut(&PacketKey) -> Answer + 'static) -> Self {
        Self { rule: Box::new(rule), asked: Vec::new(), checked: 0, valid: true, given: Vec::new() }
    }
}

impl Slowpath for Naive {
    fn translate(&mut self, upcall: &Upcall<'_>) -> Arc<Translation> {
        self.asked.push(*upcall.key);
        let Answer { mask, actions, cacheable } = (self.rule)(upcall.key);
        let translation = Arc::new(Translation {
            mask,
            actions: actions.into(),
            dependencies: Box::default(),
            effects: Box::default(),
            cacheable,
            stamp: 0.into(),
            hits: Hits::default(),
        });
        self.given.push(Arc::clone(&translation));
        translation
    }

    fn still_valid(&mut self, _key: &PacketKey, _translation: &Translation) -> bool {
        self.checked += 1;
        self.valid
    }
}

/// Port of a key.
pub(crate) fn in_port(key: &PacketKey) -> u32 {
    u32::try_from(key.0[netloom_flow::word::IN_PORT] >> 32).expect("32 bits")
}

pub(crate) fn out(port: u32) -> DpAction {
    DpAction::Output(PortId(port))
}

/// One worker, its devices and the time.
pub(crate) struct Lab {
    pub(crate) worker: Worker,
    pub(crate) slow: Naive,
    pub(crate) now: Nanos,
    pub(crate) epoch: Epoch,
    pub(crate) pool: PoolLimit,
    pub(crate) counters: Arc<Counters>,
    pub(crate) wires: BTreeMap<u32, WireEnd>,
    specs: BTreeMap<u32, PortSpec>,
}

impl Lab {
    pub(crate) fn new(slow: Naive) -> Self {
        Self::with_pool(slow, 512 << 20)
    }

    pub(crate) fn with_pool(slow: Naive, bytes: usize) -> Self {
        Self::with(slow, bytes, 16 << 20, 42)
    }

    pub(crate) fn with(slow: Naive, pool_bytes: usize, cache_limit: usize, seed: u64) -> Self {
        let (epoch, pool) = (Epoch::new(), PoolLimit::new(pool_bytes));
        let config = WorkerConfig {
            seed,
            pool: pool.clone(),
            cache_limit,
            epoch: epoch.clone(),
            worker: 0,
            workers: 2,
            tracker: Arc::new(Tracker::new(TrackerConfig { seed: 1, limit: 1 << 16 })),
        };
        let worker = Worker::new(config);
        let counters = worker.counters();
        let (wires, specs) = (BTreeMap::new(), BTreeMap::new());
        Self { worker, slow, now: Nanos::from_secs(100), epoch, pool, counters, wires, specs }
    }

    /// Adds a device with all offloads.
    pub(crate) fn device(&mut self, port: u32) {
        self.device_with(port, OffloadCaps::ALL, |_| {});
    }

    pub(crate) fn device_with(&mut self, port: u32, caps: OffloadCaps, edit: impl FnOnce(&mut PortSpec)) {
        let (driver, far) = Device::on_a_wire(caps);
        let mut spec = PortSpec::new(PortId(port), TenantId(0), Attach::Switch);
        edit(&mut spec);
        self.wires.insert(port, far);
        self.specs.insert(port, spec.clone());
        self.worker.apply(Change::AddPort(spec, Some(driver)), self.now);
    }

    /// Joins two switches by a link with ports `a` and `b`.
    pub(crate) fn peers(&mut self, a: u32, b: u32, forth: LinkSettings, back: LinkSettings) {
        for (near, far, from_switch) in [(a, b, forth), (b, a, back)] {
            let attach = Attach::Peer(PortId(far));
            let spec = PortSpec { from_switch, ..PortSpec::new(PortId(near), TenantId(0), attach) };
            self.worker.apply(Change::AddPort(spec, None), self.now);
        }
    }

    pub(crate) fn set_link(&mut self, port: u32, direction: Direction, settings: LinkSettings) {
        self.worker.apply(Change::SetLink { port: PortId(port), direction, settings }, self.now);
    }

    /// Sends packets into a device and lets the worker read them.
    pub(crate) fn send(&mut self, port: u32, packets: impl IntoIterator<Item = Packet>) {
        for packet in packets {
            self.wires[&port].send(packet).expect("room on the wire");
        }
        self.read(port);
    }

    pub(crate) fn read(&mut self, port: u32) {
        while self.worker.service(PortId(port), self.now, &mut self.slow).more {}
        while self.worker.deadline().is_some_and(|due| due <= self.now) {
            self.worker.poll(self.now, &mut self.slow);
        }
    }

    /// What a device was sent.
    pub(crate) fn received(&self, port: u32) -> Vec<Packet> {
        self.wires[&port].drain()
    }

    /// Lets time pass, every departure on its moment; calls `each` after each.
    pub(crate) fn run_until(&mut self, until: Nanos, mut each: impl FnMut(&mut Self)) {
        while let Some(due) = self.worker.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.worker.poll(self.now, &mut self.slow);
            each(self);
        }
        self.now = until;
    }

    pub(crate) fn run_for(&mut self, span: Nanos) {
        self.run_until(self.now + span, |_| {});
    }

    pub(crate) fn rx(&self, port: u32) -> Traffic {
        self.counters.port(PortId(port)).expect("a port").rx()
    }

    pub(crate) fn tx(&self, port: u32) -> Traffic {
        self.counters.port(PortId(port)).expect("a port").tx()
    }

    pub(crate) fn drops(&self) -> Vec<(DropReason, u64)> {
        self.counters.drops.iter().collect()
    }

    pub(crate) fn link(&self, port: u32, direction: Direction) -> LinkRead {
        self.counters.link(PortId(port), direction).expect("a shaped link").counters.read()
    }
}
