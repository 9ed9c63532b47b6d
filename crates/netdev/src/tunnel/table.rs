//! Whose tunnel a packet belongs to: by key, sender and receiver.
//!
//! An exact key goes before any key, then a given sender before any, then a given receiver before any. Source: `tnl_find`
//! of OVS.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netloom_flow::PortId;

use super::settings::{InKey, TunnelKind, TunnelSettings};

/// A tunnel at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) port: PortId,
    /// MTU of what is inside.
    pub(super) mtu: u16,
    pub(super) clamp: bool,
}

/// Mirrored frames, key, sender, receiver; `None` stands for any.
type Match = (bool, Option<u64>, Option<IpAddr>, Option<IpAddr>);

/// The tunnels that share a door.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    entries: BTreeMap<Match, Entry>,
}

impl Table {
    fn matched(settings: &TunnelSettings) -> Match {
        let key = match settings.in_key {
            InKey::Any => None,
            InKey::Exactly(key) => Some(key),
        };
        let is_mirror = matches!(settings.kind, TunnelKind::Erspan { .. });
        (is_mirror, key, settings.remote, settings.local)
    }

    /// Adds a tunnel; `false` if another one listens for the same packets.
    pub(super) fn insert(&mut self, port: PortId, settings: &TunnelSettings) -> bool {
        self.remove(port);
        let entry = Entry { port, mtu: settings.inner_mtu(), clamp: settings.clamp };
        let place = self.entries.entry(Self::matched(settings));
        let is_free = matches!(place, std::collections::btree_map::Entry::Vacant(_));
        place.or_insert(entry);
        is_free
    }

    /// Removes a tunnel.
    pub(super) fn remove(&mut self, port: PortId) {
        self.entries.retain(|_, entry| entry.port != port);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether any tunnel has this sender and receiver, whatever the key.
    pub(super) fn knows(&self, from: IpAddr, to: IpAddr) -> bool {
        self.entries.keys().any(|(_, _, remote, local)| {
            remote.is_none_or(|remote| remote == from) && local.is_none_or(|local| local == to)
        })
    }

    /// The tunnel of a packet.
    pub(super) fn find(&self, is_mirror: bool, key: u64, from: IpAddr, to: Option<IpAddr>) -> Option<Entry> {
        for key in [Some(key), None] {
            for from in [Some(from), None] {
                for to in [to, None] {
                    if let Some(entry) = self.entries.get(&(is_mirror, key, from, to)) {
                        return Some(*entry);
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::settings;
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
    const ME: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9)));

    #[test]
    fn the_more_exact_goes_first() {
        let mut table = Table::default();
        let any = TunnelSettings { in_key: InKey::Any, remote: None, ..settings() };
        let keyed = TunnelSettings { in_key: InKey::Exactly(7), ..any.clone() };
        let peer = TunnelSettings { remote: Some(A), ..any.clone() };
        let both = TunnelSettings { remote: Some(A), local: ME, ..keyed.clone() };
        for (port, settings) in [&any, &keyed, &peer, &both].into_iter().enumerate() {
            assert!(table.insert(PortId(u32::try_from(port).unwrap()), settings));
        }
        let found = |key, from| table.find(false, key, from, ME).map(|entry| entry.port.0);
        assert_eq!(found(7, A), Some(3));
        assert_eq!(found(7, B), Some(1), "the key goes before the peer");
        assert_eq!(found(8, A), Some(2));
        assert_eq!(found(8, B), Some(0));
        assert_eq!(table.find(true, 7, A, ME), None, "mirrored frames are apart");
    }

    #[test]
    fn two_that_want_the_same_are_told_apart() {
        let mut table = Table::default();
        assert!(table.insert(PortId(1), &settings()));
        assert!(!table.insert(PortId(2), &settings()));
        assert!(table.insert(PortId(1), &settings()), "the same again");
        table.remove(PortId(1));
        assert!(table.is_empty());
    }
}
