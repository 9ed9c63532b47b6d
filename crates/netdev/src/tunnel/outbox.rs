//! Tunnel packets that wait for the end of a round, those of one flow and one length in trains.

use std::net::IpAddr;
use std::ops::Range;

use netloom_datapath::{Flushed, Refused};
use netloom_sys::underlay::{BATCH, Outgoing, UnderlaySocket};

use crate::refused;

/// Bytes that may wait.
const ROOM: usize = 256 << 10;
/// Most packets in a train; what every kernel that takes any of them takes (`UDP_MAX_SEGMENTS`).
const MOST: usize = 64;
/// Bytes of a train: what a UDP datagram over IPv4 can have.
const LONGEST: usize = 65_507;

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) to: IpAddr,
    pub(super) from: Option<IpAddr>,
    pub(super) tos: u8,
    pub(super) ttl: u8,
    /// Which of the sending sockets.
    pub(super) lane: usize,
}

/// A packet or train.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) address: Address,
    pub(super) range: Range<usize>,
    /// Bytes of the first packet.
    size: usize,
    pub(super) count: usize,
    closed: bool,
}

/// See the module.
pub(super) struct Outbox {
    bytes: Box<[u8]>,
    used: usize,
    letters: Vec<Letter>,
    /// Whether packets may be put together.
    trains: bool,
}

impl Outbox {
    pub(super) fn new(trains: bool) -> Self {
        Self { bytes: vec![0; ROOM].into_boxed_slice(), used: 0, letters: Vec::new(), trains }
    }

    /// Whether a packet of so many bytes fits in.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len() - self.used >= bytes
    }

    /// Where the next packet is to be written.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.used..).unwrap_or_default()
    }

    /// The first `length` bytes of [`Self::room`] are a packet; one that is to be fragmented goes alone.
    pub(super) fn add(&mut self, address: Address, length: usize, alone: bool) {
        let range = self.used..self.used + length;
        self.used = range.end;
        if let Some(last) = self.letters.last_mut().filter(|_| self.trains)
            && last.address == address
            && !last.closed
            && !alone
            && length <= last.size
            && last.count < MOST
            && last.range.len() + length <= LONGEST
        {
            last.range.end = range.end;
            last.count += 1;
            last.closed = length < last.size;
            return;
        }
        self.letters.push(Letter { address, range, size: length, count: 1, closed: alone });
    }

    pub(super) fn letters(&self) -> &[Letter] {
        &self.letters
    }

    /// A letter as it is sent.
    pub(super) fn outgoing<'a>(&'a self, letter: &Letter, port: u16) -> Outgoing<'a> {
        let Address { to, from, tos, ttl, .. } = letter.address;
        let segment = if letter.count > 1 { u16::try_from(letter.size).unwrap_or(u16::MAX) } else { 0 };
        let bytes = self.bytes.get(letter.range.clone()).unwrap_or_default();
        Outgoing { to, port, from, tos, ttl, segment, bytes }
    }

    pub(super) fn clear(&mut self) {
        self.letters.clear();
        self.used = 0;
    }
}

/// Sends all that waits: trains by one kind of sockets, single packets by another, one of each for every lane. A packet that
/// the kernel does not take is given up, and those behind it are tried all the same.
pub(super) fn post(
    outbox: &Outbox,
    trains: &[UnderlaySocket],
    singles: &[UnderlaySocket],
    port: u16,
) -> Flushed {
    let mut late = Flushed::default();
    let letters = outbox.letters();
    let mut next = 0;
    while let Some(first) = letters.get(next) {
        let same = |letter: &&Letter| {
            letter.address.lane == first.address.lane && (letter.count > 1) == (first.count > 1)
        };
        let run = letters.iter().skip(next).take_while(same).take(BATCH);
        let sockets = if first.count > 1 { trains } else { singles };
        let Some(socket) = sockets.get(first.address.lane) else { break };
        match socket.send(run.map(|letter| outbox.outgoing(letter, port))) {
            Ok(sent) if sent > 0 => next += sent,
            Ok(_) => break,
            Err(errno) => {
                let lost = u32::try_from(first.count).unwrap_or(u32::MAX);
                match refused(errno) {
                    Refused::Full => late.full += lost,
                    _ => late.failed += lost,
                }
                next += 1;
            }
        }
    }
    late
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("used", &self.used).field("letters", &self.letters.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(lane: usize) -> Address {
        Address { to: [192, 0, 2, 2].into(), from: None, tos: 0, ttl: 64, lane }
    }

    fn counts(outbox: &Outbox) -> Vec<usize> {
        outbox.letters().iter().map(|letter| letter.count).collect()
    }

    #[test]
    fn equal_lengths_of_one_flow_go_together_and_a_shorter_one_ends_it() {
        let mut outbox = Outbox::new(true);
        for length in [100, 100, 60, 100, 100] {
            outbox.add(address(0), length, false);
        }
        outbox.add(address(1), 100, false);
        outbox.add(address(1), 101, false);
        assert_eq!(counts(&outbox), [3, 2, 1, 1]);
        let sent = outbox.outgoing(&outbox.letters()[0], 4789);
        assert_eq!((sent.segment, sent.bytes.len()), (100, 260));
        assert_eq!(outbox.outgoing(&outbox.letters()[2], 4789).segment, 0);
        outbox.clear();
        assert!(outbox.letters().is_empty() && outbox.has_room(ROOM));
    }

    #[test]
    fn a_train_is_no_longer_than_a_datagram_can_be() {
        let mut outbox = Outbox::new(true);
        (0..60).for_each(|_| outbox.add(address(0), 1458, false));
        assert_eq!(counts(&outbox), [44, 16]);
        let mut outbox = Outbox::new(true);
        (0..70).for_each(|_| outbox.add(address(0), 60, false));
        assert_eq!(counts(&outbox), [64, 6]);
        let mut single = Outbox::new(false);
        (0..3).for_each(|_| single.add(address(0), 60, false));
        assert_eq!(counts(&single), [1, 1, 1]);
    }
}
