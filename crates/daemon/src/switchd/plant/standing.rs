//! What stands: interfaces that are ports, and bridges.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use netloom_datapath::PortSpec;
use netloom_flow::{OfPort, Policing, Qos};
use netloom_ovsdb::Uuid;

use crate::switchd::desired::{Bridge, Interface, Kind};
use crate::switchd::links::Changed;
use crate::switchd::ofports::Numbers;
use crate::worker::Device;

/// Which interface: by its row, or the local port of a bridge without a row for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::switchd) enum Id {
    /// The row of the interface.
    Row(Uuid),
    /// The row of the bridge.
    Local(Uuid),
}

impl Id {
    pub(in crate::switchd) fn of(bridge: &Bridge, interface: &Interface) -> Self {
        interface.uuid.map_or(Self::Local(bridge.uuid), Self::Row)
    }
}

/// An interface that is a port.
pub(in crate::switchd) struct Standing {
    pub(in crate::switchd) name: String,
    pub(in crate::switchd) bridge: Uuid,
    pub(in crate::switchd) kind: Kind,
    /// The index of the machine's interface, if it is one.
    pub(in crate::switchd) index: Option<u32>,
    pub(in crate::switchd) number: OfPort,
    pub(in crate::switchd) spec: PortSpec,
    pub(in crate::switchd) qos: (Option<Qos>, Option<Policing>),
    /// MTU and address of its device, as controllers are told.
    pub(super) shown: Option<(u32, Option<[u8; 6]>)>,
    /// How often its link went up or down.
    pub(in crate::switchd) resets: u64,
    /// What it is told to workers with, once.
    pub(super) device: Option<Box<dyn Device>>,
    /// Workers know it.
    pub(super) attached: bool,
}

/// All interfaces that are ports, with what one more or less is found by.
#[derive(Default)]
pub(in crate::switchd) struct Ports {
    all: BTreeMap<Id, Standing>,
    names: BTreeSet<String>,
    by_index: BTreeMap<u32, Id>,
    /// Devices that are the machine's.
    outer: BTreeSet<Id>,
}

impl Deref for Ports {
    type Target = BTreeMap<Id, Standing>;

    fn deref(&self) -> &BTreeMap<Id, Standing> {
        &self.all
    }
}

impl Ports {
    /// Adds one. Name, index, and whether it is a device of the machine stay as they are until it is removed.
    pub(super) fn insert(&mut self, id: Id, standing: Standing) {
        self.names.insert(standing.name.clone());
        if let Some(index) = standing.index {
            self.by_index.insert(index, id);
        }
        if standing.kind == Kind::System {
            self.outer.insert(id);
        }
        self.all.insert(id, standing);
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<Standing> {
        let standing = self.all.remove(&id)?;
        self.names.remove(&standing.name);
        self.outer.remove(&id);
        // Another device may have its index by now.
        if let Some(index) = standing.index.filter(|index| self.by_index.get(index) == Some(&id)) {
            self.by_index.remove(&index);
        }
        Some(standing)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Standing> {
        self.all.get_mut(&id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut Standing)> {
        self.all.iter_mut().map(|(id, standing)| (*id, standing))
    }

    /// Whether one has this name.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Devices that are the machine's.
    pub(super) fn outer(&self) -> impl Iterator<Item = &Standing> {
        self.outer.iter().filter_map(|id| self.all.get(id))
    }

    /// Those whose devices have changed, in the order of their devices or rows.
    pub(super) fn of(&self, changed: &Changed) -> Vec<Id> {
        match changed {
            Changed::All => self.all.keys().copied().collect(),
            Changed::Of(indexes) => {
                indexes.iter().filter_map(|index| self.by_index.get(index).copied()).collect()
            }
        }
    }
}

/// A bridge that stands.
#[derive(Debug, Default)]
pub(in crate::switchd) struct Bridged {
    pub(in crate::switchd) mac: [u8; 6],
    pub(in crate::switchd) datapath_id: u64,
    /// The least of the devices that lead elsewhere.
    pub(super) mtu: Option<u32>,
    pub(super) numbers: Numbers,
}
