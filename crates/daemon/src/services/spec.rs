//! From a resolved lab to what a network answers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netloom_lab::Lab;
use netloom_lab::address::Cidr;
use netloom_lab::lab::{Interface, Node, Service};
use netloom_packet::Mac;
use netloom_services::{Client, Hop, Router, Spec, Zone, link_local};

/// What a network of the lab answers.
pub(super) fn spec(lab: &Lab, service: &Service) -> Spec {
    let members = lab.nodes.iter().flat_map(|node| node.interfaces.iter().map(move |own| (node, own)));
    let members: Vec<_> = members.filter(|(_, own)| own.domain == service.domain).collect();
    let here = Here::new(lab, service, &members);
    Spec {
        mac: Mac(service.mac.0),
        v4: v4(&service.addresses),
        v6: v6(&service.addresses),
        dhcp: service.dhcp,
        forwards: service.internet,
        zone: zone(lab, &service.tenant),
        clients: members.into_iter().map(|(node, own)| here.client(node, own)).collect(),
    }
}

/// Who is where in a network, by what they are looked for.
struct Here<'l> {
    /// Ports of the network's switch by the links that end there.
    ports: BTreeMap<&'l str, u32>,
    /// Interfaces by their IPv6 addresses.
    owners: BTreeMap<Ipv6Addr, Mac>,
}

impl<'l> Here<'l> {
    fn new(lab: &'l Lab, service: &Service, members: &[(&Node, &Interface)]) -> Self {
        let ports = lab.switch(&service.network).into_iter().flat_map(|switch| &switch.ports);
        let owned = members.iter().flat_map(|(_, own)| {
            let written =
                own.addresses.iter().filter_map(|a| if let IpAddr::V6(ip) = a.ip { Some(ip) } else { None });
            written.chain([own.mac.link_local()]).map(|ip| (ip, Mac(own.mac.0)))
        });
        Self { ports: ports.map(|port| (port.link.as_str(), port.number)).collect(), owners: owned.collect() }
    }

    /// The router with an address in the network: advertisements name it by its link-local address, which is made of its
    /// MAC address.
    fn router(&self, via: Ipv6Addr) -> Option<Router> {
        self.owners.get(&via).map(|mac| Router { mac: *mac, address: link_local(*mac) })
    }

    fn client(&self, node: &Node, own: &Interface) -> Client {
        let here = own.addresses.as_slice();
        let leads_here = |via: IpAddr| here.iter().any(|address| address.contains(via));
        let is_by = |dev: &Option<String>| dev.as_ref().is_none_or(|dev| *dev == own.name);
        let routes = node.routes.iter().filter(|route| match route.via {
            Some(via) => is_by(&route.dev) && leads_here(via),
            None => route.dev.as_ref() == Some(&own.name),
        });
        let v4_routes = routes.clone().filter_map(|route| match (route.to.ip, route.via) {
            (IpAddr::V4(to), Some(IpAddr::V4(via))) => Some(Hop { to, len: route.to.len, via }),
            (IpAddr::V4(to), None) => Some(Hop { to, len: route.to.len, via: Ipv4Addr::UNSPECIFIED }),
            _ => None,
        });
        let is_default = |hop: &Hop| hop.len == 0 && !hop.via.is_unspecified();
        let (defaults, others): (Vec<Hop>, Vec<Hop>) = v4_routes.partition(is_default);
        let gateway6 = routes.filter(|route| route.to.len == 0).find_map(|route| match route.via {
            Some(IpAddr::V6(via)) => Some(via),
            _ => None,
        });
        Client {
            node: node.name.clone(),
            hostname: node.hostname().to_owned(),
            mac: Mac(own.mac.0),
            port: self.ports.get(own.link.as_str()).copied(),
            mtu: u16::try_from(own.mtu).unwrap_or(u16::MAX),
            v4: v4(here),
            v6: v6(here),
            gateway: defaults.first().map(|hop| hop.via),
            routes: others,
            router: gateway6.and_then(|via| self.router(via)),
        }
    }
}

/// The names of a tenant, those of [`Lab::hosts_file`].
fn zone(lab: &Lab, tenant: &str) -> Zone {
    let mut zone = Zone::new(&lab.name, tenant, lab.tenants.iter().map(|tenant| tenant.name.clone()));
    for node in lab.nodes.iter().filter(|node| node.tenant == tenant) {
        node.addresses().for_each(|address| zone.add(node.hostname(), address.ip));
    }
    // After all names, so that an address is known by the name of its node.
    for node in lab.nodes.iter().filter(|node| node.tenant == tenant) {
        for alias in &node.aliases {
            node.addresses().for_each(|address| zone.add(alias, address.ip));
        }
    }
    for domain in lab.domains.iter().filter(|domain| domain.tenant == tenant) {
        domain.subnets.iter().for_each(|subnet| zone.cover(subnet.ip, subnet.len));
    }
    zone
}

fn v4(all: &[Cidr]) -> Option<(Ipv4Addr, u8)> {
    all.iter().find_map(|a| if let IpAddr::V4(ip) = a.ip { Some((ip, a.len)) } else { None })
}

fn v6(all: &[Cidr]) -> Option<(Ipv6Addr, u8)> {
    all.iter().find_map(|a| if let IpAddr::V6(ip) = a.ip { Some((ip, a.len)) } else { None })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const LAB: &str = "
netloom: 1
tenants: { red: {}, blue: {} }
networks: { red/lan: { subnet: [10.0.0.0/24, 'fd00:1::/64'] }, blue/lan: { subnet: 10.0.0.0/24 } }
nodes:
  red/a: { networks: [lan], mtu: 1400, routes: [default via 10.0.0.3, 192.0.2.0/24 via 10.0.0.2] }
  red/b: { networks: [lan] }
  red/gw: { networks: [lan], forward: true }
  blue/a: { networks: [lan] }
switches: { s1: {} }
links: [s1 -- red/lan, red/far -- s1]
";

    #[test]
    fn each_client_has_its_port_its_routes_and_its_router() {
        let source = LAB.replace("red/b:", "red/far: {}\n  red/b:");
        let file = netloom_lab::load(&source, Path::new("shop.loom.yml"), &[]).unwrap();
        let lab = netloom_lab::resolve(&file).unwrap_or_else(|e| panic!("{}", e.render(&source)));
        let spec = spec(&lab, &lab.services[0]);
        assert_eq!(spec.v4, Some(([10, 0, 0, 253].into(), 24)));
        let client = |node: &str| spec.clients.iter().find(|client| client.node == node).unwrap();
        let a = client("red/a");
        assert_eq!((a.hostname.as_str(), a.port, a.mtu), ("a", Some(1), 1_400));
        assert_eq!(a.gateway, Some([10, 0, 0, 3].into()));
        assert_eq!(a.routes, [Hop { to: [192, 0, 2, 0].into(), len: 24, via: [10, 0, 0, 2].into() }]);
        assert_eq!(a.router, None, "it has none in IPv6");
        let gw = Mac(lab.node("red/gw").unwrap().interfaces[0].mac.0);
        assert_eq!(client("red/b").router, Some(Router { mac: gw, address: link_local(gw) }));
        assert_eq!(client("red/far").port, None, "it is behind another switch");
        assert_eq!(spec.clients.len(), 4, "nobody of the other tenant");
        assert_eq!(spec.zone.domain(), "red.shop");
    }
}
