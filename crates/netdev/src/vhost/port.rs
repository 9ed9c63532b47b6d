//! The port itself.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use netloom_datapath::{Budget, Flushed, Frame, HEADROOM, OffloadCaps, Port, Received, Refused};
use netloom_packet::{Offload, VNET_HDR};
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::EventFd;
use netloom_sys::fd_stream::FdListener;
use netloom_sys::{Errno, HostError, clock};
use netloom_vhost::net::{Given, Load, Room, Taken, take_front};
use netloom_vhost::ring::Chain;
use netloom_vhost::{Backend, Broken, feature};

use super::announce;
use super::body::{TAKEN, body_of, lend};
use super::connection::Connection;
use super::rings::Rings;
use super::status::GuestStatus;
use crate::scratch::with_buffer;

/// A port whose device is a virtual machine's card, over a socket at which the machine calls.
#[derive(Debug)]
pub struct VhostPort {
    listener: FdListener,
    connection: Option<Connection>,
    backend: Backend,
    rings: Rings,
    chain: Chain,
    room: Room,
    status: Arc<GuestStatus>,
    /// The pair of rings that is read first.
    first: usize,
    /// Makes us ready though no guest has called; signalled while `awake`.
    again: EventFd,
    awake: bool,
    /// When several frames were last read at once: it is looked for more for a while, without a call for each.
    flood: Option<u64>,
}

impl VhostPort {
    /// Waits at `path` for a machine whose card has up to that many pairs of queues (1 to 64). The `bell` is rung when
    /// [`Self::status`] has changed.
    ///
    /// # Errors
    /// As [`FdListener::bind`]; no descriptor left.
    pub fn listen(path: &Path, pairs: u8, bell: Option<Arc<EventFd>>) -> Result<Self, HostError> {
        let listener = FdListener::bind(path)?;
        let epoll = Epoll::new(EVENTS)?;
        let again = EventFd::new()?;
        epoll.add(&listener, LISTENER, Interest::Read)?;
        epoll.add(&again, AGAIN, Interest::Read)?;
        let status = Arc::new(GuestStatus::new(bell)?);
        epoll.add(&status.hold().bell, HELD, Interest::Read)?;
        Ok(Self {
            listener,
            connection: None,
            backend: Backend::new(pairs, feature::OFFERED),
            rings: Rings::new(pairs, epoll),
            chain: Chain::default(),
            room: Room::default(),
            status,
            first: 0,
            again,
            awake: false,
            flood: None,
        })
    }

    /// What is told of the machine, from any thread.
    #[must_use]
    pub fn status(&self) -> Arc<GuestStatus> {
        Arc::clone(&self.status)
    }

