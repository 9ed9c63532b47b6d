//! Connection tracking: which connection a packet belongs to, what it is in, and what its addresses become.
//!
//! ```text
//! packet ──► look ──► table ──► state machine ──► ct_state, mark, label ──► key of the next lookup
//!             │         │            │
//!             │         │            └─ tcp, sctp, datagrams and queries
//!             │         └─ shards by a symmetric hash with bridge, tenant and zone; ends by second, no scan
//!             └─ addresses and ports, or those of the packet that an ICMP error is about
//! ```
//!
//! Only committed connections are remembered, as in OVS: a packet of any other is *new*. A connection is *established*
//! once both directions have been seen. Zones belong to a bridge and a tenant: switches of a lab share nothing.
//!
//! Source: ovs-fields(7), ovs-actions(7) (`ct`), and the behaviour of `lib/conntrack.c` of OVS.

mod connection;
mod expectation;
mod fragment;
mod ftp;
mod helper;
mod inner;
mod kept;
mod limits;
mod look;
mod nat;
mod protocol;
mod rewrite;
mod sctp;
mod sequence;
mod shard;
mod tcp;
#[cfg(test)]
mod tests;
mod timeout;
mod tracked;
mod tracker;
mod tuple;

pub(crate) use fragment::Held;
pub(crate) use helper::Replacement;
pub use kept::{BadConnection, KeptConnection};
pub(crate) use look::{Look, Transport};
pub(crate) use rewrite::{replace, rewrite, shift};
pub use timeout::{Phase, Timeouts};
pub(crate) use tracked::Tracked;
pub(crate) use tracker::{Outcome, Watched, scope};
pub use tracker::{Tracker, TrackerConfig, ZoneState};
