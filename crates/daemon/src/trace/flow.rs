//! A packet described as `ofproto/trace` takes it: `in_port=h1,tcp,nw_dst=10.0.0.2,tp_dst=80`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netloom_flow::{
    FieldId, FlowKey, FlowMatch, FlowTextError, OfPort, PACKET_WORDS, PacketMeta, PortId, TenantId, extract,
    parse_filter, word,
};
use netloom_lab::lab::{End, Switch};
use netloom_packet::build::{Arp, Body, Frame, Ip, L4, Tcp};
use netloom_packet::{Mac, arp, parse};

use super::Chart;
use super::packet::emit;

/// The first port of those that kernels choose.
const PORT: u16 = 49_152;

/// A packet as it is to come in at a switch.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The port.
    pub(crate) port: PortId,
    /// Whose packet it is.
    pub(crate) tenant: TenantId,
    pub(crate) frame: Vec<u8>,
}

/// What a text says of packets that come in at a switch. Ports go by number, by their own name, or by that of the node
/// behind them.
///
/// # Errors
/// What is wrong with the text, and where.
pub(crate) fn parse_at(switch: &Switch, text: &str) -> Result<FlowMatch, FlowTextError> {
    let named = |name: &str| {
        let is_it = |port: &&netloom_lab::lab::SwitchPort| {
            let far = match &port.peer {
                End::Node { node, interface } => node == name || format!("{node}:{interface}") == name,
                End::Switch { switch, .. } => switch == name,
                End::Tunnel { .. } => false,
            };
            port.name == name || far
        };
        let mut found = switch.ports.iter().filter(is_it);
        found.next().filter(|_| found.next().is_none()).map(|port| OfPort(port.number))
    };
    parse_filter(text, &named).map(|filter| filter.matches)
}

impl Arrival {
    /// A packet that matches. What is not said is as the lab has it: addresses of the node behind the port, and MAC
    /// addresses of the owners of IP addresses.
    ///
    /// # Errors
    /// Why there is no such packet: a sentence.
    pub(crate) fn new(chart: &Chart, switch: &str, matches: &FlowMatch) -> Result<Self, String> {
        let number = matches.exact(FieldId::InPort).and_then(|port| u32::try_from(port).ok());
        let number = OfPort(number.ok_or_else(|| "Where does it come in? Say in_port=PORT".to_owned())?);
        let known = chart.switch_port(switch, number);
        let (_, port) = known.ok_or_else(|| format!("{switch} has no port {number}"))?;
        let spot = chart.ports.get(port).ok_or_else(|| format!("{switch} has no port {number}"))?;
        let defaults = Defaults::new(chart, spot.seat, matches);
        let tenant = match spot.seat {
            Some(_) => spot.spec.tenant,
            None => defaults.tenant(chart),
        };
        let frame = build(matches, &defaults);
        let is_it = parse(&frame).is_ok_and(|headers| {
            let meta = PacketMeta { in_port: *port, tenant, ..PacketMeta::default() };
            let mut key = FlowKey::default();
            key.0[..PACKET_WORDS].copy_from_slice(&extract(&frame, &headers, &meta).0);
            key.0[word::IN_PORT] = u64::from(number.0) << 32;
            FieldId::InPhyPort.field().write(&mut key, number.0.into(), u128::MAX);
            matches.matches(&key)
        });
        if is_it {
            return Ok(Self { port: *port, tenant, frame });
        }
        Err("No packet that comes in by a port looks like this: say addresses, protocol and ports".to_owned())
    }
}

/// A packet that matches, as far as any does: what is not said has values of our choice.
pub(crate) fn frame_of(matches: &FlowMatch) -> Vec<u8> {
    let (eth_src, eth_dst) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
    build(matches, &Defaults { eth_src, eth_dst, ..Defaults::default() })
}

/// What the lab knows of a packet of which only some is said.
#[derive(Debug, Default)]
struct Defaults {
    src: Option<super::chart::Seat>,
    dst: Option<super::chart::Seat>,
    eth_src: Mac,
    eth_dst: Mac,
    source: Option<IpAddr>,
    target: Option<IpAddr>,
}

