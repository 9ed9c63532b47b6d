//! The packet socket driver: an existing interface as a port, frames in batches.

use std::os::fd::{AsFd, BorrowedFd};

use netloom_datapath::{Budget, Flushed, Frame, OffloadCaps, Port, Received, Refused};
use netloom_packet::{Offload, VNET_HDR};
use netloom_sys::Errno;
use netloom_sys::packet_socket::{BATCH, FRONT, PacketFrame, PacketSocket, VlanTag};

use crate::refused;
use crate::scratch::with_batch;

/// A port whose device is an interface that was there before, or one end of a pair.
#[derive(Debug)]
pub struct PacketPort {
    socket: PacketSocket,
    /// Frames to be sent by the next flush, each behind its header, one after the other.
    gathered: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// What the device refused of frames gathered earlier, to be told at the next flush.
    late: Flushed,
}

impl PacketPort {
    /// Drives `socket`.
    #[must_use]
    pub fn new(socket: PacketSocket) -> Self {
        Self { socket, gathered: Vec::new(), ends: Vec::new(), late: Flushed::default() }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &PacketSocket {
        &self.socket
    }

    /// Sends what is gathered. A frame the device does not take is given up, and those behind it are tried all the same.
    fn send_gathered(&mut self) {
        let mut next = 0;
        while next < self.ends.len() {
            let frames = (next..self.ends.len()).filter_map(|n| {
                let start = n.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
                self.gathered.get(start..*self.ends.get(n)?)
            });
            match self.socket.send(frames) {
                Ok(sent) if sent > 0 => next += sent,
                Ok(_) => break,
                Err(errno) => {
                    match refused(errno) {
                        Refused::Full => self.late.full += 1,
                        Refused::Error(_) | Refused::Packet(_) => self.late.failed += 1,
                    }
                    next += 1;
                }
            }
        }
        self.gathered.clear();
        self.ends.clear();
    }

    fn gather(&mut self, header: &[u8; VNET_HDR], data: &[u8]) {
        self.gathered.extend_from_slice(header);
        self.gathered.extend_from_slice(data);
        self.ends.push(self.gathered.len());
    }
}

impl AsFd for PacketPort {
    /// The device, to wait for it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Port for PacketPort {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        with_batch(|batch| {
            let mut received = Received::default();
            let mut bytes = 0_u32;
            loop {
                let read = received.packets + received.malformed;
                let room = budget.packets.saturating_sub(read).min(chunk(budget.bytes.saturating_sub(bytes)));
                if room == 0 {
                    received.more = true;
                    return received;
                }
                let count = match self.socket.receive(batch, room as usize) {
                    Ok(count) => count,
                    Err(Errno::AGAIN) => return received,
                    // The interface is down for now; the socket works again when it is up.
                    Err(Errno::NETDOWN) => return received,
                    Err(errno) => return Received { error: Some(errno.raw_os_error()), ..received },
                };
                for n in 0..count {
                    match batch.frame(n).and_then(lend) {
                        Some(mut frame) => {
                            bytes = bytes.saturating_add(u32::try_from(frame.len()).unwrap_or(u32::MAX));
                            sink(&mut frame);
                            received.packets += 1;
                        }
                        None => received.malformed += 1,
                    }
                }
                if count < room as usize {
                    return received;
                }
            }
        })
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let mut header = [0; VNET_HDR];
        frame.offload.emit(&mut header);
        if self.ends.len() == BATCH || frame.len() > SMALL {
            self.send_gathered();
        }
        if frame.len() > SMALL {
            return self.socket.send_one(&header, frame.data()).map_err(refused);
        }
        self.gather(&header, frame.data());
        Ok(())
    }

    fn flush(&mut self) -> Flushed {
        self.send_gathered();
        std::mem::take(&mut self.late)
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::ALL
    }
}

/// How many frames to ask for when `bytes` are left of a budget: so few that even super-packets overrun it only once.
fn chunk(bytes: u32) -> u32 {
    bytes.div_ceil(4_096).min(32)
}

