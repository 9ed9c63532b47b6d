//! What is known of a sender, a target, a kind of probe and a family.

use std::net::IpAddr;

use netloom_lab::expect::ProbeKind;

use crate::probe::station::Station;

/// One of them, under way.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) kind: ProbeKind,
    pub(super) address: IpAddr,
    pub(super) attempts: Vec<Attempt>,
    /// Why nothing could be sent, or why it is not listened to.
    pub(super) error: Option<String>,
    /// The forwarding node that saw a token last.
    pub(super) seen_at: Option<usize>,
    /// Whether the prober itself listens at the target.
    pub(super) ours: bool,
    /// Others have this address, too: an answer does not say who gave it, only a sighting in the target does.
    pub(super) shared: bool,
    /// An attempt came to an end by an answer or a refusal.
    pub(super) settled: bool,
}

/// One packet or connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempt {
    /// When; `None`: it could not be sent.
    pub(super) sent: Option<u64>,
    /// It was seen inside the target.
    pub(super) arrived: bool,
    /// Nanoseconds there and back.
    pub(super) round_trip: Option<u64>,
    /// Nothing more is to be expected of it.
    pub(super) over: bool,
}

/// One of them, when all is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Sender, as an index into the stations.
    pub(crate) from: usize,
    /// Target.
    pub(crate) to: usize,
    /// With what.
    pub(crate) kind: ProbeKind,
    /// Over IPv6.
    pub(crate) v6: bool,
    /// Packets that left the sender.
    pub(crate) sent: u32,
    /// Packets seen inside the target.
    pub(crate) arrived: u32,
    /// Round trips in nanoseconds, in the order of the packets.
    pub(crate) round_trips: Vec<u64>,
    /// The last forwarding node that saw a packet which did not arrive.
    pub(crate) seen_at: Option<String>,
    /// Why nothing could be sent, or why it was not taken.
    pub(crate) error: Option<String>,
}

impl Entry {
    pub(super) fn new(from: usize, to: usize, kind: ProbeKind, address: IpAddr) -> Self {
        Self {
            from,
            to,
            kind,
            address,
            attempts: Vec::new(),
            error: None,
            seen_at: None,
            ours: false,
            shared: false,
            settled: false,
        }
    }

    pub(super) fn attempt(&mut self, number: u32) -> Option<&mut Attempt> {
        self.attempts.get_mut(usize::try_from(number).ok()?)
    }

    /// What it came to, without the first `skip` attempts.
    pub(super) fn reached(&self, stations: &[Station], skip: usize) -> Reached {
        let counted = || self.attempts.iter().skip(skip);
        let count =
            |which: fn(&&Attempt) -> bool| u32::try_from(counted().filter(which).count()).unwrap_or(u32::MAX);
        let (sent, arrived) = (count(|a| a.sent.is_some()), count(|a| a.arrived));
        let lost = arrived < sent;
        let stranger = arrived == 0 && self.shared && counted().any(|attempt| attempt.round_trip.is_some());
        let stranger = stranger.then(|| "another node that has the address answered".to_owned());
        let seen = self.seen_at.filter(|_| lost).and_then(|at| stations.get(at));
        Reached {
            from: self.from,
            to: self.to,
            kind: self.kind,
            v6: self.address.is_ipv6(),
            sent,
            arrived,
            round_trips: counted()
                .filter(|attempt| attempt.arrived)
                .filter_map(|attempt| attempt.round_trip)
                .collect(),
            seen_at: seen.map(|station| station.name.clone()),
            error: stranger.or_else(|| self.error.clone()).filter(|_| arrived == 0),
        }
    }
}

impl Reached {
    /// The median round trip in nanoseconds.
    pub(crate) fn median(&self) -> Option<u64> {
        let mut sorted = self.round_trips.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}
