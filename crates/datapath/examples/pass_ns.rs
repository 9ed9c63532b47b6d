//! How long a packet takes from a driver to a driver, without the drivers: `cargo run --release --example pass_ns`.
//!
//! Prints nanoseconds per packet, the best of several rounds, for several kinds of traffic; with an argument, only for
//! those with it in their name.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring tool")]

use std::sync::Arc;
use std::time::Instant;

use netloom_datapath::{
    Attach, Budget, Change, Frame, HEADROOM, OffloadCaps, PoolLimit, Port, PortSpec, Received, Refused,
    Slowpath, Worker, WorkerConfig,
};
use netloom_flow::{
    DpAction, Epoch, Hits, LinkSettings, Nanos, PacketKey, PacketMask, PortId, TenantId, Translation, Upcall,
    WordSet, word,
};
use netloom_testkit::{Host, Packet};

const ROUNDS: usize = 15;
const PACKETS: u32 = 200_000;

/// Gives the same packets over and over; takes and forgets.
struct Null {
    buffers: Vec<(Vec<u8>, Packet)>,
    next: usize,
}

impl Port for Null {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        for _ in 0..budget.packets {
            let at = self.next % self.buffers.len();
            self.next = at + 1;
            let (buffer, packet) = &mut self.buffers[at];
            let end = HEADROOM + packet.bytes.len();
            if let Some(mut frame) = Frame::new(buffer, HEADROOM..end, packet.offload) {
                sink(&mut frame);
            }
        }
        Received { packets: budget.packets, more: true, ..Received::default() }
    }

    fn transmit(&mut self, _frame: &mut Frame<'_>) -> Result<(), Refused> {
        Ok(())
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::ALL
    }
}

/// Every miss gets the same answer, looked at through the same bits.
struct Fixed {
    mask: PacketMask,
    actions: Vec<DpAction>,
}

impl Slowpath for Fixed {
    fn translate(&mut self, _upcall: &Upcall<'_>) -> Arc<Translation> {
        Arc::new(Translation {
            mask: self.mask,
            actions: self.actions.clone().into(),
            dependencies: Box::default(),
            effects: Box::default(),
            cacheable: true,
            hits: Hits::default(),
        })
    }

    fn still_valid(&mut self, _key: &PacketKey, _translation: &Translation) -> bool {
        true
    }
}

/// What NORMAL looks at: addresses, VLAN, tenant.
fn l2() -> PacketMask {
    let mut mask = PacketMask::default();
    mask.0[word::TENANT] = 0xffff << 48;
    mask.0[word::ETH_DST] = u64::MAX;
    mask.0[word::ETH_SRC] = u64::MAX;
    mask
}

/// A five-tuple on top.
fn l4() -> PacketMask {
    let mut mask = l2();
    mask.0[word::IPV4] = u64::MAX;
    mask.0[word::IP] = 0xff << 56;
    mask.0[word::L4] = 0xffff_ffff << 32;
    mask
}

fn flows(n: u16) -> Vec<Packet> {
    (0..n).map(|n| Host::new(1).udp(&Host::new(2), (1_000 + n % 60_000, 53), &[0; 18])).collect()
}

fn measure(name: &str, packets: Vec<Packet>, mask: PacketMask, actions: Vec<DpAction>, to: LinkSettings) {
    let wanted = std::env::args().nth(1);
    if wanted.is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let config = WorkerConfig {
        seed: 1,
        pool: PoolLimit::new(256 << 20),
        cache_limit: 64 << 20,
        epoch: Epoch::new(),
        worker: 0,
        workers: 1,
    };
    let mut worker = Worker::new(config);
    let per_frame = packets.first().map_or(1, |packet| packet.bytes.len());
    for id in 1..=2 {
        let buffers = packets.iter().map(|packet| {
            let mut buffer = vec![0; HEADROOM];
            buffer.extend(&packet.bytes);
            (buffer, packet.clone())
        });
        let driver = Box::new(Null { buffers: buffers.collect(), next: 0 });
        let from_switch = if id == 2 { to.clone() } else { LinkSettings::default() };
        let spec = PortSpec { from_switch, ..PortSpec::new(PortId(id), TenantId(0), Attach::Switch) };
        worker.apply(Change::AddPort(spec, Some(driver)), Nanos::ZERO);
    }
    let mut slow = Fixed { mask, actions };
    let start = Instant::now();
    let now = || Nanos::from(start.elapsed());
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let before = Instant::now();
        let mut done = 0;
        while done < PACKETS {
            done += worker.service(PortId(1), now(), &mut slow).packets;
            if worker.deadline().is_some() {
                worker.poll(now(), &mut slow);
            }
        }
        best = best.min(before.elapsed().as_secs_f64() * 1e9 / f64::from(done));
    }
    println!("{name:<44} {best:7.1} ns   ({per_frame} bytes)");
}

fn main() {
    let out = || vec![DpAction::Output(PortId(2))];
    let plain = LinkSettings::default;
    let ttl = DpAction::Set(WordSet { word: 23, value: 63 << 40, mask: 0xff << 40 });
    measure("exact hit, 1 flow, L2 mask", flows(1), l2(), out(), plain());
    measure("exact hit, 1 flow, L4 mask", flows(1), l4(), out(), plain());
    measure("exact hit, 1,000 flows, L4 mask", flows(1_000), l4(), out(), plain());
    measure("megaflow hit, 50,000 packets alike in L2", flows(50_000), l2(), out(), plain());
    measure("megaflow hit, 50,000 flows, L4 mask", flows(50_000), l4(), out(), plain());
    measure("exact hit, TTL rewritten", flows(1), l2(), vec![ttl, DpAction::Output(PortId(2))], plain());
    let delay = LinkSettings { delay: Nanos::from_micros(100), ..plain() };
    measure("exact hit, link with delay", flows(1), l2(), out(), delay.clone());
    let rate = LinkSettings { rate: Some(100_000_000_000), ..delay.clone() };
    measure("exact hit, link with rate and delay", flows(1), l2(), out(), rate);
    let big = || vec![Host::new(1).tcp_super(&Host::new(2), 64_000, 1_448)];
    measure("super-packet, exact hit", big(), l2(), out(), plain());
    measure("super-packet, link with delay", big(), l2(), out(), delay);
}
