//! A policer that ports share, also those of several workers: what a tenant may send.

use std::sync::atomic::{AtomicU64, Ordering};

use netloom_flow::Nanos;
use netloom_packet::Wire;

/// Parts of a nanosecond that a bucket is kept in: a packet of 64 bytes at 100 Gbit/s is paid exactly to 1 %, and time
/// lasts for 36 years.
const PARTS: u64 = 16;
/// What may come at once after a pause: as much as in this time. TCP that has lost the end of a burst waits for 200 ms;
/// with less it would not reach the rate.
const BURST: Nanos = Nanos::from_millis(500);
/// Bits of the least burst: a super-packet.
const LEAST_BURST: u64 = 8 << 16;

/// A token bucket for bits without a lock: the time at which everything that has passed is paid for.
///
/// It is open while that is not in the future, and then lets a packet of any size pass, as a bucket that goes into debt
/// does. Time that nobody used up is worth something for as long as the burst lasts.
#[derive(Debug)]
pub struct SharedPolicer {
    /// Bits a second.
    rate: AtomicU64,
    /// In parts of a nanosecond.
    paid: AtomicU64,
    passed: AtomicU64,
    packets: AtomicU64,
    dropped: AtomicU64,
}

/// What a policer has seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SharedCounters {
    /// Bytes that passed.
    pub bytes: u64,
    /// Packets that passed.
    pub packets: u64,
    /// Packets that did not.
    pub dropped: u64,
}

impl SharedPolicer {
    /// A policer after a long pause.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        let zero = AtomicU64::default;
        Self {
            rate: AtomicU64::new(rate.max(1)),
            paid: zero(),
            passed: zero(),
            packets: zero(),
            dropped: zero(),
        }
    }

    /// Another rate from now on. A debt is kept, as the time that it takes.
    pub fn set_rate(&self, rate: u64) {
        self.rate.store(rate.max(1), Ordering::Relaxed);
    }

    /// Bits a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    /// What it has seen so far.
    #[must_use]
    pub fn counters(&self) -> SharedCounters {
        SharedCounters {
            bytes: self.passed.load(Ordering::Relaxed),
            packets: self.packets.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }

    /// How many of the wire packets of `wire` pass at `now`: the first ones. All of them: `wire.packets`.
    ///
    /// The packets of a super-packet are judged as if each came alone; the last may be shorter than the others.
    pub fn admit(&self, wire: Wire, now: Nanos) -> u32 {
        let rate = self.rate();
        let each = wire.bytes.div_ceil(u64::from(wire.packets.max(1)));
        let bill = Bill { now: now.0.saturating_mul(PARTS), burst: burst(rate), each: time(each, rate) };
        let bytes = |passed: u32| if passed == wire.packets { wire.bytes } else { each * u64::from(passed) };
        let mut paid = self.paid.load(Ordering::Relaxed);
        let passed = loop {
            let (from, passed) = bill.passes(paid, wire.packets);
            if passed == 0 {
                break 0;
            }
            let next = from.saturating_add(time(bytes(passed), rate));
            // Nothing else is read because of it: only the sum counts.
            match self.paid.compare_exchange_weak(paid, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break passed,
                Err(now) => paid = now,
            }
        };
        self.passed.fetch_add(bytes(passed), Ordering::Relaxed);
        self.packets.fetch_add(passed.into(), Ordering::Relaxed);
        if passed < wire.packets {
            self.dropped.fetch_add((wire.packets - passed).into(), Ordering::Relaxed);
        }
        passed
    }
}

/// What packets of one size cost at one moment, in parts of a nanosecond.
struct Bill {
    now: u64,
    burst: u64,
    each: u64,
}

impl Bill {
    /// From when on they are paid, and how many of `packets` pass: while what was before is paid for.
    fn passes(&self, paid: u64, packets: u32) -> (u64, u32) {
        let from = paid.max(self.now.saturating_sub(self.burst));
        let Some(saved) = self.now.checked_sub(from) else { return (from, 0) };
        let open = saved.checked_div(self.each).map_or(u64::MAX, |whole| whole.saturating_add(1));
        (from, u32::try_from(open).unwrap_or(u32::MAX).min(packets))
    }
}

