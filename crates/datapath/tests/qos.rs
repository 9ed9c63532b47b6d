//! The scheduler and the policer on a manual clock: rates, guarantees, priorities, super-packets, bounds.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

use netloom_datapath::qos::{ClassId, ClassSettings, Policer, PolicerSettings, Scheduler};
use netloom_flow::{Nanos, QueueLimit};
use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::{Gso, Mac, Offload, Wire, parse, segment, wire};
use proptest::prelude::*;

const FULL: Wire = Wire { packets: 1, bytes: 1_514 };
const MBIT: u64 = 1_000_000;

fn at_most(max_rate: u64) -> ClassSettings {
    ClassSettings { max_rate: Some(max_rate), ..ClassSettings::default() }
}

fn at_least(min_rate: u64) -> ClassSettings {
    ClassSettings { min_rate, ..ClassSettings::default() }
}

/// Classes that always have something to send, looked at as a worker does: when something is due, but never sooner
/// than `tick` after the last time.
struct Overload {
    scheduler: Scheduler<()>,
    classes: Vec<ClassId>,
    item: Wire,
    tick: Nanos,
    now: Nanos,
}

impl Overload {
    fn new(root: u64, classes: &[ClassSettings]) -> Self {
        let mut scheduler = Scheduler::new(at_most(root), Nanos::ZERO);
        let classes =
            classes.iter().map(|class| scheduler.add(ClassId::ROOT, *class, Nanos::ZERO).unwrap()).collect();
        Self { scheduler, classes, item: FULL, tick: Nanos::from_micros(50), now: Nanos::ZERO }
    }

    /// Runs for `span`, and returns the bits per second of each class in it.
    fn run(&mut self, span: Nanos) -> Vec<u64> {
        let end = self.now + span;
        let before: Vec<u64> = self.sent();
        while self.now < end {
            self.fill();
            while self.scheduler.dequeue(self.now).is_some() {
                self.fill();
            }
            let next = self.scheduler.next(self.now).unwrap();
            assert!(next > self.now, "what may leave now has left");
            self.now = next.max(self.now + self.tick);
        }
        let rate =
            |bytes: u64| u64::try_from(u128::from(bytes) * 8_000_000_000 / u128::from(span.0)).unwrap();
        self.sent().iter().zip(before).map(|(after, before)| rate(after - before)).collect()
    }

    fn fill(&mut self) {
        for class in &self.classes {
            while self.scheduler.counters(*class).unwrap().queued.packets < 3 {
                self.scheduler.enqueue(*class, (), self.item).unwrap();
            }
        }
    }

    fn sent(&self) -> Vec<u64> {
        self.classes.iter().map(|class| self.scheduler.counters(*class).unwrap().sent.bytes).collect()
    }
}

fn within(measured: u64, wanted: u64, percent: u64) -> bool {
    measured.abs_diff(wanted) * 100 <= wanted * percent
}

#[test]
fn rates_are_met_within_one_percent() {
    for rate in [MBIT, 10 * MBIT, 100 * MBIT, 1_000 * MBIT, 2_000 * MBIT] {
        let seconds = if rate < 100 * MBIT { 10 } else { 1 };
        for item in [FULL, Wire { packets: 1, bytes: 64 }] {
            // By the root's maximum, and by a class's own.
            for (root, class) in [(rate, ClassSettings::default()), (10_000 * MBIT, at_most(rate))] {
                if item.bytes == 64 && rate > 100 * MBIT {
                    continue; // millions of packets say nothing new
                }
                let mut overload = Overload { item, ..Overload::new(root, &[class]) };
                overload.run(Nanos::from_secs(1));
                let measured = overload.run(Nanos::from_secs(seconds))[0];
                assert!(within(measured, rate, 1), "{measured} for {rate} with {} bytes", item.bytes);
            }
        }
    }
}

