//! From one configuration to the next, at the cost of the difference.
//!
//! Everything that can fail is done first, on the side: checks, numbers of ports, reading of flows. Then the
//! bridges that differ are brought to what is wanted. Flows that others added or changed are left alone: only the
//! difference between the two configurations is carried out.

use std::collections::{BTreeMap, BTreeSet};

use netloom_flow::{BridgeId, FlowText, Nanos, OfPort, PortId, Qos, RuleId};

use crate::config::{self, Config, ConfigError, Numbers};
use crate::events::{Notice, PortStatusReason, Removed};
use crate::flow_changes::FlowChanges;
use crate::model::{Bridge, MacKey, Peer, Port, resolve_mirrors};
use crate::status::{BridgeStatus, Changes, PortStatus, Status, WantedPort};
use crate::switch::Switch;
use crate::tables::{TableChanges, Tables};

/// A bridge that has to become something else, ready to be carried out.
struct Wanted<'a> {
    config: &'a config::Bridge,
    /// What it is now; `None`: it is new.
    present: Option<BridgeId>,
    numbers: Numbers,
    flows: FlowChanges,
    tables: TableChanges,
}

impl Switch {
    /// Makes `new` the present configuration. Bridges equal to what they were are not touched.
    ///
    /// The link of a port that is new counts as up and plain: call [`Self::set_link`] before the next translation
    /// where it is not.
    ///
    /// # Errors
    /// The configuration contradicts itself; then nothing was changed.
    pub fn reconfigure(&mut self, new: &Config, now: Nanos) -> Result<(Changes, Status), ConfigError> {
        config::check(new)?;
        let wanted = self.differences(new)?;
        let mut ports = PortChanges::default();
        self.remove_bridges(new, &mut ports);
        let loops_differ = std::mem::replace(&mut self.loops, new.loops) != new.loops;
        if wanted.is_empty() && !loops_differ && ports.is_empty() {
            return Ok(Default::default());
        }
        let mut status = Status::default();
        let mut ids = Vec::new();
        for wanted in &wanted {
            let id = self.bridge_for(wanted);
            self.remove_ports(id, wanted, &mut ports);
            ids.push(id);
        }
        for (wanted, id) in wanted.iter().zip(ids) {
            self.put_ports(id, wanted, &mut ports, now);
            self.configure(id, wanted, now);
            status.bridges.push(self.status_of(id, wanted.config));
        }
        if loops_differ {
            // Where packets go under `ecmp` is decided everywhere anew.
            let version = self.next_version();
            self.bridges.values_mut().for_each(|bridge| {
                bridge.version = version;
                bridge.ports.values_mut().for_each(|port| port.version = version);
            });
        }
        self.find_peers();
        self.outdate_owners(&ports);
        self.reroute(now);
        self.advance();
        Ok((ports.into_changes(), status))
    }

