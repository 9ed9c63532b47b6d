//! Made-up packets from one node to another, as the nodes would send them.

use std::fmt;
use std::net::IpAddr;

use netloom_lab::lab::ArpMode;
use netloom_packet::Mac;
use netloom_packet::build::{Frame, Ip, L4, Tcp};
use netloom_packet::tcp::flag;

use super::Chart;
use super::chart::Seat;
use super::node::{Hop, route};

/// Where answers go: a port as the kernel would choose one.
const PORT: u16 = 49_152;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// An echo request.
    Icmp,
    /// The first packet of a connection.
    Tcp(u16),
    /// A datagram.
    Udp(u16),
}

impl Protocol {
    /// Reads `icmp`, `tcp/80`, `udp/53`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
        match text.split_once('/') {
            None if text == "icmp" => Some(Self::Icmp),
            Some(("tcp", number)) => port(number).map(Self::Tcp),
            Some(("udp", number)) => port(number).map(Self::Udp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp => f.write_str("icmp"),
            Self::Tcp(port) => write!(f, "tcp/{port}"),
            Self::Udp(port) => write!(f, "udp/{port}"),
        }
    }
}

/// A packet of a conversation.
#[derive(Debug)]
pub(crate) struct Leg {
    /// What it is, to be put behind "the".
    pub(crate) what: String,
    /// Who sends it.
    pub(crate) from: Seat,
    /// The node it is for.
    pub(crate) to: usize,
    /// How it is sent, in words.
    pub(crate) text: String,
    pub(crate) frame: Vec<u8>,
}

/// The packets that a node's first packet to another one takes, in the order of interest: itself, the request for the
/// address of its next hop and the answer to that, its own answer.
///
/// # Errors
/// Why the node cannot send it: a sentence.
pub(crate) fn legs(
    chart: &Chart,
    from: usize,
    to: usize,
    protocol: Protocol,
    v6: bool,
) -> Result<Vec<Leg>, String> {
    let mut legs = vec![leg(chart, (from, to), protocol, v6, false)?];
    let asks = chart.lab.options.arp != ArpMode::Static;
    if asks && let Some(hop) = hop(chart, from, to, v6) {
        legs.extend(asking(chart, hop));
    }
    if !matches!(protocol, Protocol::Udp(_)) {
        // A node that cannot answer is told by itself.
        legs.extend(leg(chart, (to, from), protocol, v6, true));
    }
    Ok(legs)
}

fn name(chart: &Chart, node: usize) -> &str {
    chart.lab.nodes.get(node).map_or("", |node| node.name.as_str())
}

fn address(chart: &Chart, node: usize, v6: bool) -> Option<IpAddr> {
    chart.lab.nodes.get(node)?.addresses().map(|a| a.ip).find(|ip| ip.is_ipv6() == v6)
}

fn hop(chart: &Chart, from: usize, to: usize, v6: bool) -> Option<Hop> {
    route(chart, from, address(chart, to, v6)?)
}

fn leg(
    chart: &Chart,
    (from, to): (usize, usize),
    protocol: Protocol,
    v6: bool,
    is_answer: bool,
) -> Result<Leg, String> {
    let family = if v6 { "IPv6" } else { "IPv4" };
    let missing = |node| format!("{} has no {family} address", name(chart, node));
    let target = address(chart, to, v6).ok_or_else(|| missing(to))?;
    let no_route = || format!("{} has no route to {target}", name(chart, from));
    let hop = route(chart, from, target).ok_or_else(no_route)?;
    let own = chart.interface(hop.by).ok_or_else(no_route)?;
    let near = own.addresses.iter().map(|a| a.ip).find(|ip| ip.is_ipv6() == v6);
    let source = near.or_else(|| address(chart, from, v6)).ok_or_else(|| missing(from))?;
    let next = chart.neighbour(hop.by, hop.next).and_then(|seat| chart.interface(seat));
    let next = next.ok_or_else(|| format!("nobody at {} has {}", chart.seat_name(hop.by), hop.next))?;
    let ip = Ip::between(source, target).ok_or_else(no_route)?;
    let (src, dst) = (Mac(own.mac.0), Mac(next.mac.0));
    let frame = emit(&Frame::ip(src, dst, with(ip, protocol, is_answer)));
    let way = hop.via.map_or_else(String::new, |via| format!(" via {via}"));
    let kind = match (protocol, is_answer) {
        (Protocol::Icmp, false) => "an echo request".to_owned(),
        (Protocol::Icmp, true) => "an echo reply".to_owned(),
        (Protocol::Tcp(port), false) => format!("a SYN for port {port}"),
        (Protocol::Tcp(_), true) => "a SYN-ACK".to_owned(),
        (Protocol::Udp(port), _) => format!("a datagram for port {port}"),
    };
    let text = format!("sends {kind} to {target}{way}");
    let what = if is_answer { format!("answer of {}", name(chart, from)) } else { "packet".to_owned() };
    Ok(Leg { what, from: hop.by, to, text, frame })
}

fn with(ip: Ip<'static>, protocol: Protocol, is_answer: bool) -> Ip<'static> {
    match protocol {
        Protocol::Icmp => Ip { l4: L4::Echo { reply: is_answer, id: PORT, seq: 1, data: &[0; 56] }, ..ip },
        Protocol::Tcp(port) => {
            let (src, dst) = if is_answer { (port, PORT) } else { (PORT, port) };
            let flags = if is_answer { flag::SYN | flag::ACK } else { flag::SYN };
            ip.tcp(Tcp {
                src,
                dst,
                seq: 1,
                ack: u32::from(is_answer) * 2,
                flags,
                window: u16::MAX,
                options: &[],
                data: &[],
            })
        }
        Protocol::Udp(port) => ip.udp(PORT, port, b"netloom"),
    }
}

/// The request for the address of a next hop, and the answer.
fn asking(chart: &Chart, hop: Hop) -> Vec<Leg> {
    let Some(seat) = chart.neighbour(hop.by, hop.next) else { return Vec::new() };
    let (Some(own), Some(far)) = (chart.interface(hop.by), chart.interface(seat)) else { return Vec::new() };
    let source = own.addresses.iter().map(|a| a.ip).find(|ip| ip.is_ipv6() == hop.next.is_ipv6());
    let (here, there) = (Mac(own.mac.0), Mac(far.mac.0));
    let (request, answer) = match (source, hop.next) {
        (Some(IpAddr::V4(source)), IpAddr::V4(next)) => {
            (Frame::arp_request(here, source, next), Frame::arp_reply(there, next, here, source))
        }
        (Some(IpAddr::V6(source)), IpAddr::V6(next)) => {
            (Frame::nd_solicit(here, source, next), Frame::nd_advert(there, next, here, source))
        }
        _ => return Vec::new(),
    };
    let next = hop.next;
    vec![
        Leg {
            what: format!("request for the address of {next}"),
            from: hop.by,
            to: seat.node,
            text: format!("asks who has {next}"),
            frame: emit(&request),
        },
        Leg {
            what: format!("answer to the request for the address of {next}"),
            from: seat,
            to: hop.by.node,
            text: format!("answers that it has {next}"),
            frame: emit(&answer),
        },
    ]
}

/// The bytes of a frame.
pub(super) fn emit(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = vec![0; frame.len().max(60)];
    let len = frame.emit(&mut bytes).unwrap_or(0);
    // Short frames are padded, as on a wire.
    bytes.truncate(len.max(60));
    bytes
}
