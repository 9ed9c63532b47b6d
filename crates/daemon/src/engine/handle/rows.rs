//! The lab's things as rows of tables.

use std::collections::BTreeMap;

use netloom_api::{
    CardRow, DirectionRow, DropRow, EndRow, InterfaceRow, LinkRow, NodeRow, SwitchPortRow, SwitchRow,
    TenantRow,
};
use netloom_datapath::{Direction, Traffic};
use netloom_flow::{DropReason, LinkSettings, PortId};
use netloom_lab::lab::{End, FailMode, Lab, Link, Node, Switch, SwitchPort, Vlan};
use netloom_lab::mac::Mac;
use netloom_netdev::GuestStatus;
use netloom_switch::{PortEntry, Role};

use crate::engine::Running;
use crate::engine::machines::Phase;
use crate::engine::running::State;

/// Processors and memory of a machine, as far as they are other than `than`: `cpu 2, memory 512MiB`
fn amounts((cpus, memory): (u32, u64), than: (u32, u64)) -> String {
    let cpu = (cpus != than.0).then(|| format!("cpu {cpus}"));
    let memory = (memory != than.1).then(|| format!("memory {}", netloom_lab::quantity::show_size(memory)));
    cpu.into_iter().chain(memory).collect::<Vec<_>>().join(", ")
}

/// What is told of a virtual machine's card.
fn card(status: &GuestStatus) -> CardRow {
    CardRow {
        ready: status.is_ready(),
        pairs: status.pairs(),
        features: status.agreed().map(str::to_owned).collect(),
        calls: status.calls(),
        super_packets_out: status.supers_out(),
        super_packets_in: status.supers_in(),
        copied_out: status.copied.out(),
        copied_in: status.copied.inward(),
        copied_across: status.copied.across(),
    }
}

impl Running {
    pub(super) fn node_rows(&self, state: &State) -> Vec<NodeRow> {
        let links: BTreeMap<&str, &Link> = state.lab.links.iter().map(|l| (l.id.as_str(), l)).collect();
        state.lab.nodes.iter().map(|node| self.node_row(state, node, &links)).collect()
    }

