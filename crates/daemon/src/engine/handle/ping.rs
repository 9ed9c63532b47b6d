//! Echo requests between nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use netloom_api::{ApiError, Command, ErrorKind, Family, PingReport, PingRow, Progress};
use netloom_lab::address::Family as AddressFamily;
use netloom_lab::expect::Subject;
use netloom_lab::lab::{ArpMode, Node};

use crate::Sink;
use crate::engine::Running;
use crate::engine::machines;
use crate::engine::running::State;
use crate::probe::{PairResult, PingJob, Place, Probed, ping};

/// A request is given up after this: long enough for two more tries of the kernel to resolve the address, one a
/// second.
const TIMEOUT_NS: u64 = 2_500_000_000;
/// From this many pairs on, neighbour entries are cleared behind the probes: the machine's tables hold 1,024.
const CLEAR_FROM: usize = 200;

/// Nobody is in this virtual machine who could send.
fn from_a_guest(name: &str) -> ApiError {
    let said = format!("Nothing can be sent from inside {name}: netloom's agent is not in this guest.");
    ApiError::new(ErrorKind::Failed, said).hint("its own console is there: `netloom console`")
}

impl Running {
    pub(super) fn ping(&self, command: &Command, sink: &Sink) -> Result<PingReport, ApiError> {
        let Command::Ping { pair, family, count, every } = command else { return Ok(PingReport::default()) };
        let begin = netloom_sys::clock::now();
        let (nodes, tenants, gateways, keep) = {
            let state = self.state();
            (self.probed(&state), tenants(&state), gateways(&state), state.lab.options.arp == ArpMode::Static)
        };
        let closed = self.closed();
        let index: BTreeMap<&str, usize> =
            nodes.iter().enumerate().map(|(i, n)| (n.name.as_str(), i)).collect();
        let subject = |text: &str| self.subject(text, &index);
        let pairs: Vec<(usize, usize)> = match pair {
            Some((from, to)) => {
                let (from, to) = (subject(from)?, subject(to)?);
                let guest =
                    from.iter().filter_map(|at| nodes.get(*at)).find(|node| closed.contains(&node.name));
                if let Some(guest) = guest {
                    return Err(from_a_guest(&guest.name));
                }
                from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b).collect()
            }
            None => {
                let is_closed = |at: usize| nodes.get(at).is_some_and(|node| closed.contains(&node.name));
                let same = |a: usize, b: usize| a != b && tenants.get(a) == tenants.get(b) && !is_closed(a);
                let asked = |at: &usize| nodes.get(*at).is_some_and(|node| !gateways.contains(&node.name));
                let all = (0..nodes.len()).filter(asked);
                all.clone()
                    .flat_map(|a| all.clone().map(move |b| (a, b)))
                    .filter(|(a, b)| same(*a, *b))
                    .collect()
            }
        };
        // Whom nobody asked is none of a matrix.
        let names = nodes.iter().map(|n| n.name.clone());
        let names = names.filter(|name| pair.is_some() || !gateways.contains(name));
        let mut report = PingReport { nodes: names.collect(), ..PingReport::default() };
        for v6 in [false, true] {
            let wanted = match family {
                Family::Any => true,
                Family::Ipv4 => !v6,
                Family::Ipv6 => v6,
            };
            if !wanted {
                continue;
            }
            let able = |i: usize| nodes.get(i).is_some_and(|n| n.address(v6).is_some());
            let pairs: Vec<_> = pairs.iter().copied().filter(|(a, b)| able(*a) && able(*b)).collect();
            let clear = !keep && pairs.len() > CLEAR_FROM;
            let job = PingJob { pairs, v6, count: (*count).max(1), timeout: TIMEOUT_NS, clear };
            let phase = if v6 { "ipv6" } else { "ipv4" };
            sink.send(Progress::Phase { phase: phase.to_owned(), total: job.pairs.len() as u64 });
            let mut tell = |done: usize| {
                sink.send(Progress::Item { phase: phase.to_owned(), done: done as u64, item: String::new() });
                !sink.is_cancelled()
            };
            let results = ping(&nodes, &job, &mut tell)
                .map_err(|e| ApiError::caused(ErrorKind::Failed, "Cannot probe.", &e))?;
            for (one, result) in job.pairs.iter().zip(&results) {
                add(&mut report, &nodes, *one, v6, result, *every || pair.is_some());
            }
        }
        report.ms = netloom_flow::Nanos(netloom_sys::clock::now() - begin).as_secs_f64() * 1e3;
        Ok(report)
    }

    /// Every node that is up, in file order.
    pub(in crate::engine) fn probed(&self, state: &State) -> Vec<Probed> {
        let probed = |node: &Node| {
            let made = state.nodes.get(&node.name).filter(|made| !made.stopped && !node.is_nic())?;
            let v4 = node
                .address(AddressFamily::Ipv4)
                .and_then(|ip| if let std::net::IpAddr::V4(ip) = ip { Some(ip) } else { None });
            let v6 = node
                .address(AddressFamily::Ipv6)
                .and_then(|ip| if let std::net::IpAddr::V6(ip) = ip { Some(ip) } else { None });
            // TAPs and veth ends are numbered from 2 in the order they were made.
            let netns = Arc::clone(&made.netns);
            let guest = machines::guest(self.machines.place(node));
            Some(Probed { name: node.name.clone(), netns, interface: 2, v4, v6, guest })
        };
        state.lab.nodes.iter().filter_map(probed).collect()
    }

    /// The virtual machines in which netloom is not.
    fn closed(&self) -> BTreeSet<String> {
        let state = self.state();
        let closed = |node: &&Node| matches!(self.machines.place(node), Place::Closed);
        state.lab.nodes.iter().filter(closed).map(|node| node.name.clone()).collect()
    }

    /// The nodes that a subject means: a node, range, tenant or `all`.
    fn subject(&self, text: &str, index: &BTreeMap<&str, usize>) -> Result<Vec<usize>, ApiError> {
        let state = self.state();
        let subject = Subject { text: text.to_owned(), part: 0..text.len() };
        let names = subject.stations(&state.lab);
        match names {
            Ok(names) => {
                if let [only] = names[..]
                    && !index.contains_key(only.name.as_str())
                {
                    return Err(ApiError::new(ErrorKind::Failed, format!("Node {} is stopped.", only.name))
                        .hint(format!("netloom start {}", only.name)));
                }
                Ok(names.iter().filter_map(|name| index.get(name.name.as_str()).copied()).collect())
            }
            Err(error) => {
                let wrong = ApiError::new(ErrorKind::NotFound, format!("{}.", error.message));
                Err(match error.hint {
                    Some(hint) => wrong.hint(hint),
                    None => wrong,
                })
            }
        }
    }
}