    /// The bridges that are new or differ, with everything that can fail done.
    fn differences<'a>(&self, new: &'a Config) -> Result<Vec<Wanted<'a>>, ConfigError> {
        let mut wanted = Vec::new();
        for config in &new.bridges {
            let present = self.uuids.get(&config.uuid).copied();
            let bridge = present.and_then(|id| self.bridges.get(id));
            if bridge.is_some_and(|bridge| bridge.config == *config) {
                continue;
            }
            let number_now = |interface: &config::Interface| {
                let same = |port: &&Port| port.name == interface.name && port.dp_port == interface.dp_port;
                bridge?.ports.values().find(same).map(|port| port.number)
            };
            let numbers = Numbers::new(config, number_now)?;
            let tables = Tables::of(config, &|name| numbers.of(name))?;
            let flows = FlowChanges::new(bridge, config, &numbers, &tables)?;
            let tables = TableChanges::new(bridge, &tables)?;
            wanted.push(Wanted { config, present, numbers, flows, tables });
        }
        Ok(wanted)
    }

    fn remove_bridges(&mut self, new: &Config, ports: &mut PortChanges) {
        let kept: BTreeSet<_> = new.bridges.iter().map(|bridge| bridge.uuid).collect();
        let gone: Vec<_> =
            self.uuids.iter().filter(|(uuid, _)| !kept.contains(uuid)).map(|(_, id)| *id).collect();
        for id in gone {
            let Some(bridge) = self.bridges.remove(id) else { continue };
            self.uuids.remove(&bridge.config.uuid);
            self.names.remove(&bridge.config.name);
            for port in bridge.ports.values() {
                self.dp_ports.remove(&port.dp_port);
                ports.removed.insert(port.dp_port);
            }
            let rules = bridge.tables.values().flat_map(|table| table.rules.iter());
            for (_, _, rule) in rules {
                self.rules.remove(rule.id);
                self.triggers.forget(rule.id);
            }
        }
        self.tell_known_options();
    }

    fn bridge_for(&mut self, wanted: &Wanted<'_>) -> BridgeId {
        let version = self.next_version();
        let seed = self.settings.seed;
        let id = wanted.present.unwrap_or_else(|| {
            let (ports, flows, groups, meters) = Default::default();
            let empty = config::Bridge { ports, flows, groups, meters, ..wanted.config.clone() };
            self.bridges.add(|id| Bridge::new(id, empty, seed, version))
        });
        if let Some(bridge) = self.bridges.get_mut(id) {
            bridge.version = version;
            // Flows of controllers go with the first that comes and the last that goes, and so do egress tables.
            let is_handed_over = bridge.is_alone() != wanted.config.controller.is_empty();
            if is_handed_over {
                bridge.first_egress = None;
            }
            let is_asked_alike = (&bridge.config.in_band, &bridge.config.service)
                == (&wanted.config.in_band, &wanted.config.service);
            let is_flooded_alike = bridge.config.flood_vlans == wanted.config.flood_vlans;
            if is_handed_over || !is_asked_alike || !is_flooded_alike {
                // Asked of whatever comes in, so it is a matter of each port.
                bridge.ports.values_mut().for_each(|port| port.version = version);
            }
            // Another bridge may have taken the old name already.
            if self.names.get(&bridge.config.name) == Some(&id) {
                self.names.remove(&bridge.config.name);
            }
        }
        self.names.insert(wanted.config.name.clone(), id);
        self.uuids.insert(wanted.config.uuid, id);
        id
    }

    /// Removes the ports that are gone or get another number or device.
    fn remove_ports(&mut self, id: BridgeId, wanted: &Wanted<'_>, ports: &mut PortChanges) {
        let interfaces = wanted.config.ports.iter().flat_map(|port| &port.interfaces);
        let devices: BTreeMap<&str, PortId> = interfaces.map(|it| (it.name.as_str(), it.dp_port)).collect();
        let stays = |port: &Port| {
            devices.get(port.name.as_str()) == Some(&port.dp_port)
                && wanted.numbers.of(&port.name) == Some(port.number)
        };
        let Some(bridge) = self.bridges.get(id) else { return };
        let gone: Vec<OfPort> =
            bridge.ports.values().filter(|port| !stays(port)).map(|port| port.number).collect();
        for number in gone {
            self.take_port(id, Some(number), ports);
        }
    }

    /// Takes a port away from a bridge, and what was learned there.
    pub(crate) fn take_port(&mut self, id: BridgeId, number: Option<OfPort>, ports: &mut PortChanges) {
        let Some(number) = number else { return };
        self.forget_macs_at(id, number);
        let port = self.bridges.get_mut(id).and_then(|bridge| bridge.drop_port(number));
        if let Some(port) = port {
            self.dp_ports.remove(&port.dp_port);
            ports.removed.insert(port.dp_port);
            self.outbox.push(id, Notice::Port { port: number, reason: PortStatusReason::Delete });
        }
    }

    fn put_ports(&mut self, id: BridgeId, wanted: &Wanted<'_>, ports: &mut PortChanges, now: Nanos) {
        for (port, interface) in
            wanted.config.ports.iter().flat_map(|port| port.interfaces.iter().map(move |it| (port, it)))
        {
            let Some(number) = wanted.numbers.of(&interface.name) else { continue };
            let version = self.next_version();
            let mut new = Port::new(number, port, interface, (version, now));
            let Some(bridge) = self.bridges.get_mut(id) else { return };
            if let Some(old) = bridge.ports.get(&number) {
                let is_seen_alike = (old.tenant, old.peer_dp, old.is_flow_tunnel, old.is_tunnel, &old.inner)
                    == (new.tenant, new.peer_dp, new.is_flow_tunnel, new.is_tunnel, &new.inner);
                if is_seen_alike && old.vlans == new.vlans {
                    self.set_queues(id, number, new.qos);
                    self.set_address(id, number, new.mac);
                    continue;
                }
                (new.link, new.crossed, new.config) = (old.link, old.crossed, old.config);
                new.created = old.created;
                if !is_seen_alike {
                    ports.changed.push(wanted_port(wanted.config, port, interface));
                }
                self.forget_macs_at(id, number);
            } else {
                ports.added.push(wanted_port(wanted.config, port, interface));
                self.dp_ports.insert(interface.dp_port, (id, number));
                self.outbox.push(id, Notice::Port { port: number, reason: PortStatusReason::Add });
            }
            if let Some(bridge) = self.bridges.get_mut(id) {
                bridge.put_port(new);
            }
        }
    }

    /// Other queues of a port that stays as it is.
    fn set_queues(&mut self, id: BridgeId, number: OfPort, qos: Option<Qos>) {
        let version = self.next_version();
        if let Some(port) = self.port_mut(id, number)
            && port.qos != qos
        {
            (port.qos, port.version) = (qos, version);
        }
    }

    /// Another Ethernet address of a port that stays as it is. No packet asks for it.
    fn set_address(&mut self, id: BridgeId, number: OfPort, mac: Option<[u8; 6]>) {
        if let Some(port) = self.port_mut(id, number)
            && port.mac != mac
        {
            port.mac = mac;
            self.outbox.push(id, Notice::Port { port: number, reason: PortStatusReason::Modify });
        }
    }

    /// Everything of a bridge but its ports.
    fn configure(&mut self, id: BridgeId, wanted: &Wanted<'_>, now: Nanos) {
        let Self { bridges, versions, .. } = self;
        let Some(bridge) = bridges.get_mut(id) else { return };
        bridge.config = wanted.config.clone();
        let or = |value: u32, default: u32| if value == 0 { default } else { value };
        let ageing = Nanos::from_secs(u64::from(or(bridge.config.mac_aging_time, 300)));
        let limit = usize::try_from(or(bridge.config.mac_table_size, 8192)).unwrap_or(usize::MAX);
        bridge.macs.configure(ageing, limit, |key| versions.bump(versions.of_mac(id, key)));
        let floods = bridge.config.flood_vlans.clone();
        if !floods.is_empty() {
            let learns = |key: &MacKey| !floods.contains(&key.vlan);
            bridge.macs.retain(|key, _| learns(key), |key| versions.bump(versions.of_mac(id, key)));
        }
        self.set_mirrors(id);
        self.put_tables(id, &wanted.tables, now);
        for flow in &wanted.flows.removed {
            if let Some(rule) = self.rule_of(id, flow) {
                self.remove_rule(rule, Removed::Delete, now);
            }
        }
        for (flow, origin) in &wanted.flows.moved {
            if let Some(rule) = self.rule_of(id, flow) {
                self.set_origin(rule, origin);
            }
        }
        for (flow, origin) in &wanted.flows.added {
            self.put_flow(id, flow.clone(), origin.clone().into(), now);
        }
        self.remove_tables(id, &wanted.tables, now);
    }

    /// Has every port know which mirrors want copies there.
    fn set_mirrors(&mut self, id: BridgeId) {
        let version = self.next_version();
        let Some(bridge) = self.bridges.get_mut(id) else { return };
        let (list, wanted) = resolve_mirrors(bridge);
        let differs = bridge.mirrors.replace(list, version);
        for port in bridge.ports.values_mut() {
            let mirrored = wanted.get(&port.number).copied().unwrap_or_default();
            if differs || port.mirrored != mirrored {
                (port.mirrored, port.version) = (mirrored, version);
            }
        }
    }

    pub(crate) fn rule_of(&self, id: BridgeId, flow: &FlowText) -> Option<RuleId> {
        let table = self.bridges.get(id)?.tables.get(&flow.table)?;
        table.rules.get(&flow.matches, u32::from(flow.priority)).map(|rule| rule.id)
    }

    fn forget_macs_at(&mut self, id: BridgeId, number: OfPort) {
        let Self { bridges, versions, .. } = self;
        if let Some(bridge) = bridges.get_mut(id) {
            bridge
                .macs
                .retain(|_, entry| entry.port != number, |key| versions.bump(versions.of_mac(id, key)));
        }
    }

    /// Joins the ends of the links between switches.
    fn find_peers(&mut self) {
        let mut changes = Vec::new();
        for bridge in self.bridges.values() {
            for port in bridge.ports.values() {
                let end = port.peer_dp.and_then(|peer| self.dp_ports.get(&peer));
                let peer = end.map(|(bridge, port)| Peer { bridge: *bridge, port: *port });
                if peer != port.peer {
                    changes.push((bridge.id, port.number, peer));
                }
            }
        }
        for (bridge, number, peer) in changes {
            if let Some(port) = self.port_mut(bridge, number) {
                port.peer = peer;
            }
            self.touch(bridge, number);
        }
    }

    /// Ways to the owners at ports that came or went are outdated.
    pub(crate) fn outdate_owners(&mut self, ports: &PortChanges) {
        let Self { directory, versions, .. } = self;
        for port in ports.removed.iter().copied().chain(ports.added.iter().map(|added| added.port)) {
            let Some(here) = directory.at_port(port) else { continue };
            here.macs.iter().for_each(|mac| versions.bump(versions.of_owner(*mac)));
            here.addresses.iter().for_each(|address| versions.bump(versions.of_address(*address)));
        }
    }

    fn status_of(&self, id: BridgeId, config: &config::Bridge) -> BridgeStatus {
        let ports = self.bridges.get(id).into_iter().flat_map(|bridge| bridge.ports.values());
        let status =
            |port: &Port| PortStatus { name: port.name.clone(), ofport: port.number, dp_port: port.dp_port };
        BridgeStatus { name: config.name.clone(), id, ports: ports.map(status).collect() }
    }
}

/// The changes of datapath ports in the making.
#[derive(Default)]
pub(crate) struct PortChanges {
    added: Vec<WantedPort>,
    changed: Vec<WantedPort>,
    removed: BTreeSet<PortId>,
}

impl PortChanges {
    /// A port that is new.
    pub(crate) fn add(&mut self, bridge: &Bridge, port: &config::Port, interface: &config::Interface) {
        self.added.push(wanted_port(&bridge.config, port, interface));
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// A port that left one place and came to another stays, changed.
    fn into_changes(mut self) -> Changes {
        let (moved, added): (Vec<_>, Vec<_>) =
            self.added.into_iter().partition(|port| self.removed.remove(&port.port));
        self.changed.extend(moved);
        Changes { added, changed: self.changed, removed: self.removed.into_iter().collect() }
    }
}

fn wanted_port(bridge: &config::Bridge, port: &config::Port, interface: &config::Interface) -> WantedPort {
    WantedPort {
        port: interface.dp_port,
        bridge: bridge.name.clone(),
        name: interface.name.clone(),
        tenant: port.tenant,
        peer: interface.peer,
    }
}
