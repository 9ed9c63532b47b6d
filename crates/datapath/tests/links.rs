//! Link emulation against a manual clock: what a link does is exact, and what chance does is reproducible.

mod harness;

use harness::{Answer, Lab, Naive, in_port, out};
use netloom_datapath::{Change, Direction, OffloadCaps, Quiet};
use netloom_flow::{Distribution, DropReason, LinkSettings, Loss, Nanos, PortId, Probability, QueueLimit};
use netloom_packet::checksum;
use netloom_testkit::{Host, Packet};

const MS: fn(u64) -> Nanos = Nanos::from_millis;
const PERCENT: u32 = 10_000_000;

/// Port 1 to port 2, whose direction from the switch has these settings.
fn lab(settings: LinkSettings) -> Lab {
    seeded(settings, 42)
}

fn seeded(settings: LinkSettings, seed: u64) -> Lab {
    let slow = Naive::new(|key| Answer::all(vec![out(3 - in_port(key))]));
    let mut lab = Lab::with(slow, 512 << 20, 1 << 20, seed);
    lab.device(1);
    lab.device_with(2, OffloadCaps::ALL, |spec| spec.from_switch = settings);
    lab
}

fn plain() -> LinkSettings {
    LinkSettings::default()
}

/// A datagram of `len` bytes in all, numbered.
fn numbered(n: u32, len: usize) -> Packet {
    let mut data = vec![0; len - 42];
    data[..4].copy_from_slice(&n.to_be_bytes());
    Host::new(1).udp(&Host::new(2), (1, 2), &data)
}

fn number(packet: &Packet) -> u32 {
    u32::from_be_bytes(packet.bytes[42..46].try_into().expect("four bytes"))
}

/// Runs until nothing is left and tells when each packet came out.
fn arrivals(lab: &mut Lab) -> Vec<(Nanos, Packet)> {
    let mut seen = Vec::new();
    lab.run_until(Nanos(u64::MAX / 2), |lab| {
        seen.extend(lab.received(2).into_iter().map(|packet| (lab.now, packet)));
    });
    seen
}

#[test]
fn delay_is_exact_and_keeps_super_packets_whole() {
    let mut lab = lab(LinkSettings { delay: MS(10), ..plain() });
    let sent = Host::new(1).tcp_super(&Host::new(2), 60_000, 1_448);
    let start = lab.now;
    lab.send(1, [sent.clone(), numbered(1, 64)]);
    assert!(lab.received(2).is_empty());
    lab.run_until(start + MS(10) - Nanos(1), |_| {});
    assert!(lab.received(2).is_empty());
    assert_eq!(lab.worker.deadline(), Some(start + MS(10)));
    let seen = arrivals(&mut lab);
    assert_eq!(seen, [(start + MS(10), sent), (start + MS(10), numbered(1, 64))]);
    let link = lab.link(2, Direction::FromSwitch);
    assert_eq!((link.entered.packets, link.left, link.in_flight), (43, link.entered, 0));
}

#[test]
fn both_directions_have_settings_of_their_own() {
    let mut lab = lab(LinkSettings { delay: MS(3), ..plain() });
    lab.set_link(1, Direction::ToSwitch, LinkSettings { delay: MS(20), ..plain() });
    let start = lab.now;
    lab.send(1, [numbered(0, 64)]);
    assert_eq!(lab.rx(1).packets, 0, "not at the switch yet");
    assert_eq!(arrivals(&mut lab), [(start + MS(23), numbered(0, 64))]);
    lab.now = start;
    lab.send(2, [numbered(1, 64)]);
    assert_eq!(lab.received(1).len(), 1, "the way back is plain");
}

