//! Ports as they were read last: one is read again only when one of its rows has changed.

use std::collections::HashMap;
use std::sync::Arc;

use netloom_ovsdb::Uuid;

use super::Port;

/// What has been read of ports.
#[derive(Debug, Default)]
pub(in crate::switchd) struct Known {
    /// By the row of the port: the bridge it was read for, and what was read.
    ports: HashMap<Uuid, (Uuid, Arc<Port>)>,
    /// The ports that were read from each row.
    readers: HashMap<Uuid, Vec<Uuid>>,
}

impl Known {
    /// A row has changed, or is gone.
    pub(in crate::switchd) fn forget(&mut self, row: Uuid) {
        for port in self.readers.remove(&row).unwrap_or_default() {
            self.ports.remove(&port);
        }
    }

    /// A port of a bridge, if none of its rows has changed since it was read.
    pub(super) fn port(&self, bridge: Uuid, row: Uuid) -> Option<Arc<Port>> {
        let (of, port) = self.ports.get(&row)?;
        (*of == bridge).then(|| Arc::clone(port))
    }

    /// Keeps a port that was read from some rows, its own among them.
    pub(super) fn keep(&mut self, bridge: Uuid, row: Uuid, port: &Arc<Port>, from: Vec<Uuid>) {
        for source in from {
            let readers = self.readers.entry(source).or_default();
            if !readers.contains(&row) {
                readers.push(row);
            }
        }
        self.ports.insert(row, (bridge, Arc::clone(port)));
    }
}
