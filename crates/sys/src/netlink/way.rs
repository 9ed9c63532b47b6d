//! The way to an address: what the kernel's routing and neighbour tables say of it now.
//!
//! For whoever hands finished Ethernet frames to an interface and still wants the kernel to decide where they go.

use std::net::IpAddr;

use netlink_packet_core::NetlinkDeserializable;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkLayerType, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteType};
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::answer::ip;
use super::request::{family, neighbour, route_address};
use super::socket::{Answer, NLMSG_ERROR, NetlinkSocket, append, error_code, split};
use crate::error::{Because, HostError};

/// The way to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The address that packets come from, if nobody says another.
    pub source: IpAddr,
    /// It is this machine itself.
    pub is_local: bool,
    /// Layer 3 bytes that the interface takes, as far as it is known.
    pub mtu: u32,
    /// The next hop, where that is over Ethernet and known.
    pub hop: Option<Hop>,
}

/// The next hop over Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The interface.
    pub index: u32,
    /// The interface's own address.
    pub from: [u8; 6],
    /// The neighbour's address.
    pub to: [u8; 6],
    /// The kernel has heard of it of late, or was told to believe it. Else it is likely: the kernel asks as soon as it
    /// sends there itself.
    pub is_confirmed: bool,
}

impl NetlinkSocket {
    /// The way to `to`, for packets from `from` if that is said.
    ///
    /// # Errors
    /// `ENETUNREACH`, `EHOSTUNREACH` without a route; `EINVAL` for a `from` that is not this machine's; `EBADMSG` for an
    /// answer that is none.
    pub fn way(&mut self, to: IpAddr, from: Option<IpAddr>) -> Result<Way, HostError> {
        let route = self.route_to(to, from)?;
        let mut way = Way { source: from.unwrap_or(to), is_local: false, mtu: 0, hop: None };
        way.is_local = route.header.kind == RouteType::Local;
        let is_plain = way.is_local || route.header.kind == RouteType::Unicast;
        let (mut index, mut next) = (0, Some(to));
        for attribute in &route.attributes {
            match attribute {
                RouteAttribute::PrefSource(address) => {
                    way.source = from.or_else(|| ip(address)).unwrap_or(way.source);
                }
                RouteAttribute::Gateway(address) => next = ip(address),
                // A gateway of the other family.
                RouteAttribute::Via(_) => next = None,
                RouteAttribute::Oif(oif) => index = *oif,
                _ => {}
            }
        }
        let Some(link) = self.link(index)? else { return Ok(way) };
        let (mut own, mut mtu) = (None, 0);
        for attribute in &link.attributes {
            match attribute {
                LinkAttribute::Address(mac) => own = mac.as_slice().try_into().ok(),
                LinkAttribute::Mtu(bytes) => mtu = *bytes,
                _ => {}
            }
        }
        way.mtu = mtu;
        let is_ethernet = link.header.link_layer_type == LinkLayerType::Ether && is_plain && !way.is_local;
        if let (Some(from), Some(next), true) = (own, next, is_ethernet) {
            let found = self.neighbour_at(index, next)?;
            way.hop = found.map(|(to, is_confirmed)| Hop { index, from, to, is_confirmed });
        }
        Ok(way)
    }

    fn route_to(&mut self, to: IpAddr, from: Option<IpAddr>) -> Result<RouteMessage, HostError> {
        let bits = if to.is_ipv6() { 128 } else { 32 };
        let mut request = RouteMessage::default();
        request.header.address_family = family(to);
        request.header.destination_prefix_length = bits;
        request.attributes.push(RouteAttribute::Destination(route_address(to)));
        if let Some(from) = from.filter(|from| from.is_ipv6() == to.is_ipv6()) {
            request.header.source_prefix_length = bits;
            request.attributes.push(RouteAttribute::Source(route_address(from)));
        }
        let what = || format!("the route to {to}");
        match self.ask(RouteNetlinkMessage::GetRoute(request)).because("find", what)? {
            RouteNetlinkMessage::NewRoute(message) => Ok(message),
            _ => Err(HostError::new("find", what(), Errno::BADMSG)),
        }
    }

    fn link(&mut self, index: u32) -> Result<Option<LinkMessage>, HostError> {
        let mut request = LinkMessage::default();
        request.header.index = index;
        match self.ask(RouteNetlinkMessage::GetLink(request)) {
            Ok(RouteNetlinkMessage::NewLink(message)) => Ok(Some(message)),
            // It went away just now.
            Ok(_) | Err(Errno::NODEV | Errno::INVAL) => Ok(None),
            Err(errno) => Err(HostError::new("find", format!("the interface with index {index}"), errno)),
        }
    }

