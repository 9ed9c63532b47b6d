//! What a gateway is called, and where it does not lead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ports of the gateway's own sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doors {
    /// Where connections are taken.
    pub tcp: u16,
    /// Where datagrams are taken.
    pub udp: u16,
    /// A TCP port that is bound and not listened at: the kernel refuses what is sent there.
    pub closed: u16,
}

/// How a gateway's port is set up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GatewaySettings {
    /// The gateway's own addresses, at most one of each family.
    pub own: Vec<IpAddr>,
    /// Its sockets.
    pub doors: Doors,
    /// Networks that it does not lead to, beside those that are nobody's outside: prefixes with their lengths in bits.
    pub denied: Vec<(IpAddr, u8)>,
}

impl GatewaySettings {
    /// The gateway's address of the family of `like`.
    pub(super) fn own_like(&self, like: IpAddr) -> Option<IpAddr> {
        self.own.iter().copied().find(|own| own.is_ipv4() == like.is_ipv4())
    }

    /// Whether a packet to `ip` is for the gateway itself, or for everybody on the link.
    pub(super) fn is_local(&self, ip: IpAddr) -> bool {
        let link = match ip {
            IpAddr::V4(ip) => ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        link || ip.is_multicast() || self.own.contains(&ip)
    }

    /// Whether the gateway leads to `ip`.
    ///
    /// Never to the machine's loopback, in whatever notation; nor to link-local addresses, where clouds keep the machine's
    /// credentials (169.254.169.254); nor to the lab's own networks, which are reached inside or not at all.
    pub(super) fn leads_to(&self, ip: IpAddr) -> bool {
        let fit = match ip {
            IpAddr::V4(ip) => is_public(ip),
            IpAddr::V6(ip) => {
                let [first, ..] = ip.segments();
                // ::/8 has the loopback, the unspecified, and IPv4 addresses in disguise.
                first & 0xff00 != 0 && !ip.is_multicast() && !ip.is_unicast_link_local()
            }
        };
        fit && !self.denied.iter().any(|(network, len)| contains(*network, *len, ip))
    }
}

fn is_public(ip: Ipv4Addr) -> bool {
    let [first, ..] = ip.octets();
    // 240/4 is nobody's, and the broadcast address is in it.
    first != 0 && first < 240 && !ip.is_loopback() && !ip.is_link_local() && !ip.is_multicast()
}

/// Whether `ip` is in a network.
fn contains(network: IpAddr, len: u8, ip: IpAddr) -> bool {
    let (network, ip, bits) = match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            (u128::from(u32::from(network)), u128::from(u32::from(ip)), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => (u128::from(network), u128::from(ip), 128),
        _ => return false,
    };
    let host = u32::from(u8::saturating_sub(bits, len));
    (network ^ ip).checked_shr(host).unwrap_or(0) == 0
}

/// An address of IPv4 or IPv6 at a place of a packet.
pub(super) fn address(bytes: &[u8], at: usize, is_ipv6: bool) -> Option<IpAddr> {
    let bytes = bytes.get(at..)?;
    Some(if is_ipv6 {
        IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?))
    } else {
        IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?))
    })
}
