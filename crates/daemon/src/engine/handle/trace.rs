//! Following packets.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use netloom_api::{ApiError, ErrorKind, Family, Trace, TracePath};
use netloom_datapath::Tracker;
use netloom_flow::{ConnectionFilter, FieldId, FlowMatch, FlowTextError, PacketMeta, TenantId, extract};
use netloom_lab::address::Family as AddressFamily;
use netloom_lab::expect::{Culprit, ProbeKind};
use netloom_lab::lab::{End, Node};

use crate::Sink;
use crate::engine::Running;
use crate::engine::core::Core;
use crate::slowpath::now;
use crate::trace::{Arrival, Chart, Follower, Leg, Protocol, Wish, legs, parse_at};

/// How often it is looked whether the client has left.
const LOOK: Duration = Duration::from_millis(100);

impl Running {
    /// Follows a packet. With `live_ms`, waits so long for a real one.
    pub(super) fn trace(
        &self,
        path: &TracePath,
        live_ms: Option<u64>,
        sink: &Sink,
    ) -> Result<Trace, ApiError> {
        if let TracePath::Between { from, to, .. } = path {
            self.has_ports(from, "A trace")?;
            self.has_ports(to, "A trace")?;
        }
        let chart = self.chart();
        let core = self.core().ok_or_else(|| super::not_found("node", "here", &[]))?;
        match (path, live_ms) {
            (TracePath::Between { from, to, protocol, family }, live_ms) => {
                let [from, to] = [station(&chart, from)?, station(&chart, to)?];
                let v6 = family_of(&chart, from, to, *family)?;
                let protocol = protocol_of(protocol.as_deref())?;
                match live_ms {
                    None => Ok(self.between(core, &chart, from, to, protocol, v6)),
                    Some(ms) => {
                        let wish = wish_between(&chart, from, to, protocol, v6)?;
                        let trace = catch(core, &chart, wish, ms, sink)?;
                        Ok(judged(trace, chart.lab.nodes.get(to).map(|node| node.name.clone())))
                    }
                }
            }
            (TracePath::At { switch, flow }, live_ms) => {
                let matches = self.matches(&chart, switch, flow)?;
                match live_ms {
                    None => at(core, &chart, switch, &matches),
                    Some(ms) => {
                        let wish = Wish { chart: Arc::clone(&chart), switch: switch.clone(), matches };
                        Ok(judged(catch(core, &chart, wish, ms, sink)?, None))
                    }
                }
            }
        }
    }

    /// The lab as it is now, for a trace.
    pub(in crate::engine) fn chart(&self) -> Arc<Chart> {
        let state = self.state();
        Arc::new(Chart::new(&state.lab, &state.ports, &state.specs))
    }

    /// The way of a made-up packet between two nodes, with notes about what else would be lost.
    fn between(
        &self,
        core: &Core,
        chart: &Arc<Chart>,
        from: usize,
        to: usize,
        protocol: Protocol,
        v6: bool,
    ) -> Trace {
        let all = match legs(chart, from, to, protocol, v6) {
            Ok(legs) => legs,
            Err(why) => return impossible(chart, from, to, why),
        };
        let connections = shadow(core);
        let mut ways = all.into_iter().map(|leg| {
            let what = leg.what.clone();
            (what, follow(core, chart, leg, &connections))
        });
        let Some((_, mut first)) = ways.next() else { return Trace::default() };
        if first.reached && !is_translated(&connections) {
            let lost_ones = ways.filter(|(_, way)| !way.reached);
            first.notes = lost_ones.map(|(what, way)| lost(&what, &way)).collect();
        }
        first
    }

    /// Why a packet fared as it did: of the packets that a conversation takes the first one that does not arrive;
    /// where it arrived and should not have, its way.
    pub(super) fn explained(&self, culprit: &Culprit) -> Option<Trace> {
        let (core, chart) = (self.core()?, self.chart());
        let find = |name: &str| chart.lab.nodes.iter().position(|node| node.name == name);
        let (from, to) = (find(&culprit.from)?, find(&culprit.to)?);
        let protocol = match culprit.kind {
            ProbeKind::Icmp => Protocol::Icmp,
            ProbeKind::Tcp(port) => Protocol::Tcp(port),
            ProbeKind::Udp(port) => Protocol::Udp(port),
            ProbeKind::Broadcast => return None,
        };
        let all = match legs(&chart, from, to, protocol, culprit.family == AddressFamily::Ipv6) {
            Ok(legs) => legs,
            Err(why) => return Some(impossible(&chart, from, to, why)),
        };
        let connections = shadow(core);
        let mut ways = all.into_iter().map(|leg| follow(core, &chart, leg, &connections));
        let first = ways.next()?;
        if culprit.arrived {
            return first.reached.then_some(first);
        }
        if first.reached && is_translated(&connections) {
            return None;
        }
        if first.reached { ways.find(|way| !way.reached) } else { Some(first) }
    }

