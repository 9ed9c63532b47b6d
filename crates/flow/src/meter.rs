//! Meters: limits of rates that many flows and all workers share.
//!
//! Each band is a token bucket, kept as the moment at which it will be full again (the generic cell rate algorithm:
//! ITU-T I.371 annex A). So it is one atomic number, and who asks needs no lock. A bucket is full at the beginning.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Nanos;

/// Bits of a nanosecond below the point: fast links need them.
const FRACTION: u32 = 8;

/// What a band does to packets above its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BandKind {
    /// Drop them.
    Drop,
    /// Raise the drop precedence of their DSCP by so much, if it is one of assured forwarding (RFC 2597).
    DscpRemark {
        /// By how much.
        precedence: u8,
    },
    /// A kind that is known but does nothing here.
    Experimenter,
}

/// A band of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Band {
    /// What it does.
    pub kind: BandKind,
    /// Above this rate: kilobits or packets in a second.
    pub rate: u32,
    /// How much may come at once: kilobits or packets; 0: as much as in a second.
    pub burst: u32,
}

/// A meter as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MeterSettings {
    /// Rates are packets in a second; else kilobits.
    pub in_packets: bool,
    /// Whether bands give a burst (`OFPMF_BURST`).
    pub with_burst: bool,
    /// Whether statistics are wanted (`OFPMF_STATS`). They are kept in any case.
    pub with_stats: bool,
    /// The bands.
    pub bands: Vec<Band>,
}

/// A meter at work.
#[derive(Debug)]
pub struct Meter {
    settings: MeterSettings,
    bands: Box<[Bucket]>,
    input: Count,
}

#[derive(Debug, Default)]
struct Count {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    fn add(&self, packets: u64, bytes: u64) {
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn read(&self) -> (u64, u64) {
        (self.packets.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// A band's bucket.
#[derive(Debug, Default)]
struct Bucket {
    /// When it will be full, in parts of a nanosecond.
    full_at: AtomicU64,
    /// How long it takes to fill.
    depth: u64,
    exceeded: Count,
}

/// What a meter says to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterVerdict {
    /// It passes.
    Pass,
    /// It is dropped.
    Drop,
    /// It passes, with its drop precedence raised by so much.
    Remark(u8),
}

/// The counters of a meter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterRead {
    /// Wire packets that came, and their bytes.
    pub input: (u64, u64),
    /// For each band, wire packets above its rate that it dealt with, and their bytes.
    pub bands: Vec<(u64, u64)>,
}

impl Meter {
    /// A meter with full buckets and counters at 0.
    #[must_use]
    pub fn new(settings: MeterSettings) -> Self {
        let bucket = |band: &Band| {
            let burst = if band.burst == 0 || !settings.with_burst { band.rate } else { band.burst };
            let amount = if settings.in_packets { u64::from(burst) } else { u64::from(burst) * 1_000 };
            Bucket { depth: settings.time_of(band, amount), ..Bucket::default() }
        };
        let bands = settings.bands.iter().map(bucket).collect();
        Self { settings, bands, input: Count::default() }
    }

    /// The same with counters that go on where others were.
    #[must_use]
    pub fn resumed(settings: MeterSettings, read: &MeterRead) -> Self {
        let meter = Self::new(settings);
        meter.input.add(read.input.0, read.input.1);
        for (bucket, (packets, bytes)) in meter.bands.iter().zip(&read.bands) {
            bucket.exceeded.add(*packets, *bytes);
        }
        meter
    }

    /// What it was made with.
    #[must_use]
    pub const fn settings(&self) -> &MeterSettings {
        &self.settings
    }

    /// Whether packets that pass may have another DSCP than before.
    #[must_use]
    pub fn remarks(&self) -> bool {
        let remarks = |band: &Band| matches!(band.kind, BandKind::DscpRemark { precedence: 1.. });
        self.settings.bands.iter().any(remarks)
    }

    /// Lets several wire packets pass at once if no band objects to any of them. `false`: nothing was charged, they are
    /// to be asked about one by one.
    pub fn admit_all(&self, packets: u32, bytes: u64, now: Nanos) -> bool {
        for (at, band) in self.settings.bands.iter().enumerate() {
            if !self.charge(at, self.settings.cost(band, packets, bytes), now) {
                for (undone, band) in self.settings.bands.iter().enumerate().take(at) {
                    let cost = self.settings.cost(band, packets, bytes);
                    if let Some(bucket) = self.bands.get(undone) {
                        bucket.full_at.fetch_sub(cost, Ordering::Relaxed);
                    }
                }
                return false;
            }
        }
        self.input.add(packets.into(), bytes);
        true
    }

    /// Decides about one wire packet of some bytes. Of several bands it exceeds, the one of the highest rate counts.
    pub fn admit(&self, bytes: u64, now: Nanos) -> MeterVerdict {
        self.input.add(1, bytes);
        let mut worst: Option<usize> = None;
        for (at, band) in self.settings.bands.iter().enumerate() {
            let rate_of = |at: usize| self.settings.bands.get(at).map_or(0, |band| band.rate);
            if !self.charge(at, self.settings.cost(band, 1, bytes), now)
                && worst.is_none_or(|known| rate_of(known) < band.rate)
            {
                worst = Some(at);
            }
        }
        let Some(at) = worst else { return MeterVerdict::Pass };
        if let Some(bucket) = self.bands.get(at) {
            bucket.exceeded.add(1, bytes);
        }
        match self.settings.bands.get(at).map(|band| band.kind) {
            Some(BandKind::Drop) => MeterVerdict::Drop,
            Some(BandKind::DscpRemark { precedence }) => MeterVerdict::Remark(precedence),
            Some(BandKind::Experimenter) | None => MeterVerdict::Pass,
        }
    }

