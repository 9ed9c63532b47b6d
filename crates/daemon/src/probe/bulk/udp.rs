//! Datagrams at a rate, numbered and stamped.
//!
//! ```text
//! token:16 (magic, run, number of the datagram twice: high and low 32 bits) | sent:64 nanoseconds | filler
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use netloom_sys::epoll::Epoll;
use netloom_sys::{HostError, clock};

use super::jitter::Jitter;
use super::{Bulk, BulkError, TURN, WARM_UP, rate};
use crate::probe::echo::{TOKEN_LEN, Token};
use crate::probe::run_number;
use crate::probe::station::Station;

/// Token and time.
const HEAD: usize = TOKEN_LEN + 8;
/// Late datagrams are waited for: this long without one, and it is over.
const GRACE: u64 = 500_000_000;
/// Datagrams sent without a look at the clock.
const BURST: u64 = 32;
/// Bytes of the receiver's buffer, as far as the host allows.
const ROOM: usize = 8 << 20;

/// When datagrams are sent, and when those that count.
#[derive(Debug, Clone, Copy)]
struct Times {
    begin: u64,
    start: u64,
    end: u64,
}

pub(super) fn run(
    (from, to): (&Station, &Station),
    address: IpAddr,
    (offer, bytes): (Option<u64>, usize),
    nanos: u64,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Bulk, BulkError> {
    let v6 = address.is_ipv6();
    let receiver = open(to, address, 0)?;
    let port = receiver.local_addr().map_err(|e| refused(to, &e))?.port();
    let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let sender = open(from, any, 0)?;
    sender.connect(SocketAddr::new(address, port)).map_err(|e| BulkError::Unreachable {
        from: from.name.clone(),
        to: to.name.clone(),
        why: e.to_string(),
    })?;
    let begin = clock::now();
    let times = Times { begin, start: begin + WARM_UP, end: begin + WARM_UP + nanos };
    let run = run_number();
    let (sent, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("bulk-udp".to_owned());
        let hearing = thread
            .spawn_scoped(scope, || receive(&receiver, run, times, &over))
            .map_err(|e| HostError::from_io("start the thread", "bulk-udp", &e))?;
        let outcome = send(&sender, run, times, (offer, bytes.max(HEAD)), &sent, goes_on);
        over.store(true, Ordering::Relaxed);
        let heard = hearing.join().unwrap_or_default();
        outcome?;
        let sent = sent.into_inner();
        Ok(Bulk {
            nanos,
            sent_bps: rate(sent * bytes.max(HEAD) as u64, nanos),
            received_bps: rate(heard.bytes, nanos),
            sent,
            received: heard.counted,
            jitter: heard.jitter.smoothed(),
            mean_jitter: heard.jitter.mean(),
        })
    })
}

fn open(station: &Station, address: IpAddr, port: u16) -> Result<UdpSocket, HostError> {
    let socket = station.netns.run(|| UdpSocket::bind(SocketAddr::new(address, port)))?;
    let socket = socket.map_err(|e| refused(station, &e))?;
    socket.set_read_timeout(Some(TURN)).map_err(|e| refused(station, &e))?;
    // What the host does not allow is not had.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, ROOM);
    Ok(socket)
}

fn refused(station: &Station, error: &std::io::Error) -> HostError {
    HostError::from_io("open a UDP socket in", station.name.clone(), error)
}

/// Sends until the end; `sent` counts what counts.
fn send(
    socket: &UdpSocket,
    run: u32,
    times: Times,
    (offer, bytes): (Option<u64>, usize),
    sent: &AtomicU64,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<(), HostError> {
    let mut pause = Epoll::new(1)?;
    let mut datagram = vec![0; bytes];
    let mut number = 0_u64;
    loop {
        let now = clock::now();
        if now >= times.end || !goes_on() {
            return Ok(());
        }
        let due = offer.map(|bps| due(bps, bytes, now - times.begin));
        let burst = due.map_or(BURST, |due| due.saturating_sub(number).min(BURST));
        for _ in 0..burst {
            let now = clock::now();
            stamp(&mut datagram, run, number, now);
            // One that the kernel does not take is one that is not sent; the pace goes on.
            let done = socket.send(&datagram).is_ok();
            sent.fetch_add(u64::from(done && now >= times.start && now < times.end), Ordering::Relaxed);
            number += 1;
        }
        if let Some(due) = due.filter(|due| *due <= number) {
            let next = times.begin + span(offer.unwrap_or(1), bytes, due);
            pause.wait(Some(next.saturating_sub(clock::now()).clamp(1_000, 100_000_000)), |_| ())?;
        }
    }
}

/// How many datagrams are to be on their way after so long.
fn due(bps: u64, bytes: usize, after: u64) -> u64 {
    let bits = u128::from(bps) * u128::from(after) / 1_000_000_000;
    u64::try_from(bits / (bytes as u128 * 8)).unwrap_or(u64::MAX) + 1
}

/// Nanoseconds that so many datagrams take.
fn span(bps: u64, bytes: usize, count: u64) -> u64 {
    let bits = u128::from(count) * bytes as u128 * 8;
    u64::try_from(bits * 1_000_000_000 / u128::from(bps.max(1))).unwrap_or(u64::MAX)
}

fn stamp(datagram: &mut [u8], run: u32, number: u64, now: u64) {
    let half = |shift: u32| u32::try_from((number >> shift) & u64::from(u32::MAX)).unwrap_or(0);
    let token = Token { run, probe: half(32), attempt: half(0) };
    if let Some(head) = datagram.get_mut(..HEAD) {
        let (front, back) = head.split_at_mut(TOKEN_LEN);
        front.copy_from_slice(&token.bytes());
        back.copy_from_slice(&now.to_be_bytes());
    }
}

/// What the receiver counted.
#[derive(Debug, Default)]
struct Heard {
    /// Bytes that came in while it counted.
    bytes: u64,
    /// Datagrams that were sent while it counted.
    counted: u64,
    jitter: Jitter,
}

fn receive(socket: &UdpSocket, run: u32, times: Times, over: &AtomicBool) -> Heard {
    let mut heard = Heard::default();
    let mut buffer = vec![0; 65_536];
    let mut last = times.begin;
    let mut ended = None;
    loop {
        let read = socket.recv(&mut buffer);
        let now = clock::now();
        let datagram = read.ok().and_then(|len| buffer.get(..len));
        let stamp = datagram.and_then(|bytes| Some((Token::read(bytes)?, bytes.get(TOKEN_LEN..HEAD)?)));
        if let Some((_, sent)) = stamp.filter(|(token, _)| token.run == run) {
            let sent = sent.try_into().map_or(0, u64::from_be_bytes);
            last = now;
            if now >= times.start && now < times.end {
                heard.bytes += datagram.map_or(0, <[u8]>::len) as u64;
            }
            if sent >= times.start && sent < times.end {
                heard.counted += 1;
                heard.jitter.note(sent, now);
            }
        }
        if over.load(Ordering::Relaxed) {
            let since = (*ended.get_or_insert(now)).max(last);
            if now.saturating_sub(since) > GRACE {
                return heard;
            }
        }
    }
}
