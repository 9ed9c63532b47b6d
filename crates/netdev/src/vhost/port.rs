//! The port itself.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use netloom_datapath::{Budget, Flushed, Frame, OffloadCaps, Port, Received, Refused};
use netloom_packet::VNET_HDR;
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::fd_stream::FdListener;
use netloom_sys::packet_socket::FRONT;
use netloom_sys::{Errno, HostError};
use netloom_vhost::net::{Given, Room, Taken, take};
use netloom_vhost::ring::Chain;
use netloom_vhost::{Backend, feature};

use super::connection::Connection;
use super::rings::Rings;
use crate::scratch::{lend, with_buffer};

/// A port whose device is a virtual machine's card, over a socket at which the machine calls.
#[derive(Debug)]
pub struct VhostPort {
    listener: FdListener,
    connection: Option<Connection>,
    backend: Backend,
    rings: Rings,
    chain: Chain,
    room: Room,
}

impl VhostPort {
    /// Waits at `path` for a machine whose card has up to that many pairs of queues (1 to 64).
    ///
    /// # Errors
    /// As [`FdListener::bind`]; no descriptor left.
    pub fn listen(path: &Path, pairs: u8) -> Result<Self, HostError> {
        let listener = FdListener::bind(path)?;
        let epoll = Epoll::new(EVENTS)?;
        epoll.add(&listener, LISTENER, Interest::Read)?;
        Ok(Self {
            listener,
            connection: None,
            backend: Backend::new(pairs, feature::OFFERED),
            rings: Rings::new(pairs, epoll),
            chain: Chain::default(),
            room: Room::default(),
        })
    }

    /// Whether a machine is there.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// The address of a machine that has moved here, once: the network is to be told.
    pub fn take_announcement(&mut self) -> Option<[u8; 6]> {
        self.rings.announce.take()
    }

    /// Whatever happened since the last look: callers, messages, wake-up calls.
    fn attend(&mut self) {
        let mut ready = [0_u64; EVENTS];
        let mut count = 0;
        let outcome = self.rings.epoll().wait(Some(0), |event| {
            if let Some(place) = ready.get_mut(count) {
                *place = event.token;
                count += 1;
            }
        });
        if let Err(error) = outcome {
            tracing::warn!(%error, "a virtual machine's socket cannot be waited for");
        }
        for token in ready.iter().take(count) {
            match *token {
                LISTENER => self.accept(),
                CONNECTION => self.converse(),
                ring => self.rings.clear_kick(usize::try_from(ring).unwrap_or(usize::MAX)),
            }
        }
    }

    /// Takes a caller, if the line is free; a second one is hung up on.
    fn accept(&mut self) {
        let Ok(stream) = self.listener.accept() else { return };
        if self.connection.is_some() {
            return;
        }
        let connection = Connection::new(stream);
        match self.rings.epoll().add(&connection, CONNECTION, Interest::Read) {
            Ok(()) => {
                self.connection = Some(connection);
                self.converse();
            }
            Err(error) => tracing::warn!(%error, "a virtual machine's call is not taken"),
        }
    }

    /// Answers the messages that have come.
    fn converse(&mut self) {
        while let Some(connection) = &mut self.connection {
            let incoming = match connection.next() {
                Ok(Some(incoming)) => incoming,
                Ok(None) => return,
                Err(_) => return self.hang_up(),
            };
            let reply =
                self.backend.handle(&incoming.header, incoming.payload, incoming.fds, &mut self.rings);
            let answered = match reply {
                Ok(None) => true,
                Ok(Some(reply)) => connection.send(&reply).is_ok(),
                Err(violation) => {
                    tracing::warn!(%violation, "a virtual machine's session has ended");
                    false
                }
            };
            if !answered {
                return self.hang_up();
            }
        }
    }

    fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = self.rings.epoll().remove(&connection);
        }
        self.backend.end(&mut self.rings);
        self.rings.guest.clear();
    }

    /// Hands out the frames of one ring. True if there may be more.
    fn drain(
        &mut self,
        index: usize,
        budget: Budget,
        received: &mut Received,
        bytes: &mut u32,
        sink: &mut dyn FnMut(&mut Frame<'_>),
    ) -> bool {
        let outcome = with_buffer(|buffer| {
            loop {
                let Some(ring) = self.rings.rings.get_mut(index) else { return Ok(false) };
                let Some(queue) = &mut ring.queue else { return Ok(false) };
                if received.packets + received.malformed >= budget.packets || *bytes >= budget.bytes {
                    return Ok(true);
                }
                let room = buffer.get_mut(FRONT - VNET_HDR..).unwrap_or_default();
                let taken = take(queue, &self.rings.guest, &mut self.chain, room)?;
                let length = match taken {
                    Taken::Nothing => return queue.wait(&self.rings.guest),
                    Taken::Malformed => None,
                    Taken::Frame(length) => Some(length),
                };
                ring.pending = true;
                let frame = length.and_then(|length| lend(buffer, length));
                match frame {
                    // Frames of a ring that is not enabled are thrown away.
                    Some(_) if !ring.enabled => {}
                    Some(mut frame) => {
                        *bytes = bytes.saturating_add(u32::try_from(frame.len()).unwrap_or(u32::MAX));
                        received.packets += 1;
                        sink(&mut frame);
                    }
                    None => received.malformed += 1,
                }
            }
        });
        let outcome = outcome.and_then(|more| self.rings.publish(index).map(|()| more));
        outcome.unwrap_or_else(|why| {
            self.rings.give_up(index, why);
            received.malformed += 1;
            false
        })
    }

    /// The ring to the guest that a frame goes to: frames of one pair of addresses stay in order.
    fn ring_for(&self, frame: &[u8]) -> Option<usize> {
        let serves =
            |ring: usize| self.rings.rings.get(ring).is_some_and(|ring| ring.enabled && ring.queue.is_some());
        let count = (0..self.rings.rings.len()).step_by(2).take_while(|ring| serves(*ring)).count();
        if count <= 1 {
            return (count == 1).then_some(0);
        }
        // FNV-1a over the addresses and ports of an untagged IPv4 packet, or what is in their place.
        let bytes = frame.get(26..38).unwrap_or(frame);
        let hash = bytes
            .iter()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        Some(2 * (usize::try_from(hash).unwrap_or(0) % count))
    }
}

impl AsFd for VhostPort {
    /// Ready when there is anything to do: to be waited for, level-triggered.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rings.as_fd()
    }
}

impl Port for VhostPort {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        self.attend();
        let mut received = Received::default();
        let mut bytes = 0;
        for index in (1..self.rings.rings.len()).step_by(2) {
            received.more |= self.drain(index, budget, &mut received, &mut bytes, sink);
        }
        received
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let Some(index) = self.ring_for(frame.data()) else {
            return Err(Refused::Error(Errno::NOTCONN.raw_os_error()));
        };
        let mergeable = self.rings.features & feature::MRG_RXBUF != 0;
        let Some(ring) = self.rings.rings.get_mut(index) else { return Err(Refused::Full) };
        let Some(queue) = &mut ring.queue else { return Err(Refused::Full) };
        let mut header = [0; VNET_HDR];
        frame.offload.emit(&mut header);
        match self.room.give(queue, &self.rings.guest, &header, frame.data(), mergeable) {
            Ok(given) => {
                ring.pending |= given != Given::Full;
                match given {
                    Given::Whole => Ok(()),
                    Given::Full => Err(Refused::Full),
                    Given::TooLong => Err(Refused::Error(Errno::MSGSIZE.raw_os_error())),
                }
            }
            Err(why) => {
                self.rings.give_up(index, why);
                Err(Refused::Error(Errno::IO.raw_os_error()))
            }
        }
    }

    fn flush(&mut self) -> Flushed {
        for index in (0..self.rings.rings.len()).step_by(2) {
            if let Err(why) = self.rings.publish(index) {
                self.rings.give_up(index, why);
            }
        }
        Flushed::default()
    }

    fn offloads(&self) -> OffloadCaps {
        let agreed = |feature| self.rings.features & feature != 0;
        let csum = agreed(feature::GUEST_CSUM);
        OffloadCaps {
            csum,
            tso4: csum && agreed(feature::GUEST_TSO4),
            tso6: csum && agreed(feature::GUEST_TSO6),
            uso: false,
        }
    }
}

/// What the epoll set calls the listener, and the connection; rings are called by their number.
const LISTENER: u64 = u64::MAX;
const CONNECTION: u64 = u64::MAX - 1;
/// Events taken in one look; the rest is there at the next.
const EVENTS: usize = 16;
