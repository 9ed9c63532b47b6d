//! The sockets of a job, by the number under which epoll reports them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use netloom_sys::HostError;
use netloom_sys::icmp::IcmpSocket;
use netloom_sys::sniffer::Sniffer;

use crate::probe::echo::TOKEN_LEN;
use crate::probe::station::Station;

/// A socket and what it is there for; stations by index.
#[derive(Debug)]
pub(super) enum Source {
    /// Echo requests go out, replies come in.
    Icmp { station: usize, v6: bool, socket: IcmpSocket },
    /// Datagrams go out, echoes come in.
    Sender { station: usize, socket: UdpSocket },
    /// Datagrams come in and are sent back.
    Server { station: usize, socket: UdpSocket },
    /// Connections come in.
    Listener { station: usize, socket: TcpListener },
    /// A connection that came in, and what was read of its token.
    Accepted { station: usize, stream: TcpStream, bytes: [u8; TOKEN_LEN], filled: usize },
    /// A connection on its way: entry and attempt.
    Connecting { entry: usize, attempt: u32, stream: TcpStream },
    /// Sees every frame that comes in.
    Sniffer { station: usize, socket: Sniffer },
}

impl Source {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Icmp { socket, .. } => socket.as_fd(),
            Self::Sender { socket, .. } | Self::Server { socket, .. } => socket.as_fd(),
            Self::Listener { socket, .. } => socket.as_fd(),
            Self::Accepted { stream, .. } | Self::Connecting { stream, .. } => stream.as_fd(),
            Self::Sniffer { socket, .. } => socket.as_fd(),
        }
    }
}

/// Opens a socket for datagrams of a family in a station.
pub(super) fn open_sender(station: &Station, v6: bool) -> Result<UdpSocket, HostError> {
    let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = station.netns.run(|| UdpSocket::bind(SocketAddr::new(any, 0)))?;
    let socket = socket.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    socket.map_err(|e| HostError::from_io("open", format!("a UDP socket in {}", station.name), &e))
}

/// Listens for connections at an address of a station; `None` if the port is taken, or not to be had.
pub(super) fn listen(station: &Station, at: SocketAddr) -> Result<Option<TcpListener>, HostError> {
    let socket = station.netns.run(|| TcpListener::bind(at))?;
    Ok(socket.ok().filter(|socket| socket.set_nonblocking(true).is_ok()))
}

/// Listens for datagrams at an address of a station; `None` if the port is taken, or not to be had.
pub(super) fn serve(station: &Station, at: SocketAddr) -> Result<Option<UdpSocket>, HostError> {
    let socket = station.netns.run(|| UdpSocket::bind(at))?;
    Ok(socket.ok().filter(|socket| socket.set_nonblocking(true).is_ok()))
}
