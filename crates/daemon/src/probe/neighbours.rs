//! Neighbour entries that probes leave behind, and their removal.
//!
//! The kernel counts the entries of all namespaces against one limit (see [`super::matrix`]).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netloom_sys::HostError;
use netloom_sys::netlink::{Netlink as _, NetlinkSocket, Request};

use super::station::Station;

/// Sockets to the stations whose entries were removed before.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    sockets: BTreeMap<usize, NetlinkSocket>,
}

impl Neighbours {
    /// Removes the entries that both ends of `pairs` have of each other.
    pub(super) fn clear(&mut self, stations: &[Station], pairs: &[(usize, usize)]) -> Result<(), HostError> {
        let mut entries: BTreeMap<usize, BTreeSet<IpAddr>> = BTreeMap::new();
        for &(from, to) in pairs {
            for (at, other) in [(from, to), (to, from)] {
                let Some(other) = stations.get(other) else { continue };
                entries
                    .entry(at)
                    .or_default()
                    .extend([false, true].into_iter().filter_map(|v6| other.address(v6)));
            }
        }
        for (at, addresses) in entries {
            let Some(station) = stations.get(at).filter(|station| station.is_here()) else { continue };
            let netlink = match self.sockets.entry(at) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(station.netns.run(NetlinkSocket::open)??),
            };
            let known = netlink.neighbours()?;
            let ours = known.iter().filter(|entry| addresses.contains(&entry.address));
            let requests: Vec<Request> = ours
                .map(|entry| Request::DeleteNeighbour { index: entry.index, address: entry.address })
                .collect();
            // An entry that is gone already is as good as deleted.
            let _ = netlink.batch(&requests);
        }
        Ok(())
    }
}