/// How long `bytes` take at `rate`.
fn time(bytes: u64, rate: u64) -> u64 {
    let all = u128::from(bytes) * 8 * u128::from(PARTS) * 1_000_000_000;
    u64::try_from(all / u128::from(rate.max(1))).unwrap_or(u64::MAX)
}

fn burst(rate: u64) -> u64 {
    (BURST.0 * PARTS).max(time(LEAST_BURST / 8, rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qos::{Policer, PolicerSettings};

    const FULL: Wire = Wire { packets: 1, bytes: 1_514 };

    /// Bits that pass in `span` when there is always a packet.
    fn overload(policer: &SharedPolicer, wire: Wire, from: Nanos, span: Nanos) -> u64 {
        let before = policer.counters().bytes;
        let mut now = from;
        while now < from + span {
            while policer.admit(wire, now) == wire.packets {}
            now += Nanos::from_micros(20);
        }
        (policer.counters().bytes - before) * 8
    }

    #[test]
    fn rates_are_met_to_a_tenth_of_a_percent() {
        for rate in [1_000_000, 100_000_000, 999_999_937, 10_000_000_000] {
            for wire in [FULL, Wire { packets: 45, bytes: 68_000 }] {
                let policer = SharedPolicer::new(rate);
                overload(&policer, wire, Nanos::from_secs(5), Nanos::from_secs(1));
                let bits = overload(&policer, wire, Nanos::from_secs(6), Nanos::from_secs(10));
                let slack = (rate / 100).max(wire.bytes * 16);
                assert!(bits.abs_diff(rate * 10) <= slack, "{bits} at {rate}, {wire:?}");
            }
        }
    }

    #[test]
    fn savings_end_at_the_burst_and_a_super_packet_is_cut() {
        let policer = SharedPolicer::new(8_000_000);
        let now = Nanos::from_secs(100);
        // 500 ms are 500,000 bytes: 330 packets, and the one that goes into debt.
        let wire = Wire { packets: 364, bytes: 364 * 1_514 };
        assert_eq!(policer.admit(wire, now), 331);
        assert_eq!(policer.admit(FULL, now), 0);
        assert_eq!(policer.admit(FULL, now + Nanos::from_millis(1)), 0, "the debt is 1,134 bytes");
        assert_eq!(policer.admit(FULL, now + Nanos::from_micros(1_134)), 1);
        assert_eq!(
            policer.counters(),
            SharedCounters { bytes: 332 * 1_514, packets: 332, dropped: 33 + 2 },
            "what passed is counted, and what did not"
        );
        policer.set_rate(8_000_000_000);
        assert_eq!(policer.admit(FULL, now + Nanos::from_millis(3)), 1);
        assert_eq!(policer.rate(), 8_000_000_000);
    }

    #[test]
    fn workers_share_it_and_lose_nothing() {
        let policer = SharedPolicer::new(80_000_000);
        let now = Nanos::from_secs(9);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|_| _ = policer.admit(FULL, now)));
            }
        });
        // 5,000,000 bytes of burst, and one packet on credit.
        let seen = policer.counters();
        assert_eq!((seen.packets, seen.dropped), (3_303, 20_000 - 3_303));
    }

    proptest::proptest! {
        /// What one port has by itself, ports have that share it.
        #[test]
        fn it_decides_as_the_policer_of_one_port(
            rate in 1_000_000u64..20_000_000_000,
            steps in proptest::collection::vec((0u64..3_000_000, 1u32..50, 60u64..1_514), 1..200),
        ) {
            let shared = SharedPolicer::new(rate);
            let burst = (rate / 2).max(LEAST_BURST);
            let settings = PolicerSettings { bits: Some(rate), burst_bits: Some(burst), ..PolicerSettings::default() };
            let mut now = Nanos::from_secs(1);
            let mut alone = Policer::new(&settings, now);
            let (mut a, mut b) = (0, 0);
            for (pause, packets, size) in steps {
                now += Nanos(pause);
                let wire = Wire { packets, bytes: u64::from(packets) * size };
                a += u64::from(shared.admit(wire, now)) * size;
                b += u64::from(alone.admit(wire, now)) * size;
            }
            // A packet more or less where one of the two rounds down.
            proptest::prop_assert!(a.abs_diff(b) <= 2 * 1_514, "{a} {b}");
        }
    }
}