    fn matches(&self, chart: &Chart, switch: &str, flow: &str) -> Result<FlowMatch, ApiError> {
        let Some(known) = chart.lab.switch(switch) else {
            let all: Vec<&str> = chart.lab.switches.iter().map(|s| s.name.as_str()).collect();
            return Err(super::not_found("switch", switch, &all));
        };
        parse_at(known, flow)
            .map_err(|wrong: FlowTextError| super::flow::bad_text("Not a packet", flow, &wrong))
    }
}

/// What is known of connections. What packets that are only followed add to it is known to them alone.
fn shadow(core: &Core) -> Arc<Tracker> {
    Arc::new(Tracker::shadow(core.tracker()))
}

/// Whether addresses were translated: then the answer to what was received is another one than that to what was sent.
fn is_translated(connections: &Tracker) -> bool {
    connections.rows(&ConnectionFilter::default(), now()).iter().any(|row| {
        let (there, back) = (row.original, row.reply);
        (there.src, there.src_port, there.dst, there.dst_port)
            != (back.dst, back.dst_port, back.src, back.src_port)
    })
}

fn follow(core: &Core, chart: &Chart, leg: Leg, connections: &Arc<Tracker>) -> Trace {
    let Leg { from, to, text, frame, .. } = leg;
    let packet = described(&frame);
    let follower = Follower::new(core.switch(), connections, chart, now());
    let trace = follower.send(from, frame, text);
    let to = chart.lab.nodes.get(to).map(|node| node.name.clone());
    judged(Trace { packet, from: chart.seat_name(from), ..trace }, to)
}

fn at(core: &Core, chart: &Chart, switch: &str, matches: &FlowMatch) -> Result<Trace, ApiError> {
    let arrival = Arrival::new(chart, switch, matches)
        .map_err(|why| ApiError::new(ErrorKind::Usage, format!("{why}.")))?;
    let packet = described(&arrival.frame);
    let from = chart.ports.get(&arrival.port).map(|spot| spot.here.clone()).unwrap_or_default();
    let follower = Follower::new(core.switch(), &shadow(core), chart, now());
    let trace = follower.enter(arrival.port, arrival.frame, arrival.tenant);
    Ok(judged(Trace { packet, from, ..trace }, None))
}