#[test]
fn a_rate_is_exact_from_slow_to_fast() {
    for rate in [1_000, 1_000_000, 10_000_000, 999_999_937, 10_000_000_000, 100_000_000_000] {
        for len in [64, 1_514] {
            let mut lab = lab(LinkSettings { rate: Some(rate), ..plain() });
            let start = lab.now;
            lab.send(1, (0..900).map(|n| numbered(n, len)));
            let seen = arrivals(&mut lab);
            assert_eq!(seen.len(), 900);
            assert!(seen.iter().map(|(_, packet)| number(packet)).eq(0..900), "in order");
            let bits = 900 * len as u64 * 8;
            let exact = u128::from(bits) * 1_000_000_000 / u128::from(rate);
            let took = seen[899].0.since(start);
            assert_eq!(u128::from(took.0), exact, "{rate} bit/s, {len} bytes");
            let link = lab.link(2, Direction::FromSwitch);
            assert_eq!((u128::from(link.busy), link.sent_bytes * 8), (exact, bits));
        }
    }
}

#[test]
fn a_rate_holds_however_late_the_worker_looks() {
    let mut lab = lab(LinkSettings { rate: Some(10_000_000), delay: MS(5), ..plain() });
    let start = lab.now;
    lab.send(1, (0..1_000).map(|n| numbered(n, 1_000)));
    // 0.8 ms each; the worker looks every 7 ms only.
    for round in 1..=10_000u64 {
        lab.now = start + MS(7 * round);
        lab.worker.poll(lab.now, &mut lab.slow);
        if lab.worker.deadline().is_none() {
            break;
        }
        let out = lab.link(2, Direction::FromSwitch).left.packets;
        assert_eq!(out, (7 * round).saturating_sub(5) * 10 / 8, "at {} ms", 7 * round);
    }
    assert_eq!(lab.received(2).len(), 1_000);
    let timing = lab.counters.link(PortId(2), Direction::FromSwitch).unwrap();
    lab.worker.judge(lab.now + Nanos::from_secs(2));
    assert_eq!(timing.fidelity.verdict().failed, 1, "up to 7 ms late");
    assert!(timing.fidelity.quantile(1.0).unwrap() <= MS(8));
}

#[test]
fn super_packets_on_a_rate_are_cut_to_200_us_of_link_time() {
    for (rate, at_most) in [(1_000_000, 1), (100_000_000, 1), (1_000_000_000, 16), (10_000_000_000, 45)] {
        let mut lab = lab(LinkSettings { rate: Some(rate), ..plain() });
        lab.send(1, [Host::new(1).tcp_super(&Host::new(2), 64_000, 1_448)]);
        let start = lab.now;
        let seen = arrivals(&mut lab);
        let most = seen.iter().map(|(_, p)| (p.bytes.len() - 54).div_ceil(1_448)).max();
        assert_eq!(most, Some(at_most), "{rate}");
        let bits: u128 = (64_000 + 45 * 54) * 8;
        assert_eq!(
            u128::from(seen.last().unwrap().0.since(start).0),
            bits * 1_000_000_000 / u128::from(rate)
        );
        let payload: usize = seen.iter().map(|(_, p)| p.bytes.len() - 54).sum();
        assert_eq!(payload, 64_000);
    }
}

#[test]
fn the_queue_has_its_limit_and_its_default() {
    for (queue, wanted) in
        [(Some(QueueLimit::Packets(10)), 11), (Some(QueueLimit::Bytes(10_000)), 11), (None, 1_001)]
    {
        let mut lab = lab(LinkSettings { rate: Some(1_000_000), queue, ..plain() });
        lab.send(1, (0..2_000).map(|n| numbered(n, 1_000)));
        assert_eq!(arrivals(&mut lab).len(), wanted, "the one on the link and {queue:?}");
        assert_eq!(lab.drops(), [(DropReason::QueueFull, 2_000 - wanted as u64)]);
        assert_eq!(lab.tx(2).packets, wanted as u64, "what the queue refused was not sent");
    }
}

#[test]
fn a_new_rate_acts_at_once_on_a_full_queue() {
    let mut lab = lab(LinkSettings { rate: Some(1_000), ..plain() });
    let start = lab.now;
    // 8 s each at 1 kbit/s.
    lab.send(1, (0..100).map(|n| numbered(n, 1_000)));
    lab.run_for(Nanos::from_secs(4));
    assert!(lab.received(2).is_empty());
    lab.set_link(2, Direction::FromSwitch, LinkSettings { rate: Some(8_000_000), ..plain() });
    let seen = arrivals(&mut lab);
    assert_eq!(seen.len(), 100);
    // Half of the first is left: 0.5 ms at 8 Mbit/s; then 1 ms each.
    assert_eq!(seen[0].0, start + Nanos::from_secs(4) + Nanos(500_000));
    assert_eq!(seen[99].0, seen[0].0 + MS(99));
    assert!(lab.drops().is_empty());
}