    /// A neighbour's Ethernet address, and whether it is certain.
    fn neighbour_at(&mut self, index: u32, next: IpAddr) -> Result<Option<([u8; 6], bool)>, HostError> {
        let message = match self.ask(RouteNetlinkMessage::GetNeighbour(neighbour(index, next))) {
            Ok(RouteNetlinkMessage::NewNeighbour(message)) => message,
            // Nobody has asked yet; or the interface has no neighbours, or the kernel answers dumps only (before 5.0).
            Ok(_) | Err(Errno::NOENT | Errno::INVAL | Errno::OPNOTSUPP | Errno::NODEV) => return Ok(None),
            Err(errno) => return Err(HostError::new("find", format!("the neighbour {next}"), errno)),
        };
        Ok(mac_of(&message))
    }

    /// Sends one question and returns the one answer.
    pub(super) fn ask(&mut self, question: RouteNetlinkMessage) -> Result<RouteNetlinkMessage, Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        self.out.clear();
        append(&mut self.out, question, 0, self.sequence);
        rustix::net::send(&self.fd, &self.out, SendFlags::empty())?;
        let mut answer = Answer::new();
        loop {
            let received = self.receive(&mut answer).map_err(|error| error.errno)?;
            let mut rest = answer.get(received);
            if received == 0 {
                return Err(Errno::BADMSG);
            }
            while let Some((header, body, tail)) = split(rest) {
                rest = tail;
                if header.sequence_number != self.sequence {
                    continue; // what a broken batch left behind
                }
                if header.message_type == NLMSG_ERROR {
                    return Err(error_code(body).unwrap_or(Errno::BADMSG));
                }
                return RouteNetlinkMessage::deserialize(&header, body).map_err(|_| Errno::BADMSG);
            }
        }
    }
}

fn mac_of(message: &NeighbourMessage) -> Option<([u8; 6], bool)> {
    let is_confirmed = match message.header.state {
        NeighbourState::Reachable | NeighbourState::Permanent => true,
        NeighbourState::Stale | NeighbourState::Delay | NeighbourState::Probe => false,
        _ => return None,
    };
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(mac) => Some((mac.as_slice().try_into().ok()?, is_confirmed)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{LinkChange, Netlink, NewLink, Request, RouteSpec};
    use super::*;
    use crate::netns::NetNs;
    use crate::testing::can_make_namespaces;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_kernel_says_by_which_interface_and_neighbour() {
        if !can_make_namespaces() {
            return;
        }
        let (near, far) = (NetNs::create().unwrap(), NetNs::create().unwrap());
        let mut socket = near.run(NetlinkSocket::open).unwrap().unwrap();
        let with = LinkChange { mtu: Some(9_000), mac: Some([2, 0, 0, 0, 0, 1]), ..LinkChange::up() };
        let end = NewLink { name: "under".into(), index: Some(77), netns: None, with };
        let peer = NewLink { name: "under".into(), netns: Some(far.raw()), ..NewLink::default() };
        let mac = [2, 0, 0, 0, 0, 9];
        socket
            .batch(&[
                Request::SetLink { index: 1, change: LinkChange::up() },
                Request::AddVeth { end, peer },
                Request::AddAddress { index: 77, address: address("192.0.2.1"), prefix: 24 },
                Request::AddAddress { index: 77, address: address("2001:db8:9::1"), prefix: 64 },
                Request::SetNeighbour { index: 77, address: address("192.0.2.254"), mac },
                Request::SetNeighbour { index: 77, address: address("2001:db8:9::2"), mac },
                Request::SetRoute(RouteSpec::default_via(address("192.0.2.254"))),
            ])
            .unwrap();
        let hop = Some(Hop { index: 77, from: [2, 0, 0, 0, 0, 1], to: mac, is_confirmed: true });
        let beyond = socket.way(address("198.51.100.7"), None).unwrap();
        let source = address("192.0.2.1");
        assert_eq!(beyond, Way { source, is_local: false, mtu: 9_000, hop });
        let six = socket.way(address("2001:db8:9::2"), None).unwrap();
        assert_eq!((six.source, six.hop), (address("2001:db8:9::1"), hop));
        let unknown = socket.way(address("192.0.2.3"), Some(source)).unwrap();
        assert_eq!((unknown.source, unknown.hop), (source, None), "nobody has asked for it yet");
        let own = socket.way(address("192.0.2.1"), None).unwrap();
        assert!(own.is_local && own.hop.is_none() && own.mtu >= 65_535, "{own:?}");
        let nowhere = socket.way(address("2001:db8:77::1"), None).unwrap_err();
        assert_eq!(nowhere.errno, Errno::NETUNREACH);
        let foreign = socket.way(address("198.51.100.7"), Some(address("192.0.2.77")));
        assert!(foreign.is_err());
    }
}
