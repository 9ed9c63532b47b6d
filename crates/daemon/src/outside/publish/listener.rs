//! The machine's side of a published port.

use std::net::TcpListener;
use std::os::fd::OwnedFd;

use netloom_lab::publish::{Published, Transport};
use netloom_sys::HostError;
use netloom_sys::underlay::{Protocol, UnderlaySocket};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// A socket of the machine that listens, though nobody answers yet.
#[derive(Debug)]
pub(crate) enum Listener {
    /// For connections.
    Tcp(TcpListener),
    /// For datagrams.
    Udp(UnderlaySocket),
}

impl Listener {
    /// Opens it in the namespace of the calling thread.
    ///
    /// # Errors
    /// `EADDRINUSE` if somebody has the port; `EADDRNOTAVAIL` for an address that the machine has not; `EACCES` for a low
    /// port without privilege; no fd left.
    pub(crate) fn open(port: &Published) -> Result<Self, HostError> {
        match port.transport {
            Transport::Udp => {
                let v6 = port.address.is_ipv6();
                UnderlaySocket::listen(Protocol::Udp(port.port), v6, Some(port.address)).map(Self::Udp)
            }
            Transport::Tcp => tcp(port)
                .map(|fd| Self::Tcp(fd.into()))
                .map_err(|errno| HostError::new("listen at", port.socket().to_string(), errno)),
        }
    }
}

fn tcp(port: &Published) -> Result<OwnedFd, rustix::io::Errno> {
    let family = if port.address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if port.address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    // Connections of an earlier lab may still be fading away.
    sockopt::set_socket_reuseaddr(&fd, true)?;
    rustix::net::bind(&fd, &port.socket())?;
    rustix::net::listen(&fd, WAITING)?;
    Ok(fd)
}

/// Connections that wait to be taken; the kernel allows no more than its sysctl `somaxconn`.
const WAITING: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use netloom_sys::Errno;

    fn port(text: &str) -> Published {
        netloom_lab::publish::parse(text).unwrap()[0]
    }

    #[test]
    fn a_port_that_somebody_has_is_refused() {
        let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = somebody.local_addr().unwrap().port();
        let error = Listener::open(&port(&format!("{taken}:80"))).unwrap_err();
        assert_eq!(error.errno, Errno::ADDRINUSE);
        let somebody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = somebody.local_addr().unwrap().port();
        assert_eq!(Listener::open(&port(&format!("{taken}:80/udp"))).unwrap_err().errno, Errno::ADDRINUSE);
    }

    #[test]
    fn an_address_of_others_is_refused() {
        let error = Listener::open(&port("192.0.2.1:8080:80")).unwrap_err();
        assert_eq!(error.errno, Errno::ADDRNOTAVAIL);
    }
}
