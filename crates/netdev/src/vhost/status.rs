//! What is told of a machine's card to whoever is not its worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netloom_packet::{Gso, Offload};
use netloom_sys::HostError;
use netloom_sys::eventfd::EventFd;
use netloom_vhost::feature;

use super::hold::Hold;

/// The state of a port, and what it has done. Its worker writes, everybody reads.
#[derive(Debug)]
pub struct GuestStatus {
    is_connected: AtomicU64,
    /// Pairs of queues that are served.
    pairs: AtomicU64,
    mtu: AtomicU64,
    features: AtomicU64,
    calls: AtomicU64,
    /// Super-packets from the guest, and to it.
    supers: [AtomicU64; 2],
    /// Rung when one of the above has changed.
    bell: Option<Arc<EventFd>>,
    /// What was copied.
    pub copied: Copied,
    /// What is kept for a guest that moves.
    hold: Arc<Hold>,
}

/// Bytes of frames copied, by where from and where to. A byte that goes from one guest to another is copied once if it is in
/// a frame's body (`across`), twice if it is in its front (`out` and `inward`).
#[derive(Debug, Default)]
pub struct Copied {
    out: AtomicU64,
    inward: AtomicU64,
    across: AtomicU64,
}

impl GuestStatus {
    /// # Errors
    /// No descriptor left.
    pub(super) fn new(bell: Option<Arc<EventFd>>) -> Result<Self, HostError> {
        let zero = AtomicU64::default;
        Ok(Self {
            is_connected: zero(),
            pairs: zero(),
            mtu: zero(),
            features: zero(),
            calls: zero(),
            supers: [zero(), zero()],
            bell,
            copied: Copied::default(),
            hold: Hold::new()?,
        })
    }

    /// What is kept for a guest that moves.
    #[must_use]
    pub fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }

    /// The link is as [`Hold`] has it: whoever looks after the port is to look.
    pub fn ring(&self) {
        if let Some(bell) = &self.bell {
            bell.signal();
        }
    }

    /// Whether a machine is there.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed) > 0
    }

    /// Whether its driver runs: frames go in and out.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.pairs() > 0
    }

    /// Pairs of queues that are served.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.pairs.load(Ordering::Acquire)
    }

    /// How often a machine has called.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The MTU that the machine told, in bytes; 0: none.
    #[must_use]
    pub fn mtu(&self) -> u64 {
        self.mtu.load(Ordering::Relaxed)
    }

    /// The device's features that were agreed on.
    #[must_use]
    pub fn features(&self) -> u64 {
        self.features.load(Ordering::Relaxed)
    }

    /// The features among these that make a difference, by name.
    pub fn agreed(&self) -> impl Iterator<Item = &'static str> {
        let features = self.features();
        NAMES.iter().filter(move |(bit, _)| features & bit != 0).map(|(_, name)| *name)
    }

    /// Super-packets that came from the guest.
    #[must_use]
    pub fn supers_out(&self) -> u64 {
        self.supers[0].load(Ordering::Relaxed)
    }

    /// Super-packets that the guest was given.
    #[must_use]
    pub fn supers_in(&self) -> u64 {
        self.supers[1].load(Ordering::Relaxed)
    }

    /// Counts a frame from the guest if it is a super-packet.
    pub(super) fn count_out(&self, offload: &Offload) {
        add(&self.supers[0], usize::from(offload.gso != Gso::None));
    }

    /// Counts a frame to the guest if it is a super-packet.
    pub(super) fn count_in(&self, offload: &Offload) {
        add(&self.supers[1], usize::from(offload.gso != Gso::None));
    }

    pub(super) fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes down how things are, and says so if they are not as they were.
    pub(super) fn update(&self, is_connected: bool, pairs: usize, mtu: Option<u64>, features: u64) {
        let now = [
            (&self.is_connected, u64::from(is_connected)),
            (&self.mtu, mtu.unwrap_or(0)),
            (&self.features, features),
            (&self.pairs, pairs as u64),
        ];
        // None is skipped: all are to be written.
        let changed = now.map(|(place, value)| place.swap(value, Ordering::Release) != value);
        if changed.contains(&true)
            && let Some(bell) = &self.bell
        {
            bell.signal();
        }
    }
}

impl Copied {
    /// From guests into memory of our own.
    #[must_use]
    pub fn out(&self) -> u64 {
        self.out.load(Ordering::Relaxed)
    }

    /// From memory of our own into guests.
    #[must_use]
    pub fn inward(&self) -> u64 {
        self.inward.load(Ordering::Relaxed)
    }

    /// From another guest into this one.
    #[must_use]
    pub fn across(&self) -> u64 {
        self.across.load(Ordering::Relaxed)
    }

    pub(super) fn count_out(&self, bytes: usize) {
        add(&self.out, bytes);
    }

    pub(super) fn count_in(&self, front: usize, body: usize) {
        add(&self.inward, front);
        if body > 0 {
            add(&self.across, body);
        }
    }
}

/// Features of a card that make a difference, with their names.
const NAMES: [(u64, &str); 8] = [
    (feature::CSUM, "csum"),
    (feature::HOST_TSO4, "tso4"),
    (feature::HOST_TSO6, "tso6"),
    (feature::GUEST_TSO4, "lro4"),
    (feature::GUEST_TSO6, "lro6"),
    (feature::MRG_RXBUF, "mergeable"),
    (feature::INDIRECT_DESC, "indirect"),
    (feature::EVENT_IDX, "event-idx"),
];

/// Only the port's worker counts, so nothing is lost.
fn add(sum: &AtomicU64, bytes: usize) {
    sum.store(sum.load(Ordering::Relaxed).wrapping_add(bytes as u64), Ordering::Relaxed);
}
