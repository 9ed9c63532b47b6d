//! Opening sockets, and how they are set.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::{Because, HostError};
use crate::sockopt::{set_bytes, set_int};

/// The most packets one call moves.
pub const BATCH: usize = 32;

/// What is spoken over IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// UDP, and the port that is listened at.
    Udp(u16),
    /// Another protocol, by its number; with a port, only packets whose bytes 2 and 3 behind IP are this number.
    Ip(u8, Option<u16>),
}

/// Whether datagrams that are sent have a UDP checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    /// They have.
    On,
    /// They have 0. Such a socket sends no packets in one piece: Linux wants the checksum for it.
    Off,
}

/// A socket of one address family in the namespace of the thread that opened it.
#[derive(Debug)]
pub struct UnderlaySocket {
    pub(super) fd: OwnedFd,
    pub(super) v6: bool,
    pub(super) is_udp: bool,
    /// It is handed packets with their IP header.
    pub(super) own: Option<OwnHeader>,
}

/// What does not change in the IPv4 headers that are handed to a socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnHeader {
    pub(super) protocol: u8,
    /// TTL of packets that are given none.
    pub(super) ttl: u8,
}

impl UnderlaySocket {
    /// Opens a non-blocking socket that receives what is sent to any address of the machine, or to one.
    ///
    /// # Errors
    /// `EADDRINUSE` if a UDP port is taken, by the kernel's own tunnels too; `EPERM` without `CAP_NET_RAW` for other
    /// protocols; `EAFNOSUPPORT` without IPv6; `EADDRNOTAVAIL` for an address that the machine has not; no fd left.
    pub fn listen(protocol: Protocol, v6: bool, local: Option<IpAddr>) -> Result<Self, HostError> {
        let socket = Self::open(protocol, v6)?;
        let object = || socket.describe(protocol);
        for (level, name) in socket.wanted() {
            set_int(&socket.fd, *level, *name, 1).because("ask for the outer header of", object)?;
        }
        match protocol {
            Protocol::Udp(port) => {
                // Without it each datagram comes alone: slower, nothing else.
                let _ = set_int(&socket.fd, SOL_UDP, UDP_GRO, 1);
                let _ = v6.then(|| set_int(&socket.fd, SOL_UDP, UDP_NO_CHECK6_RX, 1));
                let address = SocketAddr::new(local.unwrap_or(any(v6)), port);
                rustix::net::bind(&socket.fd, &address).because("bind", object)?;
            }
            Protocol::Ip(_, port) => {
                if let Some(port) = port {
                    attach(&socket.fd, &filter(v6, port)).because("filter", object)?;
                }
                if let Some(local) = local {
                    rustix::net::bind(&socket.fd, &SocketAddr::new(local, 0)).because("bind", object)?;
                }
            }
        }
        socket.set_buffers();
        Ok(socket)
    }

    /// Opens a socket that only sends: UDP from a port of its own. `do_not_fragment` sets DF, and refuses what is
    /// longer than the way out takes (`EMSGSIZE`).
    ///
    /// # Errors
    /// As [`Self::listen`].
    pub fn sender(
        protocol: Protocol,
        v6: bool,
        do_not_fragment: bool,
        checksum: Checksum,
    ) -> Result<Self, HostError> {
        if let (Protocol::Ip(number, _), false, true) = (protocol, v6, do_not_fragment) {
            return Self::with_own_header(number);
        }
        let socket = Self::open(protocol, v6)?;
        let object = || socket.describe(protocol);
        let discover = if do_not_fragment { PMTUDISC_PROBE } else { PMTUDISC_DONT };
        let (level, name) = if v6 { (SOL_IPV6, IPV6_MTU_DISCOVER) } else { (SOL_IP, IP_MTU_DISCOVER) };
        set_int(&socket.fd, level, name, discover).because("say whether to fragment at", object)?;
        match (protocol, checksum, v6) {
            (Protocol::Udp(_), Checksum::Off, false) => {
                set_int(&socket.fd, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1)
                    .because("leave out checksums of", object)?;
            }
            (Protocol::Udp(_), Checksum::Off, true) => {
                set_int(&socket.fd, SOL_UDP, UDP_NO_CHECK6_TX, 1)
                    .because("leave out checksums of", object)?;
            }
            _ => {}
        }
        if let Protocol::Udp(_) = protocol {
            rustix::net::bind(&socket.fd, &SocketAddr::new(any(v6), 0)).because("bind", object)?;
        }
        // Nobody answers to where it sends from.
        attach(&socket.fd, &[RETURN_NOTHING]).because("filter", object)?;
        socket.set_buffers();
        Ok(socket)
    }

    /// A socket over IPv4 that is handed packets with their header. One of the protocol itself would be handed a copy of every
    /// packet of that protocol that the machine receives, only to throw it away; and this takes less time to send.
    fn with_own_header(protocol: u8) -> Result<Self, HostError> {
        let mut socket = Self::open(Protocol::Ip(IPPROTO_RAW, None), false)?;
        let object = || format!("a socket for IP protocol {protocol}");
        let ttl = rustix::net::sockopt::ip_ttl(&socket.fd).because("ask for the TTL of", object)?;
        socket.own = Some(OwnHeader { protocol, ttl: u8::try_from(ttl).unwrap_or(64) });
        socket.set_buffers();
        Ok(socket)
    }