    /// Whether a machine is there.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
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
                AGAIN => {}
                HELD => drop(self.status.hold().bell.clear()),
                LISTENER => self.accept(),
                CONNECTION => self.converse(),
                ring => self.rings.clear_kick(usize::try_from(ring).unwrap_or(usize::MAX)),
            }
        }
    }

    /// Takes a caller, if the line is free; a second one is hung up on.
    fn accept(&mut self) {
        let Ok(stream) = self.listener.accept() else { return };
        // One that calls again after it died calls before its end was heard of.
        self.converse();
        if self.connection.is_some() {
            return;
        }
        let connection = Connection::new(stream);
        match self.rings.epoll().add(&connection, CONNECTION, Interest::Read) {
            Ok(()) => {
                self.connection = Some(connection);
                self.status.called();
                self.rings.changed = true;
                self.converse();
            }
            Err(error) => tracing::warn!(%error, "a virtual machine's call is not taken"),
        }
    }

    /// Tells how things are now, if they may be otherwise than before.
    fn tell(&mut self) {
        if std::mem::take(&mut self.rings.changed) {
            let (pairs, features) = (self.rings.serving, self.backend.features());
            self.status.hold().set_served(pairs > 0);
            self.status.update(self.connection.is_some(), pairs, self.backend.mtu(), features);
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
        self.rings.changed = true;
    }

    /// Hands out the frames of one ring. True if there may be more.
    fn drain(
        &mut self,
        index: usize,
        budget: Budget,
        reading: &mut Reading,
        sink: &mut dyn FnMut(&mut Frame<'_>),
    ) -> bool {
        let outcome: Result<bool, Broken> = with_buffer(|buffer| {
            loop {
                let Some(ring) = self.rings.rings.get_mut(index) else { return Ok(false) };
                let Some(queue) = &mut ring.queue else { return Ok(false) };
                if reading.looked >= budget.packets || reading.bytes >= budget.bytes {
                    return Ok(true);
                }
                let (guest, copied) = (&self.rings.guest, &self.status.copied);
                let most = buffer.len().saturating_sub(TAKEN.start);
                let front = buffer.get_mut(TAKEN).unwrap_or_default();
                let taken = take_front(queue, guest, &mut self.chain, front, most)?;
                if taken == Taken::Nothing {
                    return Ok(false);
                }
                reading.looked += 1;
                ring.pending = true;
                let Taken::Frame(length) = taken else {
                    reading.malformed += 1;
                    continue;
                };
                // Frames of a ring that is not enabled are thrown away.
                if !ring.enabled {
                    continue;
                }
                let body = body_of(guest, &self.chain, length, buffer, copied)?;
                match lend(buffer, length, body.as_ref()) {
                    Some(mut frame) => {
                        let bytes = u32::try_from(frame.len()).unwrap_or(u32::MAX);
                        reading.bytes = reading.bytes.saturating_add(bytes);
                        reading.packets += 1;
                        self.status.count_out(&frame.offload);
                        sink(&mut frame);
                    }
                    None => reading.malformed += 1,
                }
            }
        });
        let outcome = outcome.and_then(|more| self.rings.publish(index).map(|()| more));
        outcome.unwrap_or_else(|why| {
            self.rings.give_up(index, why);
            reading.malformed += 1;
            false
        })
    }

    /// Lets the switch see where a guest is that has moved here.
    fn announce(&mut self, reading: &mut Reading, sink: &mut dyn FnMut(&mut Frame<'_>)) {
        let Some(address) = self.rings.announce.take() else { return };
        let mut buffer = [0; HEADROOM + announce::LENGTH];
        if let Some(frame) = buffer.get_mut(HEADROOM..) {
            announce::reverse_arp(frame, address);
        }
        let range = HEADROOM..buffer.len();
        if let Some(mut frame) = Frame::new(&mut buffer, range, Offload::PLAIN) {
            reading.packets += 1;
            sink(&mut frame);
        }
    }

    /// Gives the guest what was kept for it, and says for it where it is; whether some is left.
    fn deliver(&mut self, reading: &mut Reading, sink: &mut dyn FnMut(&mut Frame<'_>)) -> bool {
        let hold = Arc::clone(self.status.hold());
        if self.rings.serving == 0 || !hold.is_keeping() {
            return false;
        }
        for mut announced in hold.take_announced() {
            let mut buffer = vec![0; HEADROOM];
            buffer.append(&mut announced);
            let range = HEADROOM..buffer.len();
            if let Some(mut frame) = Frame::new(&mut buffer, range, Offload::PLAIN) {
                reading.packets += 1;
                sink(&mut frame);
            }
        }
        let mut left = false;
        while let Some(mut kept) = hold.next() {
            let offload = kept.first_chunk::<VNET_HDR>().and_then(|header| Offload::parse(header).ok());
            let range = VNET_HDR..kept.len();
            let Some(mut frame) = offload.and_then(|offload| Frame::new(&mut kept, range, offload)) else {
                reading.malformed += 1;
                continue;
            };
            if self.give(&mut frame) == Err(Refused::Full) {
                hold.put_back(kept);
                left = true;
                break;
            }
        }
        self.flush();
        left
    }

    /// Decides whether to look again at once, or to have the guest call.
    fn rest(&mut self, reading: &Reading, more: bool) {
        let mut awake = more;
        if reading.packets > 1 {
            self.flood = Some(clock::now());
            awake = true;
        } else if let Some(last) = self.flood {
            awake |= clock::now().saturating_sub(last) < LINGER_NS;
        }
        if !awake {
            self.flood = None;
            awake = self.rings.arm();
        }
        if awake != self.awake {
            self.awake = awake;
            if awake {
                self.again.signal();
            } else {
                self.again.clear();
            }
        }
    }

    /// Copies a frame into the guest's buffers.
    fn give(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let Some(index) = self.ring_for(frame.front()) else {
            return Err(Refused::Error(Errno::NOTCONN.raw_os_error()));
        };
        let mergeable = self.rings.features & feature::MRG_RXBUF != 0;
        let Some(ring) = self.rings.rings.get_mut(index) else { return Err(Refused::Full) };
        let Some(queue) = &mut ring.queue else { return Err(Refused::Full) };
        let mut header = [0; VNET_HDR];
        frame.offload.emit(&mut header);
        let (pieces, length) = frame.body().map_or((&[][..], 0), |(body, length)| (body.pieces(), length));
        let load = Load { front: frame.front(), pieces, length };
        match self.room.give(queue, &self.rings.guest, &header, &load, mergeable) {
            Ok(given) => {
                ring.pending |= given != Given::Full;
                match given {
                    Given::Whole => {
                        self.status.copied.count_in(load.front.len(), length);
                        self.status.count_in(&frame.offload);
                        Ok(())
                    }
                    Given::Full => Err(Refused::Full),
                    Given::TooLong => Err(Refused::Error(Errno::MSGSIZE.raw_os_error())),
                }
            }
            Err(why) => {
                self.rings.give_up(index, why);
                self.tell();
                Err(Refused::Error(Errno::IO.raw_os_error()))
            }
        }
    }

    /// The ring to the guest that a frame goes to: frames of one pair of addresses stay in order.
    fn ring_for(&self, frame: &[u8]) -> Option<usize> {
        let count = self.rings.serving;
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

/// What one call of [`Port::receive`] has come to so far.
#[derive(Debug, Default)]
struct Reading {
    packets: u32,
    malformed: u32,
    bytes: u32,
    /// Chains taken, whatever was in them.
    looked: u32,
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
        let mut reading = Reading::default();
        self.announce(&mut reading, sink);
        let waiting = self.deliver(&mut reading, sink);
        let pairs = self.rings.rings.len() / 2;
        let (mut more, first) = (waiting, self.first);
        for pair in (first..pairs).chain(0..first) {
            if self.drain(2 * pair + 1, budget, &mut reading, sink) {
                // The others first, next time.
                self.first = (pair + 1) % pairs;
                more = true;
                break;
            }
        }
        self.rest(&reading, more);
        self.tell();
        Received { packets: reading.packets, malformed: reading.malformed, more, ..Received::default() }
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let hold = self.status.hold();
        // What came before goes first.
        if hold.is_keeping() && (self.rings.serving == 0 || !hold.is_empty()) {
            hold.keep_frame(frame);
            return Ok(());
        }
        self.give(frame)
    }

    fn flush(&mut self) -> Flushed {
        for index in (0..self.rings.rings.len()).step_by(2) {
            if let Err(why) = self.rings.publish(index) {
                self.rings.give_up(index, why);
                self.tell();
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
            uso: csum && agreed(feature::GUEST_USO4) && agreed(feature::GUEST_USO6),
        }
    }

    fn takes_bodies(&self) -> bool {
        true
    }
}

/// What the epoll set calls the listener, the connection, our own call and that of who holds frames; rings are called by their number.
const LISTENER: u64 = u64::MAX;
const CONNECTION: u64 = u64::MAX - 1;
const AGAIN: u64 = u64::MAX - 2;
const HELD: u64 = u64::MAX - 3;
/// So long after a flood guests need not call.
const LINGER_NS: u64 = 20_000;
/// Events taken in one look; the rest is there at the next.
const EVENTS: usize = 16;
