//! A TCP port that is somebody's, so that the kernel's own TCP says nothing at it.
//!
//! Packets that look like TCP and belong to no connection are answered with RST, unless a socket takes them: so one
//! listens at the port, and its filter lets nothing in, not even a SYN. What raw sockets see is not touched, since they
//! get their copy before. Neither rules of a firewall nor settings of the machine are needed, two who want the same port
//! are told so (`EADDRINUSE`), and all is as it was when the socket is closed, even if its process was killed.
//!
//! Source: Linux `net/ipv4/tcp_ipv4.c` (`tcp_v4_rcv`: `tcp_filter` before anything is answered), `net/ipv4/ip_input.c`
//! (`ip_protocol_deliver_rcu`: raw sockets first).

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::socket::{IPV6_V6ONLY, RETURN_NOTHING, SOL_IPV6, any, attach};
use crate::error::{Because, HostError};
use crate::sockopt::set_int;

/// See the module. Dropping it gives the port back.
#[derive(Debug)]
pub struct PortClaim {
    _fd: OwnedFd,
}

impl PortClaim {
    /// Claims `port` at an address of the machine, or at all of one family.
    ///
    /// # Errors
    /// `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES` for a privileged port, no fd left.
    pub fn new(v6: bool, local: Option<IpAddr>, port: u16) -> Result<Self, HostError> {
        let object = || format!("TCP port {port}");
        let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd =
            rustix::net::socket_with(family, SocketType::STREAM, flags, None).because("claim", object)?;
        if v6 {
            set_int(&fd, SOL_IPV6, IPV6_V6ONLY, 1).because("claim", object)?;
        }
        // Before it listens: nobody is to get in meanwhile.
        attach(&fd, &[RETURN_NOTHING]).because("filter", object)?;
        let address = SocketAddr::new(local.unwrap_or(any(v6)), port);
        rustix::net::bind(&fd, &address).because("claim", object)?;
        rustix::net::listen(&fd, 0).because("claim", object)?;
        Ok(Self { _fd: fd })
    }
}
