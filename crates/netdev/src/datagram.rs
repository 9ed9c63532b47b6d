//! The datagram driver: a frame a datagram, to a program that has the other end of the pair, such as QEMU.
//!
//! There is no header beside a frame, and so no offload: the datapath finishes super-packets before they come here.

use std::os::fd::{AsFd, BorrowedFd};

use netloom_datapath::{Budget, Flushed, Frame, OffloadCaps, Port, Received, Refused};
use netloom_packet::Offload;
use netloom_sys::Errno;
use netloom_sys::datagram::Datagrams;
use netloom_sys::packet_socket::{BATCH, FRONT, PacketFrame};

use crate::refused;
use crate::scratch::with_batch;

/// A port whose device is one end of a pair of sockets.
#[derive(Debug)]
pub struct DatagramPort {
    socket: Datagrams,
    /// Frames to be sent by the next flush, one after the other.
    gathered: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// What the other end did not take of frames gathered earlier, to be told at the next flush.
    late: Flushed,
}

impl DatagramPort {
    /// Drives `socket`.
    #[must_use]
    pub const fn new(socket: Datagrams) -> Self {
        let late = Flushed { full: 0, failed: 0 };
        Self { socket, gathered: Vec::new(), ends: Vec::new(), late }
    }

    /// Sends what is gathered. What finds no room is given up: frames behind it would find none either.
    fn send_gathered(&mut self) {
        let mut next = 0;
        while next < self.ends.len() {
            let frames = (next..self.ends.len()).filter_map(|n| {
                let start = n.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
                self.gathered.get(start..*self.ends.get(n)?)
            });
            let left = u32::try_from(self.ends.len() - next).unwrap_or(u32::MAX);
            match self.socket.send(frames) {
                Ok(sent) if sent > 0 => next += sent,
                Ok(_) => break,
                Err(errno) => {
                    match refused(errno) {
                        Refused::Full => self.late.full += left,
                        Refused::Error(_) | Refused::Packet(_) => self.late.failed += left,
                    }
                    break;
                }
            }
        }
        self.gathered.clear();
        self.ends.clear();
    }
}

impl AsFd for DatagramPort {
    /// The socket, to wait for it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Port for DatagramPort {
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
        if self.ends.len() == BATCH {
            self.send_gathered();
        }
        self.gathered.extend_from_slice(frame.data());
        self.ends.push(self.gathered.len());
        Ok(())
    }

    fn flush(&mut self) -> Flushed {
        self.send_gathered();
        std::mem::take(&mut self.late)
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::default()
    }
}

/// How many frames to ask for when `bytes` are left of a budget.
fn chunk(bytes: u32) -> u32 {
    bytes.div_ceil(1_500).min(32)
}

/// The received frame; none if it was cut, or is no frame at all.
fn lend(received: PacketFrame<'_>) -> Option<Frame<'_>> {
    let PacketFrame { buffer, length, truncated, .. } = received;
    if truncated || length < ETHERNET {
        return None;
    }
    Frame::new(buffer, FRONT..FRONT + length, Offload::default())
}

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (DatagramPort, Datagrams) {
        let (port, guest) = Datagrams::pair(1 << 20).unwrap();
        (DatagramPort::new(port), guest)
    }

    fn budget() -> Budget {
        Budget { packets: 64, bytes: 1 << 20, exhaust: true }
    }

    #[test]
    fn frames_of_a_guest_come_in_and_what_is_none_is_counted() {
        let (mut port, guest) = pair();
        let frames = [vec![1; 60], vec![2; 13], vec![3; 1_514]];
        assert_eq!(guest.send(frames.iter().map(Vec::as_slice)), Ok(3));
        let mut got = Vec::new();
        let received = port.receive(budget(), &mut |frame| got.push(frame.data().to_vec()));
        assert_eq!((received.packets, received.malformed, received.error), (2, 1, None));
        assert_eq!(got, [frames[0].clone(), frames[2].clone()]);
    }

    #[test]
    fn a_guest_that_does_not_read_costs_counted_drops_and_no_waiting() {
        let (mut port, guest) = pair();
        let mut buffer = vec![7; FRONT + 1_514];
        let mut lost = 0;
        for _ in 0..5_000 {
            let length = buffer.len();
            let mut frame = Frame::new(&mut buffer, FRONT..length, Offload::default()).unwrap();
            port.transmit(&mut frame).unwrap();
            lost += port.flush().full;
        }
        assert!(lost > 0, "some found no room");
        guest.drain();
        drop(guest);
        let length = buffer.len();
        let mut frame = Frame::new(&mut buffer, FRONT..length, Offload::default()).unwrap();
        port.transmit(&mut frame).unwrap();
        assert_eq!(port.flush().failed, 1, "nobody is there");
    }
}
