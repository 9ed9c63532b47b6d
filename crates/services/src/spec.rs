//! What a network is to answer, with nothing left to guess.

use std::net::{Ipv4Addr, Ipv6Addr};

use netloom_packet::Mac;

use crate::dns::Zone;

/// A network as the lab resolved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The link-layer address of the service.
    pub mac: Mac,
    /// Its IPv4 address with the length of its prefix in bits; `None`: the subnet has none left.
    pub v4: Option<(Ipv4Addr, u8)>,
    /// Its IPv6 address, likewise.
    pub v6: Option<(Ipv6Addr, u8)>,
    /// Whether addresses are handed out and routers advertised. Names are answered in any case.
    pub dhcp: bool,
    /// Whether other names are asked outside.
    pub forwards: bool,
    /// The names.
    pub zone: Zone,
    /// Interfaces of the network, each with its own MAC address.
    pub clients: Vec<Client>,
}

/// An interface of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The node, for people.
    pub node: String,
    /// Its host name.
    pub hostname: String,
    /// Its MAC address.
    pub mac: Mac,
    /// The port of the network's switch that it is at; `None`: it is behind another switch.
    pub port: Option<u32>,
    /// Layer 3 bytes.
    pub mtu: u16,
    /// Its IPv4 address with the length of its prefix in bits.
    pub v4: Option<(Ipv4Addr, u8)>,
    /// Its IPv6 address, likewise.
    pub v6: Option<(Ipv6Addr, u8)>,
    /// Its default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Its IPv4 routes besides.
    pub routes: Vec<Hop>,
    /// Its IPv6 default gateway, if that can be advertised.
    pub router: Option<Router>,
}

/// A route of IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The destination.
    pub to: Ipv4Addr,
    /// Bits of its prefix, at most 32.
    pub len: u8,
    /// The next hop; 0.0.0.0: it is on the link.
    pub via: Ipv4Addr,
}

/// A router of IPv6, as advertisements name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Router {
    /// Its link-layer address.
    pub mac: Mac,
    /// Its link-local address.
    pub address: Ipv6Addr,
}

impl Spec {
    /// The service's link-local address.
    #[must_use]
    pub fn link_local(&self) -> Ipv6Addr {
        link_local(self.mac)
    }
}

/// The link-local address made of a MAC address (RFC 4291 appendix A).
#[must_use]
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 0x02, b, c, 0xff, 0xfe, d, e, f])
}

/// Whether two addresses share their first bits.
pub(crate) fn shares_prefix(a: Ipv6Addr, b: Ipv6Addr, len: u8) -> bool {
    (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(len)
}

/// The first bits of an address, the others 0.
pub(crate) fn prefix_of(address: Ipv6Addr, len: u8) -> Ipv6Addr {
    let host = u32::from(128u8.saturating_sub(len));
    Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(host).unwrap_or(0))
}

/// The mask of a prefix.
pub(crate) fn netmask(len: u8) -> Ipv4Addr {
    let host = u32::from(32u8.saturating_sub(len));
    Ipv4Addr::from_bits(u32::MAX.checked_shl(host).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert_eq!(netmask(24), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!((netmask(0), netmask(32)), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
        let address: Ipv6Addr = "fd00:1:2:3::9".parse().unwrap();
        assert_eq!(prefix_of(address, 64), "fd00:1:2:3::".parse::<Ipv6Addr>().unwrap());
        assert_eq!((prefix_of(address, 0), prefix_of(address, 128)), (Ipv6Addr::UNSPECIFIED, address));
        assert!(shares_prefix(address, "fd00:1:2:3::".parse().unwrap(), 64));
        assert!(!shares_prefix(address, "fd00:1:2:4::".parse().unwrap(), 64));
        assert_eq!(
            link_local(Mac([2, 0, 0x5e, 0x10, 0, 1])),
            "fe80::5eff:fe10:1".parse::<Ipv6Addr>().unwrap()
        );
    }
}