#[test]
fn guarantees_are_kept_within_three_percent() {
    // 60 and 20 of 100 Mbit/s are promised; what is left goes to the first priority, though it asked for least.
    let classes = [
        ClassSettings { priority: 1, ..at_least(60 * MBIT) },
        ClassSettings { priority: 0, ..at_least(20 * MBIT) },
        ClassSettings { priority: 2, ..ClassSettings::default() },
    ];
    let mut overload = Overload::new(100 * MBIT, &classes);
    overload.run(Nanos::from_secs(1));
    let rates = overload.run(Nanos::from_secs(5));
    assert!(within(rates[0], 60 * MBIT, 3), "{rates:?}");
    assert!(within(rates[1], 40 * MBIT, 3), "{rates:?}");
    assert_eq!(rates[2], 0, "nothing promised, nothing left");
    assert!(within(rates.iter().sum(), 100 * MBIT, 1), "{rates:?}");
}

#[test]
fn guarantees_hold_for_super_packets_beside_small_ones() {
    let mut overload = Overload::new(1_000 * MBIT, &[at_least(300 * MBIT), at_least(700 * MBIT)]);
    overload.item = Wire { packets: 45, bytes: 68_000 };
    overload.run(Nanos::from_secs(1));
    let rates = overload.run(Nanos::from_secs(5));
    assert!(within(rates[0], 300 * MBIT, 3) && within(rates[1], 700 * MBIT, 3), "{rates:?}");
}

#[test]
fn what_is_left_is_shared_by_quantum() {
    let quantum = |quantum| ClassSettings { quantum: Some(quantum), ..ClassSettings::default() };
    let mut overload = Overload::new(100 * MBIT, &[quantum(1_514), quantum(4_542), quantum(500)]);
    overload.run(Nanos::from_secs(1));
    let rates = overload.run(Nanos::from_secs(5));
    let total = 1_514 + 4_542 + 500;
    for (rate, quantum) in rates.iter().zip([1_514, 4_542, 500]) {
        assert!(within(*rate, 100 * MBIT * quantum / total, 3), "{rates:?}");
    }
}

#[test]
fn a_maximum_holds_while_others_take_the_rest() {
    let class = ClassSettings { max_rate: Some(30 * MBIT), ..at_least(20 * MBIT) };
    let mut overload = Overload::new(100 * MBIT, &[class, ClassSettings { priority: 7, ..at_least(MBIT) }]);
    overload.run(Nanos::from_secs(1));
    let rates = overload.run(Nanos::from_secs(5));
    assert!(within(rates[0], 30 * MBIT, 1) && within(rates[1], 70 * MBIT, 1), "{rates:?}");
}

#[test]
fn promises_beyond_the_link_do_not_exceed_it() {
    let mut overload = Overload::new(100 * MBIT, &[at_least(80 * MBIT), at_least(80 * MBIT)]);
    overload.run(Nanos::from_secs(1));
    let rates = overload.run(Nanos::from_secs(5));
    assert!(within(rates[0], 50 * MBIT, 3) && within(rates[1], 50 * MBIT, 3), "{rates:?}");
    assert!(within(rates.iter().sum(), 100 * MBIT, 1), "{rates:?}");
}

#[test]
fn a_class_of_classes_lends_to_its_own_first() {
    let mut overload = Overload::new(100 * MBIT, &[at_least(50 * MBIT)]);
    let tenant = overload.scheduler.add(ClassId::ROOT, at_least(50 * MBIT), Nanos::ZERO).unwrap();
    // One is promised little, the other gets what is left of their tenant's promise, though it is last in priority.
    let little = ClassSettings { priority: 7, ..at_least(10 * MBIT) };
    for class in [little, ClassSettings { priority: 6, ..ClassSettings::default() }] {
        overload.classes.push(overload.scheduler.add(tenant, class, Nanos::ZERO).unwrap());
    }
    overload.run(Nanos::from_secs(1));
    let rates = overload.run(Nanos::from_secs(5));
    assert!(within(rates[0], 50 * MBIT, 3), "{rates:?}");
    assert!(within(rates[1], 10 * MBIT, 3) && within(rates[2], 40 * MBIT, 3), "{rates:?}");
    assert!(overload.scheduler.enqueue(tenant, (), FULL).is_err(), "packets belong to its classes");
}

