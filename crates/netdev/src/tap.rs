//! The TAP driver: one system call per frame, header and frame in one piece, nothing copied in between.
//!
//! But datagrams of one UDP flow that go out in the same round are put together, from the second on, and go out as one
//! super-packet, which the kernel takes apart again at the socket: two thirds of what a small datagram costs are the
//! system call and the kernel's way to the socket.

use std::os::fd::{AsFd, BorrowedFd};

use netloom_datapath::{Budget, Flushed, Frame, OffloadCaps, Port, Received, Refused};
use netloom_packet::VNET_HDR;
use netloom_packet::train::Train;
use netloom_sys::Errno;
use netloom_sys::packet_socket::FRONT;
use netloom_sys::tap::Tap;

use crate::refused;
use crate::scratch::{self, lend, with_buffer};

/// A port whose device is a TAP.
#[derive(Debug)]
pub struct TapPort {
    tap: Tap,
    caps: OffloadCaps,
    /// Frames sent since the last flush.
    sent: u32,
    /// Datagrams that wait for the flush.
    train: Option<Train>,
    /// What the device did not take of trains since the last flush.
    lost: Flushed,
}

impl TapPort {
    /// Drives `tap`, which must be non-blocking.
    #[must_use]
    pub fn new(tap: Tap) -> Self {
        // What the kernel hands over it also takes, whatever TUNSETOFFLOAD said: it can always finish a frame itself.
        // Only UDP super-packets are younger than the rest.
        let caps = OffloadCaps { csum: true, tso4: true, tso6: true, uso: tap.offloads().uso() };
        Self { tap, caps, sent: 0, train: None, lost: Flushed::default() }
    }

    /// The device.
    #[must_use]
    pub fn tap(&self) -> &Tap {
        &self.tap
    }
}

impl AsFd for TapPort {
    /// The device, to wait for it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tap.as_fd()
    }
}

impl TapPort {
    /// Whether the frame is taken into the train; if not, the train has left before it.
    fn waits(&mut self, frame: &Frame<'_>) -> bool {
        if self.sent == 0 || !self.caps.uso {
            return false;
        }
        if let Some(train) = &mut self.train {
            if train.append(frame.data(), &frame.offload) {
                return true;
            }
            self.send_train();
        }
        let mut train = scratch::train();
        let starts = train.start(frame.data(), &frame.offload);
        if starts {
            self.train = Some(train);
        } else {
            scratch::give_back(train);
        }
        starts
    }

    fn send_train(&mut self) {
        let Some(mut train) = self.train.take() else { return };
        let datagrams = u32::try_from(train.len()).unwrap_or(u32::MAX);
        let (bytes, offload) = train.finish();
        if let Some(header) = bytes.first_chunk_mut() {
            offload.emit(header);
        }
        match self.write_whole(bytes) {
            Ok(()) => {}
            Err(Refused::Full) => self.lost.full += datagrams,
            Err(Refused::Error(_) | Refused::Packet(_)) => self.lost.failed += datagrams,
        }
        scratch::give_back(train);
    }

    fn write(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let mut header = [0; VNET_HDR];
        frame.offload.emit(&mut header);
        let (buffer, range) = frame.parts_mut();
        let start = range.start.checked_sub(VNET_HDR);
        let Some(whole) = start.and_then(|start| buffer.get_mut(start..range.end)) else {
            let data = buffer.get(range).unwrap_or_default();
            return self.tap.write_parts(&header, data).map(drop).map_err(refused);
        };
        // The headroom may hold headers that another output of the same frame still needs: put back what is overwritten.
        let Some((front, _)) = whole.split_first_chunk_mut::<VNET_HDR>() else { return Ok(()) };
        let kept = std::mem::replace(front, header);
        let result = self.write_whole(whole);
        if let Some(front) = whole.first_chunk_mut() {
            *front = kept;
        }
        result
    }

    /// Writes header and frame.
    fn write_whole(&self, whole: &[u8]) -> Result<(), Refused> {
        loop {
            match self.tap.write(whole) {
                Err(Errno::INTR) => {}
                other => break other.map(drop).map_err(refused),
            }
        }
    }
}

impl Port for TapPort {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        with_buffer(|buffer| {
            let mut received = Received::default();
            let mut bytes = 0;
            while received.packets + received.malformed < budget.packets && bytes < budget.bytes {
                let length = match self.tap.read(buffer.get_mut(FRONT - VNET_HDR..).unwrap_or_default()) {
                    Ok(length) => length,
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => return received,
                    Err(errno) => return Received { error: Some(errno.raw_os_error()), ..received },
                };
                bytes = bytes.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
                match lend(buffer, length) {
                    Some(mut frame) => {
                        sink(&mut frame);
                        received.packets += 1;
                    }
                    None => received.malformed += 1,
                }
                if !budget.exhaust {
                    received.unsure = true;
                    return received;
                }
            }
            received.more = true;
            received
        })
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        if self.waits(frame) {
            return Ok(());
        }
        self.sent += 1;
        self.write(frame)
    }

    fn flush(&mut self) -> Flushed {
        self.sent = 0;
        self.send_train();
        std::mem::take(&mut self.lost)
    }

    fn offloads(&self) -> OffloadCaps {
        self.caps
    }
}
