//! Bytes over a connection.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::{HostError, clock};

use super::{Bulk, BulkError, ODD, TURN, WARM_UP, guest_of, rate};
use crate::probe::envoy::{Answer, Envoy, Errand, START, Word};
use crate::probe::station::{Place, Station};

/// How long a connection may take, and how long nothing may arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of one call.
const CHUNK: usize = 256 << 10;

pub(super) fn run(
    from: &Station,
    to: &Station,
    address: IpAddr,
    nanos: u64,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Bulk, BulkError> {
    let receiver = Receiver::listen(to, address, nanos, goes_on)?;
    let sender = Sender::dial((from, to), SocketAddr::new(address, receiver.port(to)?), goes_on)?;
    match receiver {
        Receiver::Here(listener) => {
            let unreachable = || unreachable((from, to), &std::io::ErrorKind::TimedOut.into());
            let stream = accept(&listener, sender.port()?)?.ok_or_else(unreachable)?;
            impatient(&stream);
            beside(sender, || Ok(receive(stream, nanos, goes_on)))
        }
        Receiver::Guest(mut envoy, _) => {
            envoy.tell(&Word::Peer(sender.port()?));
            beside(sender, || {
                let failed = |why| BulkError::Guest { node: to.name.clone(), why };
                match envoy.hear(START.saturating_add(nanos), goes_on) {
                    // What it says of the time is not its to say.
                    Ok(Answer::Bulk(bulk)) => Ok(Bulk { nanos, ..bulk }),
                    Ok(_) => Err(failed(ODD.to_owned())),
                    Err(_) if !goes_on() => Ok(Bulk { nanos, sent: 1, ..Bulk::default() }),
                    Err(why) => Err(failed(why)),
                }
            })
        }
    }
}

/// Has the sender send while something is waited for.
fn beside(sender: Sender, work: impl FnOnce() -> Result<Bulk, BulkError>) -> Result<Bulk, BulkError> {
    let stream = match sender {
        Sender::Here(stream) => stream,
        // It sends by itself, until it is let go of.
        Sender::Guest(_envoy, _) => return work(),
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("bulk-tcp".to_owned());
        let sending = thread
            .spawn_scoped(scope, || send(stream, &over))
            .map_err(|e| HostError::from_io("start the thread", "bulk-tcp", &e))?;
        let bulk = work();
        over.store(true, Ordering::Relaxed);
        let _ = sending.join();
        bulk
    })
}

/// Where a connection is waited for.
enum Receiver {
    Here(TcpListener),
    Guest(Envoy, u16),
}

impl Receiver {
    fn listen(to: &Station, at: IpAddr, nanos: u64, goes_on: &dyn Fn() -> bool) -> Result<Self, BulkError> {
        let guest = match &to.place {
            Place::Here => {
                let listener = to.netns.run(|| TcpListener::bind(SocketAddr::new(at, 0)))?;
                let listener = listener.map_err(|e| HostError::from_io("listen in", to.name.clone(), &e))?;
                return Ok(Self::Here(listener));
            }
            place => guest_of(to, place)?,
        };
        let failed = |why| BulkError::Guest { node: to.name.clone(), why };
        let mut envoy = Envoy::send(guest, &Errand::TcpReceive { at, nanos }, goes_on).map_err(failed)?;
        match envoy.hear(START, goes_on).map_err(failed)? {
            Answer::Port(port) => Ok(Self::Guest(envoy, port)),
            _ => Err(failed(ODD.to_owned())),
        }
    }

    fn port(&self, to: &Station) -> Result<u16, HostError> {
        match self {
            Self::Here(listener) => {
                let at = listener.local_addr();
                Ok(at.map_err(|e| HostError::from_io("listen in", to.name.clone(), &e))?.port())
            }
            Self::Guest(_, port) => Ok(*port),
        }
    }
}

/// Who is to send.
enum Sender {
    Here(TcpStream),
    Guest(Envoy, u16),
}

