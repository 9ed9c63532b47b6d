//! What begins or ends in virtual machines: an envoy in each of them, beside the rounds here.
//!
//! ```text
//! here                                   in each guest
//! Part (its entries) ──────────────────► opens sockets and a sniffer
//!        ◄────────────────────────────── Ready
//! blocks of what begins here ··········► answers, notes what it sees
//! listens; Go ─────────────────────────► its own packets; Sent
//!        ◄ Report (tried, seen) ──────── at the end of the input
//! ```
//! Numbers of entries and attempts are the same everywhere, so that what one has sent and another has seen is put together.
//! Times are only compared by whoever has measured both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use netloom_sys::HostError;
use netloom_sys::netns::NetNs;

use super::entry::{Attempt, Entry};
use super::round::Rounds;
use super::{ReachJob, Timing};
use crate::probe::envoy::{Answer, Envoy, Errand, Part, Report, START, Tried, Word};
use crate::probe::inside::Lines;
use crate::probe::station::{Place, Station};

/// Envoys in guests, by station.
pub(super) struct Away {
    envoys: BTreeMap<usize, Envoy>,
}

impl Away {
    /// Sends an envoy into every guest in which an entry begins or ends; entries of one that cannot be entered fail.
    pub(super) fn send(
        stations: &[Station],
        job: &ReachJob,
        run: u32,
        entries: &mut [Entry],
        goes_on: &dyn Fn() -> bool,
    ) -> Self {
        let mut envoys = BTreeMap::new();
        for (at, station) in stations.iter().enumerate() {
            let Place::Guest(guest) = &station.place else { continue };
            let part = part_of(at, station, job, run, entries);
            if part.entries.is_empty() {
                continue;
            }
            match Envoy::send(&**guest, &Errand::Reach(Box::new(part)), goes_on) {
                Ok(envoy) => drop(envoys.insert(at, envoy)),
                Err(why) => fail(entries, at, &station.name, &why),
            }
        }
        // They load beside each other.
        let mut away = Self { envoys };
        away.each(|envoy| match envoy.hear(START, goes_on)? {
            Answer::Ready => Ok(()),
            _ => Err(ODD.to_owned()),
        })
        .into_iter()
        .for_each(|(at, why)| fail(entries, at, stations.get(at).map_or("", |one| &one.name), &why));
        away
    }

    /// Has the guests send what begins in them, and puts everything together.
    ///
    /// # Errors
    /// When sockets cannot be opened here.
    pub(super) fn carry_out(
        mut self,
        rounds: &mut Rounds<'_>,
        job: &ReachJob,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), HostError> {
        let all: Vec<usize> = (0..rounds.entries().len()).filter(|at| !rounds.begins_here(*at)).collect();
        if self.envoys.is_empty() {
            return Ok(());
        }
        rounds.prepare(&all)?;
        self.envoys.values().for_each(|envoy| envoy.tell(&Word::Go));
        let rest = job.gap.saturating_mul(u64::from(job.packets)).saturating_add(2 * job.wait);
        let until = netloom_sys::clock::now().saturating_add(START).saturating_add(rest);
        let mut busy: Vec<usize> = self.envoys.keys().copied().collect();
        let mut failed = Vec::new();
        while !busy.is_empty() && goes_on() && netloom_sys::clock::now() < until {
            rounds.listen_for(SLICE)?;
            busy.retain(|at| match self.envoys.get_mut(at).map(Envoy::poll) {
                Some(Ok(None | Some(Answer::Ready))) => true,
                Some(Err(why)) => {
                    failed.push((*at, why));
                    self.envoys.remove(at);
                    false
                }
                Some(Ok(Some(_))) | None => false,
            });
        }
        // What is still on its way.
        rounds.listen_for(SLICE)?;
        rounds.close(&all);
        self.envoys.values().for_each(Envoy::finish);
        let mut reports = Vec::new();
        failed.extend(self.each_at(|at, envoy| match envoy.hear(START, &|| true)? {
            Answer::Report(report) => {
                reports.push((at, report));
                Ok(())
            }
            _ => Err(ODD.to_owned()),
        }));
        let most = most_attempts(job);
        // What was tried anywhere must be known before it is noted where it was seen.
        reports.iter().for_each(|(at, report)| tried(rounds.entries(), *at, report, most));
        reports.iter().for_each(|(at, report)| seen(rounds.entries(), *at, report));
        let here: Vec<(usize, u32)> = rounds.seen().iter().copied().collect();
        here.into_iter().for_each(|(index, attempt)| note(rounds.entries(), None, index, attempt));
        failed.into_iter().for_each(|(at, why)| fail(rounds.entries(), at, "", &why));
        Ok(())
    }

