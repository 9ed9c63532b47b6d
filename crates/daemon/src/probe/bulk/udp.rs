//! Datagrams at a rate, numbered and stamped.
//!
//! ```text
//! token:16 (magic, run, number of the datagram twice: high and low 32 bits) | sent:64 nanoseconds | filler
//! ```
//! The highest bit of the number says that the datagram counts; the time is the sender's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

use netloom_sys::epoll::Epoll;
use netloom_sys::{HostError, clock};

use super::jitter::Jitter;
use super::{Bulk, BulkError, ODD, TURN, WARM_UP, guest_of, rate};
use crate::probe::echo::{TOKEN_LEN, Token};
use crate::probe::envoy::{Answer, Envoy, Errand, START, Word};
use crate::probe::run_number;
use crate::probe::station::{Place, Station};

/// Token and time.
const HEAD: usize = TOKEN_LEN + 8;
/// Late datagrams are waited for: this long without one, and it is over.
const GRACE: u64 = 500_000_000;
/// Datagrams sent without a look at the clock.
const BURST: u64 = 32;
/// Bytes of the receiver's buffer, as far as the host allows.
const ROOM: usize = 8 << 20;
/// Set in the number of a datagram that counts. The receiver may have another clock than the sender.
const COUNTS: u64 = 1 << 63;

pub(super) fn run(
    (from, to): (&Station, &Station),
    address: IpAddr,
    (offer, bytes): (Option<u64>, usize),
    nanos: u64,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Bulk, BulkError> {
    let run = run_number();
    let over = AtomicBool::new(false);
    let receiver = Receiver::open(to, address, run, nanos, goes_on)?;
    let target = SocketAddr::new(address, receiver.port(to)?);
    let (sent, heard) = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("bulk-udp".to_owned());
        let hearing = thread
            .spawn_scoped(scope, || receiver.result(to, run, nanos, &over))
            .map_err(|e| HostError::from_io("start the thread", "bulk-udp", &e))?;
        let sent = send_from((from, to), target, run, (offer, bytes), nanos, goes_on);
        over.store(true, Ordering::Relaxed);
        let heard = hearing.join().unwrap_or_else(|_| Ok(Bulk::default()));
        Ok::<_, BulkError>((sent?, heard?))
    })?;
    Ok(Bulk { sent: sent.sent, sent_bps: sent.sent_bps, ..heard })
}

