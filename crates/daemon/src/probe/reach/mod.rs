//! Whether many nodes reach many others: echo requests, connections and datagrams, each with a token.
//!
//! ```text
//! entries (pair, kind, family) ──block──► round 0 (finds neighbours) ──► round 1.. ──► answers, sightings
//!                                          one thread, one epoll set: no thread and no fd per pair that is idle
//! ```
//! "Arrived" means inside the target: a token read by the prober's own socket there, an accepted connection, an echo
//! reply (its kernel answered), or a sniffer of the target that saw it. Where several nodes have the address (tenants
//! may), an answer is anybody's and only what was seen in the target counts. Sniffers stand in the targets, and in the nodes
//! that forward, as long as they are few: what did not arrive was last seen there.
//!
//! What begins or ends in a virtual machine is done by an envoy in it ([`away`]), with the same rounds: here it is listened to
//! what ends here.

mod away;
mod connect;
mod entry;
mod round;
mod source;

pub(super) use away::part;
pub(crate) use entry::Reached;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netloom_lab::address::Family;
use netloom_lab::expect::ProbeKind;
use netloom_sys::HostError;

use super::station::{CLOSED, Place, Station};
use super::{matrix, neighbours::Neighbours, run_number};
use away::Away;
use entry::Entry;
use round::Rounds;

/// More sniffers than this are not opened: closing one takes the kernel milliseconds.
const MOST_SNIFFERS: usize = 64;

/// Who is to reach whom.
#[derive(Debug, Clone)]
pub(crate) struct ReachJob {
    /// Sender and target, as indexes into the stations.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// With what; broadcast is left to [`super::silence`].
    pub(crate) kinds: Vec<ProbeKind>,
    /// Over which family; `None`: all that both ends have.
    pub(crate) over: Option<Family>,
    /// Counted packets for each pair, kind and family. With more than one, another goes before that is not counted.
    /// One alone is repeated until something comes of it, so that the moment at which a network heals is found.
    pub(crate) packets: u32,
    /// Nanoseconds between two of them.
    pub(crate) gap: u64,
    /// Nanoseconds to wait for the last one.
    pub(crate) wait: u64,
    /// Nodes that forward: what did not arrive may have been seen there.
    pub(crate) forwarders: Vec<usize>,
    /// Whether to clear the neighbour entries that a block of pairs left; wrong where entries are permanent.
    pub(crate) clear: bool,
}

/// Between two packets of an entry at most, and all of them take about [`SPREAD`].
const LONGEST_GAP: u64 = 20_000_000;
const SHORTEST_GAP: u64 = 1_000_000;
const SPREAD: u64 = 2_000_000_000;
/// Between two tries of a packet that is repeated, of few entries and of many: what loads the machine is not to be
/// loaded more.
const RETRY: u64 = 50_000_000;
const RETRY_MANY: u64 = 250_000_000;
/// More entries than this are many.
const FEW: usize = 64;

/// When packets go, and how many.
#[derive(Debug, Clone, Copy)]
struct Timing {
    packets: u32,
    gap: u64,
    wait: u64,
}

impl ReachJob {
    fn timing(&self) -> Timing {
        Timing { packets: self.packets, gap: self.gap, wait: self.wait }
    }

    /// Nanoseconds between `packets` packets if nothing else is wanted.
    pub(crate) fn gap(packets: u32) -> u64 {
        (SPREAD / u64::from(packets.max(1))).clamp(SHORTEST_GAP, LONGEST_GAP)
    }

    /// The families that two stations are probed over.
    pub(super) fn families(&self, from: &Station, to: &Station) -> impl Iterator<Item = bool> {
        let over = self.over;
        let both = |v6: bool| from.address(v6).is_some() && to.address(v6).is_some();
        let able = [both(false), both(true)];
        [false, true]
            .into_iter()
            .zip(able)
            .filter(move |(v6, able)| *able && over.is_none_or(|family| (family == Family::Ipv6) == *v6))
            .map(|(v6, _)| v6)
    }
}

