//! Finished Ethernet frames handed to interfaces, as super-packets: what the kernel cuts only where a link cannot take it
//! whole. Nothing is received.
//!
//! Source: packet(7), `PACKET_VNET_HDR`; Linux `net/packet/af_packet.c` (`packet_snd`).

#![expect(unsafe_code, reason = "sendmsg to a link-layer address has no safe form")]

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::{Because, HostError};
use crate::sockopt::{last_errno, set_int};

/// Bytes of a virtio-net header as this socket takes it.
pub const INJECTED_HEADER: usize = 10;

/// See the module. It belongs to the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Injector {
    fd: OwnedFd,
}

impl Injector {
    /// Opens a non-blocking socket.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`; no fd left.
    pub fn open() -> Result<Self, HostError> {
        let object = || "a packet socket";
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Protocol 0: it receives nothing.
        let fd = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)
            .because("open", object)?;
        set_int(&fd, libc::SOL_PACKET, PACKET_VNET_HDR, 1).because("ask for offload metadata at", object)?;
        if rustix::net::sockopt::set_socket_send_buffer_size_force(&fd, BUFFER).is_err() {
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(&fd, BUFFER);
        }
        Ok(Self { fd })
    }

    /// Sends one frame by the interface `index`: a virtio-net header, then the frame in two parts, with Ethernet
    /// protocol `protocol`.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOBUFS` when a queue is full; `EINVAL` for a header that contradicts the frame; `ENETDOWN`, `ENXIO`.
    pub fn send(
        &self,
        index: u32,
        protocol: u16,
        header: &[u8; INJECTED_HEADER],
        parts: [&[u8]; 2],
    ) -> Result<(), Errno> {
        // SAFETY: sockaddr_ll is plain numbers; all zero is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = AF_PACKET;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = i32::try_from(index).map_err(|_| Errno::NODEV)?;
        address.sll_halen = 6;
        let [head, body] = parts;
        let mut iov = [header, head, body]
            .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
        // SAFETY: msghdr is numbers and pointers; all zero means "nothing".
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = (&raw mut address).cast();
        message.msg_namelen =
            libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(|_| Errno::INVAL)?;
        message.msg_iov = iov.as_mut_ptr();
        message.msg_iovlen = iov.len();
        loop {
            // SAFETY: the message points to an address and to parts that point to slices, all of which outlive the call;
            // sendmsg writes to none of them.
            let sent = unsafe { libc::sendmsg(self.fd.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT) };
            if sent >= 0 {
                return Ok(());
            }
            match last_errno() {
                Errno::INTR => {}
                errno => return Err(errno),
            }
        }
    }
}

const AF_PACKET: u16 = 17;
const PACKET_VNET_HDR: libc::c_int = 15;
/// Bytes that may be on their way out.
const BUFFER: usize = 8 << 20;
