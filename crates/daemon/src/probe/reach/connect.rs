//! Connections that do not wait: begun here, ended by epoll.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use netloom_sys::{Errno, HostError};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::probe::station::Station;

/// Opens `count` sockets for connections from a station.
pub(super) fn open(station: &Station, v6: bool, count: usize) -> Result<Vec<OwnedFd>, HostError> {
    let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let one = |_| rustix::net::socket_with(family, SocketType::STREAM, flags, None);
    let sockets: Result<Vec<OwnedFd>, Errno> = station.netns.run(|| (0..count).map(one).collect())?;
    sockets.map_err(|errno| HostError::new("open", format!("TCP sockets in {}", station.name), errno))
}

/// Begins a connection. `abrupt`: it is to vanish at its end instead of waiting for stragglers, as none of the
/// programs of a node is at its other end.
///
/// # Errors
/// What the sender's kernel refuses at once: no route, no address.
pub(super) fn begin(socket: OwnedFd, to: SocketAddr, abrupt: bool) -> Result<TcpStream, Errno> {
    if abrupt {
        // Without it the kernel only remembers the connection for a minute.
        let _ = rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
    }
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(errno) => Err(errno),
    }
}

/// What a refusal means, in a few words.
pub(super) fn reason(errno: Errno) -> String {
    match errno {
        Errno::CONNREFUSED => "refused: nothing listens on this port".to_owned(),
        Errno::NETUNREACH => "the sender has no route to it".to_owned(),
        Errno::HOSTUNREACH => "no neighbour answers for it".to_owned(),
        Errno::NETDOWN => "the sender's interface is down".to_owned(),
        Errno::ADDRNOTAVAIL => "the sender has no address to send from".to_owned(),
        other => other.to_string(),
    }
}
