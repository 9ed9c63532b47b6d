//! How much passes between two nodes, and how evenly: a stream of bytes or datagrams between netloom's own sockets.
//!
//! ```text
//! begin ──► the first [`WARM_UP`] is not counted ──► the time asked for ──► the sender stops; late datagrams are waited for
//! ```
//! The receiver counts. Two threads for the time it takes, none afterwards. The end that is in a virtual machine is carried out
//! there, by the same code.

mod jitter;
pub(super) mod tcp;
pub(super) mod udp;

use netloom_sys::HostError;
use serde::{Deserialize, Serialize};

use super::envoy::Guest;
use super::station::{Place, Station};

/// What is sent before anything counts: slow start, neighbours, caches.
const WARM_UP: u64 = 500_000_000;
/// How long a blocking call may keep a thread from noticing that it is over.
const TURN: std::time::Duration = std::time::Duration::from_millis(100);

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// A connection, as fast as it goes.
    Tcp,
    /// Datagrams of `bytes` of payload, this many bits of payload per second; `None`: as fast as they go.
    Udp {
        /// Bits of payload per second.
        offer: Option<u64>,
        /// Bytes of payload, at least 28.
        bytes: usize,
    },
}

/// What came of it. Bits are those of payload.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Bulk {
    /// Nanoseconds that were counted.
    pub(crate) nanos: u64,
    /// Bits per second that the sender's kernel took.
    pub(crate) sent_bps: u64,
    /// Bits per second that arrived.
    pub(crate) received_bps: u64,
    /// Datagrams sent, or reads of a connection, in the time that counts.
    pub(crate) sent: u64,
    /// Those of them that arrived.
    pub(crate) received: u64,
    /// Smoothed difference of the delays of neighbouring datagrams in nanoseconds (RFC 3550 §6.4.1).
    pub(crate) jitter: u64,
    /// The mean of these differences in nanoseconds.
    pub(crate) mean_jitter: u64,
}

impl Bulk {
    /// Parts per billion of the datagrams that did not arrive.
    pub(crate) fn lost_ppb(&self) -> u64 {
        let lost = u128::from(self.sent.saturating_sub(self.received));
        u64::try_from(lost * 1_000_000_000 / u128::from(self.sent.max(1))).unwrap_or(u64::MAX)
    }
}

/// A measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BulkError {
    /// No socket, thread or namespace.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The two do not reach each other.
    #[error("{from} cannot connect to {to}: {why}")]
    Unreachable {
        /// The sender.
        from: String,
        /// The target.
        to: String,
        /// What its kernel said.
        why: String,
    },
    /// An end in a virtual machine.
    #[error("{node}: {why}")]
    Guest {
        /// The node.
        node: String,
        /// What is the matter.
        why: String,
    },
    /// They have no address of the same family.
    #[error("{from} and {to} have no addresses of the same family")]
    NoAddress {
        /// The sender.
        from: String,
        /// The target.
        to: String,
    },
}

/// Sends from one station to another for `nanos` and counts what arrives.
///
/// # Errors
/// As [`BulkError`]. That less arrives than was sent is a result.
pub(crate) fn bulk(
    from: &Station,
    to: &Station,
    flow: Flow,
    nanos: u64,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Bulk, BulkError> {
    let v6 = [false, true].into_iter().find(|v6| from.address(*v6).is_some() && to.address(*v6).is_some());
    let address = v6.and_then(|v6| to.address(v6));
    let Some(address) = address else {
        return Err(BulkError::NoAddress { from: from.name.clone(), to: to.name.clone() });
    };
    match flow {
        Flow::Tcp => tcp::run(from, to, address, nanos, goes_on),
        Flow::Udp { offer, bytes } => udp::run((from, to), address, (offer, bytes), nanos, goes_on),
    }
}

/// The way into a station that is not here.
fn guest_of<'s>(station: &Station, place: &'s Place) -> Result<&'s dyn Guest, BulkError> {
    match place {
        Place::Guest(guest) => Ok(&**guest),
        Place::Here | Place::Closed => {
            Err(BulkError::Guest { node: station.name.clone(), why: super::station::CLOSED.to_owned() })
        }
    }
}

/// A guest has said something else than it was asked.
const ODD: &str = "netloom in the guest answers what was not asked";

/// Bits per second of so many bytes in so many nanoseconds.
fn rate(bytes: u64, nanos: u64) -> u64 {
    u64::try_from(u128::from(bytes) * 8_000_000_000 / u128::from(nanos.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
