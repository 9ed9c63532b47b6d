//! The lab's switches as the switch wants them: its configuration value, and who owns which address.

use std::net::{IpAddr, SocketAddrV4};

use netloom_flow::{PortId, TenantId};
use netloom_switch::config::{
    Arp, Bridge, Config, FailMode, Flow, Inner, Interface, InterfaceType, Loops, Origin, Port, Service, Uuid,
    VlanMode,
};
use netloom_switch::{Owner, Owners, Subnet};

use crate::lab::{self, Lab, Link};
use crate::target::Target;
use crate::tunnel::{Tunnel, TunnelType, VxlanExtension};

/// Which datapath port the lab's daemon gave to one end of a link: `(link id, true for the left end)`.
pub type PortIds<'a> = &'a dyn Fn(&str, bool) -> Option<PortId>;

/// The configuration of all switches. Ports whose link has no datapath port yet are left out.
#[must_use]
pub fn config(lab: &Lab, ids: PortIds<'_>) -> Config {
    let loops = match lab.options.loops {
        lab::Loops::Tree => Loops::Tree,
        lab::Loops::Ecmp => Loops::Ecmp,
        lab::Loops::Allow => Loops::Allow,
    };
    Config { loops, bridges: lab.switches.iter().map(|switch| bridge(lab, switch, ids)).collect() }
}

fn bridge(lab: &Lab, switch: &lab::Switch, ids: PortIds<'_>) -> Bridge {
    let path = lab.path.display().to_string();
    let flow = |flow: &lab::Flow| Flow {
        text: flow.text.clone(),
        origin: Origin::File { path: path.clone(), line: flow.line },
    };
    Bridge {
        name: switch.name.clone(),
        uuid: Uuid::named(&[&lab.name, &switch.name]),
        fail_mode: match switch.fail_mode {
            lab::FailMode::Standalone => FailMode::Standalone,
            lab::FailMode::Secure => FailMode::Secure,
        },
        service: lab.service(&switch.name).map(|service| served(lab, service)),
        arp: match lab.options.arp {
            lab::ArpMode::Local => Arp::Local,
            lab::ArpMode::Flood => Arp::Flood,
            lab::ArpMode::Static => Arp::Static,
        },
        flows: switch.flows.iter().map(flow).collect(),
        groups: switch.groups.iter().map(flow).collect(),
        meters: switch.meters.iter().map(flow).collect(),
        controller: controllers(lab, switch).flat_map(lab::Controller::targets).collect(),
        in_band: controllers(lab, switch).filter(|it| it.in_band).flat_map(addresses).collect(),
        protocols: switch.openflow.clone(),
        other_config: switch.dpid.iter().map(|id| ("datapath-id".to_owned(), format!("{id:016x}"))).collect(),
        ports: switch.ports.iter().filter_map(|p| port(lab, p, ids)).collect(),
        ..Bridge::default()
    }
}

fn served(lab: &Lab, service: &lab::Service) -> Service {
    let v4 = service.addresses.iter().find_map(|a| if let IpAddr::V4(ip) = a.ip { Some(ip) } else { None });
    let v6 = service.addresses.iter().filter_map(|a| if let IpAddr::V6(ip) = a.ip { Some(ip) } else { None });
    Service {
        tenant: TenantId(lab.tenant_id(&service.tenant).unwrap_or(u16::MAX)),
        mac: service.mac.0,
        v4,
        v6: v6.chain([service.mac.link_local()]).collect(),
        dhcp: service.dhcp,
    }
}

/// Where a controller is in the network, as far as it is called there by IPv4.
fn addresses(controller: &lab::Controller) -> Vec<SocketAddrV4> {
    let of = |ip: IpAddr, port| match ip {
        IpAddr::V4(ip) => Some(SocketAddrV4::new(ip, port)),
        IpAddr::V6(_) => None,
    };
    match &controller.place {
        lab::ControllerPlace::Node { port, addresses, .. } => {
            addresses.iter().filter_map(|ip| of(*ip, *port)).collect()
        }
        lab::ControllerPlace::Targets(targets) => targets
            .iter()
            .filter_map(|text| match Target::parse(text) {
                Ok(Target::Call { ip, port, .. }) => of(ip, port),
                _ => None,
            })
            .collect(),
        lab::ControllerPlace::Run(_) | lab::ControllerPlace::Learn => Vec::new(),
    }
}

/// The controllers of a switch.
pub fn controllers<'l>(lab: &'l Lab, switch: &'l lab::Switch) -> impl Iterator<Item = &'l lab::Controller> {
    switch.controllers.iter().filter_map(|name| lab.controller(name))
}

fn port(lab: &Lab, port: &lab::SwitchPort, ids: PortIds<'_>) -> Option<Port> {
    let left = port.left;
    let dp_port = ids(&port.link, left)?;
    let peer = if port.peer.is_switch() { ids(&port.link, !left) } else { None };
    let (vlan_mode, tag, trunks) = match &port.vlan {
        lab::Vlan::Any => (None, None, Vec::new()),
        lab::Vlan::Access(vlan) => (Some(VlanMode::Access), Some(*vlan), Vec::new()),
        lab::Vlan::Trunk { vlans, native: None } => (Some(VlanMode::Trunk), None, vlans.clone()),
        lab::Vlan::Trunk { vlans, native } => (Some(VlanMode::NativeUntagged), *native, vlans.clone()),
    };
    let interface = Interface {
        name: port.name.clone(),
        kind: match tunnel_of(lab, port) {
            _ if peer.is_some() => InterfaceType::Patch,
            Some(tunnel) if tunnel.is_flow_based() => InterfaceType::FlowTunnel,
            Some(_) => InterfaceType::Tunnel,
            None => InterfaceType::Tap,
        },
        ofport_request: u16::try_from(port.number).ok(),
        dp_port,
        peer,
        mtu: None,
        mac: None,
        inner: lab.links.iter().find(|link| link.id == port.link).and_then(|link| inner(lab, link, left)),
    };
    let tenant = port.tenant.as_deref().and_then(|name| lab.tenant_id(name)).map(TenantId);
    Some(Port {
        name: port.name.clone(),
        vlan_mode,
        tag,
        trunks,
        tenant,
        qos: port.qos.clone(),
        interfaces: vec![interface],
        ..Port::default()
    })
}