    fn node_row(&self, state: &State, node: &Node, links: &BTreeMap<&str, &Link>) -> NodeRow {
        let made = state.nodes.get(&node.name);
        let machine = self.machines.of(&node.name).map(|machine| machine.status());
        let lack = made.into_iter().flat_map(|made| made.real_ports());
        let lack = lack.filter_map(|port| self.interfaces.seen(port)?.lack).next();
        let what = match made {
            None => "missing",
            Some(made) if made.stopped && made.away => "away",
            Some(made) if made.stopped => "stopped",
            Some(made) if made.paused => "paused",
            Some(_) if machine.is_some() => machine.as_ref().map_or("missing", |machine| word(machine.phase)),
            Some(_) if lack.is_some() => "down",
            Some(_) if self.programs.has_failed(&node.name) => "failed",
            Some(_) if self.programs.has_exited(&node.name) => "exited",
            Some(_) => self.programs.pending(&node.name).unwrap_or("up"),
        };
        let interface = |interface: &netloom_lab::lab::Interface| {
            let port = state.ports.interface(&node.name, &interface.name);
            let link = links.get(interface.link.as_str());
            let here = End::Node { node: node.name.clone(), interface: interface.name.clone() };
            let function =
                made.and_then(|made| made.net.function.as_ref()).is_some_and(|it| it.name == interface.name);
            let far = || link.map(|link| end_name(state, if link.a == here { &link.b } else { &link.a }));
            let represented = function && port.and_then(|port| self.interfaces.seen(port)).is_some();
            let peer = match function {
                true if represented => self.functions.words(&node.name).map(|words| match far() {
                    Some(far) => format!("{words}, {far}"),
                    None => words,
                }),
                true => self.functions.words(&node.name),
                false => far(),
            };
            // What the switch receives the node sent.
            let (sent, received) = port.map(|port| self.traffic(port)).unwrap_or_default();
            let real = port.and_then(|port| self.interfaces.seen(port));
            let is_there = real.as_ref().is_none_or(|real| real.lack.is_none());
            // A representor is another device than the one in the node.
            let real = real.filter(|_| !function);
            InterfaceRow {
                name: interface.name.clone(),
                mac: real.as_ref().map_or(interface.mac, |real| Mac(real.mac)).to_string(),
                addresses: interface.addresses.iter().map(|a| format!("{}/{}", a.ip, a.len)).collect(),
                peer,
                link: link.map(|link| link.id.clone()),
                up: made.is_some_and(|m| !m.stopped)
                    && is_there
                    && (function || port.is_some_and(|p| is_up(state, p))),
                mtu: real.as_ref().map_or(interface.mtu, |real| real.mtu),
                rx_packets: received.packets,
                rx_bytes: received.bytes,
                tx_packets: sent.packets,
                tx_bytes: sent.bytes,
                card: port.and_then(|port| self.guests.status(port)).map(|status| card(&status)),
            }
        };
        let drift = self.machines.of(&node.name).zip(node.vm.as_ref()).and_then(|(machine, vm)| {
            let now = (machine.processors(), machine.memory());
            let in_file = (vm.cpus, vm.memory);
            (now != in_file).then(|| [amounts(now, in_file), amounts(in_file, now)])
        });
        let groups = self.programs.groups();
        let limits = groups.now(&node.name).unwrap_or_else(|| node.limits.clone());
        NodeRow {
            name: node.name.clone(),
            tenant: node.tenant.clone(),
            kind: match (&node.container, node.is_gateway()) {
                _ if node.vm.is_some() => "vm",
                _ if node.is_nic() => "interface",
                (Some(_), _) => "container",
                (None, true) => "gateway",
                (None, false) => "host",
            }
            .to_owned(),
            state: what.to_owned(),
            interfaces: node.interfaces.iter().map(interface).collect(),
            pid: machine.as_ref().and_then(|it| it.pid).or_else(|| self.programs.pid(&node.name)),
            run: node.run.first().cloned(),
            image: match &node.vm {
                Some(vm) => vm.image.clone(),
                None => node.container.as_ref().map(|container| container.image.clone()),
            },
            health: self.programs.health(&node.name).map(str::to_owned),
            exit_code: self.programs.exit_code(&node.name),
            reason: machine
                .as_ref()
                .and_then(|it| it.reason.clone())
                .or(lack)
                .or_else(|| self.programs.reason(&node.name)),
            machine: node.vm.as_ref().map(|vm| vm.words()),
            limits: drift
                .as_ref()
                .map(|[now, _]| now.clone())
                .or_else(|| (!limits.is_unlimited()).then(|| limits.words())),
            limits_in_file: drift
                .map(|[_, file]| file)
                .or_else(|| (limits.list() != node.limits.list()).then(|| node.limits.words())),
            lacking: groups.lacking(&node.name),
            restarts: machine.as_ref().map_or_else(|| self.programs.restarts(&node.name), |it| it.restarts),
            forward: node.forward,
            routes: node.routes.iter().map(route_words).collect(),
            ports: self.published.rows(&node.name, &node.ports),
            gateway: self.gateway_row(&node.name),
        }
    }

    /// What a node has done as a gateway; nothing if it is none.
    fn gateway_row(&self, node: &str) -> BTreeMap<String, u64> {
        self.gateways.counters(node).into_iter().map(|(name, n)| (name.to_owned(), n)).collect()
    }

    /// What the switch received from and sent to a port, as the datapath counted it.
    pub(in crate::engine) fn traffic(&self, port: PortId) -> (Traffic, Traffic) {
        let (mut rx, mut tx) = (Traffic::default(), Traffic::default());
        for counters in self.core().into_iter().flat_map(|core| core.counters()) {
            if let Some(port) = counters.port(port) {
                rx += port.rx();
                tx += port.tx();
            }
        }
        (rx, tx)
    }

