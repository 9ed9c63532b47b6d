//! Sending packets in batches.

#![expect(unsafe_code, reason = "sendmmsg has no safe form")]

use std::net::IpAddr;
use std::os::fd::AsRawFd;

use rustix::io::Errno;

use super::control::{Control, Writer};
use super::socket::{BATCH, UnderlaySocket};
use crate::sockopt::last_errno;

/// A packet, or a train of datagrams in one piece, on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// To whom; of the socket's family.
    pub to: IpAddr,
    /// To which UDP port.
    pub port: u16,
    /// From which address of the machine; `None`: the kernel chooses by route.
    pub from: Option<IpAddr>,
    /// DSCP and ECN of the outer header.
    pub tos: u8,
    /// TTL or hop limit; 0: the machine's default.
    pub ttl: u8,
    /// Bytes of each datagram but the last; 0: it is one.
    pub segment: u16,
    /// Everything behind UDP, or behind IP.
    pub bytes: &'a [u8],
}

impl UnderlaySocket {
    /// Sends packets, [`BATCH`] at most; returns how many the kernel took before the first it did not.
    ///
    /// # Errors
    /// Why it took none: `EAGAIN`, `ENOBUFS` when the queue is full; `EMSGSIZE` when it is too long and must not be
    /// fragmented; `ENETUNREACH`, `EHOSTUNREACH` without a route; `EINVAL` for an address of the other family.
    pub fn send<'a>(&self, packets: impl IntoIterator<Item = Outgoing<'a>>) -> Result<usize, Errno> {
        let mut names = [[0_u8; NAME]; BATCH];
        let mut controls = [Control::EMPTY; BATCH];
        let mut parts = [EMPTY; BATCH];
        let mut messages = [MESSAGE; BATCH];
        let slots = names.iter_mut().zip(&mut controls).zip(&mut parts).zip(&mut messages);
        let mut count = 0;
        for (packet, (((name, control), part), message)) in packets.into_iter().zip(slots) {
            let length = self.address(&packet, name).ok_or(Errno::INVAL)?;
            let mut writer = Writer::new(control);
            writer.tos(self.v6, packet.tos);
            if packet.ttl > 0 {
                writer.ttl(self.v6, packet.ttl);
            }
            if let Some(from) = packet.from.filter(|from| from.is_ipv6() == self.v6) {
                writer.source(from);
            }
            if packet.segment > 0 {
                writer.segment(packet.segment);
            }
            let control_length = writer.length;
            *part = libc::iovec {
                iov_base: packet.bytes.as_ptr().cast_mut().cast(),
                iov_len: packet.bytes.len(),
            };
            message.msg_hdr.msg_name = name.as_mut_ptr().cast();
            message.msg_hdr.msg_namelen = length;
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = control_length;
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        loop {
            // SAFETY: `count` messages point to names, parts and controls that outlive the call, and the parts to the packets'
            // bytes, which do too; sendmmsg writes to none of them but the messages' own lengths.
            let sent = unsafe {
                libc::sendmmsg(self.fd.as_raw_fd(), messages.as_mut_ptr(), count, libc::MSG_DONTWAIT)
            };
            match usize::try_from(sent) {
                Ok(sent) => return Ok(sent),
                Err(_) => match last_errno() {
                    Errno::INTR => {}
                    errno => return Err(errno),
                },
            }
        }
    }

    /// sockaddr_in: family u16, port u16 big-endian, address; sockaddr_in6: family, port, flow u32, address, scope u32.
    fn address(&self, packet: &Outgoing<'_>, out: &mut [u8; NAME]) -> Option<libc::socklen_t> {
        let port = if self.is_udp { packet.port } else { 0 };
        let [high, low] = port.to_be_bytes();
        let (family, length) = match packet.to {
            IpAddr::V4(to) if !self.v6 => {
                out.get_mut(4..8)?.copy_from_slice(&to.octets());
                (2_u16, 16)
            }
            IpAddr::V6(to) if self.v6 => {
                out.get_mut(8..24)?.copy_from_slice(&to.octets());
                (10_u16, 28)
            }
            _ => return None,
        };
        let [a, b] = family.to_ne_bytes();
        *out.first_chunk_mut()? = [a, b, high, low];
        Some(length)
    }
}

/// Bytes of the longer socket address.
const NAME: usize = 28;
const EMPTY: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
// SAFETY: mmsghdr is numbers and pointers; all zero means "nothing".
const MESSAGE: libc::mmsghdr = unsafe { std::mem::zeroed() };
