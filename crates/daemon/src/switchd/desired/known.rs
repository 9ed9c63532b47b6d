//! Ports as they were read last: one is read again only when one of its rows has changed.
//!
//! A bridge's are kept in the order of their rows, as the bridge's row lists them. So what has come and gone is found by
//! walking both lists, without looking at the ports that stay.

use std::collections::HashMap;
use std::sync::Arc;

use netloom_ovsdb::Uuid;

use super::Port;

/// What has been read of ports.
#[derive(Debug, Default)]
pub(in crate::switchd) struct Known {
    /// By the row of the bridge.
    bridges: HashMap<Uuid, Vec<Entry>>,
    /// The ports that were read from each row, with their bridges.
    readers: HashMap<Uuid, Vec<(Uuid, Uuid)>>,
}

/// A port of a bridge.
#[derive(Debug)]
struct Entry {
    row: Uuid,
    /// `None`: it is to be read again.
    port: Option<Arc<Port>>,
    /// It has the name of the bridge.
    is_local: bool,
}

impl Known {
    /// A row has changed, or is gone.
    pub(in crate::switchd) fn forget(&mut self, row: Uuid) {
        for (bridge, port) in self.readers.remove(&row).unwrap_or_default() {
            let Some(entries) = self.bridges.get_mut(&bridge) else { continue };
            if let Ok(at) = entries.binary_search_by_key(&port, |entry| entry.row)
                && let Some(entry) = entries.get_mut(at)
            {
                entry.port = None;
            }
        }
    }

    /// The ports of a bridge of this name, which it keeps for life, and whose rows come in order. `read` reads one that is not known, and tells from which
    /// rows. Whether one of them has the bridge's name.
    pub(super) fn ports(
        &mut self,
        (bridge, name): (Uuid, &str),
        rows: impl Iterator<Item = Uuid>,
        read: impl Fn(Uuid) -> Option<(Arc<Port>, Vec<Uuid>)>,
    ) -> (Vec<Arc<Port>>, bool) {
        let mut old = self.bridges.remove(&bridge).unwrap_or_default().into_iter().peekable();
        let mut entries = Vec::with_capacity(old.len() + 1);
        for row in rows {
            while old.next_if(|entry| entry.row < row).is_some() {}
            if let Some(entry) = old.next_if(|entry| entry.row == row && entry.port.is_some()) {
                entries.push(entry);
            } else if let Some((port, from)) = read(row) {
                for source in from {
                    let readers = self.readers.entry(source).or_default();
                    if !readers.contains(&(bridge, row)) {
                        readers.push((bridge, row));
                    }
                }
                entries.push(Entry { row, is_local: port.name == name, port: Some(port) });
            }
        }
        let has_local = entries.iter().any(|entry| entry.is_local);
        let ports = entries.iter().filter_map(|entry| entry.port.clone()).collect();
        self.bridges.insert(bridge, entries);
        (ports, has_local)
    }
}