/// Waits for a real packet and follows it.
fn catch(core: &Core, chart: &Chart, wish: Wish, ms: u64, sink: &Sink) -> Result<Trace, ApiError> {
    let (number, answer) = core.watch().begin(core.switch(), wish);
    let until = now().0 + ms.saturating_mul(1_000_000);
    let caught = loop {
        match answer.recv_timeout(LOOK) {
            Ok(caught) => break Ok(caught),
            Err(RecvTimeoutError::Disconnected) => {
                break Err(ApiError::new(ErrorKind::Internal, "Nobody waits any more."));
            }
            Err(RecvTimeoutError::Timeout) if sink.is_cancelled() => {
                break Err(ApiError::new(ErrorKind::Cancelled, "The wait was given up."));
            }
            Err(RecvTimeoutError::Timeout) if now().0 >= until => {
                let waited = netloom_flow::Nanos(ms.saturating_mul(1_000_000)).as_secs_f64();
                break Err(ApiError::new(ErrorKind::Timeout, format!("No such packet came in {waited} s."))
                    .hint("without --live a made-up packet is followed; --timeout waits longer"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    core.watch().end(number);
    let caught = caught?;
    let packet = caught.packet();
    let spot = chart.ports.get(&caught.place().0);
    let from = spot.map(|spot| if spot.seat.is_some() { &spot.there } else { &spot.here });
    let from = from.cloned().unwrap_or_default();
    let trace = Follower::new(core.switch(), &shadow(core), chart, now()).resume(caught);
    Ok(Trace { packet, from, live: true, ..trace })
}

/// Says whether the packet came to whom it is for.
fn judged(mut trace: Trace, to: Option<String>) -> Trace {
    trace.reached = match &to {
        Some(to) => trace.delivered.iter().any(|got| got.split_once(':').is_some_and(|(node, _)| node == to)),
        None => !trace.delivered.is_empty(),
    };
    trace.to = to;
    trace
}

/// `the answer of h2 would be lost: dropped by a flow at s1:s1-eth2 (shop.loom.yml:12)`
fn lost(what: &str, way: &Trace) -> String {
    let Some(drop) = way.drops.last() else { return format!("the {what} would not arrive") };
    let rule = drop.rule.as_ref().map(|rule| format!(" ({})", rule.origin)).unwrap_or_default();
    format!("the {what} would be lost at {}: {}{rule}", drop.place, drop.reason)
}

/// A node cannot send a packet: that is the answer.
fn impossible(chart: &Chart, from: usize, to: usize, why: String) -> Trace {
    let name = |node: usize| chart.lab.nodes.get(node).map(|node| node.name.clone());
    let from = name(from).unwrap_or_default();
    let drop = netloom_api::TraceDrop { place: from.clone(), reason: why, rule: None };
    Trace { from, to: name(to), drops: vec![drop], ..Trace::default() }
}

fn described(frame: &[u8]) -> String {
    let Ok(headers) = netloom_packet::parse(frame) else { return String::new() };
    let meta = PacketMeta { tenant: TenantId(0), ..PacketMeta::default() };
    crate::trace::described(&extract(frame, &headers, &meta))
}

fn index(chart: &Chart, name: &str) -> Result<usize, ApiError> {
    let find = |wanted: &str| chart.lab.nodes.iter().position(|node| node.name == wanted);
    find(name).ok_or_else(|| {
        let all: Vec<&str> = chart.lab.nodes.iter().map(|node| node.name.as_str()).collect();
        super::not_found("node", name, &all)
    })
}

/// A node that has addresses of its own.
fn station(chart: &Chart, name: &str) -> Result<usize, ApiError> {
    let found = index(chart, name)?;
    let Some(node) = chart.lab.nodes.get(found).filter(|node| node.is_nic()) else { return Ok(found) };
    let said = super::nobody_inside(node);
    let port = node.interfaces.first().and_then(|interface| {
        let link = chart.lab.links.iter().find(|link| link.id == interface.link)?;
        [&link.a, &link.b].into_iter().find_map(|end| match end {
            End::Switch { switch, port } => Some(format!("netloom trace --at {switch} in_port={port},..")),
            _ => None,
        })
    });
    Err(match port {
        Some(words) => said.hint(format!("`{words}` follows a packet that comes in by it")),
        None => said,
    })
}

fn family_of(chart: &Chart, from: usize, to: usize, family: Family) -> Result<bool, ApiError> {
    let has =
        |node: usize, family| chart.lab.nodes.get(node).is_some_and(|it: &Node| it.address(family).is_some());
    let both = |family| has(from, family) && has(to, family);
    match family {
        Family::Ipv4 => Ok(false),
        Family::Ipv6 => Ok(true),
        Family::Any if both(AddressFamily::Ipv4) => Ok(false),
        Family::Any if both(AddressFamily::Ipv6) => Ok(true),
        Family::Any => Err(ApiError::new(ErrorKind::Usage, "The two have no addresses of the same family.")
            .hint("netloom ls nodes")),
    }
}

fn protocol_of(text: Option<&str>) -> Result<Protocol, ApiError> {
    let text = text.unwrap_or("icmp");
    Protocol::parse(text).ok_or_else(|| {
        ApiError::new(ErrorKind::Usage, format!("`{text}` is not a kind of packet."))
            .hint("one of icmp, tcp/PORT, udp/PORT")
    })
}

/// The packets of one node for another where they come in to the first switch.
fn wish_between(
    chart: &Arc<Chart>,
    from: usize,
    to: usize,
    protocol: Protocol,
    v6: bool,
) -> Result<Wish, ApiError> {
    let all = legs(chart, from, to, protocol, v6)
        .map_err(|why| ApiError::new(ErrorKind::Failed, format!("{why}.")))?;
    let impossible =
        || ApiError::new(ErrorKind::Unsupported, "There is no switch between the two to watch at.");
    let seat = all.first().map(|leg| leg.from).ok_or_else(impossible)?;
    let interface = chart.interface(seat).ok_or_else(impossible)?;
    let link = chart.lab.links.iter().find(|link| link.id == interface.link).ok_or_else(impossible)?;
    let end = [&link.a, &link.b].into_iter().find(|end| end.is_switch()).ok_or_else(impossible)?;
    let End::Switch { switch, port } = end else { return Err(impossible()) };
    let family = if v6 { AddressFamily::Ipv6 } else { AddressFamily::Ipv4 };
    let address = |node: usize| chart.lab.nodes.get(node).and_then(|node| node.address(family));
    let mut matches = FlowMatch::any();
    matches.set(FieldId::InPort, (*port).into());
    matches.set(FieldId::EthType, if v6 { 0x86dd } else { 0x0800 });
    let field = if v6 { FieldId::Ipv6Dst } else { FieldId::Ipv4Dst };
    match address(to) {
        Some(std::net::IpAddr::V4(ip)) => matches.set(field, ip.to_bits().into()),
        Some(std::net::IpAddr::V6(ip)) => matches.set(field, ip.to_bits()),
        None => {}
    }
    let (proto, port) = match protocol {
        Protocol::Icmp => (if v6 { 58 } else { 1 }, None),
        Protocol::Tcp(port) => (6, Some(port)),
        Protocol::Udp(port) => (17, Some(port)),
    };
    matches.set(FieldId::NwProto, proto);
    if let Some(port) = port {
        matches.set(FieldId::TpDst, port.into());
    }
    Ok(Wish { chart: Arc::clone(chart), switch: switch.clone(), matches })
}