    /// Does something with every envoy; those that fail are gone, and returned with the reason.
    fn each(&mut self, mut work: impl FnMut(&mut Envoy) -> Result<(), String>) -> Vec<(usize, String)> {
        self.each_at(|_, envoy| work(envoy))
    }

    fn each_at(
        &mut self,
        mut work: impl FnMut(usize, &mut Envoy) -> Result<(), String>,
    ) -> Vec<(usize, String)> {
        let mut failed = Vec::new();
        self.envoys.retain(|at, envoy| match work(*at, envoy) {
            Ok(()) => true,
            Err(why) => {
                failed.push((*at, why));
                false
            }
        });
        failed
    }
}

fn part_of(me: usize, station: &Station, job: &ReachJob, run: u32, entries: &[Entry]) -> Part {
    let own = |entry: &&Entry| (entry.from == me || entry.to == me) && entry.error.is_none();
    let entries = entries.iter().enumerate().filter(|(_, entry)| own(entry));
    Part {
        run,
        me,
        v4: station.v4,
        v6: station.v6,
        may_listen: station.may_listen,
        packets: job.packets,
        gap: job.gap,
        wait: job.wait,
        entries: entries.map(|(at, one)| (at, one.from, one.to, one.kind, one.address, one.shared)).collect(),
    }
}

/// The entries of a guest come to nothing.
fn fail(entries: &mut [Entry], at: usize, name: &str, why: &str) {
    let why = if name.is_empty() { why.to_owned() } else { format!("{name}: {why}") };
    for entry in entries.iter_mut().filter(|entry| entry.from == at || entry.to == at) {
        entry.error.get_or_insert_with(|| why.clone());
    }
}

/// More attempts than this of an entry are nobody's.
fn most_attempts(job: &ReachJob) -> usize {
    let insisted = job.wait / super::RETRY;
    usize::try_from(u64::from(job.packets).max(insisted)).unwrap_or(usize::MAX).saturating_add(2)
}

/// What a guest has tried, as far as it was to.
pub(super) fn tried(entries: &mut [Entry], at: usize, report: &Report, most: usize) {
    for (index, attempts, error) in &report.tried {
        let Some(entry) = entries.get_mut(*index).filter(|entry| entry.from == at) else { continue };
        let one = |&(sent, arrived, round_trip): &Tried| Attempt {
            sent: sent.then_some(0),
            arrived,
            round_trip,
            over: true,
        };
        entry.attempts = attempts.iter().take(most).map(one).collect();
        entry.error.clone_from(error);
    }
}

/// What a guest has seen of what ends in it.
pub(super) fn seen(entries: &mut [Entry], at: usize, report: &Report) {
    report.seen.iter().for_each(|(index, attempt)| note(entries, Some(at), *index, *attempt));
}

/// An attempt was seen where its entry ends: in this guest, or here.
fn note(entries: &mut [Entry], at: Option<usize>, index: usize, attempt: u32) {
    let Some(entry) = entries.get_mut(index) else { return };
    if at.is_none_or(|at| entry.to == at)
        && let Some(attempt) = entry.attempt(attempt).filter(|attempt| attempt.sent.is_some())
    {
        attempt.arrived = true;
    }
}

