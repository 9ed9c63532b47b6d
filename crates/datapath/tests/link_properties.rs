//! Whatever the settings, their changes and the traffic: a link loses nothing that it does not count, and keeps order.

mod harness;

use harness::{Answer, Lab, Naive, in_port, out};
use netloom_datapath::{Direction, OffloadCaps};
use netloom_flow::{Distribution, LinkSettings, Loss, Nanos, Probability, QueueLimit};
use netloom_testkit::{Host, Packet};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Event {
    /// A burst of datagrams of this many bytes.
    Burst(u8, u16),
    /// A super-packet of this many bytes.
    Super(u16),
    /// Time passes, the worker looking every so often (0: exactly when it asked to).
    Pass(u32, u32),
    Change(LinkSettings),
}

fn chance() -> impl Strategy<Value = Probability> {
    prop_oneof![3 => Just(0u32), 1 => 0u32..500_000_000].prop_map(Probability)
}

fn settings(reordering: bool) -> impl Strategy<Value = LinkSettings> {
    let rate = prop::option::of(prop_oneof![1_000u64..1_000_000, 1_000_000u64..100_000_000_000]);
    let times =
        (prop_oneof![Just(0u64), 0u64..50_000_000], prop_oneof![2 => Just(0u64), 1 => 0u64..5_000_000]);
    let queue = prop::option::of(prop_oneof![
        (1u32..200).prop_map(QueueLimit::Packets),
        (1_500u64..200_000).prop_map(QueueLimit::Bytes),
    ]);
    let loss = prop_oneof![
        chance().prop_map(Loss::Random),
        (chance(), chance()).prop_map(|(p, r)| Loss::GilbertElliott {
            p,
            r,
            bad: Probability::ONE,
            good: Probability(0)
        }),
    ];
    let distribution =
        prop::sample::select(vec![Distribution::Uniform, Distribution::Normal, Distribution::Pareto]);
    let odds = (loss, chance(), chance(), chance());
    let mtu = prop::option::weighted(0.2, 500u32..2_000);
    (rate, times, queue, odds, distribution, mtu, prop::bool::weighted(0.9)).prop_map(
        move |(rate, (delay, jitter), queue, (loss, duplicate, reorder, corrupt), distribution, mtu, up)| {
            LinkSettings {
                rate,
                delay: Nanos(if reordering { delay } else { 10_000_000 }),
                jitter: Nanos(jitter),
                distribution,
                loss,
                duplicate: if reordering { duplicate } else { Probability(0) },
                reorder: if reordering { reorder } else { Probability(0) },
                corrupt: if reordering { corrupt } else { Probability(0) },
                queue,
                // Never quite plain: a plain link counts nothing.
                mtu: mtu.or(Some(100_000)),
                up,
            }
        },
    )
}

fn event(reordering: bool) -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1u8..60, 60u16..1_500).prop_map(|(n, len)| Event::Burst(n, len)),
        2 => (1u16..60_000).prop_map(Event::Super),
        4 => (0u32..30_000_000, prop_oneof![Just(0u32), 1_000u32..3_000_000])
            .prop_map(|(span, step)| Event::Pass(span, step)),
        2 => settings(reordering).prop_map(Event::Change),
    ]
}

struct Run {
    lab: Lab,
    sent: u32,
}

impl Run {
    fn new(seed: u64) -> Self {
        let slow = Naive::new(|key| Answer::all(vec![out(3 - in_port(key))]));
        let mut lab = Lab::with(slow, 64 << 20, 1 << 20, seed);
        lab.device(1);
        lab.device_with(2, OffloadCaps::ALL, |_| {});
        // Shaped from the start, so that its counters see everything.
        lab.set_link(
            2,
            Direction::FromSwitch,
            LinkSettings { mtu: Some(100_000), ..LinkSettings::default() },
        );
        Self { lab, sent: 0 }
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Burst(n, len) => {
                for _ in 0..*n {
                    let mut data = vec![0; usize::from(*len) - 42];
                    data[..4].copy_from_slice(&self.sent.to_be_bytes());
                    self.sent += 1;
                    self.lab.send(1, [Host::new(1).udp(&Host::new(2), (1, 2), &data)]);
                }
            }
            Event::Super(len) => {
                self.lab.send(1, [Host::new(1).tcp_super(&Host::new(2), (*len).into(), 1_448)])
            }
            Event::Change(settings) => self.lab.set_link(2, Direction::FromSwitch, settings.clone()),
            Event::Pass(span, 0) => self.lab.run_for(Nanos((*span).into())),
            Event::Pass(span, step) => {
                for _ in 0..span / step {
                    self.lab.now += Nanos((*step).into());
                    while self.lab.worker.deadline().is_some_and(|due| due <= self.lab.now) {
                        self.lab.worker.poll(self.lab.now, &mut self.lab.slow);
                    }
                }
            }
        }
    }

    /// What entered is somewhere.
    fn balance(&self) -> Result<(), TestCaseError> {
        let link = self.lab.link(2, Direction::FromSwitch);
        let gone = link.lost + link.queue_full + link.down + link.too_long + link.no_memory;
        prop_assert_eq!(
            link.entered.packets + link.duplicated,
            link.left.packets + gone + link.queued + link.in_flight,
            "{:?}",
            link
        );
        prop_assert_eq!(link.entered.packets, self.lab.rx(1).packets);
        prop_assert_eq!(self.lab.drops().iter().map(|(_, n)| n).sum::<u64>(), gone);
        Ok(())
    }
}

fn number(packet: &Packet) -> Option<u32> {
    let headers = packet.headers();
    let bytes = packet.bytes.get(42..46)?.try_into().ok()?;
    (headers.ip_proto == 17).then(|| u32::from_be_bytes(bytes))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_packet_is_accounted_for(seed in any::<u64>(), events in vec(event(true), 1..30)) {
        let mut run = Run::new(seed);
        for event in &events {
            run.step(event);
            run.balance()?;
        }
        run.step(&Event::Change(LinkSettings { mtu: Some(100_000), ..LinkSettings::default() }));
        run.lab.run_for(Nanos::from_secs(100_000));
        run.balance()?;
        let link = run.lab.link(2, Direction::FromSwitch);
        prop_assert_eq!((link.queued, link.in_flight, run.lab.worker.deadline()), (0, 0, None));
        let arrived: u64 = run.lab.received(2).iter().map(|p| {
            u64::from(netloom_packet::wire(p.bytes.len(), &p.headers(), &p.offload).packets)
        }).sum();
        prop_assert_eq!(arrived, link.left.packets);
    }

    #[test]
    fn order_is_kept_unless_reordering_is_wanted(seed in any::<u64>(), events in vec(event(false), 1..30)) {
        let mut run = Run::new(seed);
        run.step(&Event::Change(LinkSettings { delay: Nanos(10_000_000), ..LinkSettings::default() }));
        events.iter().for_each(|event| run.step(event));
        run.lab.run_for(Nanos::from_secs(100_000_000));
        let order: Vec<u32> = run.lab.received(2).iter().filter_map(number).collect();
        prop_assert!(order.is_sorted_by(|a, b| a < b), "{:?}", order);
    }

    #[test]
    fn the_same_seed_gives_the_same_fate(seed in any::<u64>(), events in vec(event(true), 1..12)) {
        let [a, b] = [(); 2].map(|()| {
            let mut run = Run::new(seed);
            events.iter().for_each(|event| run.step(event));
            (run.lab.received(2), run.lab.link(2, Direction::FromSwitch))
        });
        prop_assert_eq!(a, b);
    }
}