    /// Its counters.
    #[must_use]
    pub fn read(&self) -> MeterRead {
        MeterRead {
            input: self.input.read(),
            bands: self.bands.iter().map(|bucket| bucket.exceeded.read()).collect(),
        }
    }

    /// Takes `cost` out of a bucket, if it is there.
    fn charge(&self, at: usize, cost: u64, now: Nanos) -> bool {
        let Some(bucket) = self.bands.get(at) else { return true };
        let now = now.0 << FRACTION;
        let charged = bucket.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let full_at = full_at.max(now).saturating_add(cost);
            (full_at - now <= bucket.depth).then_some(full_at)
        });
        charged.is_ok()
    }
}

impl MeterSettings {
    fn cost(&self, band: &Band, packets: u32, bytes: u64) -> u64 {
        let amount = if self.in_packets { packets.into() } else { bytes.saturating_mul(8) };
        self.time_of(band, amount)
    }

    /// How long an amount (packets or bits) takes at the rate of a band.
    fn time_of(&self, band: &Band, amount: u64) -> u64 {
        let unit: u128 = if self.in_packets { 1_000_000_000 } else { 1_000_000 };
        let rate = u128::from(band.rate.max(1));
        u64::try_from(((u128::from(amount) * unit) << FRACTION) / rate).unwrap_or(u64::MAX >> 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(in_packets: bool, bands: &[(BandKind, u32, u32)]) -> Meter {
        let bands = bands.iter().map(|&(kind, rate, burst)| Band { kind, rate, burst }).collect();
        Meter::new(MeterSettings { in_packets, with_burst: true, with_stats: true, bands })
    }

    const START: Nanos = Nanos(5_000_000_000);

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let meter = meter(true, &[(BandKind::Drop, 10, 3)]);
        let passed = |at: Nanos| (0..5).filter(|_| meter.admit(100, at) == MeterVerdict::Pass).count();
        assert_eq!(passed(START), 3);
        assert_eq!(passed(START + Nanos::from_millis(99)), 0);
        assert_eq!(passed(START + Nanos::from_millis(100)), 1);
        assert_eq!(passed(START + Nanos::from_secs(9)), 3, "no more than a burst is saved up");
        assert_eq!(meter.read(), MeterRead { input: (20, 2_000), bands: vec![(13, 1_300)] });
    }

    #[test]
    fn kilobits_are_thousands_of_bits_of_whole_frames() {
        let meter = meter(false, &[(BandKind::Drop, 8, 0)]);
        // 8 kbit/s: 1,000 bytes in a second, as much at once.
        assert_eq!(meter.admit(600, START), MeterVerdict::Pass);
        assert_eq!(meter.admit(600, START), MeterVerdict::Drop);
        assert_eq!(meter.admit(400, START), MeterVerdict::Pass);
        assert_eq!(meter.admit(600, START + Nanos::from_millis(599)), MeterVerdict::Drop);
        assert_eq!(meter.admit(600, START + Nanos::from_millis(600)), MeterVerdict::Pass);
    }

    #[test]
    fn of_two_bands_the_higher_rate_decides() {
        let meter = meter(true, &[(BandKind::DscpRemark { precedence: 1 }, 2, 2), (BandKind::Drop, 4, 4)]);
        let verdicts: Vec<_> = (0..5).map(|_| meter.admit(10, START)).collect();
        let [pass, remark, drop] = [MeterVerdict::Pass, MeterVerdict::Remark(1), MeterVerdict::Drop];
        assert_eq!(verdicts, [pass, pass, remark, remark, drop]);
        assert_eq!(meter.read().bands, [(2, 20), (1, 10)]);
    }

    #[test]
    fn counters_go_on_and_buckets_are_full() {
        let old = meter(true, &[(BandKind::Drop, 10, 1)]);
        assert_eq!([old.admit(60, START), old.admit(60, START)], [MeterVerdict::Pass, MeterVerdict::Drop]);
        let new = Meter::resumed(old.settings().clone(), &old.read());
        assert_eq!(new.read(), old.read());
        assert_eq!(new.admit(60, START), MeterVerdict::Pass);
        assert_eq!(new.read(), MeterRead { input: (3, 180), bands: vec![(1, 60)] });
    }

    #[test]
    fn many_at_once_pass_together_or_are_asked_about_one_by_one() {
        let meter = meter(true, &[(BandKind::Drop, 100, 100), (BandKind::Drop, 10, 5)]);
        assert!(!meter.admit_all(6, 600, START));
        assert_eq!(meter.read().input, (0, 0));
        assert!(meter.admit_all(5, 500, START), "what was refused has cost nothing");
        assert_eq!(meter.admit(100, START), MeterVerdict::Drop);
    }
}
