//! A worker below the real switch model: flows as text, frames at ports 1 to 4 of each switch.

#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "../harness/elsewhere.rs"]
mod elsewhere;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use netloom_datapath::{
    Attach, Budget, Change, Counters, Frame, Inner, OffloadCaps, PoolLimit, Port, PortSpec, Received,
    Refused, Slowpath, Tracker, TrackerConfig, Worker, WorkerConfig,
};
use netloom_flow::{
    Branch, ConnectionFilter, DropReason, Epoch, Hits, HitsRead, Nanos, PacketKey, PortId, Punt, TenantId,
    Translation, Upcall,
};
use netloom_packet::build::{Frame as Build, Ip, L4, Tcp};
use netloom_packet::{Mac, Offload, checksum, parse};
use netloom_switch::config::{Bridge, Config, Inner as End, Interface, InterfaceType, Origin, Uuid};
use netloom_switch::{HitsDelta, Settings, Switch};
use netloom_testkit::{Packet, Wire, WireEnd};

struct Device(WireEnd, OffloadCaps);

impl Port for Device {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        let mut received = Received::default();
        let mut buffer = Vec::new();
        while let Some(packet) = self.0.receive() {
            elsewhere::lend(&mut buffer, &packet, sink);
            received.packets += 1;
            if received.packets == budget.packets {
                received.more = self.0.waiting() > 0;
                break;
            }
        }
        received
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let packet = Packet { bytes: frame.data().to_vec(), offload: frame.offload };
        self.0.send(packet).map_err(|_| Refused::Full)
    }

    fn offloads(&self) -> OffloadCaps {
        self.1
    }
}

/// The model as a slow path, with a cache or without.
pub(crate) struct Model {
    pub(crate) switch: Switch,
    is_cached: bool,
    pub(crate) misses: usize,
    /// All translations, whose hits are to be credited.
    given: Vec<Arc<Translation>>,
    pub(crate) punts: Vec<(Arc<Punt>, Vec<u8>)>,
}

impl Slowpath for Model {
    fn translate(&mut self, upcall: &Upcall<'_>) -> Arc<Translation> {
        self.misses += 1;
        let mut translation = self.switch.translate(upcall);
        translation.cacheable &= self.is_cached;
        self.switch.meet(&translation, upcall.now);
        let translation = Arc::new(translation);
        self.given.push(Arc::clone(&translation));
        translation
    }

    fn punt(&mut self, punt: &Arc<Punt>, frame: &[u8], _: Nanos) -> bool {
        self.punts.push((Arc::clone(punt), frame.to_vec()));
        true
    }

    fn still_valid(&mut self, key: &PacketKey, translation: &Translation) -> bool {
        self.switch.still_valid(key, translation)
    }
}

/// What a net is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) switches: u32,
    pub(crate) is_cached: bool,
    /// Connections that may be tracked.
    pub(crate) limit: usize,
    pub(crate) fusion: bool,
    /// Between switches are tunnels under key 77, whose longest packet may be given.
    pub(crate) tunnel: Option<Option<u16>>,
}

impl Default for Shape {
    fn default() -> Self {
        Self { switches: 1, is_cached: true, limit: 1 << 16, fusion: true, tunnel: None }
    }
}

/// Switches `s1`, `s2` with four ports each; port 4 of one leads to port 3 of the next.
pub(crate) struct Net {
    pub(crate) worker: Worker,
    pub(crate) model: Model,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) now: Nanos,
    wires: BTreeMap<PortId, WireEnd>,
}

/// The datapath port of a port of a switch, both counted from 1.
pub(crate) fn dp(switch: u32, port: u32) -> PortId {
    PortId(switch * 10 + port)
}

impl Net {
    pub(crate) fn new(flows: &[&str]) -> Self {
        Self::with(1, true, 1 << 16, flows)
    }

    /// Flows are for `s1`, unless they begin with `s2 `.
    pub(crate) fn with(switches: u32, is_cached: bool, limit: usize, flows: &[&str]) -> Self {
        Self::shaped(&Shape { switches, is_cached, limit, ..Shape::default() }, flows)
    }