/// How long packets of the first priority wait beside a full class of the last, at 1,000 phases of its packets.
fn waits_of_the_first(rate: u64, last: ClassSettings) -> Vec<Nanos> {
    let last = ClassSettings { priority: 7, ..last };
    let mut overload = Overload { tick: Nanos(1), ..Overload::new(rate, &[last]) };
    let first = overload.scheduler.add(ClassId::ROOT, ClassSettings::default(), Nanos::ZERO).unwrap();
    overload.run(Nanos::from_secs(1));
    let (begin, before) = (overload.now, overload.sent()[0]);
    let wait = |n: u64| {
        overload.run(Nanos(997_001 + n * 131));
        overload.fill();
        let asked = overload.now;
        overload.scheduler.enqueue(first, (), Wire { packets: 1, bytes: 100 }).unwrap();
        while let next = overload.scheduler.next(overload.now).unwrap()
            && let Some((class, ())) = {
                overload.now = next;
                overload.scheduler.dequeue(next)
            }
        {
            if class == first {
                break;
            }
            assert!(last.min_rate > 0, "the other one went first");
        }
        overload.now - asked
    };
    let waits = (0..1_000).map(wait).collect();
    let bytes = overload.sent()[0] - before + 1_000 * 100;
    let measured = bytes * 8_000_000 / ((overload.now - begin).0 / 1_000);
    assert!(within(measured, rate, 1), "{measured} for {rate}");
    waits
}

/// A packet of the first priority does not wait for what others were lent, however full they are.
#[test]
fn priority_does_not_wait_for_what_is_left_over_to_others() {
    for rate in [MBIT, 100 * MBIT] {
        let waits = waits_of_the_first(rate, ClassSettings::default());
        assert_eq!(waits.iter().max(), Some(&Nanos::ZERO), "at {rate}");
    }
}

/// Where others have a guarantee, it waits for the packets that are due to them, and no longer.
#[test]
fn priority_waits_for_guarantees() {
    let rate = 100 * MBIT;
    let mut waits = waits_of_the_first(rate, at_least(40 * MBIT));
    let packet_time = Nanos(1_514 * 8 * 1_000_000_000 / rate);
    waits.sort_unstable();
    assert!(waits[999] <= packet_time + packet_time, "{:?} for a packet time of {packet_time:?}", waits[999]);
}

/// Who comes first may not use that up what others were promised: it sends all it can, and they have theirs.
#[test]
fn priority_leaves_guarantees_alone() {
    let classes = [ClassSettings::default(), ClassSettings { priority: 7, ..at_least(70 * MBIT) }];
    let mut overload = Overload::new(100 * MBIT, &classes);
    overload.run(Nanos::from_secs(1));
    let rates = overload.run(Nanos::from_secs(5));
    assert!(within(rates[0], 30 * MBIT, 3) && within(rates[1], 70 * MBIT, 3), "{rates:?}");
}

#[test]
fn queues_are_bounded_and_count_what_they_refuse() {
    let queue = Some(QueueLimit::Packets(10));
    let mut scheduler = Scheduler::new(at_most(MBIT), Nanos::ZERO);
    let class = scheduler.add(ClassId::ROOT, ClassSettings { queue, ..at_least(MBIT) }, Nanos::ZERO).unwrap();
    let refused = (0..25).filter(|n| scheduler.enqueue(class, *n, FULL).is_err()).count();
    assert_eq!(refused, 15);
    let counters = scheduler.counters(class).unwrap();
    assert_eq!(counters.dropped, Wire { packets: 15, bytes: 15 * 1_514 });
    assert_eq!(counters.queued, Wire { packets: 10, bytes: 15_140 });
    let first = scheduler.dequeue(Nanos::ZERO);
    assert_eq!(first, Some((class, 0)));
    assert_eq!(scheduler.remove(class), (1..10).collect::<Vec<_>>());
    assert_eq!((scheduler.next(Nanos::ZERO), scheduler.is_empty()), (None, true));
    assert!(scheduler.enqueue(class, 0, FULL).is_err(), "it is gone");
    // Without a limit of its own, a queue has one all the same.
    let other = scheduler.add(ClassId::ROOT, ClassSettings::default(), Nanos::ZERO).unwrap();
    assert_eq!(other, class, "places are used again");
}

