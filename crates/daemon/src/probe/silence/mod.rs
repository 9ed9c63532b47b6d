//! Whether nothing of what some nodes send is seen in others: "cannot reach", told apart from a lab that is dead.
//!
//! ```text
//! sender ──whole frames to the target's own MAC and addresses──►  ?  ──► sniffer of the target: every interface
//!        ──through its own routes, where the address is not on its link──►    (opened before, closed after a grace)
//!        ──broadcast──►
//! ```
//! Whole frames need neither route nor neighbour entry: a sender is not kept from trying by its own tables. It is
//! impossible to tell if a sender could not send, a target has no interface that could hear, or its sniffer missed
//! frames; that is never taken for isolation. In a virtual machine an envoy sends and listens ([`away`]).

mod away;
mod ears;
mod routed;

use std::collections::{BTreeMap, BTreeSet};

use netloom_lab::address::Family;
use netloom_lab::expect::ProbeKind;
use netloom_sys::sniffer::Sniffer;
use netloom_sys::{Errno, HostError, clock};
use serde::{Deserialize, Serialize};

use super::echo::Token;
use super::frame::{self, Place};
use super::reach::Reached;
use super::run_number;
use super::station::{Interface, Station};
use away::Away;
pub(super) use away::part;
use ears::Ears;
use routed::Routed;

/// Frames of a small job are sent this often, so that a lossy link hides nothing.
const MOST_COPIES: usize = 3;
/// A job of more frames than this sends each once.
const FEW: usize = 6_000;
/// Frames sent before it is looked what came in.
const BURST: usize = 32;
/// Nanoseconds between two bursts if nothing comes in: the lab is not to be overrun.
const PAUSE: u64 = 200_000;
/// How often a frame is tried again that found a full queue, a millisecond apart.
const PATIENCE: usize = 50;

/// What is said of a virtual machine without netloom in it.
const CLOSED: &str =
    "it is a virtual machine without netloom's agent, whose network is only seen from outside";

/// Who is not to reach whom.
#[derive(Debug, Clone)]
pub(crate) struct SilenceJob {
    /// Sender and target, as indexes into the stations.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// With what.
    pub(crate) kinds: Vec<ProbeKind>,
    /// Over which family; `None`: all that both ends have.
    pub(crate) over: Option<Family>,
    /// Nanoseconds to listen after the last frame.
    pub(crate) grace: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Silence {
    /// An entry per pair, kind and family.
    Told(Vec<Reached>),
    /// Nothing arrived, but that says nothing: a sentence that says why.
    Impossible(String),
}

/// Sends from all senders, and listens at all targets.
///
/// # Errors
/// When sockets cannot be opened.
pub(crate) fn silence(
    stations: &[Station],
    job: &SilenceJob,
    goes_on: &dyn Fn() -> bool,
) -> Result<Silence, HostError> {
    let mut attempt = match Attempt::open(stations, job, goes_on)? {
        Ok(attempt) => attempt,
        Err(why) => return Ok(Silence::Impossible(why)),
    };
    if let Some(why) = attempt.unable(stations) {
        return Ok(Silence::Impossible(why));
    }
    let frames = attempt.plan();
    let copies = (FEW / frames.len().max(1)).clamp(1, MOST_COPIES);
    for _ in 0..copies {
        attempt.send(&frames, goes_on)?;
        if let Err(why) = attempt.send_away(&frames, goes_on)? {
            return Ok(Silence::Impossible(why));
        }
    }
    attempt.ears.listen(clock::now() + job.grace, goes_on)?;
    Ok(attempt.conclude())
}

/// Sends one probe out of the calling thread's sockets. The inner error is the kernel's, of this packet.
fn fire(
    sender: &Sniffer,
    routed: &mut Routed,
    station: &Station,
    (kind, token, way): (ProbeKind, Token, Way),
) -> Result<Result<(), Errno>, HostError> {
    match way {
        Way::Frame { index, from, to } => Ok(match frame::probe(kind, token, from, to) {
            Some(frame) => sender.send(index, &frame),
            None => Err(Errno::INVAL),
        }),
        Way::Routed { to } => routed.send(station, kind, token, to),
    }
}

/// Something to send: the entry, and how.
#[derive(Debug, Clone, Copy)]
struct Shot {
    entry: usize,
    way: Way,
}

/// How a probe is sent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Way {
    /// As a whole frame, out of this interface of the sender.
    Frame { index: u32, from: Place, to: Place },
    /// By the sender's own routes.
    Routed { to: std::net::IpAddr },
}