/// The received frame, its tag put back; none if it was cut or its metadata makes no sense.
fn lend(received: PacketFrame<'_>) -> Option<Frame<'_>> {
    let PacketFrame { buffer, length, truncated, tag } = received;
    if truncated {
        return None;
    }
    let header = buffer.get(FRONT - VNET_HDR..)?.first_chunk()?;
    let mut offload = Offload::parse(header).ok()?;
    let mut start = FRONT;
    if let Some(tag) = tag {
        start = insert(buffer, length, tag)?;
        offload = offload.shifted(4);
    }
    Frame::new(buffer, start..FRONT + length, offload)
}

/// Writes `tag` behind the addresses, which move to the front; returns where the frame begins now.
fn insert(buffer: &mut [u8], length: usize, tag: VlanTag) -> Option<usize> {
    if length < ADDRESSES {
        return None;
    }
    let start = FRONT - 4;
    let front = buffer.get_mut(start..FRONT + ADDRESSES)?;
    front.copy_within(4.., 0);
    let [a, b] = tag.protocol.to_be_bytes();
    let [c, d] = tag.control.to_be_bytes();
    *front.last_chunk_mut()? = [a, b, c, d];
    Some(start)
}

/// Bytes of the two Ethernet addresses.
const ADDRESSES: usize = 12;
/// Frames up to this many bytes are copied into a batch; for longer ones the copy would cost more than the call.
const SMALL: usize = 2_048;

#[cfg(test)]
mod tests {
    use netloom_packet::Csum;

    use super::*;

    fn received(buffer: &mut [u8], tag: Option<VlanTag>) -> PacketFrame<'_> {
        PacketFrame { buffer, length: 60, truncated: false, tag }
    }

    #[test]
    fn the_tag_is_put_back_and_the_checksum_moves_along() {
        let mut buffer = vec![0; FRONT + 128];
        buffer[FRONT - VNET_HDR..FRONT].copy_from_slice(&[1, 0, 42, 0, 0, 0, 34, 0, 6, 0, 0, 0]);
        buffer[FRONT..FRONT + 14].copy_from_slice(b"ddddddssssss\x08\x00");
        let tag = VlanTag { protocol: 0x8100, control: 0x2005 };
        let frame = lend(received(&mut buffer, Some(tag))).unwrap();
        assert_eq!(&frame.data()[..18], b"ddddddssssss\x81\x00\x20\x05\x08\x00");
        assert_eq!(frame.len(), 64);
        assert_eq!(frame.offload.csum, Csum::Partial { start: 38, offset: 6 });
        assert_eq!(frame.offload.hdr_len, 46);
    }

    #[test]
    fn without_a_tag_nothing_moves() {
        let mut buffer = vec![0; FRONT + 128];
        buffer[FRONT] = 9;
        let frame = lend(received(&mut buffer, None)).unwrap();
        assert_eq!((frame.headroom(), frame.len(), frame.data()[0]), (FRONT, 60, 9));
    }

    #[test]
    fn cut_short_and_senseless_frames_are_malformed() {
        let mut buffer = vec![0; FRONT + 128];
        let tag = Some(VlanTag { protocol: 0x8100, control: 1 });
        assert!(lend(PacketFrame { truncated: true, ..received(&mut buffer, None) }).is_none());
        assert!(lend(PacketFrame { length: 11, ..received(&mut buffer, tag) }).is_none());
        assert!(lend(PacketFrame { length: 129, ..received(&mut buffer, None) }).is_none());
        buffer[FRONT - VNET_HDR + 1] = 3;
        assert!(lend(received(&mut buffer, None)).is_none());
    }

    #[test]
    fn a_nearly_spent_budget_asks_for_few() {
        assert_eq!([0, 1, 4_096, 4_097, 1 << 17, u32::MAX].map(chunk), [0, 1, 1, 2, 32, 32]);
    }
}