#[test]
fn a_change_acts_on_what_waits() {
    let mut overload = Overload::new(100 * MBIT, &[ClassSettings::default()]);
    overload.run(Nanos::from_secs(1));
    overload.scheduler.change(ClassId::ROOT, at_most(10 * MBIT), overload.now);
    let rate = overload.run(Nanos::from_secs(5))[0];
    assert!(within(rate, 10 * MBIT, 1), "{rate}");
    overload.scheduler.change(overload.classes[0], at_most(MBIT), overload.now);
    overload.run(Nanos::from_secs(1));
    let rate = overload.run(Nanos::from_secs(5))[0];
    assert!(within(rate, MBIT, 1), "{rate}");
}

/// Super-packets are cut to what a class's burst and rate bear, and then count as what they are on the wire.
#[test]
fn super_packets_are_cut_to_the_burst() {
    let data = vec![0; 60_000];
    let tcp = Tcp { data: &data, ..Tcp::default() };
    let frame = Frame::ip(Mac::ZERO, Mac::ZERO, Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(tcp));
    let mut bytes = vec![0; frame.len()];
    let (_, offload) = frame.emit_partial(&mut bytes).unwrap();
    let offload = Offload { gso: Gso::Tcp4, gso_size: 1_460, ..offload };
    let headers = parse(&bytes).unwrap();
    let mut scheduler = Scheduler::new(at_most(1_000 * MBIT), Nanos::ZERO);
    let units =
        |scheduler: &Scheduler<usize>, class| scheduler.unit_segments(class, &headers, &offload).unwrap();
    let slow = scheduler.add(ClassId::ROOT, at_most(10 * MBIT), Nanos::ZERO).unwrap();
    let burst = ClassSettings { burst: Some(6_100), ..at_most(1_000 * MBIT) };
    let small = scheduler.add(ClassId::ROOT, burst, Nanos::ZERO).unwrap();
    let free = scheduler.add(ClassId::ROOT, ClassSettings::default(), Nanos::ZERO).unwrap();
    assert_eq!(units(&scheduler, slow).get(), 1);
    assert_eq!(units(&scheduler, small).get(), 4, "6,100 bytes are four frames");
    assert_eq!(units(&scheduler, free).get(), 4, "50 us at the root's rate");
    let plain = scheduler.unit_segments(slow, &headers, &Offload::PLAIN);
    assert_eq!(plain, None);

    let mut cutter = segment::cut(&bytes, &headers, &offload, units(&scheduler, small)).unwrap();
    let mut out = vec![0; cutter.longest()];
    while let Some(unit) = cutter.next_into(&mut out).unwrap() {
        let headers = parse(&out[..unit.len]).unwrap();
        scheduler.enqueue(small, unit.len, wire(unit.len, &headers, &unit.offload)).unwrap();
    }
    let queued = scheduler.counters(small).unwrap().queued;
    assert_eq!(queued, wire(bytes.len(), &headers, &offload));
}

/// A policer offered twice its rate.
fn policed(settings: &PolicerSettings, item: Wire, gap: Nanos, span: Nanos) -> (u64, u64) {
    let mut policer = Policer::new(settings, Nanos::ZERO);
    let (mut packets, mut bytes) = (0, 0);
    let mut now = Nanos::ZERO;
    while now < span + span {
        let passed = policer.admit(item, now);
        if now >= span {
            packets += u64::from(passed);
            bytes += u64::from(passed) * item.bytes / u64::from(item.packets);
        }
        now += gap;
    }
    (packets, bytes)
}

