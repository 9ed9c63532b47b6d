//! The lab: a switch and a datapath, with or without a cache, with or without path fusion.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use netloom_flow::{
    Action, BridgeId, Epoch, FlowText, Nanos, PacketKey, PortId, Punt, TenantId, Translation, Upcall, word,
};
use netloom_switch::config::{Config, Origin};
use netloom_switch::{Bucket, GroupCommand, GroupMod, GroupType, Selection};
use netloom_switch::{
    Changes, Crossed, FlowError, FlowMod, HitsDelta, LinkState, MacRow, Matching, Settings, Switch,
};

use super::Packet;
use super::packet::Notes;
use super::random::Step;

/// Everything there is to count, and what was learned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ledger {
    pub(crate) ports: BTreeMap<String, Crossed>,
    pub(crate) macs: BTreeMap<String, Vec<MacRow>>,
    pub(crate) flows: BTreeMap<String, Vec<String>>,
    pub(crate) tables: BTreeMap<String, Vec<String>>,
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    pub(crate) drops: Vec<String>,
    /// What went to controllers, in no order.
    pub(crate) punts: Vec<String>,
}

pub(crate) struct Net {
    pub(crate) switch: Switch,
    pub(crate) epoch: Epoch,
    pub(crate) now: Nanos,
    peers: BTreeMap<PortId, Option<PortId>>,
    tenants: BTreeMap<PortId, Option<TenantId>>,
    counted: BTreeMap<PortId, Crossed>,
    /// What is remembered of earlier translations: key under the mask, and the translation.
    cache: Option<Vec<(PacketKey, Translation)>>,
    pub(crate) hits: usize,
    pub(crate) misses: usize,
    /// What went to controllers.
    pub(crate) punts: Vec<(Arc<Punt>, Packet)>,
}

impl Net {
    pub(crate) fn new(config: &Config, fusion: bool) -> Self {
        let epoch = Epoch::new();
        let mut net = Self {
            switch: Switch::new(Settings { seed: 42, fusion }, epoch.clone()),
            epoch,
            now: Nanos::from_secs(1),
            peers: BTreeMap::new(),
            tenants: BTreeMap::new(),
            counted: BTreeMap::new(),
            cache: None,
            hits: 0,
            misses: 0,
            punts: Vec::new(),
        };
        net.reconfigure(config);
        net
    }

    pub(crate) fn with_cache(mut self) -> Self {
        self.cache = Some(Vec::new());
        self
    }

    pub(crate) fn reconfigure(&mut self, config: &Config) -> Changes {
        let (changes, _) = self.switch.reconfigure(config, self.now).expect("a good configuration");
        for port in changes.added.iter().chain(&changes.changed) {
            self.peers.insert(port.port, port.peer);
            self.tenants.insert(port.port, port.tenant);
        }
        for port in &changes.removed {
            self.peers.remove(port);
            self.tenants.remove(port);
        }
        changes
    }

    /// Adds a flow to the first bridge: its match as text (with table, priority and so on), its actions as values.
    pub(crate) fn add(&mut self, matches: &str, actions: Vec<Action>) -> Result<usize, FlowError> {
        let flow = netloom_flow::parse_flow(&format!("{matches}actions=drop")).expect("a good match");
        let flow = FlowText { actions: actions.into(), ..flow };
        self.switch.flow_mod(self.bridge(), FlowMod::add(flow), Origin::Command, self.now)
    }

    /// The first bridge.
    pub(crate) fn bridge(&self) -> BridgeId {
        self.switch.bridges().next().expect("a bridge").0
    }