#[test]
fn lifting_the_rate_lets_all_go_at_once() {
    let mut lab = lab(LinkSettings { rate: Some(1_000), ..plain() });
    lab.send(1, (0..100).map(|n| numbered(n, 1_000)));
    lab.run_for(MS(1));
    lab.set_link(2, Direction::FromSwitch, plain());
    lab.send(1, [numbered(100, 1_000)]);
    lab.run_for(Nanos(0));
    let order: Vec<u32> = lab.received(2).iter().map(number).collect();
    assert_eq!(order, (0..=100).collect::<Vec<_>>());
}

#[test]
fn a_smaller_limit_loses_nothing_queued_and_a_new_delay_is_for_newcomers() {
    let mut lab = lab(LinkSettings { rate: Some(8_000_000), delay: MS(100), ..plain() });
    let start = lab.now;
    lab.send(1, (0..50).map(|n| numbered(n, 1_000)));
    lab.run_for(MS(10));
    let settings = LinkSettings { delay: MS(20), queue: Some(QueueLimit::Packets(5)), ..plain() };
    lab.set_link(2, Direction::FromSwitch, LinkSettings { rate: Some(8_000_000), ..settings });
    lab.send(1, [numbered(50, 1_000)]);
    assert_eq!(lab.drops(), [(DropReason::QueueFull, 1)]);
    let mut seen: Vec<(u32, Nanos)> =
        arrivals(&mut lab).iter().map(|(at, p)| (number(p), at.since(start))).collect();
    seen.sort_unstable();
    assert_eq!(seen.len(), 50);
    for (n, at) in seen {
        // The first 11 were on the link at 10 ms (the last of them being sent) with the old delay.
        let delay = if n <= 10 { 100 } else { 20 };
        assert_eq!(at, MS(u64::from(n) + 1 + delay), "packet {n}");
    }
}

#[test]
fn a_link_that_goes_down_drops_what_it_holds_and_comes_back() {
    let settings = LinkSettings { rate: Some(8_000_000), delay: MS(10), ..plain() };
    let mut lab = lab(settings.clone());
    lab.send(1, (0..50).map(|n| numbered(n, 1_000)));
    lab.run_for(MS(20));
    let arrived = lab.received(2).len();
    assert_eq!(arrived, 10);
    lab.set_link(2, Direction::FromSwitch, LinkSettings { up: false, ..settings.clone() });
    lab.send(1, [numbered(50, 1_000)]);
    assert_eq!(lab.drops(), [(DropReason::LinkDown, 41)]);
    assert_eq!(lab.worker.deadline(), None);
    let link = lab.link(2, Direction::FromSwitch);
    assert_eq!((link.queued, link.in_flight, link.down), (0, 0, 41));
    lab.set_link(2, Direction::FromSwitch, settings);
    lab.send(1, [numbered(51, 1_000)]);
    assert_eq!(arrivals(&mut lab).len(), 1);
}

#[test]
fn jitter_never_reorders_unless_asked_to() {
    for (reorder, distribution) in [
        (0, Distribution::Uniform),
        (0, Distribution::Normal),
        (0, Distribution::Pareto),
        (PERCENT, Distribution::Uniform),
    ] {
        let mut lab = lab(LinkSettings {
            delay: MS(10),
            jitter: MS(5),
            distribution,
            reorder: Probability(reorder),
            ..plain()
        });
        for n in 0..2_000 {
            lab.send(1, [numbered(n, 64)]);
            lab.run_for(Nanos(100_000));
        }
        lab.run_for(Nanos::from_secs(5));
        let order: Vec<u32> = lab.received(2).iter().map(number).collect();
        assert_eq!(order.len(), 2_000);
        assert_eq!(order.is_sorted(), reorder == 0, "{distribution:?} {reorder}");
    }
}