/// Tries all pairs, and returns an entry per pair, kind and family. `goes_on` is asked now and then.
///
/// # Errors
/// When sockets cannot be opened. Whatever does not arrive is a result.
pub(crate) fn reach(
    stations: &[Station],
    job: &ReachJob,
    goes_on: &dyn Fn() -> bool,
) -> Result<Vec<Reached>, HostError> {
    let (mut entries, of_pair) = entries(stations, job);
    let run = run_number();
    let away = Away::send(stations, job, run, &mut entries, goes_on);
    let watched = watched(job, &entries);
    let mut rounds = Rounds::new(stations, job.timing(), run, entries)?;
    for at in watched {
        rounds.watch(at)?;
    }
    let mut neighbours = Neighbours::default();
    for block in matrix::blocks(&job.pairs) {
        let indexes: Vec<usize> =
            block.iter().filter_map(|&pair| of_pair.get(pair)).cloned().flatten().collect();
        let here: Vec<usize> = indexes.into_iter().filter(|index| rounds.begins_here(*index)).collect();
        rounds.block(&here, goes_on)?;
        if job.clear {
            let pairs: Vec<_> = block.iter().filter_map(|&pair| job.pairs.get(pair)).copied().collect();
            neighbours.clear(stations, &pairs)?;
        }
        if !goes_on() {
            break;
        }
    }
    away.carry_out(&mut rounds, job, goes_on)?;
    Ok(rounds.finish())
}

/// An entry per pair, kind and family, and which of them belong to each pair.
fn entries(stations: &[Station], job: &ReachJob) -> (Vec<Entry>, Vec<std::ops::Range<usize>>) {
    let mut holders: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for address in stations.iter().flat_map(|station| &station.addresses) {
        *holders.entry(*address).or_default() += 1;
    }
    let mut entries = Vec::new();
    let mut of_pair = Vec::with_capacity(job.pairs.len());
    for &(from, to) in &job.pairs {
        let begin = entries.len();
        if let (Some(a), Some(b)) = (stations.get(from), stations.get(to)) {
            for v6 in job.families(a, b) {
                let Some(address) = b.address(v6) else { continue };
                let kinds = job.kinds.iter().filter(|kind| **kind != ProbeKind::Broadcast);
                entries.extend(kinds.map(|&kind| {
                    let mut entry = Entry::new(from, to, kind, address);
                    entry.shared = holders.get(&address).is_some_and(|holders| *holders > 1);
                    entry.error = a.down.clone().or_else(|| b.down.clone()).or_else(|| hidden(a, b, &entry));
                    entry
                }));
            }
        }
        of_pair.push(begin..entries.len());
    }
    (entries, of_pair)
}

/// What cannot be found out because an end is a virtual machine.
fn hidden(from: &Station, to: &Station, entry: &Entry) -> Option<String> {
    let closed = |station: &Station| matches!(station.place, Place::Closed);
    if closed(from) || (closed(to) && (entry.shared || matches!(entry.kind, ProbeKind::Udp(_)))) {
        return Some(CLOSED.to_owned());
    }
    let guest = !from.is_here() || !to.is_here();
    let call = entry.shared && matches!(entry.kind, ProbeKind::Tcp(_));
    (guest && call).then(|| {
        "another node has the address, too, and a virtual machine does not tell whose connection it was"
            .to_owned()
    })
}

/// Where tokens are looked out for: wherever it must be, and if they are few, in all targets and on the way to them.
fn watched(job: &ReachJob, entries: &[Entry]) -> BTreeSet<usize> {
    let all: BTreeSet<usize> =
        entries.iter().map(|entry| entry.to).chain(job.forwarders.iter().copied()).collect();
    if all.len() <= MOST_SNIFFERS {
        return all;
    }
    entries.iter().filter(|entry| entry.shared).map(|entry| entry.to).collect()
}

#[cfg(test)]
mod tests;
