//! Both directions of a gateway.

use std::net::IpAddr;
use std::sync::Arc;

use netloom_packet::bytes::array;
use netloom_packet::edit::Edit;
use netloom_packet::icmp::{self, Icmp};
use netloom_packet::parse::{FRAG_ANY, FRAG_LATER, ip_proto};
use netloom_packet::tcp::{Tcp, flag};
use netloom_packet::udp::Udp;
use netloom_packet::{Csum, Headers, Offload, parse};

use super::counters::{GatewayCounters, count};
use super::flows::{Flow, Flows, Held, Outer, State};
use super::fragments::{Datagram, Fragments};
use super::settings::{GatewaySettings, address};
use super::share::GatewayShare;
use super::words::{Ask, Inner, Protocol, Tell, Whither};

/// Whether a frame goes on, perhaps with other addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Pass,
    /// It does not: it waits, it went another way, or it was dropped and counted.
    Keep,
}

/// A frame that is let in after all, and what is still to be done to it.
pub(super) type Released = (Vec<u8>, Offload);

/// Whoever carries out what is asked; `false`: there is no room for it now.
pub(super) type Outside<'a> = &'a mut dyn FnMut(Ask) -> bool;

/// The port for names (RFC 1035 §4.2).
const DNS: u16 = 53;
/// Bytes of a packet that an error message quotes: at most these headers and 8 bytes of what is in them.
const QUOTE: usize = 128;

/// Changes addresses between a network and the gateway's kernel.
#[derive(Debug)]
pub(super) struct Engine {
    settings: GatewaySettings,
    counters: Arc<GatewayCounters>,
    flows: Flows,
    outward: Fragments,
    homeward: Fragments,
}

/// What of a packet decides.
struct Packet<'a> {
    data: &'a mut [u8],
    headers: Headers,
    csum: Csum,
    src: IpAddr,
    dst: IpAddr,
}

impl<'a> Packet<'a> {
    /// `None`: it is no IP packet.
    fn of(data: &'a mut [u8], csum: Csum) -> Option<Self> {
        let headers = parse(data).ok()?;
        let l3 = usize::from(headers.l3);
        let (v6, src, dst) = match (headers.is_ipv4(), headers.is_ipv6()) {
            (true, _) => (false, l3 + 12, l3 + 16),
            (_, true) => (true, l3 + 8, l3 + 24),
            _ => return None,
        };
        let (src, dst) = (address(data, src, v6)?, address(data, dst, v6)?);
        Some(Self { data, headers, csum, src, dst })
    }

