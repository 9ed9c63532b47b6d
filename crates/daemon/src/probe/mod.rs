//! Asking the lab how it is, from inside its nodes: netloom's own sockets in their namespaces, no program of the host. Into a
//! virtual machine an [`envoy`] is sent: this very code, run there by netloom's agent ([`inside`]).
//!
//! A probe carries a token, so that what arrives is known to be *this* probe.

mod bulk;
mod echo;
mod envoy;
mod frame;
mod inside;
mod loops;
mod matrix;
mod neighbours;
mod ping;
mod reach;
mod silence;
mod station;
#[cfg(test)]
mod testing;

pub(crate) use bulk::{Flow, bulk};
pub(crate) use envoy::{Guest, Heard, Inside};
pub use inside::probe_inside;
pub(crate) use loops::loops;
pub(crate) use ping::{PairResult, PingJob, ping};
pub(crate) use reach::{ReachJob, Reached, reach};
pub(crate) use silence::{Silence, SilenceJob, silence};
pub(crate) use station::{Place, Station};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use netloom_sys::netns::NetNs;

/// A node that can be probed.
#[derive(Debug, Clone)]
pub(crate) struct Probed {
    /// Its name, for reports.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) netns: Arc<NetNs>,
    /// The interface with the addresses below, by kernel index.
    pub(crate) interface: u32,
    /// The IPv4 address it is asked at.
    pub(crate) v4: Option<Ipv4Addr>,
    /// The IPv6 address it is asked at.
    pub(crate) v6: Option<Ipv6Addr>,
    /// How to get into it, if its kernel is another one.
    pub(crate) guest: Option<Arc<dyn Guest>>,
}

impl Probed {
    /// Its address of a family.
    pub(crate) fn address(&self, v6: bool) -> Option<IpAddr> {
        if v6 { self.v6.map(IpAddr::V6) } else { self.v4.map(IpAddr::V4) }
    }
}

/// A number for a job: no two jobs at once have the same, and hardly one that a lost packet of an earlier one bears.
fn run_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let clock = u32::try_from((netloom_sys::clock::now() >> 10) & u64::from(u32::MAX)).unwrap_or(0);
    clock.wrapping_shl(8) | (NEXT.fetch_add(1, Ordering::Relaxed) & 0xff)
}