impl Defaults {
    fn new(chart: &Chart, seat: Option<super::chart::Seat>, matches: &FlowMatch) -> Self {
        let v6 = matches.exact(FieldId::EthType) == Some(0x86dd);
        let (source, target) = addresses(matches, v6);
        let owner = |ip: Option<IpAddr>| ip.and_then(|ip| chart.owners(ip).next());
        let src = owner(source).or(seat);
        let dst = owner(target);
        let mac = |seat: Option<super::chart::Seat>| {
            seat.and_then(|seat| chart.interface(seat)).map_or(Mac::ZERO, |i| Mac(i.mac.0))
        };
        let own = |seat: Option<super::chart::Seat>| {
            let addresses = seat.and_then(|seat| chart.interface(seat)).map(|i| i.addresses.as_slice());
            addresses.unwrap_or_default().iter().map(|a| a.ip).find(|ip| ip.is_ipv6() == v6)
        };
        // Towards another network the frame is for the router.
        let hop = seat.zip(target).and_then(|(seat, to)| {
            let hop = super::node::route(chart, seat.node, to)?;
            chart.neighbour(hop.by, hop.next)
        });
        let is_arp = matches.exact(FieldId::EthType) == Some(0x0806);
        let or = |mac: Mac, other: Mac| if mac == Mac::ZERO { other } else { mac };
        let eth_src = or(mac(seat.or(src)), Mac([2, 0, 0, 0, 0, 1]));
        let eth_dst = or(mac(hop.or(dst)), if is_arp { Mac::BROADCAST } else { Mac([2, 0, 0, 0, 0, 2]) });
        Self { src, dst, eth_src, eth_dst, source: source.or_else(|| own(seat.or(src))), target }
    }

    fn tenant(&self, chart: &Chart) -> TenantId {
        let port = self.src.or(self.dst).and_then(|seat| chart.port_of(seat));
        port.and_then(|port| chart.ports.get(&port)).map(|spot| spot.spec.tenant).unwrap_or_default()
    }
}

/// The addresses a match says whole.
fn addresses(matches: &FlowMatch, v6: bool) -> (Option<IpAddr>, Option<IpAddr>) {
    let v4 = |id| {
        let value = matches.exact(id).and_then(|value| u32::try_from(value).ok());
        value.map(|value| IpAddr::from(Ipv4Addr::from_bits(value)))
    };
    let wide = |id| matches.exact(id).map(|value| IpAddr::from(Ipv6Addr::from_bits(value)));
    if v6 {
        (wide(FieldId::Ipv6Src), wide(FieldId::Ipv6Dst))
    } else {
        (v4(FieldId::Ipv4Src), v4(FieldId::Ipv4Dst))
    }
}

/// The bits a match says of a field, else a default.
fn value(matches: &FlowMatch, id: FieldId, default: u128) -> u128 {
    let (value, mask) = matches.field(id);
    default & !mask | value
}

fn small<T: TryFrom<u128> + Default>(matches: &FlowMatch, id: FieldId, default: u128) -> T {
    T::try_from(value(matches, id, default)).unwrap_or_default()
}

fn mac(matches: &FlowMatch, id: FieldId, default: Mac) -> Mac {
    Mac::from_u64(u64::try_from(value(matches, id, default.to_u64().into())).unwrap_or_default())
}

fn build(matches: &FlowMatch, defaults: &Defaults) -> Vec<u8> {
    let src = mac(matches, FieldId::EthSrc, defaults.eth_src);
    let dst = mac(matches, FieldId::EthDst, defaults.eth_dst);
    let eth_type: u16 = small(matches, FieldId::EthType, 0x0800);
    // Of other messages of ICMP only type and code matter here: nobody looks at the checksum.
    let mut raw = [0; 8];
    [raw[0], raw[1]] = [small(matches, FieldId::IcmpType, 0), small(matches, FieldId::IcmpCode, 0)];
    let body = match eth_type {
        0x0806 => Body::Arp(arp_of(matches, src, defaults)),
        0x0800 | 0x86dd => Body::Ip(ip_of(matches, eth_type == 0x86dd, defaults, &raw)),
        eth_type => Body::Raw { eth_type, bytes: &[0; 46] },
    };
    let (tci, mask) = matches.field(FieldId::VlanTci);
    let mut frame = Frame::new(src, dst, body);
    if tci & mask & 0x1000 != 0 {
        frame = frame.tag(0x8100, u16::try_from(tci & 0xefff).unwrap_or_default());
    }
    emit(&frame)
}

