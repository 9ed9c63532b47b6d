//! What is wanted and stands, as the configuration of the switch model.

use std::collections::BTreeMap;

use netloom_datapath::Attach;
use netloom_switch::config::{
    Bridge as SwitchBridge, Config, FailMode, Interface, InterfaceType, Loops, Port, Uuid,
};

use super::controllers;
use super::desired::{Bridge, Desired, Kind};
use super::plant::{Id, Plant, Wanted};

/// As in OVS, those that come after are left out.
const MAX_MIRRORS: usize = 32;

/// The configuration of all bridges. Loops are the business of whoever draws them, as in OVS.
pub(super) fn of(desired: &Desired, wanted: &BTreeMap<Id, Wanted<'_>>, plant: &Plant) -> Config {
    Config {
        loops: Loops::Allow,
        bridges: desired.bridges.iter().map(|bridge| of_bridge(bridge, wanted, plant)).collect(),
    }
}

fn of_bridge(bridge: &Bridge, wanted: &BTreeMap<Id, Wanted<'_>>, plant: &Plant) -> SwitchBridge {
    let ports: Vec<Port> = wanted
        .iter()
        .filter(|(_, wanted)| wanted.bridge.uuid == bridge.uuid)
        .filter_map(|(id, wanted)| of_port(*id, wanted, plant))
        .collect();
    let bridged = plant.bridges.get(&bridge.uuid);
    let mut other_config = bridge.other_config.clone();
    let id = bridged.map_or(0, |bridged| bridged.datapath_id);
    other_config.insert("datapath-id".to_owned(), format!("{id:016x}"));
    SwitchBridge {
        name: bridge.name.clone(),
        uuid: uuid_of(bridge),
        fail_mode: if bridge.secure { FailMode::Secure } else { FailMode::Standalone },
        controller: bridge.controllers.iter().map(|controller| controller.target.clone()).collect(),
        protocols: bridge.protocols.clone(),
        in_band: controllers::in_band(bridge),
        mac_aging_time: bridge.mac_aging_time,
        mac_table_size: bridge.mac_table_size,
        flood_vlans: bridge.flood_vlans.clone(),
        mirrors: bridge.mirrors.iter().map(|(_, mirror)| mirror.clone()).take(MAX_MIRRORS).collect(),
        other_config,
        external_ids: bridge.external_ids.clone(),
        ports,
        ..SwitchBridge::default()
    }
}

/// The same 128 bits.
pub(super) fn uuid_of(bridge: &Bridge) -> Uuid {
    bridge.uuid.to_string().parse().unwrap_or_else(|_| Uuid::named(&[&bridge.name]))
}

/// `None`: it could not be opened.
pub(super) fn of_port(id: Id, wanted: &Wanted<'_>, plant: &Plant) -> Option<Port> {
    let standing = plant.standing.get(&id)?;
    let bridged = plant.bridges.get(&wanted.bridge.uuid);
    let is_local = wanted.interface.is_local();
    let link = standing.index.and_then(|index| plant.links.at(index));
    let interface = Interface {
        name: standing.name.clone(),
        kind: match &standing.kind {
            Kind::System | Kind::Dummy(_) | Kind::Bad(_) => InterfaceType::System,
            Kind::Internal { .. } => InterfaceType::Internal,
            Kind::Tap => InterfaceType::Tap,
            Kind::Patch { .. } => InterfaceType::Patch,
            Kind::Tunnel(settings) if settings.is_flow_based() => InterfaceType::FlowTunnel,
            Kind::Tunnel(_) => InterfaceType::Tunnel,
        },
        ofport_request: u16::try_from(standing.number.0).ok().filter(|_| !is_local),
        dp_port: standing.spec.id,
        peer: match standing.spec.attach {
            Attach::Peer(peer) => Some(peer),
            _ => None,
        },
        mtu: link.map(|link| link.mtu),
        mac: match link.and_then(|link| link.mac) {
            None if is_local => bridged.map(|bridged| bridged.mac),
            None if matches!(standing.kind, Kind::Dummy(_)) => Some(dummy_address(standing.spec.id)),
            mac => mac,
        },
        ..Interface::default()
    };
    Some(Port {
        name: standing.name.clone(),
        vlan_mode: wanted.port.vlan_mode,
        tag: wanted.port.tag,
        trunks: wanted.port.trunks.clone(),
        cvlans: wanted.port.cvlans.clone(),
        qinq_ethtype: wanted.port.qinq_ethtype,
        priority_tags: wanted.port.priority_tags,
        protected: wanted.port.protected,
        qos: wanted.port.qos.clone(),
        tenant: Some(standing.spec.tenant).filter(|_| interface.peer.is_none()),
        interfaces: vec![interface],
    })
}

/// The address of a dummy device: by its number in the datapath.
pub(super) const fn dummy_address(port: netloom_flow::PortId) -> [u8; 6] {
    let [_, _, high, low] = port.0.to_be_bytes();
    [0xaa, 0x55, 0xaa, 0x55, high, low]
}
