//! What a node does with a packet, as far as the lab file says: its addresses, its routes, whether it forwards.

use std::net::IpAddr;

use netloom_lab::lab::{Interface, Node};
use netloom_packet::edit::Edit;
use netloom_packet::{Csum, Headers, Mac, ipv4, ipv6, parse};

use super::Chart;
use super::chart::Seat;

/// What becomes of a packet at a node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is for the node.
    Delivered,
    /// It is for somebody else: the network card does not take it.
    Ignored,
    /// It goes no further.
    Stopped(String),
    /// It is sent on.
    Forwarded {
        /// By this interface.
        by: Seat,
        /// The packet.
        frame: Vec<u8>,
        /// How it was decided.
        text: String,
    },
}

/// How a node reaches an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hop {
    /// By this interface.
    pub(super) by: Seat,
    /// Through this address, if not directly.
    pub(super) via: Option<IpAddr>,
    /// The address that is to be resolved.
    pub(super) next: IpAddr,
}

/// How a node reaches an address: by the longest prefix, of several by the lowest metric.
pub(super) fn route(chart: &Chart, node: usize, to: IpAddr) -> Option<Hop> {
    let found = chart.lab.nodes.get(node)?;
    let seat = |interface: usize| Seat { node, interface };
    let direct = |at: IpAddr| {
        let is_near = |i: &Interface| i.addresses.iter().filter(|a| a.contains(at)).map(|a| a.len).max();
        let all = found.interfaces.iter().enumerate().filter_map(|(n, i)| Some((is_near(i)?, n)));
        all.max_by_key(|(len, n)| (*len, std::cmp::Reverse(*n)))
    };
    let near = direct(to).map(|(len, n)| ((len, u32::MAX), Hop { by: seat(n), via: None, next: to }));
    let far = found.routes.iter().filter(|route| route.to.contains(to)).filter_map(|route| {
        let by = match &route.dev {
            Some(dev) => found.interfaces.iter().position(|i| i.name == *dev)?,
            None => direct(route.via?)?.1,
        };
        let preference = u32::MAX - route.metric.unwrap_or(0).max(1);
        let hop = Hop { by: seat(by), via: route.via, next: route.via.unwrap_or(to) };
        Some(((route.to.len, preference), hop))
    });
    near.into_iter().chain(far).max_by_key(|(rank, _)| *rank).map(|(_, hop)| hop)
}

/// What becomes of a frame at an interface.
pub(super) fn arrive(chart: &Chart, seat: Seat, frame: &[u8]) -> Fate {
    let (Some(node), Some(interface)) = (chart.node(seat), chart.interface(seat)) else {
        return Fate::Ignored;
    };
    if node.is_nic() {
        // Whoever is on its wire may be the one it is for.
        return Fate::Delivered;
    }
    let Ok(headers) = parse(frame) else { return Fate::Stopped("it is malformed".to_owned()) };
    let mut dst = [0; 6];
    dst.copy_from_slice(frame.get(..6).unwrap_or(&[0; 6]));
    let dst = Mac(dst);
    if !dst.is_multicast() && dst.0 != interface.mac.0 {
        return Fate::Ignored;
    }
    if headers.is_arp() {
        let asked = frame.get(usize::from(headers.l3) + 24..).and_then(|rest| rest.first_chunk::<4>());
        let is_own = asked.is_some_and(|asked| owns(node, IpAddr::from(*asked)));
        return if is_own { Fate::Delivered } else { Fate::Ignored };
    }
    let Some(to) = destination(frame, &headers) else { return Fate::Delivered };
    if headers.vlans > 0 {
        return Fate::Stopped(format!("{} has no interface for its VLAN", node.name));
    }
    if owns(node, to) {
        return Fate::Delivered;
    }
    if is_group(to) {
        let wanted = interface.addresses.iter().any(|a| solicits(a.ip, to));
        return if wanted || !is_solicited(to) { Fate::Delivered } else { Fate::Ignored };
    }
    if dst.is_multicast() {
        return Fate::Ignored;
    }
    if !node.forward {
        return Fate::Stopped(format!("{} does not forward, and {to} is none of its addresses", node.name));
    }
    forward(chart, seat, frame, &headers, to)
}

fn forward(chart: &Chart, seat: Seat, frame: &[u8], headers: &Headers, to: IpAddr) -> Fate {
    let name = chart.node(seat).map(|node| node.name.clone()).unwrap_or_default();
    let Some(hop) = route(chart, seat.node, to) else {
        return Fate::Stopped(format!("{name} has no route to {to}"));
    };
    let Some(next) = chart.neighbour(hop.by, hop.next) else {
        return Fate::Stopped(format!("nobody at {} has {}", chart.seat_name(hop.by), hop.next));
    };
    let (Some(own), Some(far)) = (chart.interface(hop.by), chart.interface(next)) else {
        return Fate::Ignored;
    };
    let mut frame = frame.to_vec();
    let mut edit = Edit::new(&mut frame, headers, Csum::Complete);
    if !matches!(edit.dec_ttl(), Ok(true)) {
        return Fate::Stopped(format!("its ttl expired at {name}"));
    }
    edit.eth_src(Mac(own.mac.0));
    edit.eth_dst(Mac(far.mac.0));
    let way = hop.via.map_or_else(|| "directly".to_owned(), |via| format!("via {via}"));
    let text = format!("forwards to {to} {way} by {}", own.name);
    Fate::Forwarded { by: hop.by, frame, text }
}

fn destination(frame: &[u8], headers: &Headers) -> Option<IpAddr> {
    let v4 = || ipv4::Ipv4::of(frame, headers).map(|ip| IpAddr::from(ip.dst()));
    v4().or_else(|| ipv6::Ipv6::of(frame, headers).map(|ip| IpAddr::from(ip.dst())))
}

fn owns(node: &Node, address: IpAddr) -> bool {
    node.interfaces.iter().any(|i| i.addresses.iter().any(|known| known.ip == address))
}

fn is_group(address: IpAddr) -> bool {
    address.is_multicast() || address == IpAddr::from([255; 4])
}

fn is_solicited(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(ip) if ip.octets()[..13] == [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff])
}

/// Whether a solicited-node group is that of an address (RFC 4291 section 2.7.1).
fn solicits(own: IpAddr, group: IpAddr) -> bool {
    match (own, group) {
        (IpAddr::V6(own), IpAddr::V6(ip)) => is_solicited(group) && own.octets()[13..] == ip.octets()[13..],
        _ => false,
    }
}
