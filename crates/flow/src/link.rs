//! The settings of one direction of a link.

use serde::{Deserialize, Serialize};

use crate::Nanos;

/// A probability in parts per billion, 0 to 1,000,000,000, so that settings compare and hash exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Probability(pub u32);

impl Probability {
    /// Certain.
    pub const ONE: Self = Self(1_000_000_000);

    /// Whether it never happens.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// How packets are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Each packet by itself.
    Random(Probability),
    /// Two states, good and bad, each with its own loss, changing after every packet.
    GilbertElliott {
        /// From good to bad.
        p: Probability,
        /// From bad to good.
        r: Probability,
        /// Loss in the bad state.
        bad: Probability,
        /// Loss in the good state.
        good: Probability,
    },
}

impl Default for Loss {
    fn default() -> Self {
        Self::Random(Probability(0))
    }
}

/// How jitter is spread around the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Distribution {
    /// Evenly in delay ± jitter.
    #[default]
    Uniform,
    /// Normal with the jitter as standard deviation.
    Normal,
    /// Pareto: rare long delays.
    Pareto,
}

/// What the queue in front of a link holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueLimit {
    /// Wire packets.
    Packets(u32),
    /// L2 bytes.
    Bytes(u64),
}

/// One direction of a link: what happens to a packet between its two ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LinkSettings {
    /// Bits per second of L2 bytes without FCS; `None`: not limited.
    pub rate: Option<u64>,
    /// One-way delay.
    pub delay: Nanos,
    /// Spread of the delay.
    pub jitter: Nanos,
    /// Shape of the spread.
    pub distribution: Distribution,
    /// Loss.
    pub loss: Loss,
    /// Chance that a packet arrives twice.
    pub duplicate: Probability,
    /// Chance that a packet skips the delay and so overtakes.
    pub reorder: Probability,
    /// Chance that one bit of a packet is flipped.
    pub corrupt: Probability,
    /// Limit of the queue; `None`: the default for the rate.
    pub queue: Option<QueueLimit>,
    /// Longest frame payload (bytes after the Ethernet and VLAN headers); `None`: not checked.
    pub mtu: Option<u32>,
    /// Whether packets pass at all.
    pub up: bool,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            rate: None,
            delay: Nanos::ZERO,
            jitter: Nanos::ZERO,
            distribution: Distribution::default(),
            loss: Loss::default(),
            duplicate: Probability::default(),
            reorder: Probability::default(),
            corrupt: Probability::default(),
            queue: None,
            mtu: None,
            up: true,
        }
    }
}

impl LinkSettings {
    /// Whether a packet passes untouched and at once, so that translation may go on across the link.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}
