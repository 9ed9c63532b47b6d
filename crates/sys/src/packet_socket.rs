//! Packet sockets: all Ethernet frames of an existing interface, with their offload metadata.
//!
//! For interfaces that are there already, and for users to whom /dev/net/tun is closed. Frames move in batches, each
//! behind a virtio-net header as on a TAP. The kernel takes an outer VLAN tag out of the frame and hands it over beside
//! it; the reader has to put it back.
//!
//! Source: packet(7); Linux `include/uapi/linux/if_packet.h`, `net/packet/af_packet.c`.

#![expect(unsafe_code, reason = "recvmmsg and sendmmsg have no safe form that reuses buffers")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use crate::error::{Because, HostError};
use crate::sockopt::{last_errno, set_bytes, set_int};

/// The most frames one call moves.
pub const BATCH: usize = 32;

/// Bytes in front of every received frame: the virtio-net header in its last 12, and room for headers to grow.
pub const FRONT: usize = 140;

/// Bytes of one receive buffer: [`FRONT`], the largest super-packet (65,550) and a VLAN tag.
pub const SLOT: usize = 66_048;

const VNET_HEADER: usize = 12;

/// How a socket treats what is sent and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketOptions {
    /// Bytes of frames that may wait to be read; the kernel may grant less.
    pub receive_buffer: usize,
    /// Bytes of frames that may be on their way out.
    pub send_buffer: usize,
    /// Do not show what this machine sends by the interface.
    pub ignore_outgoing: bool,
    /// Hand frames to the device without its queueing discipline.
    pub bypass_qdisc: bool,
}

impl Default for PacketOptions {
    fn default() -> Self {
        Self { receive_buffer: 4 << 20, send_buffer: 4 << 20, ignore_outgoing: true, bypass_qdisc: true }
    }
}

/// A socket on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    /// 12, or 10 before Linux 6.5.
    header: usize,
}

impl PacketSocket {
    /// Opens a non-blocking socket on the interface `index` of the calling thread's network namespace.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW` there; `ENODEV`; no fd left.
    pub fn open(index: u32, options: PacketOptions) -> Result<Self, HostError> {
        let object = || format!("on the interface with index {index}");
        // Protocol 0 until everything is set: a socket for all protocols would at once receive from all interfaces.
        let fd = rustix::net::socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .because("open a packet socket", object)?;
        let mut socket = Self { fd, header: VNET_HEADER };
        if socket.set(PACKET_VNET_HDR_SZ, 12).is_err() {
            socket.set(PACKET_VNET_HDR, 1).because("ask for offload metadata", object)?;
            socket.header = 10;
        }
        socket.set(PACKET_AUXDATA, 1).because("ask for VLAN tags", object)?;
        if options.ignore_outgoing {
            socket.set(PACKET_IGNORE_OUTGOING, 1).because("leave out sent frames", object)?;
        }
        if options.bypass_qdisc {
            // Only a matter of speed.
            let _ = socket.set(PACKET_QDISC_BYPASS, 1);
        }
        socket.set_buffers(options);
        socket.bind(index).because("bind a packet socket", object)?;
        Ok(socket)
    }

    /// Has the interface receive frames for any address, as long as this socket is open.
    ///
    /// # Errors
    /// `ENODEV` when it is gone.
    pub fn promiscuous(&self, index: u32) -> Result<(), HostError> {
        // struct packet_mreq: index i32, type u16, length of an address u16, address.
        let mut request = [0_u8; 16];
        let (front, kind) = request.split_at_mut(4);
        front.copy_from_slice(&index.to_ne_bytes());
        if let Some(kind) = kind.first_chunk_mut() {
            *kind = PACKET_MR_PROMISC.to_ne_bytes();
        }
        set_bytes(&self.fd, libc::SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request)
            .because("make promiscuous the interface with index", || index.to_string())
    }

    /// Receives up to `max` frames into `batch`; returns how many.
    ///
    /// # Errors
    /// `EAGAIN` when there is none; `ENETDOWN` once when the interface went down; `ENXIO`, `ENODEV` when it is gone.
    pub fn receive(&self, batch: &mut ReceiveBatch, max: usize) -> Result<usize, Errno> {
        batch.fill(self.fd.as_fd(), self.header, max.min(BATCH))
    }

