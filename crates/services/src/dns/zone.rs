//! The names of a tenant: `web`, `web.red`, `web.red.shop`, as in /etc/hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::Name;

/// Most addresses of one name that are told.
const MAX_ADDRESSES: usize = 16;

/// The names that a tenant's nodes know each other by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zone {
    lab: String,
    tenant: String,
    /// All tenants of the lab: their names are nobody's outside.
    tenants: BTreeSet<String>,
    hosts: BTreeMap<String, Vec<IpAddr>>,
    names: BTreeMap<IpAddr, String>,
    subnets: Vec<(IpAddr, u8)>,
}

/// What a zone says to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Its addresses.
    Addresses(Vec<IpAddr>),
    /// The name of an address.
    Name(Name),
    /// It would be one of the lab's, and is not there.
    Nothing,
    /// It is not one of the lab's.
    Outside,
}

impl Zone {
    /// The zone of one of the lab's tenants, with no name yet.
    #[must_use]
    pub fn new(lab: &str, tenant: &str, tenants: impl IntoIterator<Item = String>) -> Self {
        Self {
            lab: lab.to_ascii_lowercase(),
            tenant: tenant.to_ascii_lowercase(),
            tenants: tenants.into_iter().map(|name| name.to_ascii_lowercase()).collect(),
            ..Self::default()
        }
    }

    /// A node has an address.
    pub fn add(&mut self, host: &str, address: IpAddr) {
        let host = host.to_ascii_lowercase();
        let full = format!("{host}.{}", self.domain());
        // The first of a name, and of an address, goes first.
        self.names.entry(address).or_insert(full);
        self.hosts.entry(host).or_default().push(address);
    }

    /// Addresses of the subnet are the tenant's own, `len` bits of it are fixed.
    pub fn cover(&mut self, subnet: IpAddr, len: u8) {
        self.subnets.push((subnet, len));
    }

    /// What stands behind a node's name: `red.shop`.
    #[must_use]
    pub fn domain(&self) -> String {
        format!("{}.{}", self.tenant, self.lab)
    }

    pub(super) fn find(&self, name: &Name) -> Found {
        let labels = name.labels();
        let text: Option<Vec<&str>> = labels.iter().map(|label| std::str::from_utf8(label).ok()).collect();
        let Some(text) = text else { return self.unreadable(&labels) };
        let addresses = |host: &str| match self.hosts.get(host) {
            Some(all) => Found::Addresses(all.iter().copied().take(MAX_ADDRESSES).collect()),
            None => Found::Nothing,
        };
        match text.as_slice() {
            [] => Found::Outside,
            ["localhost"] | [.., "localhost"] => {
                Found::Addresses(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
            }
            [host] => addresses(host),
            [host, tenant] if *tenant == self.tenant => addresses(host),
            [host, tenant, lab] if *tenant == self.tenant && *lab == self.lab => addresses(host),
            [.., last] if self.tenants.contains(*last) || *last == self.lab => Found::Nothing,
            [rest @ .., kind, "arpa"] => self.reverse(rest, kind),
            _ => Found::Outside,
        }
    }

    /// A name that is no text is one of the lab's only by its end.
    fn unreadable(&self, labels: &[&[u8]]) -> Found {
        let last = labels.last().and_then(|label| std::str::from_utf8(label).ok());
        match last {
            Some(last) if labels.len() > 1 && !self.tenants.contains(last) && last != self.lab => {
                Found::Outside
            }
            _ => Found::Nothing,
        }
    }

    /// The name of an address (RFC 1035 section 3.5, RFC 3596 section 2.5).
    fn reverse(&self, labels: &[&str], kind: &str) -> Found {
        let address = match kind {
            "in-addr" => reverse_v4(labels).map(IpAddr::V4),
            "ip6" => reverse_v6(labels).map(IpAddr::V6),
            _ => None,
        };
        let Some(address) = address else { return Found::Outside };
        match self.names.get(&address).and_then(|name| Name::of(name)) {
            Some(name) => Found::Name(name),
            None if self.subnets.iter().any(|subnet| contains(*subnet, address)) => Found::Nothing,
            None => Found::Outside,
        }
    }
}

fn contains((subnet, len): (IpAddr, u8), address: IpAddr) -> bool {
    let differ = match (subnet, address) {
        (IpAddr::V4(own), IpAddr::V4(other)) => u128::from(own.to_bits() ^ other.to_bits()) << 96,
        (IpAddr::V6(own), IpAddr::V6(other)) => own.to_bits() ^ other.to_bits(),
        _ => return false,
    };
    differ.leading_zeros() >= u32::from(len)
}

fn reverse_v4(labels: &[&str]) -> Option<Ipv4Addr> {
    let [d, c, b, a] = labels else { return None };
    let octet = |text: &str| text.parse::<u8>().ok().filter(|octet| octet.to_string() == text);
    Some(Ipv4Addr::new(octet(a)?, octet(b)?, octet(c)?, octet(d)?))
}

fn reverse_v6(labels: &[&str]) -> Option<Ipv6Addr> {
    if labels.len() != 32 {
        return None;
    }
    let nibble = |text: &&str| (text.len() == 1).then(|| u128::from_str_radix(text, 16).ok()).flatten();
    let bits = labels.iter().rev().try_fold(0u128, |bits, label| Some(bits << 4 | nibble(label)?))?;
    Some(Ipv6Addr::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        let mut zone = Zone::new("shop", "red", ["default", "red", "blue"].map(str::to_owned));
        zone.add("Web", [10, 0, 0, 1].into());
        zone.add("web", "fd00::1".parse().unwrap());
        zone.cover([10, 0, 0, 0].into(), 24);
        zone
    }

    fn find(name: &str) -> Found {
        zone().find(&Name::of(name).unwrap())
    }

    #[test]
    fn a_tenant_has_its_own_names_and_nobody_elses() {
        let both = Found::Addresses(vec![[10, 0, 0, 1].into(), "fd00::1".parse().unwrap()]);
        for name in ["web", "WEB.red", "web.Red.shop"] {
            assert_eq!(find(name), both, "{name}");
        }
        for name in ["db", "web.blue", "web.shop", "web.blue.shop", "a.web.red", "red", "shop", "x.y.shop"] {
            assert_eq!(find(name), Found::Nothing, "{name}");
        }
        for name in ["example.org", "web.red.org", "1.arpa"] {
            assert_eq!(find(name), Found::Outside, "{name}");
        }
        assert!(matches!(find("localhost"), Found::Addresses(_)));
    }

    #[test]
    fn addresses_have_names() {
        let web = Found::Name(Name::of("web.red.shop").unwrap());
        assert_eq!(find("1.0.0.10.in-addr.arpa"), web);
        let nibbles = format!("1.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
        assert_eq!(find(&nibbles), web);
        assert_eq!(find("2.0.0.10.in-addr.arpa"), Found::Nothing);
        for name in ["01.0.0.10.in-addr.arpa", "1.1.0.10.in-addr.arpa", "0.10.in-addr.arpa", "x.ip6.arpa"] {
            assert_eq!(find(name), Found::Outside, "{name}");
        }
    }
}
