//! The nodes of a lab as networks of hosts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netloom_lab::lab::{ArpMode, Interface, Lab, Node, PortKind as Wanted, Virt};

use super::PortMap;
use crate::host::{Cards, HostInterface, HostNet, HostRoute, PortKind};

/// The network of a node. `auto` is what `port: auto` means on this machine; `function` whether there is a virtual function
/// for a node that wants one.
pub(crate) fn host_net(lab: &Lab, node: &Node, ports: &PortMap, auto: PortKind, function: bool) -> HostNet {
    let kind = match node.port {
        Wanted::Auto => auto,
        Wanted::Tap => PortKind::Tap,
        Wanted::Packet => PortKind::Packet,
    };
    let interface = |wanted: &Interface| HostInterface {
        name: wanted.name.clone(),
        port: ports.interface(&node.name, &wanted.name).map_or(u32::MAX, |port| port.0),
        kind,
        mac: wanted.mac.0,
        mtu: wanted.mtu,
        addresses: wanted.addresses.iter().map(|a| (a.ip, a.len)).collect(),
        neighbours: if lab.options.arp == ArpMode::Static { neighbours(lab, wanted) } else { Vec::new() },
    };
    let is_function = |wanted: &&Interface| function && node.is_function(&wanted.name);
    let on_switch =
        |wanted: &&Interface| !is_function(wanted) && ports.interface(&node.name, &wanted.name).is_some();
    HostNet {
        lab: lab.name.clone(),
        interfaces: node.interfaces.iter().filter(on_switch).map(interface).collect(),
        function: node.interfaces.iter().find(is_function).map(interface),
        routes: node.routes.iter().map(route).collect(),
        forward: node.forward,
        sysctls: if node.is_gateway() { gateway_settings() } else { settings(node) },
        guest: node.vm.as_ref().map(|vm| match vm.virt {
            Virt::Para => Cards::Rings,
            Virt::Full => Cards::Datagrams,
        }),
        real: node.nic.clone(),
        outlet: node.is_gateway().then(|| networks(lab)),
    }
}

/// The last group that the kernel takes for `ping_group_range`.
const LAST_GROUP: u32 = i32::MAX.cast_unsigned();

fn settings(node: &Node) -> Vec<(String, String)> {
    let usual = if node.container.is_some() { usual_settings() } else { Vec::new() };
    // What the file says comes later, and so it counts.
    usual.into_iter().chain(node.sysctl.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
}

/// All users of a container have all its ports and may ping, as Docker has it: programs of images that are not root's
/// listen at 80.
fn usual_settings() -> Vec<(String, String)> {
    let last = netloom_sys::userns::last_group().min(LAST_GROUP);
    let settings = [
        ("net.ipv4.ip_unprivileged_port_start", "0".to_owned()),
        ("net.ipv4.ping_group_range", format!("0 {last}")),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The kernel of a gateway. Packets have ports and addresses of both sides, so errors about them would not be understood:
/// it fragments rather than wait for one. And a node may use its ports again at once.
fn gateway_settings() -> Vec<(String, String)> {
    let settings = [
        ("net.ipv4.ip_no_pmtu_disc", "1"),
        ("net.ipv4.tcp_mtu_probing", "1"),
        ("net.ipv4.tcp_max_tw_buckets", "0"),
        ("net.ipv4.conf.all.rp_filter", "0"),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// All networks of the lab.
fn networks(lab: &Lab) -> Vec<(IpAddr, u8)> {
    let subnets = lab.domains.iter().flat_map(|domain| &domain.subnets).copied();
    let written = lab.nodes.iter().flat_map(|node| node.addresses()).map(|address| address.network());
    let all: BTreeSet<(IpAddr, u8)> =
        subnets.chain(written).map(|network| (network.ip, network.len)).collect();
    all.into_iter().collect()
}

fn route(route: &netloom_lab::lab::Route) -> HostRoute {
    HostRoute {
        destination: route.to.ip,
        prefix: route.to.len,
        gateway: route.via,
        interface: route.dev.clone(),
        metric: route.metric,
    }
}

/// Everybody else in the interface's broadcast domain, its network's own service included.
fn neighbours(lab: &Lab, interface: &Interface) -> Vec<(IpAddr, [u8; 6])> {
    let others = lab.nodes.iter().flat_map(|node| &node.interfaces);
    let services = lab.services.iter().filter(|service| service.domain == interface.domain);
    others
        .filter(|other| other.domain == interface.domain && other.mac != interface.mac)
        .flat_map(|other| other.addresses.iter().map(|address| (address.ip, other.mac.0)))
        .chain(services.flat_map(|it| it.addresses.iter().map(|address| (address.ip, it.mac.0))))
        .collect()
}