fn send_from(
    (from, to): (&Station, &Station),
    target: SocketAddr,
    run: u32,
    (offer, bytes): (Option<u64>, usize),
    nanos: u64,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Bulk, BulkError> {
    let guest = match &from.place {
        Place::Here => {
            let socket = open(from, any(target.is_ipv6()))?;
            socket.connect(target).map_err(|e| BulkError::Unreachable {
                from: from.name.clone(),
                to: to.name.clone(),
                why: e.to_string(),
            })?;
            return Ok(sender(&socket, run, (offer, bytes), nanos, goes_on)?);
        }
        place => guest_of(from, place)?,
    };
    let failed = |why| BulkError::Guest { node: from.name.clone(), why };
    let errand = Errand::UdpSend { to: target, run, offer, bytes, nanos };
    let mut envoy = Envoy::send(guest, &errand, goes_on).map_err(failed)?;
    match envoy.hear(START.saturating_add(nanos), goes_on).map_err(failed)? {
        Answer::Bulk(sent) => Ok(sent),
        _ => Err(failed(ODD.to_owned())),
    }
}

/// Where datagrams arrive.
enum Receiver {
    Here(UdpSocket),
    Guest(std::sync::Mutex<Envoy>, u16),
}

impl Receiver {
    fn open(
        to: &Station,
        at: IpAddr,
        run: u32,
        nanos: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Self, BulkError> {
        let guest = match &to.place {
            Place::Here => return Ok(Self::Here(open(to, at)?)),
            place => guest_of(to, place)?,
        };
        let failed = |why| BulkError::Guest { node: to.name.clone(), why };
        let errand = Errand::UdpReceive { at, run, nanos };
        let mut envoy = Envoy::send(guest, &errand, goes_on).map_err(failed)?;
        match envoy.hear(START, goes_on).map_err(failed)? {
            Answer::Port(port) => Ok(Self::Guest(std::sync::Mutex::new(envoy), port)),
            _ => Err(failed(ODD.to_owned())),
        }
    }

    fn port(&self, to: &Station) -> Result<u16, HostError> {
        match self {
            Self::Here(socket) => Ok(socket.local_addr().map_err(|e| refused(to, &e))?.port()),
            Self::Guest(_, port) => Ok(*port),
        }
    }

    /// What it has counted once it is `over`.
    fn result(&self, to: &Station, run: u32, nanos: u64, over: &AtomicBool) -> Result<Bulk, BulkError> {
        let envoy = match self {
            Self::Here(socket) => return Ok(receiver(socket, run, nanos, over)),
            Self::Guest(envoy, _) => envoy,
        };
        let failed = |why| BulkError::Guest { node: to.name.clone(), why };
        let mut envoy = envoy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while !over.load(Ordering::Relaxed) {
            clock::sleep(20_000_000);
        }
        envoy.tell(&Word::Over);
        match envoy.hear(START, &|| true).map_err(failed)? {
            Answer::Bulk(heard) => Ok(Bulk { nanos, ..heard }),
            _ => Err(failed(ODD.to_owned())),
        }
    }
}

/// The address that means any.
pub(in crate::probe) fn any(v6: bool) -> IpAddr {
    if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

/// A socket of the calling thread's namespace.
pub(in crate::probe) fn bind(at: IpAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(at, 0))?;
    socket.set_read_timeout(Some(TURN))?;
    // What the host does not allow is not had.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, ROOM);
    Ok(socket)
}

fn open(station: &Station, at: IpAddr) -> Result<UdpSocket, HostError> {
    station.netns.run(|| bind(at))?.map_err(|e| refused(station, &e))
}

fn refused(station: &Station, error: &std::io::Error) -> HostError {
    HostError::from_io("open a UDP socket in", station.name.clone(), error)
}

/// Sends, first what does not count and then for `nanos` what does; what was sent of that.
pub(in crate::probe) fn sender(
    socket: &UdpSocket,
    run: u32,
    (offer, bytes): (Option<u64>, usize),
    nanos: u64,
    goes_on: &dyn Fn() -> bool,
) -> Result<Bulk, HostError> {
    let bytes = bytes.clamp(HEAD, LARGEST);
    let begin = clock::now();
    let (start, end) = (begin + WARM_UP, begin.saturating_add(WARM_UP).saturating_add(nanos));
    let mut pause = Epoll::new(1)?;
    let mut datagram = vec![0; bytes];
    let (mut number, mut sent) = (0_u64, 0_u64);
    loop {
        let now = clock::now();
        if now >= end || !goes_on() {
            break;
        }
        let due = offer.map(|bps| due(bps, bytes, now - begin));
        let burst = due.map_or(BURST, |due| due.saturating_sub(number).min(BURST));
        for _ in 0..burst {
            let now = clock::now();
            let counts = now >= start && now < end;
            stamp(&mut datagram, run, number | if counts { COUNTS } else { 0 }, now);
            // One that the kernel does not take is one that is not sent; the pace goes on.
            let done = socket.send(&datagram).is_ok();
            sent += u64::from(done && counts);
            number += 1;
        }
        if let Some(due) = due.filter(|due| *due <= number) {
            let next = begin + span(offer.unwrap_or(1), bytes, due);
            pause.wait(Some(next.saturating_sub(clock::now()).clamp(1_000, 100_000_000)), |_| ())?;
        }
    }
    Ok(Bulk { nanos, sent_bps: rate(sent * bytes as u64, nanos), sent, ..Bulk::default() })
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

/// Receives until it is `over` and nothing comes any more: what arrived of what counts, and how evenly.
pub(in crate::probe) fn receiver(socket: &UdpSocket, run: u32, nanos: u64, over: &AtomicBool) -> Bulk {
    let mut jitter = Jitter::default();
    let (mut bytes, mut counted) = (0_u64, 0_u64);
    let mut buffer = vec![0; LARGEST];
    let mut last = clock::now();
    let (mut first, mut ended) = (None, None);
    loop {
        let read = socket.recv(&mut buffer);
        let now = clock::now();
        let datagram = read.ok().and_then(|len| buffer.get(..len));
        let stamp = datagram.and_then(|bytes| Some((Token::read(bytes)?, bytes.get(TOKEN_LEN..HEAD)?)));
        if let Some((token, sent)) = stamp.filter(|(token, _)| token.run == run) {
            last = now;
            let start = *first.get_or_insert(now) + WARM_UP;
            if now >= start && now - start < nanos {
                bytes += datagram.map_or(0, <[u8]>::len) as u64;
            }
            if u64::from(token.probe) << 32 & COUNTS != 0 {
                counted += 1;
                jitter.note(sent.try_into().map_or(0, u64::from_be_bytes), now);
            }
        }
        if over.load(Ordering::Relaxed) {
            let since = (*ended.get_or_insert(now)).max(last);
            if now.saturating_sub(since) > GRACE {
                break;
            }
        }
    }
    Bulk {
        nanos,
        received_bps: rate(bytes, nanos),
        received: counted,
        jitter: jitter.smoothed(),
        mean_jitter: jitter.mean(),
        ..Bulk::default()
    }
}

/// The largest datagram, in bytes.
const LARGEST: usize = 65_507;
