//! Probes that take the sender's own routes: through gateways, as its programs would.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use netloom_lab::expect::ProbeKind;
use netloom_sys::icmp::IcmpSocket;
use netloom_sys::{Errno, HostError};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto};

use crate::probe::echo::{self, Token};
use crate::probe::frame::{self, Place};
use crate::probe::station::Station;

/// A sender's sockets, one set per family, opened when they are first needed.
#[derive(Debug, Default)]
pub(super) struct Routed {
    v4: Option<Sockets>,
    v6: Option<Sockets>,
}

#[derive(Debug)]
struct Sockets {
    icmp: IcmpSocket,
    udp: UdpSocket,
    tcp: OwnedFd,
    /// Never sends: connecting it asks the kernel which address of its own it would send from.
    scout: UdpSocket,
}

impl Routed {
    /// Sends one probe. The inner error is the kernel's, of this packet.
    pub(super) fn send(
        &mut self,
        station: &Station,
        kind: ProbeKind,
        token: Token,
        to: IpAddr,
    ) -> Result<Result<(), Errno>, HostError> {
        let slot = if to.is_ipv6() { &mut self.v6 } else { &mut self.v4 };
        let sockets = match slot {
            Some(sockets) => sockets,
            None => slot.insert(station.netns.run(|| Sockets::open(to.is_ipv6()))??),
        };
        Ok(match kind {
            ProbeKind::Icmp => sockets.icmp.send(&echo::request(to.is_ipv6(), token), to),
            ProbeKind::Udp(port) => {
                let sent = sockets.udp.send_to(&token.bytes(), SocketAddr::new(to, port));
                sent.map(drop).map_err(|error| errno(&error))
            }
            ProbeKind::Tcp(port) => sockets.syn(token, to, port),
            ProbeKind::Broadcast => Ok(()),
        })
    }
}

impl Sockets {
    /// In the calling thread's namespace.
    fn open(v6: bool) -> Result<Self, HostError> {
        let any: SocketAddr = if v6 { ([0_u16; 8], 0).into() } else { ([0_u8; 4], 0).into() };
        let udp = || {
            let socket = UdpSocket::bind(any)?;
            socket.set_nonblocking(true).map(|()| socket)
        };
        let refused = |e| HostError::from_io("open", "a UDP socket", &e);
        let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let tcp = rustix::net::socket_with(family, SocketType::RAW, flags, Some(ipproto::TCP));
        Ok(Self {
            icmp: IcmpSocket::open(v6, &[])?,
            udp: udp().map_err(refused)?,
            tcp: tcp.map_err(|errno| HostError::new("open", "a raw TCP socket", errno))?,
            scout: udp().map_err(refused)?,
        })
    }

    /// The first segment of a connection that nobody means to make.
    fn syn(&self, token: Token, to: IpAddr, port: u16) -> Result<(), Errno> {
        self.scout.connect(SocketAddr::new(to, port)).map_err(|error| errno(&error))?;
        let from = self.scout.local_addr().map_err(|error| errno(&error))?.ip();
        let place = |ip| Place { mac: [0; 6], ip };
        let frame = frame::probe(ProbeKind::Tcp(port), token, place(from), place(to)).ok_or(Errno::INVAL)?;
        let l4 = netloom_packet::parse(&frame).map_or(0, |headers| usize::from(headers.l4));
        let segment = frame.get(l4..).ok_or(Errno::INVAL)?;
        rustix::net::sendto(&self.tcp, segment, SendFlags::empty(), &SocketAddr::new(to, 0)).map(drop)
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
