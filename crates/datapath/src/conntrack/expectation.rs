//! Connections that are expected, because another one has named their addresses.

use std::collections::BTreeMap;

use netloom_flow::Nanos;

use super::tuple::{Scope, Tuple};

/// Most that are expected at once.
const MOST: usize = 4_096;
/// For how long. Source: `nf_conntrack_ftp.c` of Linux.
pub(super) const PATIENCE: Nanos = Nanos::from_secs(300);

/// A connection that is expected: from any port of `src` to a port of `dst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expectation {
    pub(crate) scope: Scope,
    pub(crate) proto: u8,
    pub(crate) is_ipv6: bool,
    pub(crate) src: u128,
    pub(crate) dst: u128,
    pub(crate) dst_port: u16,
    /// What its source and destination are translated to.
    pub(crate) new_src: u128,
    pub(crate) new_dst: (u128, u16),
    /// The first packet of the connection that named it.
    pub(crate) parent: Tuple,
    /// What that one's mark and label were.
    pub(crate) mark: u32,
    pub(crate) label: u128,
    pub(crate) expires: Nanos,
}

impl Expectation {
    /// The answer to a connection that was expected.
    pub(crate) const fn reply(&self, original: &Tuple) -> Tuple {
        let (dst, dst_port) = self.new_dst;
        Tuple { src: self.new_src, dst, dst_port, ..*original }.reversed()
    }
}

type Key = (Scope, u8, u128, u16);

/// All that is expected.
#[derive(Debug, Default)]
pub(crate) struct Expectations(BTreeMap<Key, Expectation>);

impl Expectations {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Expects a connection, at a port from its own on that nobody else's is expected at; that port. `None`: there is
    /// no room.
    pub(crate) fn add(&mut self, mut wanted: Expectation, now: Nanos) -> Option<u16> {
        /// Ports tried.
        const PORTS: u16 = 64;
        if self.0.len() >= MOST {
            self.0.retain(|_, known| known.expires > now);
        }
        if self.0.len() >= MOST {
            return None;
        }
        for _ in 0..PORTS {
            let key = (wanted.scope, wanted.proto, wanted.dst, wanted.dst_port);
            let is_free = self.0.get(&key).is_none_or(|known| {
                known.expires <= now || (known.parent, known.new_dst) == (wanted.parent, wanted.new_dst)
            });
            if is_free {
                self.0.insert(key, wanted);
                return Some(wanted.dst_port);
            }
            wanted.dst_port = wanted.dst_port.checked_add(1)?;
        }
        None
    }

    /// Whether a first packet was expected.
    pub(crate) fn find(&self, scope: Scope, tuple: &Tuple, now: Nanos) -> Option<Expectation> {
        let found = self.0.get(&(scope, tuple.proto, tuple.dst, tuple.dst_port))?;
        let fits = found.src == tuple.src && found.is_ipv6 == tuple.is_ipv6 && found.expires > now;
        fits.then_some(*found)
    }

    /// It has come.
    pub(crate) fn remove(&mut self, found: &Expectation) {
        self.0.remove(&(found.scope, found.proto, found.dst, found.dst_port));
    }

    /// A connection is over, and what it named.
    pub(crate) fn forget(&mut self, scope: Scope, parent: &Tuple) {
        self.0.retain(|_, known| (known.scope, known.parent) != (scope, *parent));
    }
}
