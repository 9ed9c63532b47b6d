//! A packet socket that sees every frame of a namespace's interfaces, for probes that must know what arrived.
//!
//! Not for forwarding: one system call a frame, no offload metadata. See the packet socket for that.

#![expect(unsafe_code, reason = "socket(2), bind(2) and sendto(2) for AF_PACKET")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::error::{Because, HostError};
use crate::sockopt::{last_errno, set_int};

/// A packet socket of the namespace of the thread that opened it; non-blocking, usable from any thread.
#[derive(Debug)]
pub struct Sniffer {
    fd: OwnedFd,
}

impl Sniffer {
    /// Opens a socket that hears every frame that the namespace's interfaces receive (not what it sends itself).
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW` in the namespace's user namespace, or no fd left.
    pub fn open() -> Result<Self, HostError> {
        let fd = packet_socket(ALL)?;
        set_int(&fd, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1).because("configure", || SOCKET)?;
        let _ = set_int(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 4 << 20);
        Ok(Self { fd })
    }

    /// Opens a socket that only sends: it hears nothing, and costs the namespace's traffic nothing.
    ///
    /// # Errors
    /// As [`Sniffer::open`].
    pub fn deaf() -> Result<Self, HostError> {
        packet_socket(0).map(|fd| Self { fd })
    }

    /// Frames that were to be heard and were not, for want of room in the socket, since the last call.
    ///
    /// # Errors
    /// Not met in practice.
    pub fn missed(&self) -> Result<u32, Errno> {
        let mut statistics = [0_u32; 2]; // struct tpacket_stats: all, and those of them that were dropped
        let mut size = libc::socklen_t::try_from(size_of_val(&statistics)).map_err(|_| Errno::INVAL)?;
        // SAFETY: `statistics` is writable for `size` bytes, and the kernel writes at most that many.
        let got = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                statistics.as_mut_ptr().cast(),
                &raw mut size,
            )
        };
        if got < 0 { Err(last_errno()) } else { Ok(statistics[1]) }
    }

    /// Takes the next frame, cut to `buffer`: Ethernet first. Super-packets come whole, checksums may be unfinished.
    ///
    /// # Errors
    /// `EAGAIN` when there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::net::recv(&self.fd, buffer, RecvFlags::empty()).map(|(bytes, _)| bytes)
    }

    /// Sends a whole Ethernet frame out of the interface with `index`.
    ///
    /// # Errors
    /// `ENETDOWN`, `ENXIO`, `ENOBUFS`, `EMSGSIZE`.
    pub fn send(&self, index: u32, frame: &[u8]) -> Result<(), Errno> {
        let to = libc::sockaddr_ll {
            sll_family: FAMILY,
            sll_protocol: 0,
            sll_ifindex: i32::try_from(index).map_err(|_| Errno::NXIO)?,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: [0; 8],
        };
        let size = libc::socklen_t::try_from(size_of_val(&to)).map_err(|_| Errno::INVAL)?;
        // SAFETY: `frame` is readable for its length, `to` is a sockaddr_ll of `size` bytes; both outlive the call.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const to).cast(),
                size,
            )
        };
        if sent < 0 { Err(last_errno()) } else { Ok(()) }
    }
}

impl AsFd for Sniffer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn packet_socket(protocol: u16) -> Result<OwnedFd, HostError> {
    let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket(2) takes integers only.
    let raw = unsafe { libc::socket(libc::AF_PACKET, flags, i32::from(protocol.to_be())) };
    if raw < 0 {
        return Err(last_errno()).because("open", || SOCKET);
    }
    // SAFETY: `raw` was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// What is opened, for errors.
const SOCKET: &str = "a packet socket";
/// `AF_PACKET`, in the width of a socket address.
const FAMILY: libc::sa_family_t = 17;
/// `ETH_P_ALL`: frames of every type.
const ALL: u16 = 0x0003;
/// Linux 4.20; `linux/if_packet.h`.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{LinkChange, Netlink as _, NetlinkSocket, NewLink, Request};
    use crate::netns::NetNs;
    use crate::testing::can_make_namespaces;

    #[test]
    fn a_frame_sent_at_one_end_of_a_pair_is_seen_at_the_other() {
        if !can_make_namespaces() {
            return;
        }
        let seen = NetNs::create().unwrap().run(|| {
            let mut netlink = NetlinkSocket::open().unwrap();
            let end = |name: &str| NewLink { name: name.into(), ..NewLink::default() };
            netlink.batch(&[Request::AddVeth { end: end("a"), peer: end("b") }]).unwrap();
            let [index, other] = ["a", "b"].map(|name| netlink.index_of(name).unwrap());
            // Only when both exist can they be raised.
            netlink
                .batch(&[index, other].map(|index| Request::SetLink { index, change: LinkChange::up() }))
                .unwrap();
            let sniffer = Sniffer::open().unwrap();
            let sender = Sniffer::deaf().unwrap();
            let mut frame = [0x5a; 60];
            frame[..14].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
            let mut buffer = [0; 128];
            // The kernel takes a moment to activate a new pair, and its own IPv6 chatter may come first.
            (0..100_000).any(|_| {
                let _ = sender.send(index, &frame);
                matches!(sniffer.receive(&mut buffer), Ok(60) if buffer[..60] == frame)
            })
        });
        assert!(seen.unwrap());
    }

    #[test]
    fn what_did_not_fit_is_counted() {
        if !can_make_namespaces() {
            return;
        }
        let missed = NetNs::create().unwrap().run(|| {
            let up = Request::SetLink { index: 1, change: LinkChange::up() };
            NetlinkSocket::open().unwrap().batch(&[up]).unwrap();
            let (sniffer, sender) = (Sniffer::open().unwrap(), Sniffer::deaf().unwrap());
            assert_eq!(sniffer.missed(), Ok(0));
            let frame = [0x5a; 1_500];
            (0..10_000).for_each(|_| {
                let _ = sender.send(1, &frame);
            });
            sniffer.missed()
        });
        assert!(missed.unwrap().unwrap() > 0, "15 MB do not fit into 4 MB");
    }
}