/// Why nothing is told of a station.
fn untold(station: &Station, why: &str) -> String {
    format!("{}: {why}, so that nothing can be told about it", station.name)
}

#[derive(Debug, Clone)]
struct Entry {
    from: usize,
    to: usize,
    kind: ProbeKind,
    v6: bool,
    /// Tokens made.
    made: u32,
    sent: u32,
    error: Option<Errno>,
}

struct Attempt<'a> {
    stations: &'a [Station],
    job: &'a SilenceJob,
    run: u32,
    interfaces: BTreeMap<usize, Vec<Interface>>,
    senders: BTreeMap<usize, Sniffer>,
    routed: BTreeMap<usize, Routed>,
    ears: Ears,
    away: Away,
    entries: Vec<Entry>,
}

impl<'a> Attempt<'a> {
    /// The inner error: why nothing can be told, in words.
    fn open(
        stations: &'a [Station],
        job: &'a SilenceJob,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Result<Self, String>, HostError> {
        let run = run_number();
        let senders: BTreeSet<usize> = job.pairs.iter().map(|(from, _)| *from).collect();
        let targets: BTreeSet<usize> = job.pairs.iter().map(|(_, to)| *to).collect();
        let mut attempt = Self {
            stations,
            job,
            run,
            interfaces: BTreeMap::new(),
            senders: BTreeMap::new(),
            routed: BTreeMap::new(),
            ears: Ears::new(run)?,
            away: Away::default(),
            entries: Vec::new(),
        };
        for &at in senders.union(&targets) {
            let Some(station) = stations.get(at) else { continue };
            if let Some(why) = station.down.clone().or_else(|| station.is_closed().then(|| CLOSED.to_owned()))
            {
                return Ok(Err(untold(station, &why)));
            }
            if !station.is_here() {
                match attempt.away.send(at, station, run, targets.contains(&at), goes_on) {
                    Ok(interfaces) => drop(attempt.interfaces.insert(at, interfaces)),
                    Err(why) => return Ok(Err(untold(station, &why))),
                }
                continue;
            }
            if targets.contains(&at) {
                attempt.ears.open(at, station)?;
            }
            let deaf = || -> Result<_, HostError> {
                let sender = senders.contains(&at).then(Sniffer::deaf).transpose()?;
                Ok((sender, Interface::all()?))
            };
            let (sender, interfaces) = station.netns.run(deaf)??;
            attempt.senders.extend(sender.map(|sender| (at, sender)));
            attempt.interfaces.insert(at, interfaces);
        }
        Ok(Ok(attempt))
    }

    /// Why nothing can be told, before anything is sent.
    fn unable(&self, stations: &[Station]) -> Option<String> {
        let is_deaf = |at: &&usize| !self.of(**at).iter().any(|interface| interface.running);
        let station = stations.get(*self.interfaces.keys().find(is_deaf)?)?;
        Some(untold(station, "no interface of it is up"))
    }

    /// Everything that is to be sent, in an order in which no sender sends much at once.
    fn plan(&mut self) -> Vec<Shot> {
        let mut pairs = self.job.pairs.clone();
        pairs.sort_unstable_by_key(|&(from, to)| (to, from));
        let mut shots = Vec::new();
        let mut cried = BTreeSet::new();
        for (from, to) in pairs {
            for &kind in &self.job.kinds {
                if kind == ProbeKind::Broadcast {
                    // One frame for all targets; the others take part in its count.
                    let first = cried.insert(from);
                    self.broadcast(from, to, first, &mut shots);
                    continue;
                }
                for v6 in [false, true] {
                    if self.job.over.is_none_or(|family| (family == Family::Ipv6) == v6) {
                        self.direct(kind, from, to, v6, &mut shots);
                    }
                }
            }
        }
        shots
    }

