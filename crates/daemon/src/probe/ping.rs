//! Echo requests between many nodes at once.
//!
//! One thread, one raw socket per node, one epoll set: a request goes out in its sender's namespace, the kernel of the
//! target answers, the reply is read in the sender's namespace again.

use std::collections::{BTreeMap, BTreeSet};

use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::icmp::{IcmpSocket, kind};
use netloom_sys::netlink::{Netlink as _, NetlinkSocket, Request};
use netloom_sys::netns::NetNs;
use netloom_sys::{HostError, clock};
use serde::{Deserialize, Serialize};

use super::echo::{self, Token};
use super::envoy::{Answer, Envoy, Errand, START};
use super::{Probed, matrix};

/// What to ask.
#[derive(Debug, Clone)]
pub(crate) struct PingJob {
    /// Sender and target, as indexes into the nodes.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// IPv6 instead of IPv4.
    pub(crate) v6: bool,
    /// Requests per pair, one after the other: each is sent when the one before is answered or given up.
    pub(crate) count: u32,
    /// Nanoseconds after which a request is given up.
    pub(crate) timeout: u64,
    /// Whether to clear the neighbour entries that a block of pairs left. Needed for more pairs than the machine's
    /// tables hold; wrong where entries are permanent.
    pub(crate) clear: bool,
}

/// What came of a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairResult {
    /// Requests that the sender's kernel took.
    pub(crate) sent: u32,
    /// Round trips in nanoseconds, in the order of the requests.
    pub(crate) round_trips: Vec<u64>,
    /// Why nothing could be sent.
    pub(crate) refused: Option<String>,
}

/// Asks all pairs and returns their results in the order given. `goes_on` is asked between blocks, with the number of
/// pairs done so far.
///
/// # Errors
/// When sockets cannot be opened in a node. Unanswered requests are results, not errors.
pub(crate) fn ping(
    nodes: &[Probed],
    job: &PingJob,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<PairResult>, HostError> {
    let is_guest = |at: usize| nodes.get(at).is_some_and(|node| node.guest.is_some());
    let mut pinger = Pinger::open(nodes, job)?;
    let mut done = 0;
    for mut block in matrix::blocks(&job.pairs) {
        block.retain(|pair| job.pairs.get(*pair).is_some_and(|(from, _)| !is_guest(*from)));
        pinger.block(&block)?;
        done += block.len();
        if job.clear {
            pinger.clear(&block)?;
        }
        if !goes_on(done) {
            return Ok(pinger.results);
        }
    }
    let guests: BTreeSet<usize> =
        job.pairs.iter().map(|(from, _)| *from).filter(|from| is_guest(*from)).collect();
    for from in guests {
        let pairs: Vec<usize> =
            (0..job.pairs.len()).filter(|at| job.pairs.get(*at).is_some_and(|pair| pair.0 == from)).collect();
        pinger.ask_guest(from, &pairs, &mut || goes_on(done));
        done += pairs.len();
        if !goes_on(done) {
            break;
        }
    }
    Ok(pinger.results)
}

fn refused(why: &str) -> PairResult {
    PairResult { refused: Some(why.to_owned()), ..PairResult::default() }
}

struct Pinger<'a> {
    nodes: &'a [Probed],
    job: &'a PingJob,
    run: u32,
    sockets: BTreeMap<usize, IcmpSocket>,
    netlinks: BTreeMap<usize, NetlinkSocket>,
    epoll: Epoll,
    results: Vec<PairResult>,
    /// Of the request under way, by pair: when it was sent.
    under_way: BTreeMap<usize, u64>,
    /// When requests are to be given up, oldest first: (deadline, pair, attempt).
    deadlines: std::collections::VecDeque<(u64, usize, u32)>,
}