    /// A host sends a packet; returns what arrives at hosts, in order.
    pub(crate) fn send(&mut self, port: PortId, packet: &Packet) -> Vec<(PortId, Packet)> {
        let tenant = self.tenants.get(&port).copied().flatten().unwrap_or_default();
        let mut in_flight = VecDeque::from([(port, packet.clone())]);
        let mut arrived = Vec::new();
        let mut steps = 0;
        while let Some((port, packet)) = in_flight.pop_front() {
            steps += 1;
            assert!(steps < 10_000, "a packet storm");
            self.count(port, packet.bytes(), true);
            for (port, packet) in self.pass(&packet.key(port, tenant), packet) {
                self.count(port, packet.bytes(), false);
                match self.peers.get(&port) {
                    Some(Some(peer)) => in_flight.push_back((*peer, packet)),
                    Some(None) => arrived.push((port, packet)),
                    None => panic!("output to {port}, which does not exist"),
                }
            }
        }
        arrived
    }

    /// The ports at which something arrived, sorted.
    pub(crate) fn ports(&mut self, port: PortId, packet: &Packet) -> Vec<PortId> {
        let mut ports: Vec<_> = self.send(port, packet).into_iter().map(|(port, _)| port).collect();
        ports.sort();
        ports
    }

    /// Does one thing; a packet's copies are returned sorted.
    pub(crate) fn step(&mut self, step: &Step) -> Vec<(PortId, Packet)> {
        let name = |bridge: &usize| format!("s{}", bridge + 1);
        match step {
            Step::Send(port, packet) => {
                let mut sent = self.send(*port, packet);
                sent.sort();
                return sent;
            }
            Step::AddFlow(bridge, text) => {
                self.switch.add_flow(&name(bridge), text, Origin::Command, self.now).expect("a good flow");
            }
            Step::AddActions(bridge, matches, actions) => {
                let id = self.switch.bridges().nth(*bridge).expect("a bridge").0;
                self.add_groups(id);
                let flow =
                    netloom_flow::parse_flow(&format!("{matches} actions=drop")).expect("a good match");
                let change = FlowMod::add(FlowText { actions: actions.clone().into(), ..flow });
                self.switch.flow_mod(id, change, Origin::Command, self.now).expect("a good flow");
            }
            Step::DelFlows(bridge, text) => {
                self.switch.del_flows(&name(bridge), text, Matching::Loose, self.now).expect("a good match");
            }
            Step::Link(port, state) => {
                let state = LinkState { up: *state != 1, plain: *state != 2, captured: *state == 3 };
                self.switch.set_link(*port, state, self.now);
            }
            Step::Wait(seconds) => {
                self.now += Nanos::from_secs(*seconds);
                self.switch.tick(self.now);
            }
        }
        Vec::new()
    }

    /// Groups 1, to two ports, and 2, to one by the connection; if they are not there yet.
    fn add_groups(&mut self, bridge: BridgeId) {
        for (id, kind) in [(1, GroupType::All), (2, GroupType::Select)] {
            let bucket = |port: u32, host: u128| Bucket {
                weight: u16::from(kind == GroupType::Select),
                actions: vec![
                    Action::set(netloom_flow::FieldId::EthDst, 0x0200_0000_0000 + host),
                    Action::Output(netloom_flow::OfPort(port)),
                ],
                ..Bucket::default()
            };
            let change = GroupMod {
                command: GroupCommand::Add,
                group: id,
                kind,
                selection: Selection::default(),
                buckets: vec![bucket(1, 1), bucket(2, 2), bucket(3, 3)],
            };
            if self.switch.groups(bridge, id).is_empty() {
                self.switch.group_mod(bridge, change, self.now).expect("a good group");
            }
        }
    }

    pub(crate) fn translate(&self, key: &PacketKey) -> Translation {
        self.switch.translate(&Upcall { key, packet: &[], now: self.now })
    }