/// What a port is that is one end of a tunnel between two switches of the lab.
fn inner(lab: &Lab, link: &Link, left: bool) -> Option<Inner> {
    let fused = link.fused.as_ref()?;
    let keys = fused.keys.iter().filter_map(|(tenant, key)| Some((lab.tenant_id(tenant)?, *key))).collect();
    let (near, far) = fused.ends();
    let (src, dst) = if left { (near, far) } else { (far, near) };
    Some(Inner {
        key: fused.key(left),
        keys,
        src,
        dst,
        tos: fused.tunnel.tos.value,
        ttl: fused.tunnel.ttl.value,
        options: fused.tunnel.kind == TunnelType::Geneve,
        gbp: fused.tunnel.exts == Some(VxlanExtension::Gbp),
        mtu: fused.mtu(),
        clamp: fused.tunnel.mss_clamp,
    })
}

/// The tunnel behind a port.
fn tunnel_of<'l>(lab: &'l Lab, port: &lab::SwitchPort) -> Option<&'l Tunnel> {
    let lab::End::Tunnel { .. } = port.peer else { return None };
    lab.links.iter().find(|link| link.id == port.link)?.tunnel.as_ref()
}

/// Who owns which address behind a switch port, and the lab's subnets.
#[must_use]
pub fn owners(lab: &Lab, ids: PortIds<'_>) -> Owners {
    let links: std::collections::BTreeMap<&str, &Link> =
        lab.links.iter().map(|l| (l.id.as_str(), l)).collect();
    let mut owners = Vec::new();
    for interface in lab.nodes.iter().filter(|n| !n.is_nic()).flat_map(|n| &n.interfaces) {
        let Some(link) = links.get(interface.link.as_str()) else { continue };
        let switch_is_left = match (link.a.is_switch(), link.b.is_switch()) {
            (true, false) => true,
            (false, true) => false,
            _ => continue,
        };
        if let (Some(port), Some(tenant)) = (ids(&link.id, switch_is_left), lab.tenant_id(&interface.tenant))
        {
            let addresses = interface.addresses.iter().map(|a| a.ip).collect();
            owners.push(Owner { tenant: TenantId(tenant), port, mac: interface.mac.0, addresses });
        }
    }
    // On its own switch a service is asked before any of this; from a switch that is joined, the way leads there.
    for service in &lab.services {
        let ports = lab.switch(&service.network).into_iter().flat_map(|switch| &switch.ports);
        let port = ports.filter_map(|port| ids(&port.link, port.left)).next();
        if let (Some(port), Some(tenant)) = (port, lab.tenant_id(&service.tenant)) {
            let addresses = service.addresses.iter().map(|a| a.ip).chain([service.mac.link_local().into()]);
            let (mac, addresses) = (service.mac.0, addresses.collect());
            owners.push(Owner { tenant: TenantId(tenant), port, mac, addresses });
        }
    }
    let subnet = |domain: &lab::Domain| {
        let tenant = TenantId(lab.tenant_id(&domain.tenant).unwrap_or_default());
        let subnets = domain.subnets.iter();
        subnets.map(move |s| Subnet { tenant, address: s.ip, prefix: s.len }).collect::<Vec<_>>()
    };
    // Who is behind a tunnel or a real interface has an address of the subnet and is not known here.
    let tunnels: Vec<_> = lab
        .switches
        .iter()
        .flat_map(|switch| &switch.ports)
        .filter(|port| matches!(port.peer, lab::End::Tunnel { .. }))
        .collect();
    let is_stretched = |domain: &&lab::Domain| {
        let of_nics = || lab.nodes.iter().filter(|node| node.is_nic()).flat_map(|node| &node.interfaces);
        tunnels.iter().any(|port| port.tenant.as_ref().is_none_or(|tenant| *tenant == domain.tenant))
            || of_nics().any(|interface| interface.tenant == domain.tenant)
    };
    let closed = lab.domains.iter().filter(|domain| !is_stretched(domain));
    let mut subnets: Vec<_> = closed.flat_map(subnet).collect();
    subnets.sort_unstable();
    subnets.dedup();
    let routers = lab.nodes.iter().filter(|node| may_route(node)).flat_map(|node| &node.interfaces);
    let routed = routers.filter_map(|i| lab.tenant_id(&i.tenant)).map(TenantId).collect();
    Owners { owners, subnets, routed }
}

/// Whether a node may be a router, for multicast too: it forwards, or is free to, or others are behind it.
fn may_route(node: &lab::Node) -> bool {
    node.is_nic() || node.forward || node.privileged || node.sysctl.keys().any(|key| key.contains("forward"))
}
