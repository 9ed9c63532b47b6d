//! Rounds: a packet or connection for every entry of a block, then whatever comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use netloom_lab::expect::ProbeKind;
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::icmp::{IcmpSocket, kind};
use netloom_sys::sniffer::Sniffer;
use netloom_sys::{Errno, HostError, clock};

use super::connect;
use super::entry::{Attempt, Entry, Reached};
use super::source::{self, Source};
use super::{FEW, RETRY, RETRY_MANY, Timing};
use crate::probe::echo::{self, TOKEN_LEN, Token};
use crate::probe::frame::{call_in, token_in};
use crate::probe::station::Station;

/// What is read from one socket before others have their turn.
const AT_ONCE: usize = 256;
/// Entries that send at once.
const BURST: usize = 32;
/// Nanoseconds until the next ones send even if these are not answered.
const PAUSE: u64 = 1_000_000;

/// Sightings that are kept of what begins elsewhere: a guest may make them up.
const MOST_SEEN: usize = 1 << 20;

/// A port of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Port {
    Tcp(u16),
    Udp(u16),
}

/// A job under way.
pub(super) struct Rounds<'a> {
    stations: &'a [Station],
    job: Timing,
    run: u32,
    entries: Vec<Entry>,
    epoll: Epoll,
    sources: BTreeMap<u64, Source>,
    next: u64,
    /// Where echo requests (`true`) or datagrams of a station and family go out.
    outlets: BTreeMap<(bool, usize, bool), u64>,
    /// Ports at which the prober was to listen, and whether it does.
    listening: BTreeMap<(usize, Port, bool), bool>,
    /// Connections that are made and whose token has not been read.
    connected: BTreeMap<(usize, u32), TcpStream>,
    /// Connections to addresses that several nodes have, by their ends: entries and attempts.
    calls: BTreeMap<(SocketAddr, SocketAddr), Vec<(usize, u32)>>,
    /// Attempts not over.
    open: usize,
    /// Entries of the block that are not settled.
    waiting: usize,
    /// Of entries that begin elsewhere: attempts that were seen here.
    seen: BTreeSet<(usize, u32)>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(
        stations: &'a [Station],
        job: Timing,
        run: u32,
        entries: Vec<Entry>,
    ) -> Result<Self, HostError> {
        Ok(Self {
            stations,
            job,
            run,
            entries,
            epoll: Epoll::new(256)?,
            sources: BTreeMap::new(),
            next: 0,
            outlets: BTreeMap::new(),
            listening: BTreeMap::new(),
            connected: BTreeMap::new(),
            calls: BTreeMap::new(),
            open: 0,
            waiting: 0,
            seen: BTreeSet::new(),
        })
    }

    /// Whether what an entry sends is sent from here.
    pub(super) fn begins_here(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|entry| self.is_here(entry.from))
    }

    fn is_here(&self, station: usize) -> bool {
        self.stations.get(station).is_some_and(Station::is_here)
    }

    /// The entries.
    pub(super) fn entries(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// Of entries that begin elsewhere: number and attempt of what was seen where they end.
    pub(super) fn seen(&self) -> &BTreeSet<(usize, u32)> {
        &self.seen
    }

    /// Looks out for tokens in a station.
    pub(super) fn watch(&mut self, at: usize) -> Result<(), HostError> {
        let Some(station) = self.stations.get(at).filter(|station| station.is_here()) else { return Ok(()) };
        let socket = station.netns.run(Sniffer::open)??;
        self.add(Source::Sniffer { station: at, socket }, Interest::Read).map(drop)
    }

    /// Tries the entries of a block.
    pub(super) fn block(&mut self, entries: &[usize], goes_on: &dyn Fn() -> bool) -> Result<(), HostError> {
        self.prepare(entries)?;
        self.attempt(entries, goes_on)?;
        self.close(entries);
        Ok(())
    }

    /// Sends for entries that are prepared.
    pub(super) fn attempt(&mut self, entries: &[usize], goes_on: &dyn Fn() -> bool) -> Result<(), HostError> {
        self.waiting = entries
            .iter()
            .filter(|&&index| self.entries.get(index).is_some_and(|e| e.error.is_none()))
            .count();
        if self.job.packets > 1 {
            self.count(entries, goes_on)?;
        } else {
            self.insist(entries, goes_on)?;
        }
        Ok(())
    }

    /// Reads what comes for so many nanoseconds.
    pub(super) fn listen_for(&mut self, nanos: u64) -> Result<(), HostError> {
        self.gather(clock::now() + nanos, |_| false)
    }

    /// A packet that finds the neighbours, then those that count, evenly.
    fn count(&mut self, entries: &[usize], goes_on: &dyn Fn() -> bool) -> Result<(), HostError> {
        for round in 0..=self.job.packets {
            let begin = clock::now();
            self.send(entries, round)?;
            let patient = round == 0 || round == self.job.packets;
            let until = begin + if patient { self.job.wait } else { self.job.gap };
            self.gather(until, |rounds| patient && rounds.open == 0)?;
            if !goes_on() {
                break;
            }
        }
        Ok(())
    }

    /// One packet, again and again until it is answered.
    fn insist(&mut self, entries: &[usize], goes_on: &dyn Fn() -> bool) -> Result<(), HostError> {
        let end = clock::now() + self.job.wait;
        for round in 0.. {
            let now = clock::now();
            if now >= end || self.waiting == 0 || (round > 0 && !goes_on()) {
                break;
            }
            self.send(entries, round)?;
            let retry = if self.waiting > FEW { RETRY_MANY } else { RETRY };
            self.gather((now + retry).min(end), |rounds| rounds.waiting == 0)?;
        }
        Ok(())
    }

    /// What came of all entries.
    pub(super) fn finish(self) -> Vec<Reached> {
        // The first finds the neighbours.
        let skip = usize::from(self.job.packets > 1);
        self.entries.iter().map(|entry| entry.reached(self.stations, skip)).collect()
    }

    /// Opens what the entries need to send and to listen.
    pub(super) fn prepare(&mut self, entries: &[usize]) -> Result<(), HostError> {
        for &index in entries {
            let Some(entry) = self.entries.get(index) else { continue };
            if entry.error.is_some() {
                continue;
            }
            let (from, to, kind, address) = (entry.from, entry.to, entry.kind, entry.address);
            self.open_outlet(kind, from, address.is_ipv6())?;
            let ours = self.listen(kind, to, address)?;
            if let Some(entry) = self.entries.get_mut(index) {
                entry.ours = ours;
            }
        }
        Ok(())
    }

    fn open_outlet(&mut self, kind: ProbeKind, at: usize, v6: bool) -> Result<(), HostError> {
        let icmp = match kind {
            ProbeKind::Icmp => true,
            ProbeKind::Udp(_) => false,
            ProbeKind::Tcp(_) | ProbeKind::Broadcast => return Ok(()),
        };
        let known = self.outlets.contains_key(&(icmp, at, v6));
        let Some(station) = self.stations.get(at).filter(|station| !known && station.is_here()) else {
            return Ok(());
        };
        let source = if icmp {
            let heard = if v6 { kind::REPLY_V6 } else { kind::REPLY };
            let socket = station.netns.run(|| IcmpSocket::open(v6, &[heard]))??;
            Source::Icmp { station: at, v6, socket }
        } else {
            Source::Sender { station: at, socket: source::open_sender(station, v6)? }
        };
        let number = self.add(source, Interest::Read)?;
        self.outlets.insert((icmp, at, v6), number);
        Ok(())
    }

    /// Listens at a target if nobody does; whether it is the prober that listens.
    fn listen(&mut self, kind: ProbeKind, at: usize, address: std::net::IpAddr) -> Result<bool, HostError> {
        let key = match kind {
            ProbeKind::Tcp(port) => (at, Port::Tcp(port), address.is_ipv6()),
            ProbeKind::Udp(port) => (at, Port::Udp(port), address.is_ipv6()),
            ProbeKind::Icmp | ProbeKind::Broadcast => return Ok(false),
        };
        if let Some(ours) = self.listening.get(&key) {
            return Ok(*ours);
        }
        let able = |station: &&Station| station.may_listen && station.is_here();
        let Some(station) = self.stations.get(at).filter(able) else {
            return Ok(false);
        };
        let source = match key.1 {
            Port::Tcp(port) => source::listen(station, SocketAddr::new(address, port))?
                .map(|socket| Source::Listener { station: at, socket }),
            Port::Udp(port) => source::serve(station, SocketAddr::new(address, port))?
                .map(|socket| Source::Server { station: at, socket }),
        };
        let ours = source.is_some();
        if let Some(source) = source {
            self.add(source, Interest::Read)?;
        }
        self.listening.insert(key, ours);
        Ok(ours)
    }

    fn add(&mut self, source: Source, interest: Interest) -> Result<u64, HostError> {
        let number = self.next;
        self.next += 1;
        self.epoll.add(source.fd(), number, interest)?;
        self.sources.insert(number, source);
        Ok(number)
    }

    /// Sends one packet, or begins one connection, for each of the entries that can; many of them not faster than the
    /// lab answers.
    fn send(&mut self, entries: &[usize], round: u32) -> Result<(), HostError> {
        for burst in entries.chunks(BURST) {
            self.send_some(burst, round)?;
            if entries.len() > BURST {
                self.gather(clock::now() + PAUSE, |rounds| rounds.open < BURST)?;
            }
        }
        Ok(())
    }

    fn send_some(&mut self, entries: &[usize], round: u32) -> Result<(), HostError> {
        let mut connections: BTreeMap<(usize, bool), Vec<usize>> = BTreeMap::new();
        for &index in entries {
            let Some(entry) = self.entries.get_mut(index) else { continue };
            if entry.settled && self.job.packets <= 1 {
                continue;
            }
            entry.attempts.push(Attempt { over: true, ..Attempt::default() });
            if self.stations.get(entry.from).is_none_or(|s| s.down.is_some())
                || self.stations.get(entry.to).is_none_or(|s| s.down.is_some())
            {
                continue;
            }
            match entry.kind {
                ProbeKind::Tcp(_) => {
                    connections.entry((entry.from, entry.address.is_ipv6())).or_default().push(index);
                }
                _ => self.datagram(index, round),
            }
        }
        for ((from, v6), indexes) in connections {
            let Some(station) = self.stations.get(from) else { continue };
            for (socket, index) in connect::open(station, v6, indexes.len())?.into_iter().zip(indexes) {
                self.connect(socket, index, round)?;
            }
        }
        Ok(())
    }

    fn datagram(&mut self, index: usize, round: u32) {
        let probe = u32::try_from(index).unwrap_or(u32::MAX);
        let token = Token { run: self.run, probe, attempt: round };
        let Some(entry) = self.entries.get_mut(index) else { return };
        let (address, v6) = (entry.address, entry.address.is_ipv6());
        let outlet = self.outlets.get(&(entry.kind == ProbeKind::Icmp, entry.from, v6));
        let sent = clock::now();
        let done = match (outlet.and_then(|number| self.sources.get(number)), entry.kind) {
            (Some(Source::Icmp { socket, .. }), _) => socket.send(&echo::request(v6, token), address),
            (Some(Source::Sender { socket, .. }), ProbeKind::Udp(port)) => {
                let sent = socket.send_to(&token.bytes(), SocketAddr::new(address, port));
                sent.map(drop).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
            }
            _ => Err(Errno::BADF),
        };
        self.begun(index, round, sent, done);
    }

    fn connect(&mut self, socket: std::os::fd::OwnedFd, index: usize, round: u32) -> Result<(), HostError> {
        let Some(entry) = self.entries.get(index) else { return Ok(()) };
        let ProbeKind::Tcp(port) = entry.kind else { return Ok(()) };
        let to = SocketAddr::new(entry.address, port);
        let sent = clock::now();
        let begun = connect::begin(socket, to, entry.ours);
        if let Some(from) =
            begun.as_ref().ok().filter(|_| entry.shared).and_then(|stream| stream.local_addr().ok())
        {
            self.calls.entry((from, to)).or_default().push((index, round));
        }
        self.begun(index, round, sent, begun.as_ref().map(drop).map_err(|errno| *errno));
        if let Ok(stream) = begun {
            self.add(Source::Connecting { entry: index, attempt: round, stream }, Interest::Write)?;
        }
        Ok(())
    }

    /// Notes that an attempt went out, or why not.
    fn begun(&mut self, index: usize, round: u32, sent: u64, done: Result<(), Errno>) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        match done {
            Ok(()) => {
                if let Some(attempt) = entry.attempt(round) {
                    *attempt = Attempt { sent: Some(sent), ..Attempt::default() };
                    self.open += 1;
                }
            }
            Err(errno) => entry.error = Some(connect::reason(errno)),
        }
    }

    /// Reads what comes until a moment, or until it is enough.
    fn gather(&mut self, until: u64, enough: impl Fn(&Self) -> bool) -> Result<(), HostError> {
        let mut ready = Vec::new();
        loop {
            let now = clock::now();
            if now >= until || enough(self) {
                return Ok(());
            }
            self.epoll.wait(Some(until - now), |event| ready.push(event.token))?;
            for number in ready.drain(..) {
                self.drain(number)?;
            }
        }
    }

    fn drain(&mut self, number: u64) -> Result<(), HostError> {
        // Taken out, so that what it says can be noted; put back unless it is spent.
        let Some(mut source) = self.sources.remove(&number) else { return Ok(()) };
        let keep = match &mut source {
            Source::Icmp { station, v6, socket } => self.replies(*station, *v6, socket),
            Source::Sender { station, socket } => self.echoes(*station, socket),
            Source::Server { station, socket } => self.datagrams(*station, socket),
            Source::Listener { station, socket } => self.accept(*station, socket)?,
            Source::Accepted { station, stream, bytes, filled } => {
                self.read_token(*station, stream, bytes, filled)
            }
            Source::Sniffer { station, socket } => self.sightings(*station, socket),
            Source::Connecting { .. } => false,
        };
        match source {
            source if keep => {
                self.sources.insert(number, source);
            }
            Source::Connecting { entry, attempt, stream } => self.connected(entry, attempt, stream),
            _ => {}
        }
        Ok(())
    }

    fn replies(&mut self, station: usize, v6: bool, socket: &IcmpSocket) -> bool {
        let mut buffer = [0; 2048];
        for _ in 0..AT_ONCE {
            let Ok(message) = socket.receive(&mut buffer) else { break };
            let now = clock::now();
            if let Some(token) = echo::reply(v6, message.bytes) {
                self.answered(token, station, message.from, now);
            }
        }
        true
    }

    fn echoes(&mut self, station: usize, socket: &std::net::UdpSocket) -> bool {
        let mut buffer = [0; 64];
        for _ in 0..AT_ONCE {
            // An error here is an ICMP message's: whoever sent it is no target.
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { break };
            let now = clock::now();
            if let Some(token) = buffer.get(..len).and_then(Token::read) {
                self.answered(token, station, from.ip(), now);
            }
        }
        true
    }

    fn datagrams(&mut self, station: usize, socket: &std::net::UdpSocket) -> bool {
        let mut buffer = [0; 64];
        for _ in 0..AT_ONCE {
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { break };
            let Some(token) = buffer.get(..len).and_then(Token::read).filter(|token| token.run == self.run)
            else {
                continue;
            };
            self.arrived(token, station);
            // The echo is for the round trip only.
            let _ = socket.send_to(&token.bytes(), from);
        }
        true
    }

    fn accept(&mut self, station: usize, socket: &std::net::TcpListener) -> Result<bool, HostError> {
        for _ in 0..AT_ONCE {
            let Ok((stream, _)) = socket.accept() else { break };
            if stream.set_nonblocking(true).is_ok() {
                let source = Source::Accepted { station, stream, bytes: [0; TOKEN_LEN], filled: 0 };
                self.add(source, Interest::Read)?;
            }
        }
        Ok(true)
    }

    /// Reads on in a connection's token; whether it is to be read on later.
    fn read_token(
        &mut self,
        station: usize,
        stream: &mut TcpStream,
        bytes: &mut [u8; TOKEN_LEN],
        filled: &mut usize,
    ) -> bool {
        let Some(rest) = bytes.get_mut(*filled..) else { return false };
        match stream.read(rest) {
            Ok(0) => false,
            Ok(len) => {
                *filled += len;
                if *filled < TOKEN_LEN {
                    return true;
                }
                if let Some(token) = Token::read(bytes).filter(|token| token.run == self.run) {
                    self.arrived(token, station);
                    self.connected.remove(&(token.probe as usize, token.attempt));
                }
                false
            }
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }

    fn sightings(&mut self, station: usize, socket: &Sniffer) -> bool {
        let mut buffer = [0; 256];
        for _ in 0..AT_ONCE {
            let Ok(len) = socket.receive(&mut buffer) else { break };
            let Some(frame) = buffer.get(..len) else { continue };
            if let Some(token) = token_in(frame).filter(|token| token.run == self.run) {
                self.arrived(token, station);
            } else if let Some(ends) = call_in(frame).filter(|_| !self.calls.is_empty()) {
                self.called(ends, station);
            }
        }
        true
    }

    /// The begin of a connection was seen in a station.
    fn called(&mut self, ends: (SocketAddr, SocketAddr), station: usize) {
        for (index, attempt) in self.calls.get(&ends).cloned().unwrap_or_default() {
            // One that the prober accepts itself is proven by its token.
            if self.entries.get(index).is_some_and(|entry| !entry.ours) {
                let probe = u32::try_from(index).unwrap_or(u32::MAX);
                self.arrived(Token { run: self.run, probe, attempt }, station);
            }
        }
    }

    /// A token was seen in a station.
    fn arrived(&mut self, token: Token, station: usize) {
        let elsewhere = !self.begins_here(token.probe as usize);
        let Some(entry) = self.entries.get_mut(token.probe as usize) else { return };
        if elsewhere && entry.to == station {
            if self.seen.len() < MOST_SEEN {
                self.seen.insert((token.probe as usize, token.attempt));
            }
            return;
        }
        if entry.to != station {
            if entry.from != station {
                entry.seen_at = Some(station);
            }
            return;
        }
        let echoes = entry.ours || matches!(entry.kind, ProbeKind::Icmp | ProbeKind::Tcp(_));
        let Some(attempt) = entry.attempt(token.attempt) else { return };
        attempt.arrived = true;
        // Without an echo there is nothing to wait for; a connection's round trip was known before.
        if !echoes || attempt.round_trip.is_some() {
            self.over(token.probe as usize, token.attempt);
        }
    }

    /// Nothing more is expected of an attempt.
    fn over(&mut self, index: usize, number: u32) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        if !entry.settled {
            entry.settled = true;
            self.waiting = self.waiting.saturating_sub(1);
        }
        if let Some(attempt) = entry.attempt(number).filter(|attempt| !attempt.over) {
            attempt.over = true;
            self.open = self.open.saturating_sub(1);
        }
    }

    /// A reply came back to a station.
    fn answered(&mut self, token: Token, station: usize, from: std::net::IpAddr, now: u64) {
        let Some(entry) = self.entries.get_mut(token.probe as usize) else { return };
        if token.run != self.run || entry.from != station || entry.address != from {
            return;
        }
        let shared = entry.shared;
        let Some(attempt) = entry.attempt(token.attempt) else { return };
        attempt.round_trip = attempt.sent.map(|sent| now.saturating_sub(sent));
        attempt.arrived |= !shared;
        if attempt.arrived {
            self.over(token.probe as usize, token.attempt);
        }
    }

    /// A connection was made, or refused.
    fn connected(&mut self, index: usize, number: u32, mut stream: TcpStream) {
        let now = clock::now();
        // It would be writable for ever.
        let _ = self.epoll.remove(&stream);
        let failed = stream.take_error().unwrap_or_else(Some);
        let token = Token { run: self.run, probe: u32::try_from(index).unwrap_or(u32::MAX), attempt: number };
        let Some(entry) = self.entries.get_mut(index) else { return };
        if let Some(error) = &failed {
            entry.error = Some(connect::reason(Errno::from_io_error(error).unwrap_or(Errno::IO)));
        }
        let ours = entry.ours && failed.is_none();
        let shared = entry.shared;
        let Some(attempt) = entry.attempt(number) else { return };
        if failed.is_none() {
            attempt.round_trip = attempt.sent.map(|sent| now.saturating_sub(sent));
        }
        if ours && stream.write(&token.bytes()).is_ok_and(|len| len == TOKEN_LEN) {
            // Over when the target has read it.
            self.connected.insert((index, number), stream);
            return;
        }
        attempt.arrived |= failed.is_none() && !shared;
        if attempt.arrived || failed.is_some() {
            self.over(index, number);
        }
    }

    /// Gives up what is still open, and stops listening: the next block has other targets.
    pub(super) fn close(&mut self, entries: &[usize]) {
        self.sources.retain(|_, source| {
            matches!(source, Source::Icmp { .. } | Source::Sender { .. } | Source::Sniffer { .. })
        });
        self.connected.clear();
        self.calls.clear();
        self.listening.clear();
        let blocks: BTreeSet<usize> = entries.iter().copied().collect();
        for index in blocks {
            let Some(entry) = self.entries.get_mut(index) else { continue };
            entry.attempts.iter_mut().for_each(|attempt| attempt.over = true);
        }
        self.open = 0;
        self.waiting = 0;
    }
}