    /// A packet at a switch: looked up, carried out, credited; and again where it is looked up again.
    fn pass(&mut self, key: &PacketKey, packet: Packet) -> Vec<(PortId, Packet)> {
        let bytes = packet.bytes();
        let delta = |bytes| HitsDelta { packets: 1, bytes, used: self.now, tcp_flags: 0 };
        let mut cache = self.cache.take();
        let mut known = None;
        if let Some(cache) = &mut cache {
            cache.retain(|(known, translation)| self.switch.still_valid(known, translation));
            known = cache.iter().position(|(known, t)| covers(t, known, key));
        }
        let translation = match (known, &mut cache) {
            (Some(at), Some(cache)) => {
                self.hits += 1;
                cache.swap_remove(at)
            }
            _ => {
                self.misses += 1;
                (*key, self.translate(key))
            }
        };
        let (known, translation) = translation;
        let mut notes = Notes { now: self.now, ..Notes::default() };
        let (tenant, port) = ((key.0[word::TENANT] >> 48) as u16, (key.0[word::IN_PORT] >> 32) as u32);
        let mut sent = packet.execute(&translation.actions, &mut notes);
        self.switch.credit(&translation, delta(bytes));
        for (branch, bytes) in &notes.branches {
            self.switch.credit_branch(branch, delta(*bytes));
        }
        if let Some(cache) = &mut cache {
            cache.push((known, translation));
        }
        self.cache = cache;
        self.punts.append(&mut notes.punts);
        for (id, packet) in notes.again {
            let mut key = packet.key(PortId(port), TenantId(tenant));
            key.0[word::IN_PORT] |= u64::from(id.0);
            sent.extend(self.pass(&key, packet));
        }
        sent
    }

    fn count(&mut self, port: PortId, bytes: u64, is_received: bool) {
        let counted = self.counted.entry(port).or_default();
        if is_received {
            counted.rx_packets += 1;
            counted.rx_bytes += bytes;
        } else {
            counted.tx_packets += 1;
            counted.tx_bytes += bytes;
        }
    }

    /// All counters and MAC tables, those of switch and datapath together.
    pub(crate) fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for (_, bridge) in self.switch.bridges() {
            for port in self.switch.ports(bridge) {
                let mut sum = self.counted.get(&port.dp_port).copied().unwrap_or_default();
                sum.rx_packets += port.crossed.rx_packets;
                sum.rx_bytes += port.crossed.rx_bytes;
                sum.tx_packets += port.crossed.tx_packets;
                sum.tx_bytes += port.crossed.tx_bytes;
                ledger.ports.insert(port.name, sum);
            }
            ledger.macs.insert(bridge.to_owned(), self.switch.macs(bridge));
            let flows = self.switch.flows(bridge, "").expect("a bridge");
            ledger.flows.insert(bridge.to_owned(), flows.iter().map(|flow| flow.line(self.now)).collect());
            let groups = self.switch.bridges().find(|(_, name)| *name == bridge).map(|(id, _)| id);
            let groups =
                groups.map(|id| self.switch.groups(id, netloom_switch::Group::ALL)).unwrap_or_default();
            let line = |group: &&netloom_switch::Group| {
                format!("{} {:?} {:?}", group.id, group.carried, group.bucket_carried)
            };
            ledger.groups.insert(bridge.to_owned(), groups.iter().map(line).collect());
            let tables = self.switch.tables(bridge);
            ledger
                .tables
                .insert(bridge.to_owned(), tables.iter().map(|table| format!("{table:?}")).collect());
        }
        let line = |drop: &netloom_switch::DropEntry| {
            format!("{} {} {}: {}", drop.bridge, drop.port, drop.reason, drop.packets)
        };
        ledger.punts =
            self.punts.iter().map(|(punt, packet)| format!("{} {packet:?}", punt.bridge)).collect();
        ledger.punts.sort();
        ledger.drops = self.switch.drops().iter().map(line).collect();
        ledger
    }

    /// Where a bridge has learned a host, per port number.
    pub(crate) fn learned(&self, bridge: &str, mac: [u8; 6]) -> Option<u32> {
        self.switch.macs(bridge).into_iter().find(|row| row.mac == mac).map(|row| row.port.0)
    }
}

/// Whether a key shares a translation that was made for `known`.
pub(crate) fn covers(translation: &Translation, known: &PacketKey, key: &PacketKey) -> bool {
    known.0.iter().zip(&key.0).zip(&translation.mask.0).all(|((a, b), mask)| (a ^ b) & mask == 0)
}