#[test]
fn reorder_sends_some_ahead() {
    let mut lab = lab(LinkSettings { delay: MS(10), reorder: Probability(25 * PERCENT), ..plain() });
    lab.send(1, (0..1_000).map(|n| numbered(n, 64)));
    let ahead = lab.received(2).len();
    assert!((200..300).contains(&ahead), "{ahead} of 1,000 skipped the delay");
    assert_eq!(lab.link(2, Direction::FromSwitch).reordered, ahead as u64);
    assert_eq!(arrivals(&mut lab).len(), 1_000 - ahead);
}

/// Which of `n` packets get through.
fn survivors(settings: LinkSettings, seed: u64, sizes: impl Fn(u32) -> usize) -> Vec<u32> {
    let mut lab = seeded(settings, seed);
    lab.send(1, (0..20_000).map(|n| numbered(n, sizes(n))));
    lab.received(2).iter().map(number).collect()
}

#[test]
fn loss_is_what_it_says_and_depends_on_seed_and_number_only() {
    let loss = |p| LinkSettings { loss: Loss::Random(Probability(p)), ..plain() };
    let first = survivors(loss(PERCENT), 1, |_| 64);
    let lost = 20_000 - first.len();
    assert!((130..=270).contains(&lost), "{lost} of 20,000 at 1 %"); // 200 ± 5 sigma
    assert_eq!(first, survivors(loss(PERCENT), 1, |n| 64 + n as usize % 1_000), "sizes do not matter");
    assert_ne!(first, survivors(loss(PERCENT), 2, |_| 64), "the seed does");
    // What a smaller probability loses, a larger one loses as well.
    let more = survivors(loss(2 * PERCENT), 1, |_| 64);
    assert!(more.iter().all(|n| first.contains(n)));
    assert!(survivors(loss(100 * PERCENT), 1, |_| 64).is_empty());
}

#[test]
fn super_packets_are_lost_packet_by_packet() {
    let mut lab = lab(LinkSettings { loss: Loss::Random(Probability(PERCENT)), ..plain() });
    for _ in 0..500 {
        lab.send(1, [Host::new(1).tcp_super(&Host::new(2), 40 * 1_448, 1_448)]);
    }
    let lost = 20_000 - lab.received(2).len();
    assert!((130..=270).contains(&lost), "{lost} of 20,000");
    assert_eq!(lab.drops(), [(DropReason::LinkLoss, lost as u64)]);
    let link = lab.link(2, Direction::FromSwitch);
    assert_eq!(link.entered.packets, link.left.packets + link.lost);
    assert_eq!(lab.tx(2), link.entered, "the port has sent what the link lost");
}

#[test]
fn duplicates_and_corruption() {
    let mut lab = lab(LinkSettings {
        duplicate: Probability(10 * PERCENT),
        corrupt: Probability(20 * PERCENT),
        ..plain()
    });
    lab.send(1, (0..10).map(|_| Host::new(1).tcp_super(&Host::new(2), 60_000, 1_000)));
    let received = lab.received(2);
    let link = lab.link(2, Direction::FromSwitch);
    assert_eq!(received.len() as u64, 600 + link.duplicated);
    assert!((30..100).contains(&link.duplicated), "{} of 600", link.duplicated);
    assert!((70..170).contains(&link.corrupted), "{} of 600", link.corrupted);
    // A flipped bit shows: the checksum was completed first, and nobody vouches for it.
    let wrong = received.iter().filter(|p| {
        let headers = p.headers();
        let sound = checksum::verify_l4(&p.bytes, &headers) == Some(true)
            && checksum::verify_ipv4(&p.bytes, &headers) == Some(true);
        p.offload.is_plain() && !sound
    });
    let wrong = wrong.count() as u64;
    assert!(wrong > 0 && wrong <= link.corrupted + link.duplicated, "{wrong} wrong checksums");
}

#[test]
fn the_mtu_counts_what_follows_ethernet_and_tags() {
    let mut lab = lab(LinkSettings { mtu: Some(1_000), ..plain() });
    lab.send(1, [numbered(0, 1_014), numbered(1, 1_015), numbered(2, 1_014).vlan(5)]);
    lab.send(
        1,
        [
            Host::new(1).tcp_super(&Host::new(2), 9_600, 960),
            Host::new(1).tcp_super(&Host::new(2), 9_610, 961),
        ],
    );
    assert_eq!(lab.received(2).len(), 3);
    assert_eq!(lab.drops(), [(DropReason::TooLong, 1 + 10)]);
}