/// Carries a part out, inside a guest.
///
/// # Errors
/// In words: sockets that cannot be opened, or nobody listens any more.
pub(in crate::probe) fn part(
    part: Part,
    lines: &mut Lines,
    say: &mut dyn FnMut(&Answer) -> Result<(), String>,
) -> Result<(), String> {
    let text = |error: HostError| error.to_string();
    let netns = Arc::new(NetNs::current().map_err(text)?);
    let count = part.entries.iter().map(|entry| entry.1.max(entry.2)).max().unwrap_or(0).max(part.me) + 1;
    let numbers: Vec<usize> = part.entries.iter().map(|entry| entry.0).collect();
    let length = numbers.iter().max().map_or(0, |last| last + 1);
    if count > MOST || length > MOST {
        return Err("too much is asked".to_owned());
    }
    let stations: Vec<Station> = (0..count).map(|at| stand_in(at, &part, &netns)).collect();
    let mut entries = vec![nobody(); length];
    for (index, from, to, kind, address, shared) in part.entries {
        if let Some(slot) = entries.get_mut(index) {
            *slot = Entry::new(from, to, kind, address);
            slot.shared = shared;
        }
    }
    let timing = Timing { packets: part.packets, gap: part.gap, wait: part.wait };
    let mut rounds = Rounds::new(&stations, timing, part.run, entries).map_err(text)?;
    rounds.watch(part.me).map_err(text)?;
    rounds.prepare(&numbers).map_err(text)?;
    say(&Answer::Ready)?;
    while let Some(word) = lines.said(Duration::ZERO) {
        if word == Some(Word::Go) {
            let own: Vec<usize> = numbers.iter().copied().filter(|at| rounds.begins_here(*at)).collect();
            rounds.attempt(&own, &|| true).map_err(text)?;
            say(&Answer::Sent)?;
        }
        rounds.listen_for(SLICE).map_err(text)?;
    }
    let of = |entry: &Entry| {
        let one = |attempt: &Attempt| (attempt.sent.is_some(), attempt.arrived, attempt.round_trip);
        (entry.attempts.iter().map(one).collect(), entry.error.clone())
    };
    let seen = rounds.seen().iter().copied().collect();
    let own: Vec<usize> = numbers.into_iter().filter(|at| rounds.begins_here(*at)).collect();
    let entries = rounds.entries();
    let tried = own.into_iter().filter_map(|at| {
        let (attempts, error) = of(entries.get(at)?);
        Some((at, attempts, error))
    });
    let report = Report { tried: tried.collect(), seen };
    // Who has heard it may ask again, and its ports must be free then.
    drop(rounds);
    say(&Answer::Report(report))
}

/// A station as a guest knows it: itself, or one that is elsewhere.
fn stand_in(at: usize, part: &Part, netns: &Arc<NetNs>) -> Station {
    let me = at == part.me;
    Station {
        name: String::new(),
        netns: Arc::clone(netns),
        place: if me { Place::Here } else { Place::Closed },
        v4: part.v4.filter(|_| me),
        v6: part.v6.filter(|_| me),
        addresses: Vec::new(),
        down: None,
        may_listen: part.may_listen && me,
    }
}

/// In the place of an entry that is another's.
fn nobody() -> Entry {
    let unspecified = std::net::Ipv4Addr::UNSPECIFIED.into();
    Entry::new(usize::MAX, usize::MAX, netloom_lab::expect::ProbeKind::Icmp, unspecified)
}

/// How long is listened before it is looked whether there is something else to do, in nanoseconds.
const SLICE: u64 = 10_000_000;
/// Most stations and entries of a part.
const MOST: usize = 1 << 20;
/// A guest has said something else than it was asked.
const ODD: &str = "netloom in the guest answers what was not asked";
