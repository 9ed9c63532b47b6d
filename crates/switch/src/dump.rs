//! What people and programs may see of the model: ports, MAC entries, drops, tables.

use netloom_flow::{BridgeId, DropReason, Nanos, OfPort, PortId, TableId, TenantId};

use crate::config::Uuid;
use crate::model::{Bridge, LinkState, Port, PortConfig, Role};
use crate::switch::Switch;

/// A port as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortEntry {
    /// The OpenFlow number.
    pub number: OfPort,
    /// The interface's name.
    pub name: String,
    /// The datapath port.
    pub dp_port: PortId,
    /// Whose port it is; `None`: it carries every tenant.
    pub tenant: Option<TenantId>,
    /// The other end of a link to another switch: bridge and interface.
    pub peer: Option<(String, String)>,
    /// Its link.
    pub link: LinkState,
    /// What the treatment of loops makes of it.
    pub role: Role,
    /// What controllers have set for it.
    pub config: PortConfig,
    /// Packets that crossed the port inside the switch. The datapath's counters of the port come on top.
    pub crossed: Crossed,
}

pub use crate::model::Crossed;

/// A MAC entry as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MacRow {
    /// The tenant.
    pub tenant: TenantId,
    /// The VLAN, 0 if none.
    pub vlan: u16,
    /// The address.
    pub mac: [u8; 6],
    /// Where it lives.
    pub port: OfPort,
    /// When a packet from it was last seen.
    pub used: Nanos,
}

/// What a mirror has carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirrorRow {
    /// Which one.
    pub uuid: Uuid,
    /// Wire packets that it got a copy of.
    pub packets: u64,
    /// Their bytes as they came in, as OVS counts them.
    pub bytes: u64,
}

/// Packets dropped for one reason at one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropEntry {
    /// The bridge's name.
    pub bridge: String,
    /// The interface by which they came in, or were to leave.
    pub port: String,
    /// Why.
    pub reason: DropReason,
    /// Wire packets.
    pub packets: u64,
}

/// The counters of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableEntry {
    /// The table.
    pub table: TableId,
    /// How many flows it has.
    pub flows: usize,
    /// Wire packets looked up.
    pub lookups: u64,
    /// Wire packets that matched a flow.
    pub matches: u64,
}

impl Switch {
    /// The mirrors of a bridge that have somewhere to send to.
    #[must_use]
    pub fn mirrors(&self, bridge: &str) -> Vec<MirrorRow> {
        let bridge = self.names.get(bridge).and_then(|id| self.bridges.get(*id));
        let mirrors = bridge.into_iter().flat_map(|bridge| &bridge.mirrors.list);
        mirrors.map(|it| MirrorRow { uuid: it.uuid, packets: it.packets, bytes: it.bytes }).collect()
    }

    /// The bridges: number and name, by name.
    pub fn bridges(&self) -> impl Iterator<Item = (BridgeId, &str)> {
        self.names.iter().map(|(name, id)| (*id, name.as_str()))
    }

    /// The number of a bridge.
    #[must_use]
    pub fn bridge_id(&self, name: &str) -> Option<BridgeId> {
        self.names.get(name).copied()
    }

    /// The ports of a bridge, by number; none if there is no such bridge.
    #[must_use]
    pub fn ports(&self, bridge: &str) -> Vec<PortEntry> {
        let ports = self.bridge_named(bridge).into_iter().flat_map(|bridge| bridge.ports.values());
        ports.map(|port| self.port_entry(port)).collect()
    }

    /// The MAC entries of a bridge, by tenant, VLAN and address; none if there is no such bridge.
    #[must_use]
    pub fn macs(&self, bridge: &str) -> Vec<MacRow> {
        let entries = self.bridge_named(bridge).map(|bridge| bridge.macs.entries()).unwrap_or_default();
        let row = |(key, entry): &(crate::model::MacKey, crate::model::MacEntry)| MacRow {
            tenant: key.tenant,
            vlan: key.vlan,
            mac: key.mac,
            port: entry.port,
            used: entry.used,
        };
        entries.iter().map(row).collect()
    }

    /// Forgets the MAC entries of a bridge, or of all. `false`: there is no such bridge.
    pub fn forget_macs(&mut self, bridge: Option<&str>, now: Nanos) -> bool {
        let one = bridge.map(|name| self.bridge_id(name));
        if one == Some(None) {
            return false;
        }
        let Self { bridges, versions, .. } = self;
        for bridge in bridges.values_mut().filter(|bridge| one.flatten().is_none_or(|id| id == bridge.id)) {
            let id = bridge.id;
            // What was seen before says nothing any more.
            bridge.flushed = now;
            bridge.macs.retain(|_, _| false, |key| versions.bump(versions.of_mac(id, key)));
        }
        self.recheck();
        true
    }

    /// What all bridges have dropped, by bridge number, reason and port.
    #[must_use]
    pub fn drops(&self) -> Vec<DropEntry> {
        let of_bridge = |bridge: &Bridge| -> Vec<DropEntry> {
            let entry = |((reason, port), packets): (&(DropReason, OfPort), &u64)| DropEntry {
                bridge: bridge.config.name.clone(),
                port: bridge.port(*port).map_or_else(|| port.to_string(), |port| port.name.clone()),
                reason: *reason,
                packets: *packets,
            };
            bridge.drops.iter().map(entry).collect()
        };
        self.bridges.values().flat_map(of_bridge).collect()
    }

    /// The tables of a bridge that were ever used; none if there is no such bridge.
    #[must_use]
    pub fn tables(&self, bridge: &str) -> Vec<TableEntry> {
        let tables = self.bridge_named(bridge).into_iter().flat_map(|bridge| &bridge.tables);
        let entry = |(id, table): (&TableId, &crate::model::Table)| TableEntry {
            table: *id,
            flows: table.rules.len(),
            lookups: table.lookups,
            matches: table.matches,
        };
        tables.map(entry).collect()
    }

    /// Bridge and interface name of a datapath port.
    #[must_use]
    pub fn port_name(&self, port: PortId) -> Option<(&str, &str)> {
        let (bridge, number) = self.dp_ports.get(&port)?;
        let bridge = self.bridges.get(*bridge)?;
        Some((&bridge.config.name, &bridge.port(*number)?.name))
    }

    fn port_entry(&self, port: &Port) -> PortEntry {
        let peer = self.other_end(port).map(|(bridge, far)| (bridge.config.name.clone(), far.name.clone()));
        PortEntry {
            number: port.number,
            name: port.name.clone(),
            dp_port: port.dp_port,
            tenant: port.tenant,
            peer,
            link: port.link,
            role: port.role,
            config: port.config,
            crossed: port.crossed,
        }
    }
}
