//! STT frames put together from their pieces.
//!
//! A frame costs its whole length from its first piece on, so what is held is bounded by [`Limits`] however the pieces
//! fall. Where a new frame would be too much, an older one goes: the peer's own oldest, or, at the limit of all, the
//! oldest of the peer that holds most, so that one peer's flood costs the others nothing. A piece that overlaps
//! others with anything but the same bytes ends its frame, as RFC 5722 has it for fragments.
//!
//! It has no clock: `now` comes in, [`Reassembly::deadline`] says when to come again.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::segment::Segment;
use super::wait::Waiting;
use crate::build::Ends;
use crate::tunnel::parse::Underlay;

/// The ends of a tunnel, the sender first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Who sends.
    pub src: IpAddr,
    /// To whom.
    pub dst: IpAddr,
}

impl Peer {
    /// The ends of a packet of the underlay.
    #[must_use]
    pub const fn of(underlay: &Underlay) -> Self {
        match underlay.ends {
            Ends::V4(src, dst) => Self { src: IpAddr::V4(src), dst: IpAddr::V4(dst) },
            Ends::V6(src, dst) => Self { src: IpAddr::V6(src), dst: IpAddr::V6(dst) },
        }
    }
}

/// How much may wait, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one peer's frames.
    pub peer_bytes: usize,
    /// Bytes of all peers' frames.
    pub total_bytes: usize,
    /// How long a frame waits, from its first piece on.
    pub timeout: Duration,
}

impl Default for Limits {
    /// 1 MiB for a peer and 8 MiB for all, 1 s: pieces follow each other within a round trip, if at all.
    fn default() -> Self {
        Self { peer_bytes: 1 << 20, total_bytes: 8 << 20, timeout: Duration::from_secs(1) }
    }
}

/// Why a piece, or what waited, was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// The piece was there already. Its frame goes on waiting.
    Duplicate,
    /// The piece overlaps others and is not the same: the frame is gone.
    Overlap,
    /// The piece has another length of its frame than the first one had: the frame is gone.
    Length,
    /// The frame is in more pieces than honest senders make: it is gone.
    Pieces,
    /// The frame is longer than a peer may have wait.
    TooLong,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "The piece of an STT frame came before",
            Self::Overlap => "A piece of an STT frame contradicts another",
            Self::Length => "Pieces of an STT frame do not agree about its length",
            Self::Pieces => "An STT frame is in too many pieces",
            Self::TooLong => "An STT frame is longer than one may wait",
        })
    }
}

impl std::error::Error for Refused {}

/// What became of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived<'a> {
    /// It was all of its frame: nothing was copied.
    AtOnce(&'a [u8]),
    /// It was the last of its frame.
    Whole(Whole),
    /// More are to come.
    Waiting,
}

/// A frame put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The STT frame, for [`open`](super::open), behind the room that was asked for. May come back by
    /// [`Reassembly::recycle`].
    pub bytes: Vec<u8>,
    /// Congestion was marked on some piece: the outer ECN is CE (RFC 3168 §5.3).
    pub marked: bool,
}

/// Frames dropped since the beginning, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Not all pieces came in time.
    pub timed_out: u64,
    /// Newer frames of the same peer took the place.
    pub peer_full: u64,
    /// Newer frames of any peer took the place.
    pub all_full: u64,
}

/// A frame's name: its tunnel, the sender's port, its id.
type Key = (Peer, u16, u32);

/// All frames that wait for pieces.
#[derive(Debug)]
pub struct Reassembly {
    limits: Limits,
    frames: BTreeMap<Key, Waiting>,
    /// In order of arrival, which is that of deadlines.
    order: BTreeMap<u64, Key>,
    held: BTreeMap<Peer, usize>,
    total: usize,
    next: u64,
    spare: Vec<Vec<u8>>,
    lost: Lost,
    /// Bytes in front of each frame.
    front: usize,
}

/// Most buffers kept for reuse.
const MAX_SPARE: usize = 8;

