//! What was written of ports last: what is the same is not looked at again until everything is.

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_flow::{OfPort, PortId};
use netloom_ovsdb::Uuid;

use crate::switchd::desired::Port;
use crate::switchd::plant::{Id, Plant};

/// All that the status of an interface is made of, statistics excepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is a port: which one, its number, how often its link changed; and its device.
    Port(PortId, OfPort, u64, Option<Device>),
    /// It could not be opened, for this reason.
    Failed(String),
    Nothing,
}

/// Index, MTU, address, whether it is up and whether it has a carrier.
type Device = (u32, u32, Option<[u8; 6]>, bool, bool);

impl Seen {
    pub(super) fn of(id: Id, plant: &Plant) -> Self {
        match (plant.standing.get(&id), plant.failed.get(&id)) {
            (Some(standing), _) => {
                let link = standing.index.and_then(|index| plant.links.at(index));
                let device = link.map(|link| (link.index, link.mtu, link.mac, link.up, link.carrier));
                Self::Port(standing.spec.id, standing.number, standing.resets, device)
            }
            (None, Some(why)) => Self::Failed(why.clone()),
            (None, None) => Self::Nothing,
        }
    }
}

/// What was written.
#[derive(Debug, Default)]
pub(in crate::switchd) struct Reported {
    interfaces: BTreeMap<Uuid, Seen>,
    ports: BTreeMap<Uuid, Arc<Port>>,
}

impl Reported {
    /// Whether an interface is otherwise than when it was written; from now on it is as it is.
    pub(super) fn is_news(&mut self, row: Uuid, seen: Seen) -> bool {
        if self.interfaces.get(&row) == Some(&seen) {
            return false;
        }
        self.interfaces.insert(row, seen);
        true
    }

    /// The same for a port.
    pub(super) fn is_news_of_port(&mut self, row: Uuid, port: &Arc<Port>) -> bool {
        if self.ports.get(&row).is_some_and(|known| Arc::ptr_eq(known, port)) {
            return false;
        }
        self.ports.insert(row, Arc::clone(port));
        true
    }
}