fn arp_of(matches: &FlowMatch, src: Mac, defaults: &Defaults) -> Arp {
    let own = defaults.source.map_or(0, |ip| if let IpAddr::V4(ip) = ip { ip.to_bits().into() } else { 0 });
    Arp {
        op: small(matches, FieldId::ArpOp, arp::REQUEST.into()),
        sha: mac(matches, FieldId::ArpSha, src),
        spa: Ipv4Addr::from_bits(small(matches, FieldId::ArpSpa, own)),
        tha: mac(matches, FieldId::ArpTha, Mac::ZERO),
        tpa: Ipv4Addr::from_bits(small(matches, FieldId::ArpTpa, 0)),
    }
}

fn ip_of<'a>(matches: &FlowMatch, v6: bool, defaults: &Defaults, raw: &'a [u8; 8]) -> Ip<'a> {
    let base = if v6 {
        let bits =
            |ip: Option<IpAddr>| ip.map_or(0, |ip| if let IpAddr::V6(ip) = ip { ip.to_bits() } else { 0 });
        let source = value(matches, FieldId::Ipv6Src, bits(defaults.source));
        let target = value(matches, FieldId::Ipv6Dst, bits(defaults.target));
        Ip::v6(Ipv6Addr::from_bits(source), Ipv6Addr::from_bits(target))
    } else {
        let bits = |ip: Option<IpAddr>| {
            ip.map_or(0, |ip| if let IpAddr::V4(ip) = ip { u128::from(ip.to_bits()) } else { 0 })
        };
        let source = small(matches, FieldId::Ipv4Src, bits(defaults.source));
        let target = small(matches, FieldId::Ipv4Dst, bits(defaults.target));
        Ip::v4(Ipv4Addr::from_bits(source), Ipv4Addr::from_bits(target))
    };
    let tos = small::<u8>(matches, FieldId::NwTos, 0) | small::<u8>(matches, FieldId::NwEcn, 0);
    let label = small(matches, FieldId::Ipv6Label, 0);
    let ttl = small(matches, FieldId::NwTtl, 64);
    Ip { tos, ttl, label, l4: l4_of(matches, v6, raw), ..base }
}

fn l4_of<'a>(matches: &FlowMatch, v6: bool, raw: &'a [u8; 8]) -> L4<'a> {
    let (src, dst) = (small(matches, FieldId::TpSrc, PORT.into()), small(matches, FieldId::TpDst, 80));
    match small::<u8>(matches, FieldId::NwProto, 59) {
        6 => {
            let flags = small(matches, FieldId::TcpFlags, 2);
            L4::Tcp(Tcp { src, dst, flags, window: u16::MAX, ..Tcp::default() })
        }
        17 => L4::Udp { src, dst, data: b"netloom" },
        132 => L4::Sctp { src, dst, tag: 1, data: &[0; 16] },
        proto @ (1 | 58) if v6 == (proto == 58) => icmp(matches, proto, v6, raw),
        proto => L4::Raw { proto, bytes: &[0; 8] },
    }
}

fn icmp<'a>(matches: &FlowMatch, proto: u8, v6: bool, raw: &'a [u8; 8]) -> L4<'a> {
    let [request, reply] = if v6 { [128, 129] } else { [8, 0] };
    match (matches.exact(FieldId::IcmpType), matches.exact(FieldId::IcmpCode)) {
        (None, None | Some(0)) => L4::Echo { reply: false, id: PORT, seq: 1, data: &[0; 56] },
        (Some(kind), None | Some(0)) if kind == request || kind == reply => {
            L4::Echo { reply: kind == reply, id: PORT, seq: 1, data: &[0; 56] }
        }
        (Some(135), None | Some(0)) if v6 => {
            let target = Ipv6Addr::from_bits(value(matches, FieldId::NdTarget, 0));
            L4::Solicit { target, sll: Some(mac(matches, FieldId::NdSll, Mac::ZERO)) }
        }
        (Some(136), None | Some(0)) if v6 => {
            let target = Ipv6Addr::from_bits(value(matches, FieldId::NdTarget, 0));
            L4::Advert { target, tll: Some(mac(matches, FieldId::NdTll, Mac::ZERO)), flags: 0x60 }
        }
        _ => L4::Raw { proto, bytes: raw },
    }
}
