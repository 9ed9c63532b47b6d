//! The switches of a lab as the configuration value of the switch model.

use netloom_flow::TenantId;
use netloom_lab::lab::{ArpMode, End, FailMode, Interface, Lab, Loops, Node, Switch, SwitchPort, Vlan};
use netloom_switch::config::{
    Arp, Bridge, Config, FailMode as BridgeFailMode, Flow, Interface as BridgeInterface, InterfaceType,
    Loops as SwitchLoops, Origin, Port, Uuid, VlanMode,
};
use netloom_switch::{Owner, Owners, Subnet};

use super::{PortMap, tenant};
use crate::host::link_local;

/// The configuration of all switches. `path` is the lab file, for the origin of its flows.
pub(crate) fn config(lab: &Lab, ports: &PortMap, path: &str) -> Config {
    let loops = match lab.options.loops {
        Loops::Tree => SwitchLoops::Tree,
        Loops::Ecmp => SwitchLoops::Ecmp,
        Loops::Allow => SwitchLoops::Allow,
    };
    Config { loops, bridges: lab.switches.iter().map(|switch| bridge(lab, switch, ports, path)).collect() }
}

fn bridge(lab: &Lab, switch: &Switch, ports: &PortMap, path: &str) -> Bridge {
    Bridge {
        name: switch.name.clone(),
        uuid: Uuid::named(&[&lab.name, &switch.name]),
        fail_mode: match switch.fail_mode {
            FailMode::Standalone => BridgeFailMode::Standalone,
            FailMode::Secure => BridgeFailMode::Secure,
        },
        arp: match lab.options.arp {
            ArpMode::Local => Arp::Local,
            ArpMode::Flood => Arp::Flood,
            ArpMode::Static => Arp::Static,
        },
        flows: switch
            .flows
            .iter()
            .map(|flow| Flow {
                text: flow.text.clone(),
                origin: Origin::File { path: path.to_owned(), line: flow.line },
            })
            .collect(),
        ports: switch.ports.iter().filter_map(|port| bridge_port(lab, switch, port, ports)).collect(),
        ..Bridge::default()
    }
}

fn bridge_port(lab: &Lab, switch: &Switch, port: &SwitchPort, ports: &PortMap) -> Option<Port> {
    let (vlan_mode, tag, trunks) = match &port.vlan {
        Vlan::Any => (None, None, Vec::new()),
        Vlan::Access(vlan) => (Some(VlanMode::Access), Some(*vlan), Vec::new()),
        Vlan::Trunk { vlans, native: None } => (Some(VlanMode::Trunk), None, vlans.clone()),
        Vlan::Trunk { vlans, native } => (Some(VlanMode::NativeUntagged), *native, vlans.clone()),
    };
    let here = End::Switch { switch: switch.name.clone(), port: port.number };
    let dp_port = ports.end(&here)?;
    let peer = if port.peer.is_switch() { ports.end(&port.peer) } else { None };
    let interface = BridgeInterface {
        name: port.name.clone(),
        kind: if peer.is_some() { InterfaceType::Patch } else { InterfaceType::Tap },
        ofport_request: u16::try_from(port.number).ok(),
        dp_port,
        peer,
        mtu: None,
    };
    Some(Port {
        name: port.name.clone(),
        vlan_mode,
        tag,
        trunks,
        tenant: port.tenant.as_ref().map(|name| tenant(lab, name)),
        interfaces: vec![interface],
    })
}

/// The addresses the lab assigned, for `arp: local` and for forwarding to addresses that were not learned yet.
pub(crate) fn owners(lab: &Lab, ports: &PortMap) -> Owners {
    let mut owners = Vec::new();
    for node in &lab.nodes {
        owners.extend(node.interfaces.iter().filter_map(|interface| owner(lab, node, interface, ports)));
    }
    let subnets = lab.domains.iter().flat_map(|domain| {
        let tenant = tenant(lab, &domain.tenant);
        domain.subnets.iter().map(move |s| Subnet { tenant, address: s.ip, prefix: s.len })
    });
    Owners { owners, subnets: subnets.collect() }
}

fn owner(lab: &Lab, node: &Node, interface: &Interface, ports: &PortMap) -> Option<Owner> {
    let mac = interface.mac.0;
    let tenant: TenantId = tenant(lab, &interface.tenant);
    let port = ports.interface(&node.name, &interface.name)?;
    let addresses = interface.addresses.iter().map(|a| a.ip).chain([link_local(mac).into()]).collect();
    Some(Owner { tenant, port, mac, addresses })
}