    /// Sends frames, each with its 12-byte virtio-net header directly in front of it; returns how many the kernel took
    /// before the first it did not.
    ///
    /// # Errors
    /// Why it took none: `EAGAIN`, `ENOBUFS` when the queue is full, `EMSGSIZE` for a frame longer than the interface allows,
    /// `EINVAL` for a header that contradicts the frame, `ENETDOWN`.
    pub fn send<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> Result<usize, Errno> {
        let mut parts = [[EMPTY; 2]; BATCH];
        let mut messages = [MESSAGE; BATCH];
        let mut count = 0;
        for ((frame, part), message) in frames.into_iter().zip(&mut parts).zip(&mut messages) {
            let (header, data) = frame.split_at_checked(VNET_HEADER).ok_or(Errno::INVAL)?;
            // The shorter header is the same without its last field.
            let header = header.get(..self.header).unwrap_or(header);
            *part = [of(header), of(data)];
            message.msg_hdr.msg_iov = part.as_mut_ptr();
            message.msg_hdr.msg_iovlen = part.len();
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        loop {
            // SAFETY: `count` messages point to parts that point to slices, all of which outlive the call; sendmmsg does not
            // write to the frames.
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

    /// Sends one frame, its virtio-net header apart.
    ///
    /// # Errors
    /// As [`PacketSocket::send`].
    pub fn send_one(&self, header: &[u8; VNET_HEADER], frame: &[u8]) -> Result<(), Errno> {
        let header = header.get(..self.header).unwrap_or(header);
        loop {
            let parts = [std::io::IoSlice::new(header), std::io::IoSlice::new(frame)];
            match rustix::net::sendmsg(&self.fd, &parts, &mut Default::default(), SendFlags::DONTWAIT) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Frames the kernel dropped since the last call because they were not read in time.
    ///
    /// # Errors
    /// Not met in practice.
    pub fn dropped(&self) -> Result<u32, HostError> {
        let mut statistics = [0_u32; 2];
        let mut length: libc::socklen_t = 8;
        // SAFETY: PACKET_STATISTICS writes two u32, for which `statistics` has room; `length` says so.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                PACKET_STATISTICS,
                statistics.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result != 0 {
            return Err(HostError::new("read the statistics of", "a packet socket", last_errno()));
        }
        Ok(statistics[1])
    }

    fn set(&self, name: libc::c_int, value: i32) -> Result<(), Errno> {
        set_int(&self.fd, libc::SOL_PACKET, name, value)
    }

    /// As much as is asked for with `CAP_NET_ADMIN` in the first user namespace, else as much as the machine allows all.
    fn set_buffers(&self, options: PacketOptions) {
        use rustix::net::sockopt;
        if sockopt::set_socket_recv_buffer_size_force(&self.fd, options.receive_buffer).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(&self.fd, options.receive_buffer);
        }
        if sockopt::set_socket_send_buffer_size_force(&self.fd, options.send_buffer).is_err() {
            let _ = sockopt::set_socket_send_buffer_size(&self.fd, options.send_buffer);
        }
    }

    fn bind(&self, index: u32) -> Result<(), Errno> {
        // SAFETY: sockaddr_ll is plain numbers; all zero is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = AF_PACKET;
        address.sll_protocol = ETH_P_ALL.to_be();
        address.sll_ifindex = i32::try_from(index).map_err(|_| Errno::NODEV)?;
        let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(|_| Errno::INVAL)?;
        // SAFETY: `address` is a sockaddr_ll of `length` bytes and outlives the call.
        match unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), length) } {
            0 => Ok(()),
            _ => Err(last_errno()),
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Buffers for one batch of received frames; one per thread will do.
pub struct ReceiveBatch {
    /// `BATCH * SLOT` bytes. The kernel backs only what was ever written to.
    memory: Box<[u8]>,
    received: [Slot; BATCH],
}

/// What became of one buffer.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    length: usize,
    truncated: bool,
    tag: Option<VlanTag>,
}

/// A VLAN tag the kernel took out of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanTag {
    /// Tag protocol: 0x8100, 0x88a8.
    pub protocol: u16,
    /// Priority 3 bits, drop eligible 1, number 12.
    pub control: u16,
}

/// A received frame, in the buffer it was received into.
#[derive(Debug)]
pub struct PacketFrame<'a> {
    /// The whole buffer: virtio-net header (12 bytes, ends at [`FRONT`]), then the frame.
    pub buffer: &'a mut [u8],
    /// Bytes of the frame, which begins at [`FRONT`].
    pub length: usize,
    /// It did not fit: `length` bytes of it are here.
    pub truncated: bool,
    /// The tag to put back.
    pub tag: Option<VlanTag>,
}

impl ReceiveBatch {
    /// Reserves the buffers.
    #[must_use]
    pub fn new() -> Self {
        Self { memory: vec![0; BATCH * SLOT].into_boxed_slice(), received: [Slot::default(); BATCH] }
    }

    /// The nth frame of the last [`PacketSocket::receive`].
    pub fn frame(&mut self, n: usize) -> Option<PacketFrame<'_>> {
        let slot = *self.received.get(n)?;
        let buffer = self.memory.get_mut(n * SLOT..(n + 1) * SLOT)?;
        Some(PacketFrame { buffer, length: slot.length, truncated: slot.truncated, tag: slot.tag })
    }