impl<'a> Pinger<'a> {
    fn open(nodes: &'a [Probed], job: &'a PingJob) -> Result<Self, HostError> {
        let epoll = Epoll::new(256)?;
        let heard = if job.v6 { kind::REPLY_V6 } else { kind::REPLY };
        let senders: BTreeSet<usize> = job.pairs.iter().map(|(from, _)| *from).collect();
        let here = |index: &usize| nodes.get(*index).is_some_and(|node| node.guest.is_none());
        let senders: BTreeSet<usize> = senders.into_iter().filter(here).collect();
        let mut sockets = BTreeMap::new();
        let senders = senders.into_iter().filter_map(|index| Some((index, &*nodes.get(index)?.netns)));
        for (index, socket) in NetNs::run_in_each(senders, |_| IcmpSocket::open(job.v6, &[heard]))? {
            let socket = socket?;
            epoll.add(&socket, index as u64, Interest::Read)?;
            sockets.insert(index, socket);
        }
        // Two jobs at once must differ; the clock's low bits do.
        let run = u32::try_from(clock::now() & u64::from(u32::MAX)).unwrap_or(0);
        Ok(Self {
            nodes,
            job,
            run,
            sockets,
            netlinks: BTreeMap::new(),
            epoll,
            results: vec![PairResult::default(); job.pairs.len()],
            under_way: BTreeMap::new(),
            deadlines: std::collections::VecDeque::new(),
        })
    }

    /// Has a guest ask for pairs of its own.
    fn ask_guest(&mut self, from: usize, pairs: &[usize], goes_on: &mut dyn FnMut() -> bool) {
        let address = |pair: &usize| {
            let to = self.job.pairs.get(*pair)?.1;
            self.nodes.get(to)?.address(self.job.v6)
        };
        let to: Vec<std::net::IpAddr> = pairs.iter().filter_map(address).collect();
        let asked = self.nodes.get(from).and_then(|node| node.guest.clone());
        let Some(guest) = asked.filter(|_| to.len() == pairs.len()) else { return };
        let longest = self.job.timeout.saturating_mul(u64::from(self.job.count)).saturating_add(START);
        let errand = Errand::Ping { to, count: self.job.count, timeout: self.job.timeout };
        let goes_on = std::cell::RefCell::new(goes_on);
        let goes_on = || (goes_on.borrow_mut())();
        let said =
            Envoy::send(&*guest, &errand, &goes_on).and_then(|mut envoy| envoy.hear(longest, &goes_on));
        let results = match said {
            // What was not asked cannot have been answered.
            Ok(Answer::Pings(results)) if results.len() == pairs.len() => results,
            Ok(_) => vec![refused("netloom in the guest answers what was not asked"); pairs.len()],
            Err(why) => vec![refused(&why); pairs.len()],
        };
        for (pair, mut result) in pairs.iter().zip(results) {
            let most = usize::try_from(result.sent.min(self.job.count)).unwrap_or(usize::MAX);
            result.round_trips.truncate(most);
            if let Some(slot) = self.results.get_mut(*pair) {
                *slot = result;
            }
        }
    }

    /// Asks the pairs of a block until each has its count of requests answered or given up.
    fn block(&mut self, block: &[usize]) -> Result<(), HostError> {
        for &pair in block {
            self.ask(pair);
        }
        loop {
            let now = clock::now();
            self.give_up(now);
            if self.under_way.is_empty() {
                break;
            }
            let wait = self.deadlines.front().map(|(due, ..)| due.saturating_sub(now));
            let mut ready = Vec::new();
            self.epoll.wait(wait, |event| ready.push(event.token))?;
            for token in ready {
                self.drain(usize::try_from(token).unwrap_or(usize::MAX));
            }
        }
        self.deadlines.clear();
        Ok(())
    }

