//! A probe as a run of expectations asks for it, carried out.

use std::collections::BTreeMap;

use netloom_flow::Nanos;
use netloom_lab::address::Family;
use netloom_lab::expect::{
    LostDetail, MeasureProbe, Measured, PairResult, Probe, ProbeKind, ProbeResult, ReachProbe, ReachResult,
};
use netloom_lab::lab::End;

use super::{Crowd, Drops, Received};
use crate::engine::Running;
use crate::probe::{self, Flow, ReachJob, Reached, Silence, SilenceJob};

/// Neighbour entries are cleared behind more pairs than this: the machine's tables hold 1,024.
const CLEAR_FROM: usize = 200;
/// Least time to listen for what should not arrive, and for what goes round.
const GRACE: u64 = 300_000_000;
/// Between two packets that are measured one by one.
const GAP: u64 = 20_000_000;
/// Where datagrams of measurements go; any port is as good.
const PORT: u16 = 26_213;

impl Running {
    /// Finds out what is asked. Takes as long as it takes; `goes_on` is asked now and then.
    pub(in crate::engine) fn carry_out(
        &self,
        probe: &Probe,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> ProbeResult {
        let crowd = self.crowd();
        match probe {
            Probe::Reach(reach) if reach.every_address => self.silence(&crowd, reach, goes_on),
            Probe::Reach(reach) => self.reach(&crowd, reach, goes_on),
            Probe::Measure(measure) => measured(&crowd, measure, goes_on),
            Probe::Loops => loops(&crowd, goes_on),
            Probe::Command { node, command, timeout } => self.ask_shell(node, command, timeout.0, goes_on),
        }
    }

    fn reach(&self, crowd: &Crowd, probe: &ReachProbe, goes_on: &dyn Fn() -> bool) -> ProbeResult {
        let (pairs, places) = match pairs(crowd, probe) {
            Ok(pairs) => pairs,
            Err(why) => return ProbeResult::Impossible(why),
        };
        let clear = !crowd.permanent && pairs.len() > CLEAR_FROM;
        let job = ReachJob {
            pairs,
            kinds: probe.kinds.clone(),
            over: probe.over,
            packets: probe.packets,
            gap: ReachJob::gap(probe.packets),
            wait: probe.wait.0.saturating_add(2 * crowd.slack),
            forwarders: crowd.forwarders.clone(),
            clear,
        };
        let (before, came) = (self.drops(), self.received(&probe.from));
        let reached = match probe::reach(&crowd.stations, &job, goes_on) {
            Ok(reached) => reached,
            Err(error) => return ProbeResult::Impossible(error.to_string()),
        };
        let lost = reached.iter().any(|entry| entry.arrived == 0);
        let drop = if lost { self.drops().main_reason(&before) } else { None };
        let came = (self.received(&probe.from), came);
        let result = |mut entry: Reached| {
            self.explain(&mut entry, crowd, &came);
            pair_result(entry, &places, drop.as_deref())
        };
        ProbeResult::Reach(ReachResult {
            pairs: reached.into_iter().filter_map(result).collect(),
            drops: Vec::new(),
        })
    }

    /// Says how far packets got that no forwarding node saw.
    fn explain(&self, entry: &mut Reached, crowd: &Crowd, (after, before): &(Received, Received)) {
        if entry.arrived > 0 || entry.sent == 0 || entry.seen_at.is_some() || entry.error.is_some() {
            return;
        }
        let Some(sender) = crowd.stations.get(entry.from) else { return };
        if after.any(before, &sender.name) {
            entry.seen_at = self.first_hop(&sender.name);
        } else {
            entry.error = Some(format!("nothing of it left {}", sender.name));
        }
    }

    /// Where a node's first interface leads.
    fn first_hop(&self, node: &str) -> Option<String> {
        let state = self.state();
        let interface = state.lab.node(node)?.interfaces.first()?;
        let link = state.lab.links.iter().find(|link| link.id == interface.link)?;
        let far = if link.a.name() == node { &link.b } else { &link.a };
        match far {
            End::Switch { switch, port } => {
                let name = state.lab.switch(switch)?.ports.iter().find(|p| p.number == *port)?.name.clone();
                Some(format!("{switch} port {port} ({name})"))
            }
            End::Node { node, .. } => Some(node.clone()),
            End::Tunnel { peer, .. } => Some(format!("a tunnel to {peer}")),
        }
    }

    fn silence(&self, crowd: &Crowd, probe: &ReachProbe, goes_on: &dyn Fn() -> bool) -> ProbeResult {
        let (pairs, places) = match pairs(crowd, probe) {
            Ok(pairs) => pairs,
            Err(why) => return ProbeResult::Impossible(why),
        };
        let grace = GRACE + crowd.slack;
        let job = SilenceJob { pairs, kinds: probe.kinds.clone(), over: probe.over, grace };
        let before = self.drops();
        match probe::silence(&crowd.stations, &job, goes_on) {
            Ok(Silence::Told(told)) => {
                let result = |entry: Reached| pair_result(entry, &places, None);
                let drops: Drops = self.drops();
                let pairs = told.into_iter().filter_map(result).collect();
                ProbeResult::Reach(ReachResult { pairs, drops: drops.by_reason(&before) })
            }
            Ok(Silence::Impossible(why)) => ProbeResult::Impossible(why),
            Err(error) => ProbeResult::Impossible(error.to_string()),
        }
    }
}

/// Stations by their place in the lists of a probe: (sender, target) as stations to (sender, target) as the probe has it.
type Places = BTreeMap<(usize, usize), (u32, u32)>;

/// The pairs of a probe as stations.
fn pairs(crowd: &Crowd, probe: &ReachProbe) -> Result<(Vec<(usize, usize)>, Places), String> {
    let at = |name: &String| crowd.at(name).ok_or_else(|| format!("{name} does not run"));
    let from = probe.from.iter().map(at).collect::<Result<Vec<_>, _>>()?;
    let to = probe.to.iter().map(at).collect::<Result<Vec<_>, _>>()?;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let wanted: Vec<(u32, u32)> = match &probe.pairs {
        Some(pairs) => pairs.clone(),
        None => {
            let of = |a: usize| (0..to.len()).map(move |b| (number(a), number(b)));
            (0..from.len()).flat_map(of).collect()
        }
    };
    let mut places = Places::new();
    let mut pairs = Vec::with_capacity(wanted.len());
    for (a, b) in wanted {
        let (Some(&sender), Some(&target)) = (from.get(a as usize), to.get(b as usize)) else { continue };
        if sender != target && places.insert((sender, target), (a, b)).is_none() {
            pairs.push((sender, target));
        }
    }
    Ok((pairs, places))
}

fn pair_result(entry: Reached, places: &Places, drop: Option<&str>) -> Option<PairResult> {
    let &(from, to) = places.get(&(entry.from, entry.to))?;
    let rtt = entry.median().map(Nanos);
    let drop = drop.filter(|_| entry.arrived == 0 && entry.error.is_none()).map(str::to_owned);
    let known = entry.seen_at.is_some() || entry.error.is_some() || drop.is_some();
    let lost = known.then(|| Box::new(LostDetail { last_hop: entry.seen_at, drop, error: entry.error }));
    Some(PairResult {
        from,
        to,
        kind: entry.kind,
        family: if entry.v6 { Family::Ipv6 } else { Family::Ipv4 },
        sent: entry.sent,
        arrived: entry.arrived,
        rtt,
        lost,
    })
}

fn measured(crowd: &Crowd, probe: &MeasureProbe, goes_on: &(dyn Fn() -> bool + Sync)) -> ProbeResult {
    let (Some(from), Some(to)) = (crowd.station(&probe.from), crowd.station(&probe.to)) else {
        return ProbeResult::Impossible(format!("{} or {} does not run", probe.from, probe.to));
    };
    if let Some(station) = [from, to].into_iter().find(|station| station.down.is_some()) {
        return ProbeResult::Impossible(format!("{} is stopped", station.name));
    }
    let nanos = probe.duration.0;
    let flow = match probe.what {
        Measured::Rtt => return round_trip(crowd, probe, goes_on),
        Measured::Throughput if probe.udp => Flow::Udp { offer: probe.offer, bytes: datagram(probe.offer) },
        Measured::Throughput => Flow::Tcp,
        // Small and seldom enough to fill no queue, often enough to count: 200 and 100 a second.
        Measured::Loss => Flow::Udp { offer: Some(200 * 64 * 8), bytes: 64 },
        Measured::Jitter => Flow::Udp { offer: Some(100 * 200 * 8), bytes: 200 },
    };
    match probe::bulk(from, to, flow, nanos, goes_on) {
        Ok(bulk) => {
            let value = match probe.what {
                Measured::Throughput => bulk.received_bps,
                Measured::Loss => bulk.lost_ppb(),
                Measured::Jitter | Measured::Rtt if bulk.received < 2 => {
                    return ProbeResult::Impossible(
                        "no two datagrams arrived whose delays could be compared".into(),
                    );
                }
                Measured::Jitter | Measured::Rtt => bulk.mean_jitter,
            };
            ProbeResult::Measure { value, sent: bulk.sent }
        }
        Err(error) => ProbeResult::Impossible(error.to_string()),
    }
}

/// Bytes of payload of a datagram: full packets, or smaller ones where there would be less than 50 a second.
fn datagram(offer: Option<u64>) -> usize {
    let bytes = offer.map_or(u64::MAX, |bps| bps / 8 / 50).clamp(64, 1_400);
    usize::try_from(bytes).unwrap_or(1_400)
}

fn round_trip(crowd: &Crowd, probe: &MeasureProbe, goes_on: &dyn Fn() -> bool) -> ProbeResult {
    let (Some(from), Some(to)) = (crowd.at(&probe.from), crowd.at(&probe.to)) else {
        return ProbeResult::Impossible("one of the two does not run".to_owned());
    };
    let packets = u32::try_from(probe.duration.0 / GAP).unwrap_or(u32::MAX).clamp(5, 100_000);
    let job = ReachJob {
        pairs: vec![(from, to)],
        kinds: vec![if probe.udp { ProbeKind::Udp(PORT) } else { ProbeKind::Icmp }],
        over: None,
        packets,
        gap: GAP,
        wait: 500_000_000 + 2 * crowd.slack,
        forwarders: Vec::new(),
        clear: false,
    };
    let reached = match probe::reach(&crowd.stations, &job, goes_on) {
        Ok(reached) => reached,
        Err(error) => return ProbeResult::Impossible(error.to_string()),
    };
    let (v4, v6): (Vec<Reached>, Vec<Reached>) = reached.into_iter().partition(|entry| !entry.v6);
    match v4.into_iter().chain(v6).next() {
        None => ProbeResult::Impossible(format!(
            "{} and {} have no addresses of the same family",
            probe.from, probe.to
        )),
        Some(entry) => match entry.median() {
            Some(value) => ProbeResult::Measure { value, sent: u64::from(entry.sent) },
            None => {
                let why = entry.error.unwrap_or_else(|| format!("{} sent, none was answered", entry.sent));
                ProbeResult::Impossible(why)
            }
        },
    }
}

fn loops(crowd: &Crowd, goes_on: &dyn Fn() -> bool) -> ProbeResult {
    match probe::loops(&crowd.stations, GRACE + crowd.slack, goes_on) {
        Ok(rounds) => {
            let place = |(at, from): (String, String)| {
                if at == from { format!("{at}, who had sent it") } else { format!("{at}, sent by {from}") }
            };
            ProbeResult::Loops { found: rounds.found.map(place), watched: rounds.sent }
        }
        Err(error) => ProbeResult::Impossible(error.to_string()),
    }
}
