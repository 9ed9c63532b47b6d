//! Whether nothing of what some nodes send is seen in others: "cannot reach", told apart from a lab that is dead.
//!
//! ```text
//! sender ──whole frames to the target's own MAC and addresses──►  ?  ──► sniffer of the target: every interface
//!        ──through its own routes, where the address is not on its link──►    (opened before, closed after a grace)
//!        ──broadcast──►
//! ```
//! Whole frames need neither route nor neighbour entry: a sender is not kept from trying by its own tables. It is
//! impossible to tell if a sender could not send, a target has no interface that could hear, or its sniffer missed
//! frames; that is never taken for isolation.

mod ears;
mod routed;

use std::collections::{BTreeMap, BTreeSet};

use netloom_lab::address::Family;
use netloom_lab::expect::ProbeKind;
use netloom_sys::{Errno, HostError, clock};

use super::echo::Token;
use super::frame::{self, Place};
use super::reach::Reached;
use super::run_number;
use super::station::{Interface, Station};
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

/// What is said of a virtual machine.
const GUEST: &str = "it is a virtual machine, whose network is only seen from outside";

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
    let mut attempt = Attempt::open(stations, job)?;
    if let Some(why) = attempt.unable(stations) {
        return Ok(Silence::Impossible(why));
    }
    let frames = attempt.plan();
    let copies = (FEW / frames.len().max(1)).clamp(1, MOST_COPIES);
    for _ in 0..copies {
        attempt.send(&frames, goes_on)?;
    }
    attempt.ears.listen(clock::now() + job.grace, goes_on)?;
    Ok(attempt.conclude())
}

/// Something to send: the entry, and how.
#[derive(Debug, Clone, Copy)]
struct Shot {
    entry: usize,
    way: Way,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    /// As a whole frame, out of this interface of the sender.
    Frame { index: u32, from: Place, to: Place },
    /// By the sender's own routes.
    Routed { to: std::net::IpAddr },
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
    senders: BTreeMap<usize, netloom_sys::sniffer::Sniffer>,
    routed: BTreeMap<usize, Routed>,
    ears: Ears,
    entries: Vec<Entry>,
}

impl<'a> Attempt<'a> {
    fn open(stations: &'a [Station], job: &'a SilenceJob) -> Result<Self, HostError> {
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
            entries: Vec::new(),
        };
        for &at in senders.union(&targets) {
            let Some(station) = stations.get(at) else { continue };
            if targets.contains(&at) {
                attempt.ears.open(at, station)?;
            }
            let deaf = || -> Result<_, HostError> {
                let sender = senders.contains(&at).then(netloom_sys::sniffer::Sniffer::deaf).transpose()?;
                Ok((sender, Interface::all()?))
            };
            let (sender, interfaces) = station.netns.run(deaf)??;
            attempt.senders.extend(sender.map(|sender| (at, sender)));
            attempt.interfaces.insert(at, interfaces);
        }
        Ok(attempt)
    }

    /// Why nothing can be told, before anything is sent.
    fn unable(&self, stations: &[Station]) -> Option<String> {
        let deaf = |at: &usize| {
            let heard = self.of(*at).iter().any(|interface| interface.running);
            (!heard).then(|| "no interface of it is up".to_owned())
        };
        let known = |at: &usize| {
            let station = stations.get(*at)?;
            station.down.clone().or_else(|| (!station.is_here()).then(|| GUEST.to_owned()))
        };
        let why = |of: &dyn Fn(&usize) -> Option<String>| {
            let found = self.interfaces.keys().find_map(|at| Some((stations.get(*at)?, of(at)?)));
            found.map(|(station, why)| {
                format!("{}: {why}, so that nothing can be told about it", station.name)
            })
        };
        why(&known).or_else(|| why(&deaf))
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
        for burst in shots.chunks(BURST) {
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

    fn shoot(&mut self, shot: Shot) -> Result<(), HostError> {
        let Some(entry) = self.entries.get_mut(shot.entry) else { return Ok(()) };
        let (kind, at) = (entry.kind, entry.from);
        let probe = u32::try_from(shot.entry).unwrap_or(u32::MAX);
        let token = Token { run: self.run, probe, attempt: entry.made };
        entry.made += 1;
        let mut done = Err(Errno::NOBUFS);
        for _ in 0..PATIENCE {
            done = match shot.way {
                Way::Frame { index, from, to } => {
                    match (self.senders.get(&at), frame::probe(kind, token, from, to)) {
                        (Some(socket), Some(frame)) => socket.send(index, &frame),
                        _ => Err(Errno::INVAL),
                    }
                }
                Way::Routed { to } => match self.stations.get(at) {
                    Some(station) => self.routed.entry(at).or_default().send(station, kind, token, to)?,
                    None => Err(Errno::INVAL),
                },
            };
            if !matches!(done, Err(Errno::NOBUFS | Errno::AGAIN)) {
                break;
            }
            self.ears.hear(1_000_000)?;
        }
        let Some(entry) = self.entries.get_mut(shot.entry) else { return Ok(()) };
        match (done, shot.way) {
            (Ok(()), _) => entry.sent += 1,
            // Without a route there is no other way than the frames.
            (Err(_), Way::Routed { .. }) => {}
            (Err(errno), Way::Frame { .. }) => entry.error = Some(errno),
        }
        Ok(())
    }

    fn conclude(self) -> Silence {
        let missed: Vec<usize> = self.ears.missed();
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