impl Sender {
    fn dial(
        (from, to): (&Station, &Station),
        at: SocketAddr,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Self, BulkError> {
        let guest = match &from.place {
            Place::Here => {
                let stream = from.netns.run(|| dial(at))?.map_err(|e| unreachable((from, to), &e))?;
                impatient(&stream);
                return Ok(Self::Here(stream));
            }
            place => guest_of(from, place)?,
        };
        let failed = |why| BulkError::Guest { node: from.name.clone(), why };
        let mut envoy = Envoy::send(guest, &Errand::TcpSend { to: at }, goes_on).map_err(failed)?;
        match envoy.hear(START, goes_on).map_err(failed)? {
            Answer::Port(port) => Ok(Self::Guest(envoy, port)),
            _ => Err(failed(ODD.to_owned())),
        }
    }

    fn port(&self) -> Result<u16, HostError> {
        match self {
            Self::Here(stream) => {
                let own = stream.local_addr();
                Ok(own.map_err(|e| HostError::from_io("look at", "a connection", &e))?.port())
            }
            Self::Guest(_, port) => Ok(*port),
        }
    }
}

fn unreachable((from, to): (&Station, &Station), error: &std::io::Error) -> BulkError {
    BulkError::Unreachable { from: from.name.clone(), to: to.name.clone(), why: error.to_string() }
}

/// Connects out of the calling thread's namespace.
pub(in crate::probe) fn dial(at: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    // What is not sent when it is over need not be.
    let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    Ok(stream)
}

/// Without it a thread would notice later that it is over.
pub(in crate::probe) fn impatient(stream: &TcpStream) {
    let _ = stream.set_read_timeout(Some(TURN));
    let _ = stream.set_write_timeout(Some(TURN));
}

/// The connection that comes from `port`: whoever else connects is turned away.
pub(in crate::probe) fn accept(listener: &TcpListener, port: u16) -> Result<Option<TcpStream>, HostError> {
    let refused = |e| HostError::from_io("accept", "a connection", &e);
    listener.set_nonblocking(true).map_err(refused)?;
    let mut epoll = Epoll::new(1)?;
    epoll.add(listener, 0, Interest::Read)?;
    let until = clock::now() + u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
    while clock::now() < until {
        match listener.accept() {
            // The address may have been translated on the way, the port hardly ever.
            Ok((stream, peer)) if peer.port() == port => {
                stream.set_nonblocking(false).map_err(refused)?;
                return Ok(Some(stream));
            }
            Ok(_) => {}
            Err(_) => {
                epoll.wait(Some(100_000_000), |_| ())?;
            }
        }
    }
    Ok(None)
}

/// Sends until it is `over`, or the other end has had enough.
pub(in crate::probe) fn send(mut stream: TcpStream, over: &AtomicBool) {
    let chunk = vec![0x6e; CHUNK];
    while !over.load(Ordering::Relaxed) {
        match stream.write(&chunk) {
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
    }
}

/// Counts what comes, first what does not count and then for `nanos` what does.
pub(in crate::probe) fn receive(mut stream: TcpStream, nanos: u64, goes_on: &dyn Fn() -> bool) -> Bulk {
    let mut buffer = vec![0; CHUNK];
    let patience = u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
    let begin = clock::now();
    let start = begin + WARM_UP;
    let end = start.saturating_add(nanos);
    let (mut bytes, mut reads, mut last) = (0_u64, 0, begin);
    loop {
        let read = stream.read(&mut buffer);
        let now = clock::now();
        match read {
            Ok(0) => break,
            Ok(len) => {
                last = now;
                if now >= start && now < end {
                    bytes += len as u64;
                    reads += 1;
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => break,
        }
        if now >= end || now.saturating_sub(last) > patience || !goes_on() {
            break;
        }
    }
    // Whatever ended it early: it was to last so long.
    let bps = rate(bytes, nanos);
    Bulk { nanos, sent_bps: bps, received_bps: bps, sent: reads.max(1), received: reads, ..Bulk::default() }
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