impl Reassembly {
    /// Nothing waits yet.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self::with_front(limits, 0)
    }

    /// The same with `front` free bytes in front of every frame, for headers to grow.
    #[must_use]
    pub const fn with_front(limits: Limits, front: usize) -> Self {
        Self {
            front,
            limits,
            frames: BTreeMap::new(),
            order: BTreeMap::new(),
            held: BTreeMap::new(),
            total: 0,
            next: 0,
            spare: Vec::new(),
            lost: Lost { timed_out: 0, peer_full: 0, all_full: 0 },
        }
    }

    /// Takes a piece at `now`.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn offer<'a>(&mut self, piece: &Segment<'a>, now: Duration) -> Result<Arrived<'a>, Refused> {
        self.expire(now);
        if piece.is_whole() {
            return Ok(Arrived::AtOnce(piece.bytes));
        }
        let key = (Peer::of(&piece.underlay), piece.underlay.src_port, piece.id);
        if !self.frames.contains_key(&key) {
            self.admit(key, piece.total, now)?;
        }
        let Some(frame) = self.frames.get_mut(&key) else { return Err(Refused::TooLong) };
        match frame.add(piece) {
            Ok(()) if frame.is_whole() => {}
            Ok(()) => return Ok(Arrived::Waiting),
            Err(Refused::Duplicate) => return Err(Refused::Duplicate),
            Err(refused) => {
                self.discard(&key);
                return Err(refused);
            }
        }
        Ok(match self.remove(&key) {
            Some(frame) => Arrived::Whole(Whole { marked: frame.marked, bytes: frame.into_bytes() }),
            None => Arrived::Waiting,
        })
    }

    /// Drops what has waited too long at `now`.
    pub fn expire(&mut self, now: Duration) {
        while let Some(key) = self.order.first_key_value().map(|(_, key)| *key) {
            if self.frames.get(&key).is_some_and(|frame| frame.deadline > now) {
                return;
            }
            self.discard(&key);
            self.lost.timed_out += 1;
        }
    }

    /// When [`Self::expire`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let (_, key) = self.order.first_key_value()?;
        self.frames.get(key).map(|frame| frame.deadline)
    }

    /// Takes a buffer back, to be used again.
    pub fn recycle(&mut self, bytes: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(bytes);
        }
    }

    /// Bytes that frames are charged for: never more than [`Limits::total_bytes`].
    #[must_use]
    pub const fn held(&self) -> usize {
        self.total
    }

    /// Frames that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Frames lost since the beginning.
    #[must_use]
    pub const fn lost(&self) -> Lost {
        self.lost
    }

    /// Makes room for a frame, and lets it wait.
    fn admit(&mut self, key: Key, total: u16, now: Duration) -> Result<(), Refused> {
        let cost = Waiting::cost(total);
        if cost > self.limits.peer_bytes.min(self.limits.total_bytes) {
            return Err(Refused::TooLong);
        }
        let (peer, ..) = key;
        while self.held.get(&peer).copied().unwrap_or(0) + cost > self.limits.peer_bytes {
            if !self.evict(peer) {
                break;
            }
            self.lost.peer_full += 1;
        }
        while self.total + cost > self.limits.total_bytes {
            let most = self.held.iter().rev().max_by_key(|(_, held)| **held).map(|(peer, _)| *peer);
            if !most.is_some_and(|peer| self.evict(peer)) {
                break;
            }
            self.lost.all_full += 1;
        }
        let deadline = now.saturating_add(self.limits.timeout);
        let bytes = self.spare.pop().unwrap_or_default();
        let frame = Waiting::new(bytes, self.front, total, deadline, self.next);
        self.order.insert(self.next, key);
        self.next += 1;
        self.frames.insert(key, frame);
        self.total += cost;
        *self.held.entry(peer).or_default() += cost;
        Ok(())
    }

    /// Drops a peer's oldest frame. `false` if it has none.
    fn evict(&mut self, peer: Peer) -> bool {
        let oldest = self.order.values().find(|(owner, ..)| *owner == peer).copied();
        oldest.map(|key| self.discard(&key)).is_some()
    }

    fn discard(&mut self, key: &Key) {
        if let Some(frame) = self.remove(key) {
            self.recycle(frame.into_bytes());
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Waiting> {
        let frame = self.frames.remove(key)?;
        self.order.remove(&frame.order);
        let cost = u16::try_from(frame.total()).map_or(0, Waiting::cost);
        self.total -= cost;
        let (peer, ..) = key;
        if let Some(held) = self.held.get_mut(peer) {
            *held -= cost;
            if *held == 0 {
                self.held.remove(peer);
            }
        }
        Some(frame)
    }
}