    pub(super) fn switch_rows(&self, state: &State) -> Vec<SwitchRow> {
        let Some(core) = self.core() else { return Vec::new() };
        // Before the model is held: who handles a message holds the connections, and then wants the model.
        let lab = state.present_lab();
        let mut controllers: BTreeMap<&str, _> = lab
            .switches
            .iter()
            .map(|switch| (switch.name.as_str(), self.controller_rows(core, switch)))
            .collect();
        let model = core.fresh();
        let drops = model.drops();
        let row = |switch: &Switch| {
            let controllers = controllers.remove(switch.name.as_str()).unwrap_or_default();
            let entries = model.ports(&switch.name);
            let entries: BTreeMap<&str, &PortEntry> = entries.iter().map(|e| (e.name.as_str(), e)).collect();
            let mut dropped: BTreeMap<&str, u64> = BTreeMap::new();
            for drop in drops.iter().filter(|drop| drop.bridge == switch.name) {
                *dropped.entry(drop.port.as_str()).or_default() += drop.packets;
            }
            let port = |port: &SwitchPort| {
                let entry = entries.get(port.name.as_str()).copied();
                let drops = dropped.get(port.name.as_str()).copied().unwrap_or_default();
                self.switch_port_row(state, port, entry, drops)
            };
            SwitchRow {
                name: switch.name.clone(),
                state: "up".to_owned(),
                ports: switch.ports.iter().map(port).collect(),
                queues: self.queues_of(state, switch),
                flows: match switch.controllers.is_empty() {
                    true => switch.flows.len() as u64,
                    false => model.tables(&switch.name).iter().map(|table| table.flows as u64).sum(),
                },
                macs: model.macs(&switch.name).len() as u64,
                controller: (!switch.controllers.is_empty()).then(|| switch.controllers.join(", ")),
                controllers,
                on_its_own: core.openflow().hub().is_on_its_own(&switch.name),
                fail_mode: match switch.fail_mode {
                    FailMode::Standalone => "standalone".to_owned(),
                    FailMode::Secure => "secure".to_owned(),
                },
                drift: state.by_hand.controls.iter().any(|it| it.switch == switch.name),
                openflow: switch.openflow.clone(),
                drops: dropped.values().sum(),
                service: core.services().row(&switch.name),
                gateway: gateway_of(state, &switch.name)
                    .map(|name| self.gateway_row(name))
                    .unwrap_or_default(),
            }
        };
        lab.switches.iter().map(row).collect()
    }

    fn switch_port_row(
        &self,
        state: &State,
        port: &SwitchPort,
        entry: Option<&PortEntry>,
        drops: u64,
    ) -> SwitchPortRow {
        let (rx, tx) = entry.map(|entry| self.traffic(entry.dp_port)).unwrap_or_default();
        let crossed = entry.map(|entry| entry.crossed).unwrap_or_default();
        SwitchPortRow {
            number: port.number,
            name: port.name.clone(),
            peer: Some(end_name(state, &port.peer)),
            state: match entry {
                Some(entry) if !entry.link.up => "down",
                Some(entry) if entry.role == Role::Blocked => "blocked",
                Some(_) => "forwarding",
                None => "missing",
            }
            .to_owned(),
            vlan: vlan_words(state.vlan(port)),
            tenant: port.tenant.clone().unwrap_or_default(),
            rx_packets: rx.packets + crossed.rx_packets,
            rx_bytes: rx.bytes + crossed.rx_bytes,
            tx_packets: tx.packets + crossed.tx_packets,
            tx_bytes: tx.bytes + crossed.tx_bytes,
            drops,
            police: self.policing_words(port, entry.map(|entry| entry.dp_port)),
        }
    }

    pub(super) fn link_rows(&self, state: &State) -> Vec<LinkRow> {
        let model = self.modelled(state);
        state.lab.links.iter().filter_map(|link| self.link_row(state, link, &model)).collect()
    }

    /// What the switch model knows of its ports, brought up to date.
    pub(super) fn modelled(&self, state: &State) -> BTreeMap<PortId, PortEntry> {
        let Some(core) = self.core() else { return BTreeMap::new() };
        let model = core.fresh();
        let ports = state.lab.switches.iter().flat_map(|switch| model.ports(&switch.name));
        ports.map(|port| (port.dp_port, port)).collect()
    }

