//! What a network answers by itself.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::node::Node;
use super::root::Lab;
use crate::address::{Cidr, Family};
use crate::mac::Mac;

/// The service of a network: names, and unless `dhcp: false` addresses and router advertisements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The network: the name of its implicit switch.
    pub network: String,
    /// Whose it is.
    pub tenant: String,
    /// The broadcast domain, an index into [`Lab::domains`].
    pub domain: usize,
    /// Its link-layer address.
    pub mac: Mac,
    /// Its address in each subnet of the network; none where that has no address left.
    pub addresses: Vec<Cidr>,
    /// Whether it hands out addresses and advertises routers.
    pub dhcp: bool,
    /// Whether names that are not the lab's are asked outside.
    pub internet: bool,
}

/// Name servers that a resolver asks. Source: `MAXNS` of resolv.conf(5).
const MAX_SERVERS: usize = 3;

impl Lab {
    /// The service of a network.
    #[must_use]
    pub fn service(&self, network: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.network == network)
    }

    /// What a node's programs find names with: the services of its networks, those that know the world first. `None`: it is
    /// in no network with a service.
    #[must_use]
    pub fn resolver(&self, node: &Node) -> Option<Resolver> {
        let own = node.interfaces.iter().filter_map(|interface| {
            let service = self.services.iter().find(|service| service.domain == interface.domain)?;
            let usable = |a: &&Cidr| interface.addresses.iter().any(|own| own.contains(a.ip));
            Some((service, service.addresses.iter().find(usable)?.ip))
        });
        let mut own: Vec<(&Service, IpAddr)> = own.collect();
        own.sort_by_key(|(service, _)| !service.internet);
        own.truncate(MAX_SERVERS);
        let (first, _) = own.first()?;
        let mut text = "# Names of the lab, and of the world where the lab leads there.\n".to_owned();
        for (_, address) in &own {
            text.push_str(&format!("nameserver {address}\n"));
        }
        text.push_str(&format!("search {}.{}\n", first.tenant, self.name));
        let name = |(service, address): &(&Service, IpAddr)| {
            format!("{}.{}", service.network.replace('/', "."), Family::of(*address))
        };
        Some(Resolver { key: own.iter().map(name).collect::<Vec<_>>().join("+"), text })
    }
}

/// What a node's programs find names with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// Nodes with the same key have the same text, also after an edit; it could be part of a file's name.
    pub key: String,
    /// The text of /etc/resolv.conf.
    pub text: String,
}