#[test]
fn a_hundred_links_in_a_row_add_up_exactly() {
    let mut lab = Lab::new(Naive::new(|key| {
        let to = match in_port(key) {
            1 => 10,
            1_001 => 2,
            port => port + 9,
        };
        Answer::all(vec![out(to)])
    }));
    lab.device(1);
    lab.device(2);
    for n in 1..=100 {
        let settings = LinkSettings { rate: Some(1_000_000_000), delay: MS(1), ..plain() };
        lab.peers(n * 10, n * 10 + 1, settings.clone(), settings);
    }
    let start = lab.now;
    lab.send(1, (0..10).map(|n| numbered(n, 1_000)));
    // The worker looks every 300 us: each hop is late, the sum is not.
    for round in 1..1_000 {
        lab.now = start + Nanos::from_micros(300 * round);
        while lab.worker.deadline().is_some_and(|due| due <= lab.now) {
            lab.worker.poll(lab.now, &mut lab.slow);
        }
        if lab.wires[&2].waiting() == 10 {
            break;
        }
    }
    // 100 times 1 ms and 8 us, and 9 packets of 8 us before the last.
    let exact = MS(100) + Nanos(8_000 * 109);
    let late = lab.now.since(start + exact);
    assert!(lab.wires[&2].waiting() == 10 && late <= Nanos(300_000), "{late:?}");
}

#[test]
fn a_second_of_delay_at_100_kpps_is_affordable() {
    let mut lab = lab(LinkSettings { delay: Nanos::from_secs(1), ..plain() });
    let start = lab.now;
    for n in 0..100_000u32 {
        lab.now = start + Nanos(10_000 * u64::from(n));
        lab.send(1, [numbered(n, 64)]);
    }
    assert_eq!(lab.link(2, Direction::FromSwitch).in_flight, 100_000);
    assert!(lab.pool.used() <= 200 << 20, "{} bytes", lab.pool.used());
    lab.run_for(Nanos::from_secs(2));
    assert!(lab.received(2).iter().map(number).eq(0..100_000));
    assert!(lab.pool.used() <= 8 << 20, "given back");
}

#[test]
fn exhausted_memory_is_a_counted_drop_and_passes() {
    let slow = Naive::new(|key| Answer::all(vec![out(3 - in_port(key))]));
    let mut lab = Lab::with_pool(slow, 1 << 20);
    lab.device(1);
    lab.device(2);
    lab.set_link(2, Direction::FromSwitch, LinkSettings { delay: MS(10), ..plain() });
    lab.send(1, (0..1_000).map(|n| numbered(n, 1_500)));
    assert_eq!(lab.drops(), [(DropReason::PoolExhausted, 1_000 - 512)]);
    assert_eq!(arrivals(&mut lab).len(), 512);
    lab.send(1, [numbered(0, 1_500)]);
    assert_eq!(lab.drops(), [(DropReason::PoolExhausted, 1_000 - 512)]);
    assert_eq!(lab.link(2, Direction::FromSwitch).no_memory, 488);
}

#[test]
fn removing_a_port_empties_its_links() {
    let mut lab = lab(LinkSettings { delay: MS(10), ..plain() });
    lab.send(1, [numbered(0, 64)]);
    lab.worker.apply(Change::RemovePort(PortId(2)), lab.now);
    assert_eq!(lab.worker.deadline(), None);
    assert_eq!(lab.drops(), [(DropReason::PortDown, 1)]);
}

