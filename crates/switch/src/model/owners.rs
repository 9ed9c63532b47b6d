//! The addresses the lab assigned: who owns an IP or a MAC address, and at which port.
//!
//! Used by `arp: local`, which takes a request straight to the owner, and by NORMAL, which need not flood towards
//! an address of the lab that it has not learned yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use netloom_flow::{PortId, TenantId};

use super::hash::Keyed;

/// The addresses the lab assigned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// One for each interface that is attached to a switch port.
    pub owners: Vec<Owner>,
    /// The lab's subnets: a request for an unassigned address in one of them has no answer.
    pub subnets: Vec<Subnet>,
    /// Tenants in which somebody may route: reports of group membership are for them.
    pub routed: BTreeSet<TenantId>,
}

/// An interface with addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its tenant.
    pub tenant: TenantId,
    /// The datapath port of the switch it is attached to.
    pub port: PortId,
    /// Its link-layer address.
    pub mac: [u8; 6],
    /// Its IPv4 and IPv6 addresses, link-local ones included where they are known.
    pub addresses: Vec<IpAddr>,
}

/// A subnet of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    /// The tenant.
    pub tenant: TenantId,
    /// Any address of it.
    pub address: IpAddr,
    /// Its prefix length in bits.
    pub prefix: u8,
}

impl Subnet {
    fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => u128::from(own.to_bits() ^ other.to_bits()) << 96,
            (IpAddr::V6(own), IpAddr::V6(other)) => own.to_bits() ^ other.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= u32::from(self.prefix)
    }
}

/// Where an address lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) tenant: TenantId,
    pub(crate) port: PortId,
}

/// What lives at a port.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) macs: Vec<[u8; 6]>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// The owners, found by address.
#[derive(Debug)]
pub(crate) struct Directory {
    by_mac: HashMap<[u8; 6], Vec<Home>, Keyed>,
    by_address: HashMap<IpAddr, Vec<Home>, Keyed>,
    by_port: BTreeMap<PortId, Addresses>,
    subnets: Vec<Subnet>,
    routed: BTreeSet<TenantId>,
}

impl Directory {
    pub(crate) fn new(seed: u64, owners: &Owners) -> Self {
        let keyed = Keyed(seed);
        let mut directory = Self {
            by_mac: HashMap::with_capacity_and_hasher(owners.owners.len(), keyed),
            by_address: HashMap::with_capacity_and_hasher(owners.owners.len(), keyed),
            by_port: BTreeMap::new(),
            subnets: owners.subnets.clone(),
            routed: owners.routed.clone(),
        };
        directory.subnets.sort_unstable();
        for owner in &owners.owners {
            let home = Home { tenant: owner.tenant, port: owner.port };
            let here = directory.by_port.entry(owner.port).or_default();
            here.macs.push(owner.mac);
            here.addresses.extend(&owner.addresses);
            directory.by_mac.entry(owner.mac).or_default().push(home);
            for address in &owner.addresses {
                directory.by_address.entry(*address).or_default().push(home);
            }
        }
        directory
    }

    /// Everywhere a MAC address lives, in any tenant.
    pub(crate) fn homes_of_mac(&self, mac: [u8; 6]) -> &[Home] {
        self.by_mac.get(&mac).map_or(&[], Vec::as_slice)
    }

    /// Everywhere an IP address lives, in any tenant.
    pub(crate) fn homes_of(&self, address: IpAddr) -> &[Home] {
        self.by_address.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Whether the lab has a subnet of this tenant around an address.
    pub(crate) fn is_inside(&self, tenant: TenantId, address: IpAddr) -> bool {
        self.subnets.iter().any(|subnet| subnet.tenant == tenant && subnet.contains(address))
    }

    /// Whether somebody may route in a tenant.
    pub(crate) fn is_routed(&self, tenant: TenantId) -> bool {
        self.routed.contains(&tenant)
    }

    /// All addresses that live at a port.
    pub(crate) fn at_port(&self, port: PortId) -> Option<&Addresses> {
        self.by_port.get(&port)
    }

    /// Tells which addresses live elsewhere in `new`, in no particular order, and whether what stands for all of a tenant differs.
    pub(crate) fn differences(
        &self,
        new: &Self,
        mac: impl FnMut([u8; 6]),
        address: impl FnMut(IpAddr),
    ) -> bool {
        differing(&self.by_mac, &new.by_mac, mac);
        differing(&self.by_address, &new.by_address, address);
        self.subnets != new.subnets || self.routed != new.routed
    }
}

fn differing<K: Copy + Eq + Hash>(
    old: &HashMap<K, Vec<Home>, Keyed>,
    new: &HashMap<K, Vec<Home>, Keyed>,
    mut tell: impl FnMut(K),
) {
    old.iter().filter(|(key, homes)| new.get(*key) != Some(*homes)).for_each(|(key, _)| tell(*key));
    new.keys().filter(|key| !old.contains_key(*key)).for_each(|key| tell(*key));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(tenant: u16, port: u32, last: u8) -> Owner {
        Owner {
            tenant: TenantId(tenant),
            port: PortId(port),
            mac: [2, 0, 0, 0, 0, last],
            addresses: vec![
                IpAddr::from([10, 0, 0, last]),
                IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last.into()]),
            ],
        }
    }

    #[test]
    fn tenants_may_overlap() {
        let owners = Owners { owners: vec![owner(1, 10, 1), owner(2, 20, 1)], ..Owners::default() };
        let directory = Directory::new(1, &owners);
        let homes = directory.homes_of(IpAddr::from([10, 0, 0, 1]));
        assert_eq!(homes.iter().map(|home| home.port).collect::<Vec<_>>(), [PortId(10), PortId(20)]);
        assert_eq!(directory.at_port(PortId(20)).map(|here| here.macs.len()), Some(1));
        assert!(directory.at_port(PortId(30)).is_none());
    }

    #[test]
    fn subnets_are_of_one_tenant_and_one_family() {
        let subnet = |address: IpAddr, prefix| Subnet { tenant: TenantId(1), address, prefix };
        let subnets = vec![
            subnet(IpAddr::from([10, 0, 0, 9]), 24),
            subnet(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 0]), 64),
        ];
        let directory = Directory::new(1, &Owners { subnets, ..Owners::default() });
        let inside = |tenant, address: IpAddr| directory.is_inside(TenantId(tenant), address);
        assert!(inside(1, IpAddr::from([10, 0, 0, 77])));
        assert!(!inside(1, IpAddr::from([10, 0, 1, 77])));
        assert!(!inside(2, IpAddr::from([10, 0, 0, 77])));
        assert!(inside(1, IpAddr::from([0xfd00, 0, 0, 0, 9, 0, 0, 1])));
        assert!(!inside(1, IpAddr::from([0xfd00, 0, 0, 1, 9, 0, 0, 1])));
    }

    #[test]
    fn differences_name_what_moved() {
        let old = Directory::new(
            1,
            &Owners { owners: vec![owner(1, 10, 1), owner(1, 11, 2)], ..Owners::default() },
        );
        let new = Directory::new(
            1,
            &Owners { owners: vec![owner(1, 10, 1), owner(1, 12, 2)], ..Owners::default() },
        );
        let (mut macs, mut addresses) = (Vec::new(), Vec::new());
        let subnets_differ = old.differences(&new, |mac| macs.push(mac), |address| addresses.push(address));
        assert!(!subnets_differ);
        assert_eq!(macs, [[2, 0, 0, 0, 0, 2]]);
        assert_eq!(addresses.len(), 2);
    }
}