    fn of(&self, at: usize) -> &[Interface] {
        self.interfaces.get(&at).map_or(&[], Vec::as_slice)
    }

    fn broadcast(&mut self, from: usize, to: usize, first: bool, shots: &mut Vec<Shot>) {
        let entry = self.entries.len();
        let nowhere = std::net::IpAddr::from([0; 4]);
        let shot = |interface: &Interface| {
            let from = Place { mac: interface.mac, ip: nowhere };
            Shot { entry, way: Way::Frame { index: interface.index, from, to: from } }
        };
        if first {
            shots.extend(self.of(from).iter().filter(|i| i.running).map(shot));
        }
        self.entries.push(Entry {
            from,
            to,
            kind: ProbeKind::Broadcast,
            v6: false,
            made: 0,
            sent: 0,
            error: None,
        });
    }

    /// To every address of the target, out of every interface of the sender.
    fn direct(&mut self, kind: ProbeKind, from: usize, to: usize, v6: bool, shots: &mut Vec<Shot>) {
        let entry = self.entries.len();
        let asked = self.stations.get(to).and_then(|station| station.address(v6));
        let mut targets: Vec<Place> = Vec::new();
        for interface in self.of(to) {
            let of_family = interface.addresses.iter().map(|(ip, _)| *ip).filter(|ip| ip.is_ipv6() == v6);
            targets.extend(of_family.map(|ip| Place { mac: interface.mac, ip }));
        }
        if let (Some(ip), Some(first)) = (asked, self.of(to).first())
            && !targets.iter().any(|target| target.ip == ip)
        {
            targets.push(Place { mac: first.mac, ip });
        }
        let own = self.stations.get(from).and_then(|station| station.address(v6));
        let senders: Vec<(u32, Place)> = self
            .of(from)
            .iter()
            .filter(|interface| interface.running)
            .filter_map(|i| Some((i.index, Place { mac: i.mac, ip: i.address(v6).or(own)? })))
            .collect();
        if senders.is_empty() || targets.is_empty() {
            return;
        }
        for &to in &targets {
            shots.extend(
                senders.iter().map(|&(index, from)| Shot { entry, way: Way::Frame { index, from, to } }),
            );
            let mine = |i: &Interface| i.reaches(to.ip) || i.addresses.iter().any(|(ip, _)| *ip == to.ip);
            if !self.of(from).iter().any(mine) {
                shots.push(Shot { entry, way: Way::Routed { to: to.ip } });
            }
        }
        self.entries.push(Entry { from, to, kind, v6, made: 0, sent: 0, error: None });
    }

    fn send(&mut self, shots: &[Shot], goes_on: &dyn Fn() -> bool) -> Result<(), HostError> {
        let here: Vec<Shot> =
            shots.iter().filter(|shot| !self.away.is_in(self.sender(shot))).copied().collect();
        for burst in here.chunks(BURST) {
            for shot in burst {
                self.shoot(*shot)?;
            }
            self.ears.hear(PAUSE)?;
            if !goes_on() {
                break;
            }
        }
        Ok(())
    }

    fn untold(&self, at: usize, why: &str) -> String {
        self.stations.get(at).map_or_else(|| why.to_owned(), |station| untold(station, why))
    }

    /// Who sends it.
    fn sender(&self, shot: &Shot) -> usize {
        self.entries.get(shot.entry).map_or(usize::MAX, |entry| entry.from)
    }

    /// The next packet of an entry.
    fn token(&mut self, number: usize) -> Option<(ProbeKind, Token)> {
        let entry = self.entries.get_mut(number)?;
        let probe = u32::try_from(number).unwrap_or(u32::MAX);
        let token = Token { run: self.run, probe, attempt: entry.made };
        entry.made += 1;
        Some((entry.kind, token))
    }

