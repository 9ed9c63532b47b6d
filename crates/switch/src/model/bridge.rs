//! A bridge: ports, flow tables, MAC table.

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_flow::{BridgeId, DropReason, Nanos, OfPort, OptionLayout, TableId};

use super::control::{Control, Fragments};
use super::group::Group;
use super::mac::MacTable;
use super::meter::MeterEntry;
use super::mirror::Mirrors;
use super::port::Port;
use super::table::Table;
use crate::config;
use crate::handle::TlvMap;

/// A bridge.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) id: BridgeId,
    /// What it was last configured as.
    pub(crate) config: config::Bridge,
    /// Changes with the set of ports, the settings and the place in the spanning tree.
    pub(crate) version: u64,
    /// By number: the order of floods.
    pub(crate) ports: BTreeMap<OfPort, Port>,
    /// The numbers of ports, by the names of their interfaces.
    names: BTreeMap<String, OfPort>,
    /// Those that were ever used; an absent one is empty.
    pub(crate) tables: BTreeMap<TableId, Table>,
    pub(crate) macs: MacTable,
    pub(crate) mirrors: Mirrors,
    pub(crate) groups: BTreeMap<u32, Group>,
    pub(crate) meters: BTreeMap<u32, MeterEntry>,
    pub(crate) control: Control,
    /// The first of the tables that packets go through on their way out; `None`: there are none.
    pub(crate) first_egress: Option<TableId>,
    /// Which tunnel options fields stand for.
    pub(crate) tlv_map: TlvMap,
    /// Where they are in a key.
    layout: Arc<OptionLayout>,
    /// Whether somebody wants to be told of every change of a flow.
    pub(crate) is_watched: bool,
    pub(crate) fragments: Fragments,
    /// Orders changes of the roles of controllers.
    pub(crate) generation: Option<u64>,
    /// When MAC entries were last forgotten because paths changed: older sightings say nothing any more.
    pub(crate) flushed: Nanos,
    /// Wire packets dropped, by reason and by the port they came in by or were to leave by.
    pub(crate) drops: BTreeMap<(DropReason, OfPort), u64>,
}

impl Bridge {
    pub(crate) fn new(id: BridgeId, config: config::Bridge, seed: u64, version: u64) -> Self {
        Self {
            id,
            config,
            version,
            ports: BTreeMap::new(),
            names: BTreeMap::new(),
            tables: BTreeMap::new(),
            macs: MacTable::new(seed),
            mirrors: Mirrors::default(),
            groups: BTreeMap::new(),
            meters: BTreeMap::new(),
            control: Control::default(),
            first_egress: None,
            tlv_map: TlvMap::new(),
            layout: Arc::default(),
            is_watched: false,
            fragments: Fragments::default(),
            generation: None,
            flushed: Nanos::ZERO,
            drops: BTreeMap::new(),
        }
    }

    pub(crate) fn port(&self, number: OfPort) -> Option<&Port> {
        self.ports.get(&number)
    }

    /// A table, which is there from now on.
    pub(crate) fn table_mut(&mut self, id: TableId) -> &mut Table {
        let table = self.tables.entry(id).or_default();
        table.rules.set_layout(&self.layout);
        table
    }

    /// Says which tunnel options fields stand for, and where they are in a key.
    pub(crate) fn set_options(&mut self, map: TlvMap, layout: OptionLayout) {
        (self.tlv_map, self.layout) = (map, Arc::new(layout));
        self.tables.values_mut().for_each(|table| table.rules.set_layout(&self.layout));
    }

    /// Where tunnel options are in a key.
    pub(crate) fn options(&self) -> &OptionLayout {
        &self.layout
    }

    /// The same, if there are any.
    pub(crate) fn layout(&self) -> Option<Arc<OptionLayout>> {
        (!self.tlv_map.is_empty()).then(|| Arc::clone(&self.layout))
    }

    /// The number of an interface.
    pub(crate) fn port_named(&self, name: &str) -> Option<OfPort> {
        self.names.get(name).copied()
    }

    /// Adds a port, or puts one in the place of that with its number.
    pub(crate) fn put_port(&mut self, port: Port) {
        self.drop_port(port.number);
        self.names.insert(port.name.clone(), port.number);
        self.ports.insert(port.number, port);
    }

    /// Removes a port.
    pub(crate) fn drop_port(&mut self, number: OfPort) -> Option<Port> {
        let port = self.ports.remove(&number)?;
        // Another one may have its name by now.
        if self.names.get(&port.name) == Some(&number) {
            self.names.remove(&port.name);
        }
        Some(port)
    }

    /// Whether nothing is learned in a VLAN.
    pub(crate) fn floods(&self, vlan: u16) -> bool {
        self.config.flood_vlans.contains(&vlan)
    }

    /// Whether its links to other switches may be blocked: nobody else decides about them.
    pub(crate) fn is_alone(&self) -> bool {
        self.config.controller.is_empty()
    }
}

/// All bridges, found by number in one step. Numbers are not used again.
#[derive(Debug, Default)]
pub(crate) struct Bridges {
    slots: Vec<Option<Box<Bridge>>>,
}

impl Bridges {
    /// Adds a bridge; `make` is given its number.
    pub(crate) fn add(&mut self, make: impl FnOnce(BridgeId) -> Bridge) -> BridgeId {
        let id = BridgeId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push(Some(Box::new(make(id))));
        id
    }

    pub(crate) fn get(&self, id: BridgeId) -> Option<&Bridge> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: BridgeId) -> Option<&mut Bridge> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(crate) fn remove(&mut self, id: BridgeId) -> Option<Box<Bridge>> {
        self.slots.get_mut(id.0 as usize)?.take()
    }

    /// All bridges, by number.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Bridge> {
        self.slots.iter().filter_map(Option::as_deref)
    }

    /// All bridges, by number, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Bridge> {
        self.slots.iter_mut().filter_map(Option::as_deref_mut)
    }
}
