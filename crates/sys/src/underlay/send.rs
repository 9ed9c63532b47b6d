//! Sending packets in batches.

#![expect(unsafe_code, reason = "sendmmsg has no safe form")]

use std::net::IpAddr;
use std::os::fd::AsRawFd;

use rustix::io::Errno;

use super::control::{Control, Writer};
use super::socket::{BATCH, OwnHeader, UnderlaySocket};
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
        // Of a socket that is handed IP headers they begin with one.
        let mut controls = [Control::EMPTY; BATCH];
        let mut parts = [[EMPTY; 2]; BATCH];
        let mut messages = [MESSAGE; BATCH];
        let slots = names.iter_mut().zip(&mut controls).zip(&mut parts).zip(&mut messages);
        let mut count = 0;
        for (packet, (((name, control), parts), message)) in packets.into_iter().zip(slots) {
            let length = self.address(&packet, name).ok_or(Errno::INVAL)?;
            let bytes = libc::iovec {
                iov_base: packet.bytes.as_ptr().cast_mut().cast(),
                iov_len: packet.bytes.len(),
            };
            message.msg_hdr.msg_name = name.as_mut_ptr().cast();
            message.msg_hdr.msg_namelen = length;
            if let Some(own) = &self.own {
                let header = own.emit(&packet, control).ok_or(Errno::INVAL)?;
                *parts = [libc::iovec { iov_base: header.as_mut_ptr().cast(), iov_len: header.len() }, bytes];
                message.msg_hdr.msg_iovlen = 2;
            } else {
                message.msg_hdr.msg_controllen = self.control(&packet, control);
                message.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
                *parts = [bytes, EMPTY];
                message.msg_hdr.msg_iovlen = 1;
            }
            message.msg_hdr.msg_iov = parts.as_mut_ptr();
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        loop {
            // SAFETY: `count` messages point to names, parts and controls that outlive the call, and the parts to controls and
            // the packets' bytes, which do too; sendmmsg writes to none of them but the messages' own lengths.
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

    /// What is said beside a packet; returns the bytes of it.
    fn control(&self, packet: &Outgoing<'_>, control: &mut Control) -> usize {
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
        writer.length
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

impl OwnHeader {
    /// Writes the IPv4 header of a packet that must not be fragmented into memory that is free; `None` if it is one of IPv6.
    ///
    /// 20 bytes. Length, checksum, an id of 0 and a source of 0.0.0.0 are filled in by the kernel: raw(7).
    fn emit<'c>(self, packet: &Outgoing<'_>, room: &'c mut Control) -> Option<&'c mut [u8; IPV4]> {
        let header = room.0.first_chunk_mut::<IPV4>()?;
        let IpAddr::V4(to) = packet.to else { return None };
        let from = match packet.from {
            Some(IpAddr::V4(from)) => from.octets(),
            _ => [0; 4],
        };
        let ttl = if packet.ttl > 0 { packet.ttl } else { self.ttl };
        let ([a, b, c, d], [e, f, g, h]) = (from, to.octets());
        let (version, df) = (0x45, 0x40);
        *header = [version, packet.tos, 0, 0, 0, 0, df, 0, ttl, self.protocol, 0, 0, a, b, c, d, e, f, g, h];
        Some(header)
    }
}

/// Bytes of an IPv4 header without options.
const IPV4: usize = 20;
/// Bytes of the longer socket address.
const NAME: usize = 28;
const EMPTY: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
// SAFETY: mmsghdr is numbers and pointers; all zero means "nothing".
const MESSAGE: libc::mmsghdr = unsafe { std::mem::zeroed() };
