//! Whether the links did what they were told during a run: what the datapath counted at its end against its beginning.

use std::collections::BTreeMap;

use netloom_datapath::{Direction, LinkRead};
use netloom_flow::{DropReason, Nanos, PortId};
use netloom_lab::expect::{LinkRecord, judge_link, limit};
use netloom_lab::lab::Fidelity as Mode;

use crate::engine::Running;
use crate::engine::handle::directions;

/// Least packets of a second that is judged, as the datapath has it.
const ENOUGH: u64 = 100;
/// A rate is held against what passed only if the link was busy so long, in nanoseconds.
const BUSY: u64 = 1_000_000_000;
/// Lines that say which links were not faithful.
const MOST_LINES: usize = 6;
/// Drops that no link model wanted.
const FOREIGN: [DropReason; 3] = [DropReason::PoolExhausted, DropReason::DeviceFull, DropReason::HandoffFull];

/// The counters at the beginning of a run.
#[derive(Debug, Default)]
pub(in crate::engine) struct Fidelity {
    links: BTreeMap<(PortId, Direction), Reading>,
    foreign: BTreeMap<PortId, u64>,
}

/// One link direction, of all workers.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    judged: u64,
    failed: u64,
    worst: Nanos,
    p99: Option<Nanos>,
    sent_bytes: u64,
    busy: u64,
    no_memory: u64,
    rate: Option<u64>,
    delay: Nanos,
}

impl Running {
    /// Reads all counters of links.
    pub(in crate::engine) fn fidelity(&self) -> Fidelity {
        let Some(core) = self.core() else { return Fidelity::default() };
        core.judge();
        let mut now = Fidelity::default();
        for counters in core.counters() {
            for (at, report) in counters.links() {
                let (verdict, read): (_, LinkRead) = (report.fidelity.verdict(), report.counters.read());
                let reading = now.links.entry(at).or_default();
                reading.judged += verdict.judged;
                reading.failed += verdict.failed;
                reading.worst = reading.worst.max(verdict.worst_p99);
                reading.p99 = reading.p99.max(report.fidelity.quantile(0.99));
                reading.sent_bytes += read.sent_bytes;
                reading.busy += read.busy;
                reading.no_memory += read.no_memory;
            }
            for (port, counters) in counters.ports() {
                let drops: u64 = FOREIGN.iter().map(|reason| counters.drops().read(*reason)).sum();
                *now.foreign.entry(port).or_default() += drops;
            }
        }
        let state = self.state();
        for (at, reading) in &mut now.links {
            let Some(spec) = state.specs.get(&at.0) else { continue };
            let settings = if at.1 == Direction::ToSwitch { &spec.to_switch } else { &spec.from_switch };
            (reading.rate, reading.delay) = (settings.rate, settings.delay);
        }
        now
    }

    /// What was seen of every link since `before`.
    pub(in crate::engine) fn link_records(&self, before: &Fidelity) -> Vec<LinkRecord> {
        let now = self.fidelity();
        let state = self.state();
        let mut records = Vec::new();
        for link in &state.lab.links {
            let Some([a, b]) = state.ports.link(&link.id) else { continue };
            let (forth, back) = directions(link, a, b);
            for (at, from, to) in [(forth, &link.a, &link.b), (back, &link.b, &link.a)] {
                let name = format!("{} ({} to {})", link.id, from.name(), to.name());
                records.push(record(name, before, &now, at));
            }
        }
        // Those that are farthest beyond their limits first.
        records.sort_by_key(|record| std::cmp::Reverse(share(record)));
        records
    }
}

/// How much of its limit the lateness of a link takes, in thousandths.
fn share(record: &LinkRecord) -> u64 {
    record.worst().map_or(0, |p99| p99.0.saturating_mul(1_000) / limit(record.delay).0.max(1))
}

/// The first of many lines, and how many more there are.
pub(in crate::engine) fn first_of(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST_LINES {
        let more = lines.split_off(MOST_LINES - 1).len();
        lines.push(format!("and {more} more"));
    }
    lines
}

