//! The service of each network: its place among the addresses.
//!
//! A node's address never makes way for it: nodes are numbered from the bottom, the last address is left to a gateway,
//! and the service takes the highest that is free below. So it stays where it is while nodes come and go. A subnet
//! that is full has none, and its network answers nothing in that family.

use std::collections::BTreeSet;

use super::Draft;
use crate::address::{Cidr, Family};
use crate::lab::{self, Lab};
use crate::mac::Mac;

/// Where it is looked for in a network without IPv4, whose subnet has no last address worth writing.
const HIGHEST_V6: u64 = 0xfffe;
/// How many numbers are looked at: as many as nodes could hold in a row.
const TRIES: u64 = 1 << 17;

/// Fills in the services.
pub(super) fn resolve(draft: &Draft<'_>, lab: &mut Lab) {
    let mut macs: BTreeSet<Mac> = lab.nodes.iter().flat_map(|node| &node.interfaces).map(|i| i.mac).collect();
    let mut services = Vec::new();
    for network in &draft.networks {
        let Some(switch) = draft.switches.get(network.switch) else { continue };
        let tenant = draft.tenant_name(network.tenant);
        // Networks that are joined are one domain, called after the first of them.
        let is_own =
            |domain: &lab::Domain| domain.of == switch.name && domain.tenant == tenant && domain.vlan == 0;
        let Some(at) = lab.domains.iter().position(is_own) else { continue };
        let tries = (0..u32::MAX).map(|again| Mac::derive(lab.seed, &switch.name, "service", again));
        let Some(mac) = tries.into_iter().find(|mac| macs.insert(*mac)) else { continue };
        let entry = draft.file.networks.get(network.entry);
        services.push(lab::Service {
            network: switch.name.clone(),
            tenant,
            domain: at,
            mac,
            addresses: addresses(lab, at),
            dhcp: entry.is_none_or(|entry| entry.dhcp),
            internet: entry.is_some_and(|entry| entry.internet),
        });
    }
    lab.services = services;
}

/// One number in all subnets of a domain, which is nobody's there.
fn addresses(lab: &Lab, domain: usize) -> Vec<Cidr> {
    let Some(subnets) = lab.domains.get(domain).map(|domain| &domain.subnets) else { return Vec::new() };
    let members = lab.nodes.iter().filter(|node| node.interfaces.iter().any(|i| i.domain == domain));
    let gateways = members.flat_map(|node| &node.routes).filter_map(|route| route.via);
    let owned = lab.nodes.iter().flat_map(|node| &node.interfaces).filter(|i| i.domain == domain);
    let taken = owned.flat_map(|i| &i.addresses).map(|address| address.ip).chain(gateways);
    let number = |ip| Some(Cidr { ip, ..*subnets.iter().find(|subnet| subnet.contains(ip))? }.host_number());
    let taken: BTreeSet<u64> = taken.filter_map(number).collect();
    let most = subnets.iter().map(|subnet| subnet.hosts()).min().unwrap_or(0);
    let has_v4 = subnets.iter().any(|subnet| subnet.family() == Family::Ipv4);
    let last = if has_v4 { most } else { most.min(HIGHEST_V6) };
    let mut free = (1..last).rev().take(usize::try_from(TRIES).unwrap_or(usize::MAX));
    match free.find(|number| !taken.contains(number)) {
        Some(number) => subnets.iter().map(|subnet| subnet.nth(number)).collect(),
        None => Vec::new(),
    }
}