    /// The same of another shape.
    pub(crate) fn shaped(shape: &Shape, flows: &[&str]) -> Self {
        let Shape { switches, is_cached, limit, fusion, tunnel } = *shape;
        let epoch = Epoch::new();
        let tracker = Arc::new(Tracker::new(TrackerConfig { seed: 5, limit }));
        let mut worker = Worker::new(WorkerConfig {
            seed: 5,
            pool: PoolLimit::new(64 << 20),
            cache_limit: 16 << 20,
            epoch: epoch.clone(),
            worker: 0,
            workers: 1,
            tracker: Arc::clone(&tracker),
        });
        let now = Nanos::from_secs(1_000);
        let mut switch = Switch::new(Settings { seed: 5, fusion }, epoch);
        switch.reconfigure(&config(switches, tunnel), now).expect("a good configuration");
        let mut wires = BTreeMap::new();
        for (switch, port) in (1..=switches).flat_map(|switch| (1..=4).map(move |port| (switch, port))) {
            let id = dp(switch, port);
            let (spec, driver) = match peer(switches, switch, port) {
                Some(peer) => {
                    let inner = tunnel.map(|mtu| Inner { mtu, clamp: false });
                    (PortSpec { inner, ..PortSpec::new(id, TenantId(0), Attach::Peer(peer)) }, None)
                }
                None => {
                    let (near, far) = Wire::with_limit(4_096);
                    wires.insert(id, far);
                    let driver: Box<dyn Port> = Box::new(Device(near, OffloadCaps::ALL));
                    (PortSpec::new(id, TenantId(0), Attach::Switch), Some(driver))
                }
            };
            worker.apply(Change::AddPort(spec, driver), now);
        }
        let counters = worker.counters();
        let mut net = Self {
            worker,
            model: Model { switch, is_cached, misses: 0, given: Vec::new(), punts: Vec::new() },
            tracker,
            counters,
            now,
            wires,
        };
        net.flows(flows);
        net
    }

    /// Adds flows, for `s1` unless they begin with `s2 `.
    pub(crate) fn flows(&mut self, flows: &[&str]) {
        for flow in flows {
            let (bridge, text) = flow.strip_prefix("s2 ").map_or(("s1", *flow), |text| ("s2", text));
            let added = self.model.switch.add_flow(bridge, text, Origin::Command, self.now);
            added.unwrap_or_else(|e| panic!("{flow}: {e}"));
        }
    }

    /// Sends a frame into a port of the first switch; what comes out where, in order of ports.
    pub(crate) fn send(&mut self, port: u32, bytes: Vec<u8>) -> Vec<(u32, Vec<u8>)> {
        self.send_packet(dp(1, port), Packet { bytes, offload: Offload::default() })
            .into_iter()
            .map(|(port, packet)| (port.0 - 10, packet.bytes))
            .collect()
    }

    pub(crate) fn send_packet(&mut self, port: PortId, packet: Packet) -> Vec<(PortId, Packet)> {
        self.wires[&port].send(packet).expect("room on the wire");
        while self.worker.service(port, self.now, &mut self.model).more {}
        self.wires
            .iter()
            .flat_map(|(port, wire)| wire.drain().into_iter().map(|packet| (*port, packet)))
            .collect()
    }

    /// What every port and flow has counted, the model's share and the datapath's together.
    pub(crate) fn counted(&mut self) -> Vec<String> {
        for translation in std::mem::take(&mut self.model.given) {
            let delta = |hits: &Hits| HitsDelta::between(&HitsRead::default(), &hits.read());
            self.model.switch.credit(&translation, delta(&translation.hits));
            let switch = &mut self.model.switch;
            Branch::each(&translation.actions, &mut |branch| {
                switch.credit_branch(branch, delta(&branch.hits))
            });
        }
        let switch = &self.model.switch;
        let mut lines = Vec::new();
        for bridge in ["s1", "s2"] {
            for flow in switch.flows(bridge, "").unwrap_or_default() {
                lines.push(format!("{bridge} {:?}: {} {}", flow.rule.flow.matches, flow.packets, flow.bytes));
            }
            for port in switch.ports(bridge) {
                let counters = self.counters.port(port.dp_port).expect("a port");
                let (rx, tx, inside) = (counters.rx(), counters.tx(), port.crossed);
                let received = (rx.packets + inside.rx_packets, rx.bytes + inside.rx_bytes);
                let sent = (tx.packets + inside.tx_packets, tx.bytes + inside.tx_bytes);
                lines.push(format!("{}: received {received:?}, sent {sent:?}", port.name));
            }
        }
        lines
    }

    /// What has come out meanwhile, and where.
    pub(crate) fn received(&mut self) -> Vec<(u32, Vec<u8>)> {
        let ports = self.wires.iter();
        ports.flat_map(|(port, wire)| wire.drain().into_iter().map(|it| (port.0 - 10, it.bytes))).collect()
    }

