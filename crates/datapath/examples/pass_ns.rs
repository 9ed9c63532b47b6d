//! How long a packet takes from a driver to a driver, without the drivers: `cargo run --release --example pass_ns`.
//!
//! Prints nanoseconds per packet, the best of several rounds, for several kinds of traffic; with an argument, only for
//! those with it in their name.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring tool")]

use std::sync::Arc;
use std::time::Instant;

use netloom_datapath::{
    Attach, Budget, Change, Frame, HEADROOM, OffloadCaps, PoolLimit, Port, PortSpec, Received, Refused,
    Slowpath, Tracker, TrackerConfig, Worker, WorkerConfig,
};
use netloom_flow::{
    DpAction, Epoch, Hits, LinkSettings, Nanos, PacketKey, PacketMask, PortId, TenantId, Translation, Upcall,
    WordSet, word,
};
use netloom_testkit::{Host, Packet};

/// Many short rounds: the best of them was not interrupted, even on a busy machine.
const ROUNDS: usize = 500;
const PACKETS: u32 = 3_200;

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
            stamp: 0.into(),
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

/// Answers that look at different bits of the source address, in turn: a lookup walks half of the masks.
struct Many {
    masks: u64,
    asked: u64,
}

impl Slowpath for Many {
    fn translate(&mut self, upcall: &Upcall<'_>) -> Arc<Translation> {
        self.asked += 1;
        let mut mask = l4();
        mask.0[word::ETH_SRC] &= !((self.asked % self.masks) << 16);
        Fixed { mask, actions: vec![DpAction::Output(PortId(2))] }.translate(upcall)
    }

    fn still_valid(&mut self, _key: &PacketKey, _translation: &Translation) -> bool {
        true
    }
}

/// A chain of this many switches behind port 1, and port 2 at its end.
struct Chain(u32);

impl Slowpath for Chain {
    fn translate(&mut self, upcall: &Upcall<'_>) -> Arc<Translation> {
        let in_port = u32::try_from(upcall.key.0[word::IN_PORT] >> 32).unwrap_or_default();
        // Peers are 10 and 11, 12 and 13, ...
        let last = 10 + 2 * (self.0 - 1);
        let to = match in_port {
            1 => 10,
            port if port > last => 2,
            port => port + 1,
        };
        Fixed { mask: l2(), actions: vec![DpAction::Output(PortId(to))] }.translate(upcall)
    }

    fn still_valid(&mut self, _key: &PacketKey, _translation: &Translation) -> bool {
        true
    }
}

fn measure(name: &str, packets: &[Packet], slow: &mut dyn Slowpath, to: &LinkSettings) {
    let wanted = std::env::args().nth(1);
    if wanted.is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let mut worker = worker(packets, to);
    let per_frame = packets.first().map_or(0, |packet| packet.bytes.len());
    let start = Instant::now();
    let now = || Nanos::from(start.elapsed());
    let mut best = f64::MAX;
    // Once through all flows, so that none is missing.
    for _ in 0..packets.len().div_ceil(32) {
        worker.service(PortId(1), now(), slow);
    }
    for _ in 0..ROUNDS {
        let before = Instant::now();
        let mut done = 0;
        while done < PACKETS && before.elapsed().as_micros() < 2_000 {
            done += worker.service(PortId(1), now(), slow).packets;
            if worker.deadline().is_some() {
                worker.poll(now(), slow);
            }
        }
        best = best.min(before.elapsed().as_secs_f64() * 1e9 / f64::from(done));
    }
    println!("{name:<44} {best:8.1} ns   ({per_frame} bytes)");
}

/// A worker with devices 1 and 2 and a hundred links between switches.
fn worker(packets: &[Packet], to: &LinkSettings) -> Worker {
    let config = WorkerConfig {
        seed: 1,
        pool: PoolLimit::new(256 << 20),
        cache_limit: 64 << 20,
        epoch: Epoch::new(),
        worker: 0,
        workers: 1,
        tracker: Arc::new(Tracker::new(TrackerConfig { seed: 1, limit: 1 << 16 })),
    };
    let mut worker = Worker::new(config);
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
    for near in 10..210 {
        let spec = PortSpec::new(PortId(near), TenantId(0), Attach::Peer(PortId(near ^ 1)));
        worker.apply(Change::AddPort(spec, None), Nanos::ZERO);
    }
    worker
}

fn main() {
    let out = || vec![DpAction::Output(PortId(2))];
    let fixed = |mask, actions| Fixed { mask, actions };
    let plain = LinkSettings::default();
    let ttl = DpAction::Set(WordSet {
        word: u8::try_from(word::IP).expect("a small number"),
        value: 63 << 40,
        mask: 0xff << 40,
    });
    let (one, many) = (flows(1), flows(50_000));
    measure("exact hit, 1 flow, L2 mask", &one, &mut fixed(l2(), out()), &plain);
    measure("exact hit, 1 flow, L4 mask", &one, &mut fixed(l4(), out()), &plain);
    measure("exact hit, 1,000 flows, L4 mask", &flows(1_000), &mut fixed(l4(), out()), &plain);
    measure("megaflow hit, 50,000 packets alike in L2", &many, &mut fixed(l2(), out()), &plain);
    measure("megaflow hit, 50,000 flows, 1 mask", &many, &mut fixed(l4(), out()), &plain);
    measure("megaflow hit, 50,000 flows, 8 masks", &many, &mut Many { masks: 8, asked: 0 }, &plain);
    let rewritten = vec![ttl, DpAction::Output(PortId(2))];
    measure("exact hit, TTL rewritten", &one, &mut fixed(l2(), rewritten), &plain);
    measure("100 switches, each looked up", &one, &mut Chain(100), &plain);
    let delay = LinkSettings { delay: Nanos::from_micros(100), ..plain.clone() };
    measure("exact hit, link with delay", &one, &mut fixed(l2(), out()), &delay);
    let rate = LinkSettings { rate: Some(100_000_000_000), ..delay.clone() };
    measure("exact hit, link with rate and delay", &one, &mut fixed(l2(), out()), &rate);
    let big = [Host::new(1).tcp_super(&Host::new(2), 64_000, 1_448)];
    measure("super-packet, exact hit", &big, &mut fixed(l2(), out()), &plain);
    measure("super-packet, link with delay", &big, &mut fixed(l2(), out()), &delay);
}