#[test]
fn a_policer_is_right_within_one_percent() {
    for rate in [MBIT, 100 * MBIT, 2_000 * MBIT] {
        for item in [FULL, Wire { packets: 45, bytes: 68_130 }] {
            if rate == MBIT && item != FULL {
                continue; // the burst is less than one super-packet
            }
            let settings = PolicerSettings { bits: Some(rate), ..PolicerSettings::default() };
            let gap = Nanos(item.bytes * 8 * 1_000_000_000 / rate / 2);
            let span = Nanos::from_secs(if rate == MBIT { 20 } else { 2 });
            let (_, bytes) = policed(&settings, item, gap, span);
            let measured = bytes * 8 * 1_000 / (span.0 / 1_000_000);
            assert!(within(measured, rate, 1), "{measured} for {rate}");
        }
    }
    let settings = PolicerSettings { packets: Some(10_000), ..PolicerSettings::default() };
    let (packets, _) = policed(&settings, FULL, Nanos::from_micros(50), Nanos::from_secs(2));
    assert!(within(packets, 20_000, 1), "{packets}");
}

#[test]
fn a_policer_saves_up_its_burst_and_no_more() {
    let settings =
        PolicerSettings { packets: Some(10), burst_packets: Some(5), ..PolicerSettings::default() };
    let mut policer = Policer::new(&settings, Nanos::ZERO);
    assert_eq!(policer.admit(Wire { packets: 45, bytes: 68_130 }, Nanos::from_secs(100)), 6);
    assert_eq!(policer.admit(FULL, Nanos::from_secs(100)), 0);
    assert_eq!(policer.admit(FULL, Nanos::from_millis(100_100)), 1);
    let free = Policer::new(&PolicerSettings::default(), Nanos::ZERO).admit(FULL, Nanos::ZERO);
    assert_eq!(free, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Any classes: the link is never idle while somebody waits and may, nothing is lost, order in a class is kept,
    /// maxima and the root hold, and guarantees that fit are kept.
    #[test]
    fn any_classes(classes in prop::collection::vec((0..40u64, prop::option::of(1..60u64), 0..3u8, 64..9_000u64), 1..6)) {
        let root = 100 * MBIT;
        let mut scheduler = Scheduler::new(at_most(root), Nanos::ZERO);
        let promised: u64 = classes.iter().map(|(min, ..)| *min).sum();
        let ids: Vec<_> = classes.iter().map(|(min, max, priority, _)| {
            let max_rate = max.map(|max| max.max(*min) * MBIT);
            let settings = ClassSettings { min_rate: min * MBIT, max_rate, priority: *priority, ..ClassSettings::default() };
            scheduler.add(ClassId::ROOT, settings, Nanos::ZERO).unwrap()
        }).collect();
        let (mut now, mut put, mut taken) = (Nanos::ZERO, vec![0u64; ids.len()], vec![0u64; ids.len()]);
        let mut begin = vec![0; ids.len()];
        let span = Nanos::from_secs(1);
        while now < span + span {
            for (n, id) in ids.iter().enumerate() {
                while put[n] - taken[n] < 4 {
                    scheduler.enqueue(*id, put[n], Wire { packets: 1, bytes: classes[n].3 }).unwrap();
                    put[n] += 1;
                }
            }
            match scheduler.dequeue(now) {
                Some((id, item)) => {
                    let n = ids.iter().position(|other| *other == id).unwrap();
                    prop_assert_eq!(item, taken[n]);
                    taken[n] += 1;
                }
                None => {
                    let next = scheduler.next(now).unwrap();
                    prop_assert!(next > now);
                    if now < span && next >= span {
                        begin.clone_from(&taken);
                    }
                    now = next;
                }
            }
        }
        let rates: Vec<u64> = (0..ids.len()).map(|n| (taken[n] - begin[n]) * classes[n].3 * 8).collect();
        prop_assert!(rates.iter().sum::<u64>() <= root + root / 50, "{rates:?}");
        for (rate, (min, max, ..)) in rates.iter().zip(&classes) {
            if let Some(max) = max {
                prop_assert!(*rate <= max.max(min) * MBIT * 102 / 100 + 200_000, "{rates:?}");
            }
            if promised <= 97 {
                prop_assert!(*rate + 200_000 >= min * MBIT * 97 / 100, "{rates:?}");
            }
        }
    }
}