    /// Has envoys send what begins in their guests. The inner error: why nothing can be told, in words.
    fn send_away(
        &mut self,
        shots: &[Shot],
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Result<(), String>, HostError> {
        for at in self.away.all() {
            let own: Vec<Shot> = shots.iter().filter(|shot| self.sender(shot) == at).copied().collect();
            for volley in own.chunks(away::VOLLEY) {
                let probe = |shot: &Shot| self.token(shot.entry).map(|(kind, token)| (kind, token, shot.way));
                let probes: Vec<_> = volley.iter().filter_map(probe).collect();
                let fired = match self.away.fire(at, probes, &mut self.ears, goes_on)? {
                    Ok(fired) => fired,
                    Err(why) => {
                        return Ok(Err(self.untold(at, &why)));
                    }
                };
                for (shot, error) in volley.iter().zip(fired) {
                    self.note(*shot, error.map_or(Ok(()), Err));
                }
            }
        }
        Ok(Ok(()))
    }

    fn shoot(&mut self, shot: Shot) -> Result<(), HostError> {
        let at = self.sender(&shot);
        let Some((kind, token)) = self.token(shot.entry) else { return Ok(()) };
        let mut done = Err(Errno::NOBUFS);
        for _ in 0..PATIENCE {
            done = match (self.senders.get(&at), self.stations.get(at)) {
                (Some(sender), Some(station)) => {
                    fire(sender, self.routed.entry(at).or_default(), station, (kind, token, shot.way))?
                }
                _ => Err(Errno::INVAL),
            };
            if !matches!(done, Err(Errno::NOBUFS | Errno::AGAIN)) {
                break;
            }
            self.ears.hear(1_000_000)?;
        }
        self.note(shot, done);
        Ok(())
    }

    /// What came of sending a packet.
    fn note(&mut self, shot: Shot, done: Result<(), Errno>) {
        let Some(entry) = self.entries.get_mut(shot.entry) else { return };
        match (done, shot.way) {
            (Ok(()), _) => entry.sent += 1,
            // Without a route there is no other way than the frames.
            (Err(_), Way::Routed { .. }) => {}
            (Err(errno), Way::Frame { .. }) => entry.error = Some(errno),
        }
    }

    fn conclude(mut self) -> Silence {
        let made: Vec<u32> = self.entries.iter().map(|entry| entry.made).collect();
        let mut missed = match std::mem::take(&mut self.away).finish(&mut self.ears, &made) {
            Ok(missed) => missed,
            Err((at, why)) => {
                return Silence::Impossible(self.untold(at, &why));
            }
        };
        missed.extend(self.ears.missed());
        let cries = self.cries();
        let told: Vec<Reached> =
            self.entries.iter().enumerate().map(|(index, entry)| self.told(index, entry, &cries)).collect();
        if told.iter().all(|entry| entry.arrived == 0)
            && let Some(station) = missed.first().and_then(|at| self.stations.get(*at))
        {
            return Silence::Impossible(format!(
                "{} received more than the prober could look through, so that nothing can be told",
                station.name
            ));
        }
        Silence::Told(told)
    }

    /// Of every sender that sent broadcasts: the entry that did, and how many it sent.
    fn cries(&self) -> BTreeMap<usize, (usize, u32)> {
        let mut cries = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate().filter(|(_, e)| e.kind == ProbeKind::Broadcast)
        {
            cries.entry(entry.from).or_insert((index, entry.sent));
        }
        cries
    }

    fn told(&self, index: usize, entry: &Entry, cries: &BTreeMap<usize, (usize, u32)>) -> Reached {
        let (number, sent) = match (entry.kind, cries.get(&entry.from)) {
            (ProbeKind::Broadcast, Some(&(number, sent))) => (number, sent),
            _ => (index, entry.sent),
        };
        Reached {
            from: entry.from,
            to: entry.to,
            kind: entry.kind,
            v6: entry.v6,
            sent,
            arrived: self.ears.heard(number, entry.to),
            round_trips: Vec::new(),
            seen_at: None,
            error: entry.error.filter(|_| sent == 0).map(|errno| errno.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