    fn edit(&mut self) -> Edit<'_> {
        Edit::new(self.data, &self.headers, self.csum)
    }

    fn set_src(&mut self, ip: IpAddr) {
        let mut edit = self.edit();
        _ = match ip {
            IpAddr::V4(ip) => edit.ipv4_src(ip.octets()),
            IpAddr::V6(ip) => edit.ipv6_src(ip.octets()),
        };
    }

    fn set_dst(&mut self, ip: IpAddr) {
        let mut edit = self.edit();
        _ = match ip {
            IpAddr::V4(ip) => edit.ipv4_dst(ip.octets()),
            IpAddr::V6(ip) => edit.ipv6_dst(ip.octets()),
        };
    }

    /// Source and destination port of TCP or UDP.
    fn ports(&self) -> Option<(Protocol, u16, u16)> {
        let at = usize::from(self.headers.l4);
        let protocol = match self.headers.ip_proto {
            ip_proto::TCP if Tcp::of(self.data, &self.headers).is_some() => Protocol::Tcp,
            ip_proto::UDP if Udp::of(self.data, &self.headers).is_some() => Protocol::Udp,
            _ => return None,
        };
        let [a, b, c, d] = *array(self.data, at)?;
        Some((protocol, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// Type, identifier and sequence number of an echo message.
    fn echo(&self) -> Option<(u8, u16, u16)> {
        let message = Icmp::of(self.data, &self.headers)?;
        let at = usize::from(self.headers.l4);
        let [_, code, _, _, i, d, s, q] = *array(self.data, at)?;
        (code == 0).then_some((message.kind(), u16::from_be_bytes([i, d]), u16::from_be_bytes([s, q])))
    }

    fn quote(&self) -> Vec<u8> {
        let l3 = usize::from(self.headers.l3);
        let end = (self.headers.end as usize).min(l3 + QUOTE);
        self.data.get(l3..end).unwrap_or_default().to_vec()
    }

    fn datagram(&self) -> Option<Datagram> {
        Datagram::of(self.data, &self.headers, self.src, self.dst)
    }
}

impl Engine {
    pub(super) fn new(
        settings: GatewaySettings,
        counters: Arc<GatewayCounters>,
        share: Arc<GatewayShare>,
    ) -> Self {
        Self {
            settings,
            counters,
            flows: Flows::new(share),
            outward: Fragments::default(),
            homeward: Fragments::default(),
        }
    }

    /// How the gateway is set up from now on.
    pub(super) fn set_up(&mut self, settings: GatewaySettings) {
        self.settings = settings;
    }

    /// How many flows there are.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// A frame from the network to the gateway's kernel.
    pub(super) fn outward(&mut self, data: &mut [u8], offload: &Offload, outside: Outside<'_>) -> Verdict {
        let Some(mut packet) = Packet::of(data, offload.csum) else { return Verdict::Pass };
        if packet.headers.frag & FRAG_LATER != 0 {
            return self.later(&mut packet, true);
        }
        let verdict = match packet.ports() {
            Some((Protocol::Tcp, src, dst)) => self.tcp(&mut packet, src, dst, offload, outside),
            Some((_, src, dst)) => self.udp(&mut packet, src, dst, outside),
            None => self.others(&mut packet, outside),
        };
        if verdict == Verdict::Pass
            && packet.headers.frag & FRAG_ANY != 0
            && let (Some(datagram), Some(own)) = (packet.datagram(), self.settings.own_like(packet.dst))
            && own != packet.dst
        {
            self.outward.note(datagram, own);
        }
        verdict
    }

    /// A frame from the gateway's kernel to the network.
    pub(super) fn homeward(&mut self, data: &mut [u8], offload: &Offload) -> Verdict {
        let Some(mut packet) = Packet::of(data, offload.csum) else { return Verdict::Pass };
        if packet.headers.frag & FRAG_LATER != 0 {
            return self.later(&mut packet, false);
        }
        let inner = match (packet.ports(), packet.echo()) {
            (Some((protocol, src, dst)), _) if self.is_door(protocol, src) => {
                Inner { protocol, node: packet.dst, port: dst }
            }
            (None, Some((icmp::ECHO_REPLY | icmp::ECHO_REPLY_V6, id, _))) => {
                Inner { protocol: Protocol::Echo, node: packet.dst, port: id }
            }
            _ => return Verdict::Pass,
        };
        let Some(flow) = self.flows.by_inner(&inner) else {
            count(&self.counters.stray);
            return Verdict::Keep;
        };
        let Outer { node: (_, own), far: (ip, port), .. } = flow.outer;
        let ends = flow.state == State::Refused;
        if packet.headers.frag & FRAG_ANY != 0
            && let Some(datagram) = packet.datagram()
        {
            self.homeward.note(datagram, ip);
        }
        packet.set_src(ip);
        let mut edit = packet.edit();
        if inner.protocol == Protocol::Echo {
            edit.icmp_id(own);
        } else {
            edit.l4_src(port);
            edit.l4_dst(own);
        }
        if ends {
            self.flows.remove(&inner);
        }
        Verdict::Pass
    }

    /// Something became of a flow; the frame that waited for it, if one did.
    pub(super) fn told(&mut self, tell: Tell) -> Option<Released> {
        let (inner, state) = match tell {
            Tell::Admit(inner) => (inner, State::Open),
            Tell::Refuse(inner) => (inner, State::Refused),
            Tell::Over(inner) => {
                self.flows.by_inner(&inner)?.state = State::Over;
                return None;
            }
            Tell::Forget(inner) => {
                self.flows.remove(&inner);
                return None;
            }
        };
        let flow = self.flows.by_inner(&inner)?;
        let State::Calling(held) = std::mem::replace(&mut flow.state, state) else { return None };
        let Held { mut frame, offload } = held;
        let mut packet = Packet::of(&mut frame, offload.csum)?;
        let door = self.door(&inner)?;
        self.lead(&mut packet, inner, door);
        Some((frame, offload))
    }

    /// A later fragment goes where its first went.
    fn later(&mut self, packet: &mut Packet<'_>, out: bool) -> Verdict {
        let ways = if out { &self.outward } else { &self.homeward };
        match packet.datagram().and_then(|datagram| ways.way(&datagram)) {
            Some(ip) if out => packet.set_dst(ip),
            Some(ip) => packet.set_src(ip),
            // Of a datagram for, or from, the gateway itself.
            None if self.settings.is_local(if out { packet.dst } else { packet.src }) => {}
            None => {
                count(&self.counters.fragments);
                return Verdict::Keep;
            }
        }
        Verdict::Pass
    }

    fn tcp(
        &mut self,
        packet: &mut Packet<'_>,
        src: u16,
        dst: u16,
        offload: &Offload,
        outside: Outside<'_>,
    ) -> Verdict {
        let Some(far) = self.far(packet, Protocol::Tcp, dst) else { return self.own(Protocol::Tcp, dst) };
        let flags = Tcp::of(packet.data, &packet.headers).map_or(0, Tcp::flags);
        let begins = flags & (flag::SYN | flag::ACK | flag::RST) == flag::SYN;
        let outer = Outer { protocol: Protocol::Tcp, node: (packet.src, src), far: (packet.dst, dst) };
        if let Some((inner, flow)) = self.flows.by_outer(&outer) {
            match (&flow.state, begins) {
                // One more SYN, because the first was not answered yet.
                (State::Calling(_), _) => return Verdict::Keep,
                (State::Open, _) | (State::Over | State::Refused, false) => {
                    let Some(door) = self.door(&inner) else { return Verdict::Keep };
                    self.lead(packet, inner, door);
                    return Verdict::Pass;
                }
                (State::Refused, true) => self.flows.remove(&inner),
                // The new one takes its ports; last packets of the old one are of no use to anybody.
                (State::Over, true) => {}
            }
        }
        if !begins {
            count(&self.counters.stray);
            // Whoever goes on with a connection that is no more is to know.
            return if flags & flag::RST != 0 { Verdict::Keep } else { self.refuse(packet, outer) };
        }
        if let Whither::Out(to) = far
            && !self.settings.leads_to(to.ip())
        {
            count(&self.counters.denied);
            return self.refuse(packet, outer);
        }
        let held = Held { frame: packet.data.to_vec(), offload: *offload };
        let Some(inner) = self.flows.add(outer, State::Calling(held)) else {
            count(&self.counters.full);
            return Verdict::Keep;
        };
        if !outside(Ask::Connect { inner, to: far, quote: packet.quote() }) {
            count(&self.counters.full);
            self.flows.remove(&inner);
        }
        Verdict::Keep
    }

    /// Sends a packet to where the gateway's kernel refuses it.
    fn refuse(&mut self, packet: &mut Packet<'_>, outer: Outer) -> Verdict {
        let Some(inner) = self.flows.add(outer, State::Refused) else {
            count(&self.counters.full);
            return Verdict::Keep;
        };
        self.lead(packet, inner, self.settings.doors.closed);
        Verdict::Pass
    }

    fn udp(&mut self, packet: &mut Packet<'_>, src: u16, dst: u16, outside: Outside<'_>) -> Verdict {
        let Some(far) = self.far(packet, Protocol::Udp, dst) else { return self.own(Protocol::Udp, dst) };
        let outer = Outer { protocol: Protocol::Udp, node: (packet.src, src), far: (packet.dst, dst) };
        if let Some((inner, _)) = self.flows.by_outer(&outer) {
            self.lead(packet, inner, self.settings.doors.udp);
            return Verdict::Pass;
        }
        let Some(inner) = self.begin(packet, outer, far) else { return Verdict::Keep };
        if !outside(Ask::Datagrams { inner, port: src, to: far }) {
            count(&self.counters.full);
            self.flows.remove(&inner);
            return Verdict::Keep;
        }
        self.lead(packet, inner, self.settings.doors.udp);
        Verdict::Pass
    }

    /// A flow that needs no answer to begin.
    fn begin(&mut self, packet: &Packet<'_>, outer: Outer, far: Whither) -> Option<Inner> {
        if let Whither::Out(to) = far
            && !self.settings.is_local(packet.dst)
            && !self.settings.leads_to(to.ip())
        {
            count(&self.counters.denied);
            return None;
        }
        let inner = self.flows.add(outer, State::Open);
        if inner.is_none() {
            count(&self.counters.full);
        }
        inner
    }

    /// Packets that are neither TCP nor UDP.
    fn others(&mut self, packet: &mut Packet<'_>, outside: Outside<'_>) -> Verdict {
        let local = self.settings.is_local(packet.dst);
        let Some((icmp::ECHO_REQUEST | icmp::ECHO_REQUEST_V6, id, sequence)) = packet.echo() else {
            if !local {
                count(&self.counters.unsupported);
            }
            return if local { Verdict::Pass } else { Verdict::Keep };
        };
        if local && !self.settings.own.contains(&packet.dst) {
            return Verdict::Pass;
        }
        let outer = Outer { protocol: Protocol::Echo, node: (packet.src, id), far: (packet.dst, 0) };
        let known = self.flows.by_outer(&outer).map(|(inner, _)| inner);
        let far = Whither::Out((packet.dst, 0).into());
        let Some(inner) = known.or_else(|| self.begin(packet, outer, far)) else { return Verdict::Keep };
        let ask = if local {
            Ask::Own { inner }
        } else {
            let begin = usize::from(packet.headers.l4) + icmp::HEADER;
            let data = packet.data.get(begin..packet.headers.end as usize).unwrap_or_default().to_vec();
            Ask::Echo { inner, to: packet.dst, sequence, data, quote: packet.quote() }
        };
        if !outside(ask) {
            count(&self.counters.full);
            if known.is_none() {
                self.flows.remove(&inner);
            }
            return Verdict::Keep;
        }
        if local {
            packet.edit().icmp_id(inner.port);
            return Verdict::Pass;
        }
        Verdict::Keep
    }

    /// Where a packet of TCP or UDP leads; `None`: it is for the gateway itself, or for everybody.
    fn far(&self, packet: &Packet<'_>, protocol: Protocol, port: u16) -> Option<Whither> {
        if !self.settings.is_local(packet.dst) {
            return Some(Whither::Out((packet.dst, port).into()));
        }
        let names = port == DNS && protocol != Protocol::Echo && self.settings.own.contains(&packet.dst);
        names.then_some(Whither::Resolver)
    }

    /// A packet for the gateway itself: its kernel answers, but not at the doors, which are for flows.
    fn own(&self, protocol: Protocol, port: u16) -> Verdict {
        if self.is_door(protocol, port) {
            count(&self.counters.stray);
            return Verdict::Keep;
        }
        Verdict::Pass
    }

    fn is_door(&self, protocol: Protocol, port: u16) -> bool {
        let doors = &self.settings.doors;
        match protocol {
            Protocol::Tcp => port == doors.tcp || port == doors.closed,
            Protocol::Udp => port == doors.udp,
            Protocol::Echo => false,
        }
    }

    /// Where the packets of a flow of TCP go.
    fn door(&mut self, inner: &Inner) -> Option<u16> {
        let Flow { state, .. } = self.flows.by_inner(inner)?;
        let refused = *state == State::Refused;
        Some(if refused { self.settings.doors.closed } else { self.settings.doors.tcp })
    }

    /// Makes a packet one of a flow to the gateway's own socket.
    fn lead(&self, packet: &mut Packet<'_>, inner: Inner, door: u16) {
        if let Some(own) = self.settings.own_like(packet.dst) {
            packet.set_dst(own);
        }
        let mut edit = packet.edit();
        edit.l4_src(inner.port);
        edit.l4_dst(door);
    }
}