fn record(link: String, before: &Fidelity, now: &Fidelity, at: (PortId, Direction)) -> LinkRecord {
    let old = before.links.get(&at).copied().unwrap_or_default();
    let new = now.links.get(&at).copied().unwrap_or_default();
    let more = |f: fn(&Reading) -> u64| f(&new).saturating_sub(f(&old));
    let (judged, failed) = (more(|r| r.judged), more(|r| r.failed));
    // The datapath held each second against the limit that was in force then.
    let limit = limit(new.delay);
    let p99 =
        if failed > 0 { new.worst.max(limit + Nanos(1)) } else { new.p99.unwrap_or_default().min(limit) };
    let (bytes, busy) = (more(|r| r.sent_bytes), more(|r| r.busy));
    let kept = u64::try_from(u128::from(bytes) * 8_000_000_000 / u128::from(busy.max(1))).unwrap_or(u64::MAX);
    // A drop of a port belongs to the direction towards it.
    let foreign = |f: &Fidelity| f.foreign.get(&at.0).copied().unwrap_or(0);
    let of_port =
        if at.1 == Direction::FromSwitch { foreign(now).saturating_sub(foreign(before)) } else { 0 };
    LinkRecord {
        link,
        delay: new.delay,
        seconds: if judged > 0 { vec![(ENOUGH, p99)] } else { Vec::new() },
        rate: new.rate.filter(|_| old.rate == new.rate && busy >= BUSY).map(|set| (set, kept)),
        foreign_drops: more(|r| r.no_memory) + of_port,
    }
}

/// The records as the report of a run tells them.
pub(in crate::engine) fn report(mode: Mode, records: &[LinkRecord]) -> netloom_api::Fidelity {
    let details: Vec<String> = records.iter().flat_map(judge_link).collect();
    let ms = |time: Nanos| time.as_secs_f64() * 1e3;
    // The one closest to its limit, or farthest beyond it.
    let worst = records.iter().filter_map(|record| Some((record, record.worst()?)));
    let worst = worst.max_by_key(|(record, _)| share(record));
    netloom_api::Fidelity {
        faithful: details.is_empty(),
        strict: mode == Mode::Strict,
        p99_ms: worst.map_or(0.0, |(_, p99)| ms(p99)),
        limit_ms: ms(worst.map_or(limit(Nanos::ZERO), |(record, _)| limit(record.delay))),
        worst: worst.map(|(record, _)| record.link.clone()),
        details: first_of(details),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: (PortId, Direction) = (PortId(7), Direction::FromSwitch);

    fn reading(reading: Reading, foreign: u64) -> Fidelity {
        Fidelity { links: [(AT, reading)].into(), foreign: [(AT.0, foreign)].into() }
    }

    #[test]
    fn what_was_before_the_run_does_not_count() {
        let old = Reading {
            judged: 4,
            failed: 2,
            worst: Nanos::from_millis(9),
            no_memory: 3,
            ..Reading::default()
        };
        let fine = record("core".into(), &reading(old, 5), &reading(Reading { judged: 9, ..old }, 5), AT);
        assert_eq!(judge_link(&fine), [""; 0]);
        let late =
            record("core".into(), &reading(old, 5), &reading(Reading { failed: 3, judged: 9, ..old }, 5), AT);
        assert_eq!(judge_link(&late).len(), 1, "{late:?}");
        let lost = record("core".into(), &reading(old, 5), &reading(old, 6), AT);
        assert_eq!(lost.foreign_drops, 1);
        assert!(!report(Mode::Auto, &[lost]).faithful);
    }

    #[test]
    fn a_rate_is_judged_if_the_link_was_busy_long_enough() {
        let old = Reading { rate: Some(8_000_000), ..Reading::default() };
        let new = |busy| Reading { sent_bytes: 1_000_000, busy, ..old };
        let judged = |busy| record("core".into(), &reading(old, 0), &reading(new(busy), 0), AT).rate;
        assert_eq!(judged(1_000_000_000), Some((8_000_000, 8_000_000)));
        assert_eq!(judged(900_000_000), None);
        let changed = Reading { rate: Some(1), ..new(2_000_000_000) };
        assert_eq!(record("core".into(), &reading(old, 0), &reading(changed, 0), AT).rate, None);
    }

    #[test]
    fn of_many_lines_the_first_are_shown() {
        let lines = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(first_of(lines(6)), lines(6));
        assert_eq!(first_of(lines(42)), ["0", "1", "2", "3", "4", "and 37 more"]);
    }

    #[test]
    fn the_report_names_the_link_that_is_closest_to_its_limit() {
        let record = |link: &str, delay, p99| LinkRecord {
            link: link.into(),
            delay: Nanos::from_millis(delay),
            seconds: vec![(100, Nanos::from_millis(p99))],
            ..LinkRecord::default()
        };
        let told = report(Mode::Strict, &[record("slow", 1_000, 20), record("fast", 0, 1)]);
        assert_eq!((told.worst.as_deref(), told.p99_ms, told.limit_ms), (Some("fast"), 1.0, 1.0));
        assert!(told.faithful && told.strict);
    }
}
