//! The sockets of a gateway, in its own namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use netloom_netdev::Doors;
use netloom_sys::icmp::IcmpSocket;
use netloom_sys::underlay::{Protocol, UnderlaySocket};
use netloom_sys::{Errno, HostError};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// The sockets that the port leads flows to; those of IPv6 where the kernel has it.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(super) listeners: Vec<TcpListener>,
    pub(super) datagrams: Vec<(bool, UnderlaySocket)>,
    pub(super) icmp: Vec<(bool, IcmpSocket)>,
    /// Bound, and not listened at.
    pub(super) closed: Vec<OwnedFd>,
    pub(crate) doors: Doors,
}

impl Sockets {
    /// Opens them in the namespace of the calling thread, at ports that nobody has.
    ///
    /// # Errors
    /// No fd left; without `CAP_NET_RAW` there.
    pub(crate) fn open() -> Result<Self, HostError> {
        let (listener, tcp) = stream(false, 0)?;
        let (closed, shut) = stream(false, 0)?;
        let udp = UnderlaySocket::listen(Protocol::Udp(0), false, None)?;
        let doors = Doors { tcp, udp: port(&udp)?, closed: shut };
        let mut listeners = vec![listener];
        let mut datagrams = vec![(false, udp)];
        let mut icmp = vec![(false, IcmpSocket::open(false, &[])?)];
        let mut both = vec![closed];
        match stream(true, doors.tcp) {
            Ok((listener, _)) => {
                listeners.push(listener);
                both.push(stream(true, doors.closed)?.0);
                datagrams.push((true, UnderlaySocket::listen(Protocol::Udp(doors.udp), true, None)?));
                icmp.push((true, IcmpSocket::open(true, &[])?));
            }
            Err(error) if matches!(error.errno, Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => {}
            Err(error) => return Err(error),
        }
        for listener in &listeners {
            rustix::net::listen(listener, WAITING).map_err(|errno| failed("listen in", errno))?;
        }
        let listeners = listeners.into_iter().map(TcpListener::from).collect();
        Ok(Self { listeners, datagrams, icmp, closed: both, doors })
    }
}

/// A TCP socket that is bound, and its port.
fn stream(v6: bool, wanted: u16) -> Result<(OwnedFd, u16), HostError> {
    let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
    let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let open = || {
        let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        if v6 {
            sockopt::set_ipv6_v6only(&fd, true)?;
        }
        rustix::net::bind(&fd, &SocketAddr::new(any, wanted))?;
        Ok(fd)
    };
    let fd = open().map_err(|errno| failed("open a socket in", errno))?;
    let port = port(&fd)?;
    Ok((fd, port))
}

/// The port a socket was given.
fn port(fd: impl AsFd) -> Result<u16, HostError> {
    let name = rustix::net::getsockname(fd).map_err(|errno| failed("ask for a port of", errno))?;
    SocketAddr::try_from(name).map(|name| name.port()).map_err(|errno| failed("read a port of", errno))
}

fn failed(operation: &'static str, errno: Errno) -> HostError {
    HostError::new(operation, "a gateway's namespace", errno)
}

/// Connections that wait to be taken.
const WAITING: i32 = 4096;