    fn open(protocol: Protocol, v6: bool) -> Result<Self, HostError> {
        let object = || format!("for {protocol}");
        let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (kind, number) = match protocol {
            Protocol::Udp(_) => (SocketType::DGRAM, None),
            Protocol::Ip(number, _) => (SocketType::RAW, std::num::NonZeroU32::new(number.into())),
        };
        let fd = rustix::net::socket_with(family, kind, flags, number.map(rustix::net::Protocol::from_raw))
            .because("open a socket", object)?;
        let socket = Self { fd, v6, is_udp: matches!(protocol, Protocol::Udp(_)), own: None };
        // Others are of one family anyway.
        if v6 && socket.is_udp {
            set_int(&socket.fd, SOL_IPV6, IPV6_V6ONLY, 1).because("set up a socket", object)?;
        }
        Ok(socket)
    }

    fn describe(&self, protocol: Protocol) -> String {
        format!("a socket for {protocol} over {}", if self.v6 { "IPv6" } else { "IPv4" })
    }

    /// Options that have the outer header told beside each packet. Of IPv4 without UDP it is in front of the packet.
    const fn wanted(&self) -> &'static [(libc::c_int, libc::c_int)] {
        match (self.v6, self.is_udp) {
            (true, _) => {
                &[(SOL_IPV6, IPV6_RECVPKTINFO), (SOL_IPV6, IPV6_RECVTCLASS), (SOL_IPV6, IPV6_RECVHOPLIMIT)]
            }
            (false, true) => &[(SOL_IP, IP_PKTINFO), (SOL_IP, IP_RECVTOS), (SOL_IP, IP_RECVTTL)],
            (false, false) => &[],
        }
    }

    /// As much as is asked for with `CAP_NET_ADMIN`, else as much as the machine allows all.
    fn set_buffers(&self) {
        use rustix::net::sockopt;
        if sockopt::set_socket_recv_buffer_size_force(&self.fd, BUFFER).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(&self.fd, BUFFER);
        }
        if sockopt::set_socket_send_buffer_size_force(&self.fd, BUFFER).is_err() {
            let _ = sockopt::set_socket_send_buffer_size(&self.fd, BUFFER);
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Udp(port) => write!(f, "UDP port {port}"),
            Self::Ip(number, None) => write!(f, "IP protocol {number}"),
            Self::Ip(number, Some(port)) => write!(f, "IP protocol {number} port {port}"),
        }
    }
}

impl AsFd for UnderlaySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Every address of the machine.
pub(super) const fn any(v6: bool) -> IpAddr {
    if v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
}

/// An instruction of classic BPF.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Instruction {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    k: u32,
}

pub(super) const RETURN_NOTHING: Instruction = Instruction { code: 0x06, jump_true: 0, jump_false: 0, k: 0 };
const RETURN_ALL: Instruction = Instruction { code: 0x06, jump_true: 0, jump_false: 0, k: u32::MAX };

/// Passes packets to a port: behind the IP header of IPv4; of IPv6 the socket sees what is behind it.
fn filter(v6: bool, port: u16) -> Vec<Instruction> {
    let load_ip_length = Instruction { code: 0xb1, jump_true: 0, jump_false: 0, k: 0 };
    let load_behind = Instruction { code: 0x48, jump_true: 0, jump_false: 0, k: 2 };
    let load = Instruction { code: 0x28, jump_true: 0, jump_false: 0, k: 2 };
    let equal = Instruction { code: 0x15, jump_true: 0, jump_false: 1, k: port.into() };
    let begin = if v6 { vec![load] } else { vec![load_ip_length, load_behind] };
    [begin, vec![equal, RETURN_ALL, RETURN_NOTHING]].concat()
}

/// Has a socket take only what the program passes.
pub(super) fn attach(fd: impl AsFd, program: &[Instruction]) -> Result<(), rustix::io::Errno> {
    // struct sock_fprog: length u16, padding, pointer.
    let mut bytes = [0_u8; 16];
    let length = u16::try_from(program.len()).map_err(|_| rustix::io::Errno::INVAL)?;
    if let Some(to) = bytes.first_chunk_mut() {
        *to = length.to_ne_bytes();
    }
    if let Some(to) = bytes.last_chunk_mut() {
        *to = (program.as_ptr() as usize).to_ne_bytes();
    }
    // The kernel copies the program during the call.
    set_bytes(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &bytes)
}

/// Bytes that may wait at a socket, either way.
const BUFFER: usize = 8 << 20;

/// The protocol of sockets that are handed IP headers; none is received by them.
const IPPROTO_RAW: u8 = 255;

pub(super) const SOL_IP: libc::c_int = 0;
pub(super) const SOL_UDP: libc::c_int = 17;
pub(super) const SOL_IPV6: libc::c_int = 41;
const IP_PKTINFO: libc::c_int = 8;
const IP_MTU_DISCOVER: libc::c_int = 10;
const IP_RECVTTL: libc::c_int = 12;
const IP_RECVTOS: libc::c_int = 13;
const IPV6_MTU_DISCOVER: libc::c_int = 23;
pub(super) const IPV6_V6ONLY: libc::c_int = 26;
const IPV6_RECVPKTINFO: libc::c_int = 49;
const IPV6_RECVHOPLIMIT: libc::c_int = 51;
const IPV6_RECVTCLASS: libc::c_int = 66;
const PMTUDISC_DONT: i32 = 0;
const PMTUDISC_PROBE: i32 = 3;
const UDP_NO_CHECK6_TX: libc::c_int = 101;
const UDP_NO_CHECK6_RX: libc::c_int = 102;
const UDP_GRO: libc::c_int = 104;