    /// The only frame that comes out, and by which port.
    #[track_caller]
    pub(crate) fn pass(&mut self, port: u32, bytes: Vec<u8>) -> (u32, Vec<u8>) {
        let mut out = self.send(port, bytes);
        assert_eq!(out.len(), 1, "{} frames came out; drops {:?}", out.len(), self.drops());
        let (port, frame) = out.remove(0);
        let headers = parse(&frame).expect("a frame");
        assert_ne!(checksum::verify_ipv4(&frame, &headers), Some(false), "IPv4 checksum");
        assert_ne!(checksum::verify_l4(&frame, &headers), Some(false), "L4 checksum");
        (port, frame)
    }

    pub(crate) fn after(&mut self, seconds: u64) {
        self.now += Nanos::from_secs(seconds);
    }

    pub(crate) fn drops(&self) -> Vec<(DropReason, u64)> {
        self.counters.drops.iter().collect()
    }

    /// The connections, in a line each.
    pub(crate) fn connections(&self) -> Vec<String> {
        let rows = self.tracker.rows(&ConnectionFilter::default(), self.now);
        rows.iter()
            .map(|row| {
                let (o, r) = (row.original, row.reply);
                format!(
                    "{} {}:{}>{}:{} {}:{}>{}:{} {}",
                    row.protocol,
                    o.src,
                    o.src_port,
                    o.dst,
                    o.dst_port,
                    r.src,
                    r.src_port,
                    r.dst,
                    r.dst_port,
                    row.state
                )
            })
            .collect()
    }
}

fn peer(switches: u32, switch: u32, port: u32) -> Option<PortId> {
    match port {
        4 if switch < switches => Some(dp(switch + 1, 3)),
        3 if switch > 1 => Some(dp(switch - 1, 4)),
        _ => None,
    }
}

fn config(switches: u32, tunnel: Option<Option<u16>>) -> Config {
    let (src, dst) = ([127, 9, 0, 1].into(), [127, 0, 0, 1].into());
    let end = |mtu| End {
        key: Some(77),
        keys: Vec::new(),
        src,
        dst,
        tos: 0,
        ttl: 64,
        gbp: false,
        options: false,
        mtu,
        clamp: false,
    };
    let port = |switch: u32, port: u32| {
        let name = format!("s{switch}-eth{port}");
        let far = peer(switches, switch, port);
        let interface = Interface {
            name: name.clone(),
            ofport_request: u16::try_from(port).ok(),
            dp_port: dp(switch, port),
            kind: if far.is_some() { InterfaceType::Patch } else { InterfaceType::default() },
            peer: far,
            inner: far.and(tunnel).map(end),
            ..Interface::default()
        };
        let tenant = far.is_none().then_some(TenantId(0));
        netloom_switch::config::Port { name, tenant, interfaces: vec![interface], ..Default::default() }
    };
    let bridge = |switch: u32| {
        let name = format!("s{switch}");
        let ports = (1..=4).map(|n| port(switch, n)).collect();
        Bridge { uuid: Uuid::named(&[&name]), name, ports, ..Bridge::default() }
    };
    Config { bridges: (1..=switches).map(bridge).collect(), ..Config::default() }
}

/// Host n: its address is 10.0.0.n, or 2001:db8::n.
pub(crate) fn ip(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

pub(crate) fn frame(src: Ipv4Addr, dst: Ipv4Addr, l4: L4<'_>) -> Vec<u8> {
    let ip = Ip { l4, ..Ip::v4(src, dst) };
    Build::ip(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), ip).to_vec().expect("it fits")
}

pub(crate) fn frame6(src: u8, dst: u8, l4: L4<'_>) -> Vec<u8> {
    let address = |n: u8| std::net::Ipv6Addr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)]);
    let ip = Ip { l4, ..Ip::v6(address(src), address(dst)) };
    Build::ip(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), ip).to_vec().expect("it fits")
}

pub(crate) fn udp(src: u16, dst: u16, data: &[u8]) -> L4<'_> {
    L4::Udp { src, dst, data }
}

/// A segment: ports, flags, sequence numbers, payload.
pub(crate) fn tcp(ports: (u16, u16), flags: u16, (seq, ack): (u32, u32), data: &[u8]) -> L4<'_> {
    L4::Tcp(Tcp { src: ports.0, dst: ports.1, seq, ack, flags, window: 60_000, options: &[], data })
}

pub(crate) fn echo(reply: bool, id: u16) -> L4<'static> {
    L4::Echo { reply, id, seq: 1, data: b"ping" }
}

/// Source, destination and the first four bytes of L4 of an IPv4 frame.
pub(crate) fn ends(frame: &[u8]) -> (Ipv4Addr, u16, Ipv4Addr, u16) {
    let address = |at: usize| Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3]);
    let port = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    (address(26), port(34), address(30), port(36))
}