    pub(crate) fn fill(&mut self, fd: BorrowedFd<'_>, header: usize, max: usize) -> Result<usize, Errno> {
        let mut parts = [EMPTY; BATCH];
        let mut messages = [MESSAGE; BATCH];
        let mut controls = [[0_u64; CONTROL / 8]; BATCH];
        let slots = self.memory.chunks_exact_mut(SLOT).zip(&mut parts).zip(&mut controls).zip(&mut messages);
        let mut count: libc::c_uint = 0;
        for (((slot, part), control), message) in slots.take(max) {
            let room = slot.get_mut(FRONT - header..).unwrap_or_default();
            *part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = control.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = CONTROL;
            count += 1;
        }
        let received = loop {
            // SAFETY: `count` messages point to parts and controls that outlive the call; the parts point to disjoint slots of
            // `self.memory`, which is borrowed exclusively.
            let received = unsafe {
                libc::recvmmsg(
                    fd.as_raw_fd(),
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
        let filled =
            self.received.iter_mut().zip(&messages).zip(&controls).zip(self.memory.chunks_exact_mut(SLOT));
        for (((slot, message), control), memory) in filled.take(received) {
            let length = (message.msg_len as usize).saturating_sub(header);
            let flags = message.msg_hdr.msg_flags;
            *slot = Slot {
                length,
                truncated: flags & libc::MSG_TRUNC != 0,
                tag: tag_of(control, message.msg_hdr.msg_controllen),
            };
            if header < VNET_HEADER
                && let Some(front) = memory.get_mut(FRONT - header - (VNET_HEADER - header)..FRONT)
            {
                // The shorter header ends where the frame begins: move it to where the longer one would begin.
                front.copy_within(VNET_HEADER - header.., 0);
                front.iter_mut().skip(header).for_each(|byte| *byte = 0);
            }
        }
        Ok(received)
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ReceiveBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiveBatch").field("bytes", &self.memory.len()).finish_non_exhaustive()
    }
}

/// The tag in the auxiliary data, if the kernel says there is one.
///
/// cmsghdr: length u64, level i32, type i32; tpacket_auxdata: status, len, snaplen u32, mac, net, tci, tpid u16.
fn tag_of(control: &[u64; CONTROL / 8], length: usize) -> Option<VlanTag> {
    let mut bytes = [0_u8; CONTROL];
    for (to, from) in bytes.chunks_exact_mut(8).zip(control) {
        to.copy_from_slice(&from.to_ne_bytes());
    }
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let expected = length >= 36 && word(8)? == SOL_PACKET && word(12)? == PACKET_AUXDATA_TYPE;
    if !expected || word(16)? & TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let protocol = if word(16)? & TP_STATUS_VLAN_TPID_VALID == 0 { 0x8100 } else { half(34)? };
    Some(VlanTag { protocol, control: half(32)? })
}

/// A part that is only read.
fn of(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

const EMPTY: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
// SAFETY: mmsghdr is numbers and pointers; all zero means "nothing".
const MESSAGE: libc::mmsghdr = unsafe { std::mem::zeroed() };
/// Bytes for one control message: header 16, auxiliary data 20, padding.
const CONTROL: usize = 64;
const AF_PACKET: u16 = 17;
const ETH_P_ALL: u16 = 0x0003;
const SOL_PACKET: u32 = 263;
const PACKET_ADD_MEMBERSHIP: libc::c_int = 1;
const PACKET_MR_PROMISC: u16 = 1;
const PACKET_STATISTICS: libc::c_int = 6;
const PACKET_AUXDATA: libc::c_int = 8;
const PACKET_AUXDATA_TYPE: u32 = 8;
const PACKET_VNET_HDR: libc::c_int = 15;
const PACKET_QDISC_BYPASS: libc::c_int = 20;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
const PACKET_VNET_HDR_SZ: libc::c_int = 24;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{LinkChange, Netlink, NetlinkSocket, NewLink, Request};
    use crate::netns::NetNs;
    use crate::testing::can_make_namespaces;

    /// A veth pair, 7 and 8, in one namespace, and a socket on each.
    fn pair() -> (NetNs, PacketSocket, PacketSocket) {
        let ns = NetNs::create().unwrap();
        let with = LinkChange { no_ipv6_autoconf: true, ..LinkChange::up() };
        let end = NewLink { name: "a".into(), index: Some(7), with: with.clone(), ..NewLink::default() };
        let peer = NewLink { name: "b".into(), index: Some(8), ..NewLink::default() };
        let (a, b) = ns
            .run(|| {
                let batch = [Request::AddVeth { end, peer }, Request::SetLink { index: 8, change: with }];
                NetlinkSocket::open().unwrap().batch(&batch).unwrap();
                let open = |index| PacketSocket::open(index, PacketOptions::default()).unwrap();
                (open(7), open(8))
            })
            .unwrap();
        (ns, a, b)
    }

    fn frame(tag: Option<VlanTag>, marker: u8) -> Vec<u8> {
        let mut bytes = vec![0; VNET_HEADER];
        bytes.extend([0xff; 6]);
        bytes.extend([2, 0, 0, 0, 0, 1]);
        if let Some(tag) = tag {
            bytes.extend(tag.protocol.to_be_bytes());
            bytes.extend(tag.control.to_be_bytes());
        }
        bytes.extend([0x88, 0xb5]);
        bytes.extend([marker; 46]);
        bytes
    }

    #[test]
    fn a_batch_arrives_in_order_and_tags_come_beside_it() {
        if !can_make_namespaces() {
            return;
        }
        let (_ns, a, b) = pair();
        let tag = VlanTag { protocol: 0x88a8, control: 0x6123 };
        let frames: Vec<_> = (0..8).map(|n| frame((n == 5).then_some(tag), n)).collect();
        assert_eq!(a.send(frames.iter().map(Vec::as_slice)).unwrap(), 8);
        let mut batch = ReceiveBatch::new();
        assert_eq!(b.receive(&mut batch, BATCH).unwrap(), 8);
        for n in 0..8_u8 {
            let got = batch.frame(usize::from(n)).unwrap();
            assert_eq!((got.length, got.truncated), (60, false));
            assert_eq!(got.tag, (n == 5).then_some(tag));
            assert_eq!(got.buffer[FRONT..FRONT + 60], frame(None, n)[VNET_HEADER..]);
        }
        assert_eq!(b.receive(&mut batch, BATCH), Err(Errno::AGAIN), "nothing twice");
        assert_eq!(a.receive(&mut batch, BATCH), Err(Errno::AGAIN), "nothing of one's own");
    }

    #[test]
    fn the_short_header_of_older_kernels() {
        if !can_make_namespaces() {
            return;
        }
        let (_ns, mut a, mut b) = pair();
        for socket in [&mut a, &mut b] {
            socket.set(PACKET_VNET_HDR_SZ, 0).or_else(|_| socket.set(PACKET_VNET_HDR, 0)).unwrap();
            socket.set(PACKET_VNET_HDR, 1).unwrap();
            socket.header = 10;
        }
        // A checksum left undone: the header must arrive where a reader of the long one looks for it.
        let mut sent = frame(None, 7);
        sent[0] = 1;
        sent[6..8].copy_from_slice(&34_u16.to_le_bytes());
        sent[8..10].copy_from_slice(&6_u16.to_le_bytes());
        assert_eq!(a.send([sent.as_slice()]).unwrap(), 1);
        let mut batch = ReceiveBatch::new();
        assert_eq!(b.receive(&mut batch, 1).unwrap(), 1);
        let got = batch.frame(0).unwrap();
        let header = &got.buffer[FRONT - VNET_HEADER..FRONT];
        assert_eq!((header[0], &header[6..12]), (1, &[34, 0, 6, 0, 0, 0][..]));
        assert_eq!(got.buffer[FRONT..FRONT + 60], sent[VNET_HEADER..]);
    }

    #[test]
    fn what_is_too_short_or_too_long_is_refused() {
        if !can_make_namespaces() {
            return;
        }
        let (_ns, a, _b) = pair();
        assert_eq!(a.send([&[0; 11][..]]), Err(Errno::INVAL));
        assert_eq!(a.send([vec![0; VNET_HEADER + 4000].as_slice()]), Err(Errno::MSGSIZE));
        assert_eq!(a.send([]), Ok(0));
    }

    #[test]
    fn a_shielded_interface_still_feeds_its_socket() {
        if !can_make_namespaces() {
            return;
        }
        let (ns, a, b) = pair();
        let received = || {
            let text = ns.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap()).unwrap();
            let ip: Vec<_> = text.lines().filter(|line| line.starts_with("Ip:")).collect();
            ip[1].split_whitespace().nth(3).unwrap().parse::<u64>().unwrap()
        };
        let mut packet = frame(None, 0);
        packet[VNET_HEADER + 12..VNET_HEADER + 14].copy_from_slice(&[8, 0]);
        a.send([packet.as_slice()]).unwrap();
        let before = received();
        assert!(before > 0, "the stack saw the first one");
        ns.run(|| NetlinkSocket::open().unwrap().batch(&[Request::DropIngress { index: 8 }]).unwrap())
            .unwrap();
        a.send([packet.as_slice()]).unwrap();
        assert_eq!(received(), before, "and not the second");
        assert_eq!(b.receive(&mut ReceiveBatch::new(), BATCH).unwrap(), 2);
        assert_eq!(b.dropped().unwrap(), 0);
    }
}