/// The gateways of networks: they are asked only by name.
fn gateways(state: &State) -> BTreeSet<String> {
    state.lab.nodes.iter().filter(|node| node.is_gateway()).map(|node| node.name.clone()).collect()
}

/// The tenant of every probed node, by index.
fn tenants(state: &State) -> Vec<String> {
    let up = |node: &&Node| !node.is_nic() && state.nodes.get(&node.name).is_some_and(|made| !made.stopped);
    state.lab.nodes.iter().filter(up).map(|node| node.tenant.clone()).collect()
}

fn add(
    report: &mut PingReport,
    nodes: &[Probed],
    (from, to): (usize, usize),
    v6: bool,
    result: &PairResult,
    every: bool,
) {
    let (Some(from), Some(to)) = (nodes.get(from), nodes.get(to)) else { return };
    let received = u32::try_from(result.round_trips.len()).unwrap_or(u32::MAX);
    let whole = result.sent > 0 && received == result.sent;
    report.pairs += 1;
    report.answered += u64::from(whole);
    report.sent += u64::from(result.sent);
    report.received += u64::from(received);
    if whole && !every {
        return;
    }
    let ms: Vec<f64> =
        result.round_trips.iter().map(|ns| netloom_flow::Nanos(*ns).as_secs_f64() * 1e3).collect();
    #[expect(clippy::cast_precision_loss, reason = "a mean of at most thousands")]
    let mean =
        |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let avg = mean(&ms);
    let deviations: Vec<f64> = ms.iter().map(|value| (value - avg.unwrap_or(0.0)).abs()).collect();
    report.rows.push(PingRow {
        from: from.name.clone(),
        to: to.name.clone(),
        address: to.address(v6).map(|a| a.to_string()).unwrap_or_default(),
        family: if v6 { "ipv6" } else { "ipv4" }.to_owned(),
        sent: result.sent,
        received,
        min_ms: ms.iter().copied().reduce(f64::min),
        avg_ms: avg,
        max_ms: ms.iter().copied().reduce(f64::max),
        mdev_ms: mean(&deviations),
        reason: result.refused.clone(),
    });
}
