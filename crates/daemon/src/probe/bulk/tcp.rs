//! Bytes over a connection.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::{HostError, clock};

use super::{Bulk, BulkError, TURN, WARM_UP, rate};
use crate::probe::station::Station;

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
    let (sender, receiver) = connect(from, to, address)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("bulk-tcp".to_owned());
        let sending = thread
            .spawn_scoped(scope, || send(sender, &over))
            .map_err(|e| HostError::from_io("start the thread", "bulk-tcp", &e))?;
        let bulk = receive(receiver, nanos, goes_on);
        over.store(true, Ordering::Relaxed);
        let _ = sending.join();
        Ok(bulk)
    })
}

/// Both ends of a connection.
fn connect(from: &Station, to: &Station, address: IpAddr) -> Result<(TcpStream, TcpStream), BulkError> {
    let listener = to.netns.run(|| TcpListener::bind(SocketAddr::new(address, 0)))?;
    let listener = listener.map_err(|e| HostError::from_io("listen in", to.name.clone(), &e))?;
    let at = listener.local_addr().map_err(|e| HostError::from_io("listen in", to.name.clone(), &e))?;
    let sender = from.netns.run(|| TcpStream::connect_timeout(&at, PATIENCE))?;
    let unreachable = |e: std::io::Error| BulkError::Unreachable {
        from: from.name.clone(),
        to: to.name.clone(),
        why: e.to_string(),
    };
    let sender = sender.map_err(unreachable)?;
    let receiver =
        accept(&listener, &sender)?.ok_or_else(|| unreachable(std::io::ErrorKind::TimedOut.into()))?;
    for stream in [&sender, &receiver] {
        // Without them a thread would notice later that it is over.
        let _ = stream.set_read_timeout(Some(TURN));
        let _ = stream.set_write_timeout(Some(TURN));
    }
    // What is not sent when it is over need not be.
    let _ = rustix::net::sockopt::set_socket_linger(&sender, Some(Duration::ZERO));
    Ok((sender, receiver))
}

/// The other end of `sender`: whoever else connects is turned away.
fn accept(listener: &TcpListener, sender: &TcpStream) -> Result<Option<TcpStream>, HostError> {
    let refused = |e| HostError::from_io("accept", "a connection", &e);
    listener.set_nonblocking(true).map_err(refused)?;
    let port = sender.local_addr().map_err(refused)?.port();
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

fn send(mut stream: TcpStream, over: &AtomicBool) {
    let chunk = vec![0x6e; CHUNK];
    while !over.load(Ordering::Relaxed) {
        match stream.write(&chunk) {
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
    }
}

fn receive(mut stream: TcpStream, nanos: u64, goes_on: &(dyn Fn() -> bool + Sync)) -> Bulk {
    let mut buffer = vec![0; CHUNK];
    let patience = u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
    let begin = clock::now();
    let start = begin + WARM_UP;
    let end = start + nanos;
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