#[test]
fn time_unread_counts_as_error() {
    let mut lab = lab(LinkSettings { delay: MS(50), ..plain() });
    let start = lab.now;
    lab.worker.begin_round(start, Quiet::Elsewhere(start));
    lab.send(1, [numbered(0, 64)]);
    // Read again 4 ms later in the next round: what is there may be 4 ms old.
    lab.now = start + MS(4);
    lab.worker.begin_round(lab.now, Quiet::Elsewhere(start + MS(3)));
    lab.send(1, [numbered(1, 64)]);
    // A round without this port, then one with it: it was empty at the quiet moment, 1 ms before.
    lab.worker.begin_round(start + MS(8), Quiet::Elsewhere(start + MS(7)));
    lab.now = start + MS(9);
    lab.worker.begin_round(lab.now, Quiet::Elsewhere(start + MS(8)));
    lab.send(1, [numbered(2, 64)]);
    // Nothing was ready until now: what comes has not waited, although the port was read in the round before.
    lab.now = start + MS(29);
    lab.worker.begin_round(lab.now, Quiet::Everywhere(lab.now));
    lab.send(1, [numbered(3, 64)]);
    lab.run_for(Nanos::from_secs(1));
    lab.worker.judge(lab.now + Nanos::from_secs(2));
    let fidelity = &lab.counters.link(PortId(2), Direction::FromSwitch).unwrap().fidelity;
    let at = |share| fidelity.quantile(share).unwrap();
    assert!(at(0.5) < MS(1) && (MS(1)..MS(2)).contains(&at(0.7)) && (MS(4)..MS(5)).contains(&at(1.0)));
}

#[test]
fn a_link_that_only_checks_or_loses_makes_no_copy() {
    for settings in [
        LinkSettings { mtu: Some(9_000), ..plain() },
        LinkSettings { loss: Loss::Random(Probability(PERCENT)), ..plain() },
    ] {
        let mut lab = lab(settings);
        lab.send(1, (0..1_000).map(|n| numbered(n, 1_000)));
        let link = lab.link(2, Direction::FromSwitch);
        assert_eq!(lab.received(2).len() as u64, 1_000 - link.lost);
        assert_eq!((link.entered.packets, link.left.packets + link.lost), (1_000, 1_000));
        assert_eq!((lab.tx(2).packets, lab.pool.used()), (1_000, 0));
    }
}

#[test]
fn a_packet_hurried_by_a_new_rate_does_not_overtake_jitter() {
    let delay = MS(10);
    let mut lab = lab(LinkSettings { delay, jitter: MS(5), distribution: Distribution::Normal, ..plain() });
    lab.send(1, (0..20).map(|n| numbered(n, 64)));
    lab.set_link(2, Direction::FromSwitch, LinkSettings { rate: Some(1_000), delay, ..plain() });
    lab.send(1, [numbered(20, 64)]);
    lab.set_link(2, Direction::FromSwitch, LinkSettings { delay, ..plain() });
    assert!(arrivals(&mut lab).iter().map(|(_, packet)| number(packet)).eq(0..21));
}

#[test]
fn a_storm_on_delayed_links_is_bounded_and_others_still_pass() {
    // Ring of three switches that flood: copies double at every hop.
    let slow = Naive::new(|key| {
        Answer::all(match in_port(key) {
            1 => vec![out(10), out(31)],
            3 => vec![out(2)],
            11 | 20 => vec![out(20), out(11)],
            21 | 30 => vec![out(30), out(21)],
            _ => vec![out(10), out(31)],
        })
    });
    let mut lab = Lab::with_pool(slow, 4 << 20);
    (1..=3).for_each(|port| lab.device(port));
    for (a, b) in [(10, 11), (20, 21), (30, 31)] {
        let delayed = LinkSettings { delay: MS(1), ..plain() };
        lab.peers(a, b, delayed.clone(), delayed);
    }
    lab.send(1, [numbered(0, 1_000)]);
    for n in 0..30 {
        lab.run_for(MS(1));
        assert!(lab.pool.used() <= 4 << 20);
        lab.send(3, [numbered(n, 1_000)]);
        assert_eq!(lab.received(2), [numbered(n, 1_000)], "after {n} ms of storm");
    }
    let reasons: Vec<DropReason> = lab.drops().iter().map(|(reason, _)| *reason).collect();
    assert_eq!(reasons, [DropReason::PoolExhausted]);
    // One call does a bounded piece of work, however much is due.
    lab.now += MS(2);
    let before = lab.rx(10).packets;
    lab.worker.poll(lab.now, &mut lab.slow);
    assert!(lab.rx(10).packets - before <= 128);
}
