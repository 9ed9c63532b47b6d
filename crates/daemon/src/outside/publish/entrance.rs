//! One published port while it is open.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use netloom_lab::publish::Published;
use netloom_sys::netns::NetNs;

use super::{Listener, tcp, udp};
use crate::outside::{Outside, Serving};

/// Where a published port leads at the moment.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The node's namespace.
    pub(crate) netns: Arc<NetNs>,
    /// The node's own addresses, in order.
    pub(crate) addresses: Vec<IpAddr>,
    /// The node's port.
    pub(crate) port: u16,
}

impl Target {
    /// The addresses at which the node's program may listen, the likeliest first.
    ///
    /// The node's own come before the loopback: some programs trust whoever comes by the loopback, and who comes from
    /// outside is not to be trusted for it. A program that listens at the loopback only is reached all the same.
    pub(super) fn candidates(&self) -> Vec<SocketAddr> {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        self.addresses.iter().copied().chain(loopback).map(|ip| SocketAddr::new(ip, self.port)).collect()
    }
}

/// What came of a published port so far.
#[derive(Debug, Default)]
pub(crate) struct PublishStats {
    /// Connections, or senders of datagrams, that were let in.
    pub(crate) taken: AtomicU64,
    /// Those of them that are there now.
    pub(crate) open: AtomicU64,
    /// Nobody in the node listened.
    pub(crate) refused: AtomicU64,
    /// The machine failed: no fd left, the node's namespace gone.
    pub(crate) failed: AtomicU64,
    /// Datagrams that found no room.
    pub(crate) dropped: AtomicU64,
    /// Bytes into the node.
    pub(crate) bytes_in: AtomicU64,
    /// Bytes out of the node.
    pub(crate) bytes_out: AtomicU64,
}

impl PublishStats {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts one that is open, for as long as it lives.
#[derive(Debug)]
pub(super) struct OpenOne(Arc<PublishStats>);

impl OpenOne {
    pub(super) fn new(stats: &Arc<PublishStats>) -> Self {
        PublishStats::count(&stats.taken);
        PublishStats::count(&stats.open);
        Self(Arc::clone(stats))
    }
}

impl Drop for OpenOne {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the tasks of a published port share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) port: Published,
    target: RwLock<Target>,
    pub(super) stats: Arc<PublishStats>,
}

impl Shared {
    /// Where it leads at the moment.
    pub(super) fn target(&self) -> Target {
        self.target.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A published port while it is open. Dropping it closes it, its connections too.
#[derive(Debug)]
pub(crate) struct Entrance {
    shared: Arc<Shared>,
    _serving: Serving,
}

impl Entrance {
    /// Answers what arrives at `listener`.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(crate) fn open(
        outside: &Outside,
        port: Published,
        listener: Listener,
        target: Target,
    ) -> io::Result<Self> {
        let target = RwLock::new(target);
        let shared = Arc::new(Shared { port, target, stats: Arc::default() });
        let work = Arc::clone(&shared);
        let serving = outside.serve(async move {
            let done = match listener {
                Listener::Tcp(listener) => tcp::serve(listener, work).await,
                Listener::Udp(socket) => udp::serve(socket, work).await,
            };
            if let Err(error) = done {
                tracing::error!(%port, %error, "a published port fails");
            }
        })?;
        Ok(Self { shared, _serving: serving })
    }

    /// New connections go there from now on.
    pub(crate) fn lead_to(&self, target: Target) {
        *self.shared.target.write().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Where it leads at the moment.
    pub(crate) fn target(&self) -> Target {
        self.shared.target()
    }

    /// What came of it so far.
    pub(crate) fn stats(&self) -> &PublishStats {
        &self.shared.stats
    }
}
