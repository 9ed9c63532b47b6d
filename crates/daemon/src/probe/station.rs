//! A node as the prober finds it: its namespace, and what its kernel says of its interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use netloom_sys::HostError;
use netloom_sys::netlink::{Netlink as _, NetlinkSocket};
use netloom_sys::netns::NetNs;
use serde::{Deserialize, Serialize};

use super::envoy::Guest;

/// A node that can send and be a target.
#[derive(Debug, Clone)]
pub(crate) struct Station {
    /// Its name, for reports.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) netns: Arc<NetNs>,
    /// Whose kernel its sockets would be.
    pub(crate) place: Place,
    /// The IPv4 address it is asked at.
    pub(crate) v4: Option<Ipv4Addr>,
    /// The IPv6 address it is asked at.
    pub(crate) v6: Option<Ipv6Addr>,
    /// All its addresses. One that another station has, too, proves nothing by an answer.
    pub(crate) addresses: Vec<IpAddr>,
    /// Why it cannot take part, if that is known beforehand.
    pub(crate) down: Option<String>,
    /// Whether the prober may take a port on which nothing listens: a service that is about to start must not find
    /// it taken.
    pub(crate) may_listen: bool,
}

/// Whose kernel a station's sockets are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// This one: they are opened in the station's namespace.
    Here,
    /// A virtual machine's, in which netloom can be asked to.
    Guest(Arc<dyn Guest>),
    /// Another one, and nobody is in there to ask.
    Closed,
}

/// What the kernel of a node says of an interface, loopback left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) mac: [u8; 6],
    pub(super) running: bool,
    /// Addresses with their prefix lengths in bits, link-local ones left out.
    pub(super) addresses: Vec<(IpAddr, u8)>,
}

impl Station {
    /// Whether its sockets can be opened from here.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.place, Place::Here)
    }

    /// Whether nobody is in there to ask.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.place, Place::Closed)
    }

    /// Its address of a family.
    pub(crate) fn address(&self, v6: bool) -> Option<IpAddr> {
        if v6 { self.v6.map(IpAddr::V6) } else { self.v4.map(IpAddr::V4) }
    }
}

impl Interface {
    /// The interfaces of the calling thread's namespace.
    pub(super) fn all() -> Result<Vec<Self>, HostError> {
        let mut netlink = NetlinkSocket::open()?;
        let addresses = netlink.addresses()?;
        let of = |index: u32| {
            let own = addresses.iter().filter(|a| a.index == index && !is_link_local(a.address));
            own.map(|a| (a.address, a.prefix)).collect()
        };
        let links = netlink.links()?.into_iter().filter(|link| link.index != LOOPBACK);
        let ethernet = links.filter_map(|link| Some((link.mac?, link)));
        Ok(ethernet
            .map(|(mac, link)| Self {
                index: link.index,
                mac,
                running: link.carrier,
                addresses: of(link.index),
            })
            .collect())
    }

    /// Its first address of a family.
    pub(super) fn address(&self, v6: bool) -> Option<IpAddr> {
        self.addresses.iter().map(|(ip, _)| *ip).find(|ip| ip.is_ipv6() == v6)
    }

    /// Whether an address is on this interface's link.
    pub(super) fn reaches(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|&(own, prefix)| match (own, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                same(u128::from(u32::from(a)) << 96, u128::from(u32::from(b)) << 96, prefix)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => same(u128::from(a), u128::from(b), prefix),
            _ => false,
        })
    }
}

/// Whether the first `prefix` bits are equal.
fn same(a: u128, b: u128, prefix: u8) -> bool {
    let unlike = (a ^ b).leading_zeros();
    a == b || unlike >= u32::from(prefix)
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// What is said of a virtual machine without netloom in it.
pub(super) const CLOSED: &str =
    "netloom's agent is not in this guest, so that nothing can be sent from inside";

/// The loopback device has index 1 in every namespace.
const LOOPBACK: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_on_the_link_by_its_prefix() {
        let interface = Interface {
            index: 2,
            mac: [2, 0, 0, 0, 0, 1],
            running: true,
            addresses: vec![("10.1.0.1".parse().unwrap(), 16), ("fd00::1".parse().unwrap(), 64)],
        };
        for (ip, on) in [("10.1.255.9", true), ("10.2.0.1", false), ("fd00::9", true), ("fd01::1", false)] {
            assert_eq!(interface.reaches(ip.parse().unwrap()), on, "{ip}");
        }
        assert_eq!(interface.address(true), "fd00::1".parse().ok());
    }
}
