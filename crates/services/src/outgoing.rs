//! Frames that answers leave in.

use std::net::{IpAddr, Ipv6Addr};

use netloom_packet::Mac;
use netloom_packet::build::{Frame, Ip, L4};
use netloom_packet::checksum::pseudo_v6;
use netloom_packet::parse::ip_proto;

/// A UDP datagram; `None` if the addresses are not of one family or it is too long.
pub(crate) fn datagram(
    macs: (Mac, Mac),
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    data: &[u8],
) -> Option<Vec<u8>> {
    let ip = Ip::between(from.0, to.0)?.udp(from.1, to.1, data);
    Frame::ip(macs.0, macs.1, ip).to_vec()
}

/// A message of ICMPv6 for neighbours only; its checksum, bytes 2 and 3 of `message`, is written here.
pub(crate) fn icmpv6(
    macs: (Mac, Mac),
    from: Ipv6Addr,
    to: Ipv6Addr,
    mut message: Vec<u8>,
) -> Option<Vec<u8>> {
    let len = u32::try_from(message.len()).ok()?;
    let sum = pseudo_v6(&from.octets(), &to.octets(), ip_proto::ICMPV6, len).bytes(&message).finish();
    message.get_mut(2..4)?.copy_from_slice(&sum.to_be_bytes());
    let l4 = L4::Raw { proto: ip_proto::ICMPV6, bytes: &message };
    let ip = Ip { l4, ..Ip::v6(from, to).ttl(255) };
    Frame::ip(macs.0, macs.1, ip).to_vec()
}

/// The Ethernet address of a multicast group of IPv6 (RFC 2464 section 7).
pub(crate) fn group_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    Mac([0x33, 0x33, a, b, c, d])
}

/// All nodes of the link.
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