    pub(super) fn link_row(
        &self,
        state: &State,
        link: &Link,
        model: &BTreeMap<PortId, PortEntry>,
    ) -> Option<LinkRow> {
        let [a, b] = state.ports.link(&link.id)?;
        let (forth, back) = directions(link, a, b);
        let settings = |(port, direction): (PortId, Direction)| {
            let spec = state.specs.get(&port)?;
            Some(if direction == Direction::ToSwitch { &spec.to_switch } else { &spec.from_switch })
        };
        let (out, home) = (settings(forth)?, settings(back)?);
        Some(LinkRow {
            name: link.id.clone(),
            a: end_row(state, &link.a),
            b: end_row(state, &link.b),
            up: out.up && home.up,
            blocked: [a, b].iter().any(|port| model.get(port).is_some_and(|port| port.role == Role::Blocked)),
            drift: state.drift.contains_key(&link.id)
                || state.by_hand.vlans.iter().any(|it| it.link == link.id),
            forth: self.direction_row(forth, out, model),
            back: self.direction_row(back, home, model),
        })
    }

    fn direction_row(
        &self,
        at: (PortId, Direction),
        settings: &LinkSettings,
        model: &BTreeMap<PortId, PortEntry>,
    ) -> DirectionRow {
        let mut row = DirectionRow {
            settings: netloom_lab::setting_words::words(&settings.into()),
            ..DirectionRow::default()
        };
        let (rx, tx) = self.traffic(at.0);
        let passed = if at.1 == Direction::ToSwitch { rx } else { tx };
        (row.packets, row.bytes) = (passed.packets, passed.bytes);
        for report in self.core().into_iter().flat_map(|c| c.counters()).filter_map(|c| c.link(at.0, at.1)) {
            let counters = report.counters.read();
            row.packets = counters.left.packets;
            row.bytes = counters.left.bytes;
            row.lost += counters.lost;
            row.overflowed += counters.queue_full;
            row.queued += counters.queued;
            row.late_p99_ms = report.fidelity.quantile(0.99).map(|late| late.as_secs_f64() * 1e3);
        }
        // Between switches, packets that cross within one translation pass no port of the datapath.
        if let Some(port) = model.get(&at.0).filter(|_| at.1 == Direction::FromSwitch) {
            row.packets += port.crossed.tx_packets;
            row.bytes += port.crossed.tx_bytes;
        }
        row
    }

    pub(super) fn tenant_rows(&self, state: &State) -> Vec<TenantRow> {
        let isolated = self.core().map_or(0, |core| {
            let model = core.fresh();
            model.drops().iter().filter(|d| d.reason == DropReason::Tenant).map(|d| d.packets).sum()
        });
        let row = |tenant: &netloom_lab::lab::Tenant| TenantRow {
            name: tenant.name.clone(),
            nodes: state.lab.nodes.iter().filter(|node| node.tenant == tenant.name).count() as u64,
            networks: state
                .lab
                .domains
                .iter()
                .filter(|domain| domain.tenant == tenant.name)
                .map(|domain| {
                    let subnets = domain.subnets.iter().map(|s| format!("{}/{}", s.ip, s.len));
                    format!("{} {}", domain.of, subnets.collect::<Vec<_>>().join(" "))
                })
                .collect(),
            quota: (!tenant.quota.is_unlimited()).then(|| tenant.quota.words()),
            lacking: self.programs.groups().tenant_lacking(&tenant.name),
            isolated,
        };
        state.lab.tenants.iter().map(row).filter(|row| row.nodes > 0).collect()
    }

    pub(in crate::engine) fn drop_rows(&self, state: &State) -> Vec<DropRow> {
        let Some(core) = self.core() else { return Vec::new() };
        let mut rows = Vec::new();
        for entry in core.fresh().drops() {
            rows.push(drop_row(format!("{}:{}", entry.bridge, entry.port), entry.reason, entry.packets));
        }
        let mut places = places(state);
        places.extend(self.tunnels.doors());
        for counters in core.counters() {
            for (port, counters) in counters.ports() {
                let place = places.get(&port).cloned().unwrap_or_else(|| format!("port {port}"));
                rows.extend(counters.drops().iter().map(|(why, n)| drop_row(place.clone(), why, n)));
            }
        }
        rows.extend(core.services().drops());
        rows.sort_by(|a, b| b.packets.cmp(&a.packets).then_with(|| a.place.cmp(&b.place)));
        rows
    }
}

