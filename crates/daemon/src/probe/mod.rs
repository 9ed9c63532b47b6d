//! Asking the lab how it is, from inside its nodes: netloom's own sockets in their namespaces, no program of the host.
//!
//! A probe carries a token, so that what arrives is known to be *this* probe.

mod echo;
mod matrix;
mod ping;

pub(crate) use ping::{PairResult, PingJob, ping};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

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
}

impl Probed {
    /// Its address of a family.
    pub(crate) fn address(&self, v6: bool) -> Option<IpAddr> {
        if v6 { self.v6.map(IpAddr::V6) } else { self.v4.map(IpAddr::V4) }
    }
}
