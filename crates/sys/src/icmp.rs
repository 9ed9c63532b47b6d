//! Raw ICMP and ICMPv6 sockets for probes: no program in the node takes part but its kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};

use crate::error::{Because, HostError};
use crate::sockopt::{set_bytes, set_int};

/// Type numbers of echo messages.
pub mod kind {
    /// ICMP echo request (RFC 792).
    pub const REQUEST: u8 = 8;
    /// ICMP echo reply.
    pub const REPLY: u8 = 0;
    /// ICMPv6 echo request (RFC 4443 §4.1).
    pub const REQUEST_V6: u8 = 128;
    /// ICMPv6 echo reply.
    pub const REPLY_V6: u8 = 129;
}

/// A raw socket of the namespace of the thread that opened it; non-blocking, usable from any thread.
#[derive(Debug)]
pub struct IcmpSocket {
    fd: OwnedFd,
    v6: bool,
}

/// A message as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpMessage<'a> {
    /// Who sent it.
    pub from: IpAddr,
    /// Type, code, checksum and the rest, without an IP header.
    pub bytes: &'a [u8],
}

impl IcmpSocket {
    /// Opens a socket for ICMP, or ICMPv6, that hears only messages of the types `heard`.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW` in the namespace's user namespace, or no fd left.
    pub fn open(v6: bool, heard: &[u8]) -> Result<Self, HostError> {
        let what = || if v6 { "an ICMPv6 socket" } else { "an ICMP socket" };
        let (family, protocol) =
            if v6 { (AddressFamily::INET6, ipproto::ICMPV6) } else { (AddressFamily::INET, ipproto::ICMP) };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd =
            rustix::net::socket_with(family, SocketType::RAW, flags, Some(protocol)).because("open", what)?;
        let socket = Self { fd, v6 };
        socket.hear(heard).because("filter", what)?;
        // As large as the host allows: a burst of replies must not be lost here.
        let _ = set_int(&socket.fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 1 << 20);
        Ok(socket)
    }

    /// Blocks all types but `heard`.
    fn hear(&self, heard: &[u8]) -> Result<(), Errno> {
        if self.v6 {
            let mut blocked = [u32::MAX; 8];
            for &kind in heard {
                blocked[usize::from(kind >> 5)] &= !(1 << (kind & 31));
            }
            let bytes: Vec<u8> = blocked.iter().flat_map(|word| word.to_ne_bytes()).collect();
            set_bytes(&self.fd, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &bytes)
        } else {
            let blocked =
                heard.iter().filter(|kind| **kind < 32).fold(u32::MAX, |mask, kind| mask & !(1 << kind));
            set_bytes(&self.fd, libc::SOL_RAW, ICMP_FILTER, &blocked.to_ne_bytes())
        }
    }

    /// Sends a message, checksum included for ICMP; for ICMPv6 the kernel fills it in.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOBUFS` when a queue or table is full for now; `ENETUNREACH` and the like without a route.
    pub fn send(&self, message: &[u8], to: IpAddr) -> Result<(), Errno> {
        rustix::net::sendto(&self.fd, message, SendFlags::empty(), &SocketAddr::new(to, 0)).map(drop)
    }

    /// Takes the next message.
    ///
    /// # Errors
    /// `EAGAIN` when there is none.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<IcmpMessage<'a>, Errno> {
        let (bytes, _, from) = rustix::net::recvfrom(&self.fd, &mut *buffer, RecvFlags::empty())?;
        let from = from.and_then(|from| SocketAddr::try_from(from).ok());
        let unspecified = if self.v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let from = from.map_or(unspecified, |from| from.ip());
        let received = buffer.get(..bytes).unwrap_or_default();
        // A raw IPv4 socket delivers the IP header, too; its length is in the low half of the first byte.
        let header =
            if self.v6 { 0 } else { received.first().map_or(0, |first| usize::from(first & 0x0f) * 4) };
        Ok(IcmpMessage { from, bytes: received.get(header..).unwrap_or_default() })
    }
}

impl AsFd for IcmpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

const ICMP_FILTER: libc::c_int = 1;
const ICMPV6_FILTER: libc::c_int = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{LinkChange, Netlink as _, NetlinkSocket, Request};
    use crate::netns::NetNs;
    use crate::testing::can_make_namespaces;

    fn echo(kind: u8) -> [u8; 8] {
        // Checksum of type 8 and all else zero; ICMPv6's is filled in by the kernel.
        if kind == kind::REQUEST { [8, 0, 0xf7, 0xff, 0, 0, 0, 0] } else { [kind, 0, 0, 0, 0, 0, 0, 0] }
    }

    #[test]
    fn a_request_to_loopback_is_answered_in_both_families() {
        if !can_make_namespaces() {
            return;
        }
        let netns = NetNs::create().unwrap();
        let answers = netns.run(|| {
            let up = Request::SetLink { index: 1, change: LinkChange::up() };
            NetlinkSocket::open().unwrap().batch(&[up]).unwrap();
            let ask = |v6: bool, ask: u8, answer: u8, to: IpAddr| {
                let socket = IcmpSocket::open(v6, &[answer]).unwrap();
                socket.send(&echo(ask), to).unwrap();
                let mut buffer = [0; 256];
                // Over loopback the reply is there before the send returns.
                socket.receive(&mut buffer).map(|message| (message.from, message.bytes[0]))
            };
            let v4 = ask(false, kind::REQUEST, kind::REPLY, Ipv4Addr::LOCALHOST.into());
            let v6 = ask(true, kind::REQUEST_V6, kind::REPLY_V6, Ipv6Addr::LOCALHOST.into());
            (v4, v6)
        });
        let (v4, v6) = answers.unwrap();
        assert_eq!(v4, Ok((Ipv4Addr::LOCALHOST.into(), kind::REPLY)));
        assert_eq!(v6, Ok((Ipv6Addr::LOCALHOST.into(), kind::REPLY_V6)));
    }
}