    /// Sends the next request of a pair.
    fn ask(&mut self, pair: usize) {
        let Some(&(from, to)) = self.job.pairs.get(pair) else { return };
        let Some(result) = self.results.get_mut(pair) else { return };
        let Some(address) = self.nodes.get(to).and_then(|node| node.address(self.job.v6)) else { return };
        let Some(socket) = self.sockets.get(&from) else { return };
        let attempt = result.sent;
        let probe = u32::try_from(pair).unwrap_or(u32::MAX);
        let message = echo::request(self.job.v6, Token { run: self.run, probe, attempt });
        let sent = clock::now();
        match socket.send(&message, address) {
            Ok(()) => {
                result.sent += 1;
                self.under_way.insert(pair, sent);
                self.deadlines.push_back((sent + self.job.timeout, pair, attempt));
            }
            Err(errno) => {
                result.refused = Some(errno.to_string());
                self.under_way.remove(&pair);
            }
        }
    }

    /// Gives up requests whose time is over, and goes on with the next one of the pair.
    fn give_up(&mut self, now: u64) {
        while let Some(&(due, pair, attempt)) = self.deadlines.front() {
            if due > now {
                return;
            }
            self.deadlines.pop_front();
            let current = self.results.get(pair).is_some_and(|result| result.sent == attempt + 1);
            if current && self.under_way.contains_key(&pair) {
                self.next(pair);
            }
        }
    }

    fn next(&mut self, pair: usize) {
        self.under_way.remove(&pair);
        if self.results.get(pair).is_some_and(|result| result.sent < self.job.count) {
            self.ask(pair);
        }
    }

    /// Reads every reply that waits at a node.
    fn drain(&mut self, node: usize) {
        let mut buffer = [0; 2048];
        loop {
            let Some(socket) = self.sockets.get(&node) else { return };
            let Ok(message) = socket.receive(&mut buffer) else { return };
            let now = clock::now();
            let Some(token) = echo::reply(self.job.v6, message.bytes) else { continue };
            let from = message.from;
            self.answered(token, node, from, now);
        }
    }

    fn answered(&mut self, token: Token, node: usize, from: std::net::IpAddr, now: u64) {
        let pair = token.probe as usize;
        let Some(&(sender, to)) = self.job.pairs.get(pair) else { return };
        let asked = self.nodes.get(to).and_then(|n| n.address(self.job.v6));
        if token.run != self.run || sender != node || asked != Some(from) {
            return;
        }
        let current = self.results.get(pair).is_some_and(|result| result.sent == token.attempt + 1);
        let Some(&sent) = self.under_way.get(&pair).filter(|_| current) else { return };
        if let Some(result) = self.results.get_mut(pair) {
            result.round_trips.push(now.saturating_sub(sent));
        }
        self.next(pair);
    }

    /// Deletes the neighbour entries that a block's pairs left at both ends.
    fn clear(&mut self, block: &[usize]) -> Result<(), HostError> {
        let mut entries: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for &(from, to) in block.iter().filter_map(|&pair| self.job.pairs.get(pair)) {
            entries.entry(from).or_default().insert(to);
            entries.entry(to).or_default().insert(from);
        }
        let Self { nodes, netlinks, .. } = self;
        let here = |at: &usize| nodes.get(*at).is_some_and(|node| node.guest.is_none());
        entries.retain(|at, _| here(at));
        let fresh = entries.keys().copied().filter(|at| !netlinks.contains_key(at));
        let fresh: Vec<_> = fresh.filter_map(|at| Some((at, &*nodes.get(at)?.netns))).collect();
        for (at, netlink) in NetNs::run_in_each(fresh, |_| NetlinkSocket::open())? {
            netlinks.insert(at, netlink?);
        }
        for (at, others) in entries {
            let Some(node) = self.nodes.get(at) else { continue };
            let index = node.interface;
            let requests: Vec<Request> = others
                .iter()
                .filter_map(|&other| self.nodes.get(other)?.address(self.job.v6))
                .map(|address| Request::DeleteNeighbour { index, address })
                .collect();
            let Some(netlink) = self.netlinks.get_mut(&at) else { continue };
            // An entry that is gone already, or never was on this link (a routed target), is as good as deleted.
            let _ = netlink.batch(&requests);
        }
        Ok(())
    }
}