fn drop_row(place: String, reason: DropReason, packets: u64) -> DropRow {
    let intended = matches!(
        reason,
        DropReason::LinkLoss
            | DropReason::FlowAction
            | DropReason::LinkDown
            | DropReason::Blocked
            | DropReason::Policed
            | DropReason::Quota
            | DropReason::Protected
            | DropReason::MirrorOutput
            | DropReason::NoRouter
    );
    DropRow { place, reason: reason.as_str().to_owned(), packets, intended }
}

/// For each direction of a link: at which port, and on which of its sides, the direction is emulated.
pub(in crate::engine) fn directions(
    link: &Link,
    a: PortId,
    b: PortId,
) -> ((PortId, Direction), (PortId, Direction)) {
    match (link.a.is_switch(), link.b.is_switch()) {
        (true, true) => ((a, Direction::FromSwitch), (b, Direction::FromSwitch)),
        (false, false) => ((a, Direction::ToSwitch), (b, Direction::ToSwitch)),
        (false, true) => ((a, Direction::ToSwitch), (a, Direction::FromSwitch)),
        (true, false) => ((a, Direction::FromSwitch), (a, Direction::ToSwitch)),
    }
}

fn is_up(state: &State, port: PortId) -> bool {
    state.specs.get(&port).is_some_and(|spec| spec.up && spec.to_switch.up && spec.from_switch.up)
}

fn end_row(state: &State, end: &End) -> EndRow {
    let (node, interface) = end_names(&state.lab, end);
    EndRow { node, interface, switch: end.is_switch() }
}

pub(super) fn end_name(state: &State, end: &End) -> String {
    let (node, interface) = end_names(&state.lab, end);
    format!("{node}:{interface}")
}

fn end_names(lab: &Lab, end: &End) -> (String, String) {
    match end {
        End::Node { node, interface } => (node.clone(), interface.clone()),
        End::Tunnel { link, peer } => {
            let tunnel =
                lab.links.iter().find(|known| known.id == *link).and_then(|link| link.tunnel.as_ref());
            (tunnel.map_or_else(String::new, |tunnel| tunnel.kind.to_string()), peer.clone())
        }
        End::Switch { switch, port } => {
            let name = lab.switch(switch).and_then(|s| s.port(*port));
            (switch.clone(), name.map_or_else(|| port.to_string(), |p| p.name.clone()))
        }
    }
}

/// The gateway of a network, by the name of its switch.
fn gateway_of<'s>(state: &'s State, network: &str) -> Option<&'s str> {
    let is_its = |node: &&Node| node.gateway_of.as_deref() == Some(network);
    state.lab.nodes.iter().find(is_its).map(|node| node.name.as_str())
}

/// What a person calls each datapath port.
fn places(state: &State) -> BTreeMap<PortId, String> {
    let mut places = BTreeMap::new();
    for link in &state.lab.links {
        let Some([a, b]) = state.ports.link(&link.id) else { continue };
        if a == b {
            let node = if link.a.is_switch() { &link.b } else { &link.a };
            places.insert(a, end_name(state, node));
        } else {
            places.insert(a, end_name(state, &link.a));
            places.insert(b, end_name(state, &link.b));
        }
    }
    places
}

fn vlan_words(vlan: &Vlan) -> String {
    let list = |vlans: &[u16]| vlans.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
    match vlan {
        Vlan::Any => String::new(),
        Vlan::Access(vlan) => format!("access {vlan}"),
        Vlan::Trunk { vlans, native: None } => format!("trunk {}", list(vlans)),
        Vlan::Trunk { vlans, native: Some(native) } => format!("trunk {} native {native}", list(vlans)),
    }
}

fn route_words(route: &netloom_lab::lab::Route) -> String {
    let mut words =
        if route.to.len == 0 { "default".to_owned() } else { format!("{}/{}", route.to.ip, route.to.len) };
    if let Some(via) = route.via {
        words += &format!(" via {via}");
    }
    if let Some(dev) = &route.dev {
        words += &format!(" dev {dev}");
    }
    words
}

/// How a virtual machine is, in a word.
const fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Off => "stopped",
        Phase::Booting => "booting",
        Phase::Arriving => "arriving",
        Phase::Up => "up",
        Phase::Ended => "exited",
        Phase::Failed => "failed",
    }
}
