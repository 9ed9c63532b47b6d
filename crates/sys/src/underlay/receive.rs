//! Receiving packets in batches.

#![expect(unsafe_code, reason = "recvmmsg has no safe form that reuses buffers")]

use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::AsRawFd;

use rustix::io::Errno;

use super::control::{self, CONTROL, Control, Said};
use super::socket::{BATCH, UnderlaySocket};
use crate::sockopt::last_errno;

/// Bytes in front of every received packet, for headers to grow.
pub const FRONT: usize = 192;

/// Bytes of one receive buffer: [`FRONT`] and the longest packet.
pub const SLOT: usize = FRONT + (1 << 16);

/// Buffers for one batch of received packets.
pub struct Datagrams {
    /// `BATCH * SLOT` bytes. The kernel backs only what was ever written to.
    memory: Box<[u8]>,
    received: [Slot; BATCH],
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    length: usize,
    truncated: bool,
    from: Option<(IpAddr, u16)>,
    said: Said,
}

const NOTHING: Slot =
    Slot { length: 0, truncated: false, from: None, said: Said { to: None, tos: 0, ttl: 0, segment: 0 } };

/// A received packet, or a train of datagrams in one piece.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// All that was received up to it: room of [`FRONT`] bytes and more, and the packets before it in the batch, which
    /// it may be joined to.
    pub buffer: &'a mut [u8],
    /// Where it lies there: everything behind UDP, or behind IP.
    pub range: Range<usize>,
    /// Bytes of each datagram but the last; 0: it is one.
    pub segment: usize,
    /// Who sent it.
    pub from: IpAddr,
    /// From which UDP port; 0 for other protocols.
    pub from_port: u16,
    /// To which address of the machine; `None` if the kernel did not say.
    pub to: Option<IpAddr>,
    /// DSCP and ECN of the outer header.
    pub tos: u8,
    /// TTL or hop limit of the outer header.
    pub ttl: u8,
}

impl Datagrams {
    /// Reserves the buffers.
    #[must_use]
    pub fn new() -> Self {
        Self { memory: vec![0; BATCH * SLOT].into_boxed_slice(), received: [NOTHING; BATCH] }
    }

    /// The nth packet of the last [`UnderlaySocket::receive`]; `None` also for one that was cut short.
    pub fn datagram(&mut self, n: usize) -> Option<Datagram<'_>> {
        let slot = *self.received.get(n)?;
        let buffer = self.memory.get_mut(..(n + 1) * SLOT)?;
        let (from, from_port) = slot.from?;
        if slot.truncated {
            return None;
        }
        let Said { to, tos, ttl, segment } = slot.said;
        let start = n * SLOT + FRONT;
        Some(Datagram { buffer, range: start..start + slot.length, segment, from, from_port, to, tos, ttl })
    }

    /// The buffer of the last packet's [`Datagram`], when all were looked at.
    pub fn buffer(&mut self) -> &mut [u8] {
        &mut self.memory
    }
}

impl Default for Datagrams {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Datagrams").field("bytes", &self.memory.len()).finish_non_exhaustive()
    }
}

impl UnderlaySocket {
    /// Receives up to `max` packets into `batch`; returns how many. The IP header in front of packets of IPv4 without
    /// UDP counts as part of them.
    ///
    /// # Errors
    /// `EAGAIN` when there is none; what an earlier packet met on its way (`ECONNREFUSED`).
    pub fn receive(&self, batch: &mut Datagrams, max: usize) -> Result<usize, Errno> {
        let mut names = [[0_u8; 28]; BATCH];
        let mut controls = [Control::EMPTY; BATCH];
        let mut parts = [EMPTY; BATCH];
        let mut messages = [MESSAGE; BATCH];
        let slots = batch.memory.chunks_exact_mut(SLOT).zip(&mut parts);
        let slots = slots.zip(&mut names).zip(&mut controls).zip(&mut messages);
        let mut count: libc::c_uint = 0;
        for ((((slot, part), name), control), message) in slots.take(max) {
            let room = slot.get_mut(FRONT..).unwrap_or_default();
            *part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            message.msg_hdr.msg_name = name.as_mut_ptr().cast();
            message.msg_hdr.msg_namelen = 28;
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = CONTROL;
            count += 1;
        }
        let received = loop {
            // SAFETY: `count` messages point to names, parts and controls that outlive the call; the parts point to disjoint
            // slots of `batch.memory`, which is borrowed exclusively.
            let received = unsafe {
                libc::recvmmsg(
                    self.fd.as_raw_fd(),
                    messages.as_mut_ptr(),
                    count,
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            match usize::try_from(received) {
                Ok(received) => break received,
                Err(_) => match last_errno() {
                    Errno::INTR => {}
                    errno => return Err(errno),
                },
            }
        };
        let filled = batch.received.iter_mut().zip(&messages).zip(&names).zip(&controls);
        for (((slot, message), name), control) in filled.take(received) {
            *slot = Slot {
                length: message.msg_len as usize,
                truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
                from: sender(name),
                said: control::read(control, message.msg_hdr.msg_controllen),
            };
        }
        Ok(received)
    }
}

/// The address in a sockaddr_in or sockaddr_in6.
fn sender(name: &[u8; 28]) -> Option<(IpAddr, u16)> {
    let [a, b, high, low, ..] = *name;
    let port = u16::from_be_bytes([high, low]);
    match u16::from_ne_bytes([a, b]) {
        2 => Some((IpAddr::from(*name.get(4..)?.first_chunk::<4>()?), port)),
        10 => Some((IpAddr::from(*name.get(8..)?.first_chunk::<16>()?), port)),
        _ => None,
    }
}

const EMPTY: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
// SAFETY: mmsghdr is numbers and pointers; all zero means "nothing".
const MESSAGE: libc::mmsghdr = unsafe { std::mem::zeroed() };
