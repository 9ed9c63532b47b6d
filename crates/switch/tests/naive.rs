//! The translation against an interpreter that does what the manual says, packet by packet, without masks,
//! classifiers or caches.

mod support;

use std::collections::BTreeMap;

use netloom_flow::action::Encap;
use netloom_flow::{
    Action, FLOW_WORDS, FieldId, FlowKey, FlowText, OfPort, PACKET_WORDS, Subfield, TableId, TenantId, word,
};
use netloom_switch::config::{self, Port, VlanMode};
use proptest::prelude::*;
use support::random::{self, Step};
use support::{Net, Packet, Plan, dp};

/// One bridge, interpreted.
struct Naive {
    bridge: config::Bridge,
    flows: Vec<FlowText>,
    macs: BTreeMap<(TenantId, u16, [u8; 6]), u32>,
}

/// A packet under way.
struct Run {
    packet: Packet,
    in_port: u32,
    tenant: TenantId,
    /// Namespace and type; 0: a frame.
    kind: u32,
    /// Metadata and registers.
    own: [u64; FLOW_WORDS - PACKET_WORDS],
    depth: u32,
    resubmits: u32,
    /// Nothing more of these lists is carried out.
    done: bool,
    /// Nor the action set.
    stopped: bool,
    stack: Vec<u128>,
    set: Vec<Action>,
    sent: Vec<(u32, Packet)>,
    learned: Vec<(TenantId, u16, [u8; 6], u32)>,
}

impl Run {
    fn key(&self) -> FlowKey {
        let mut key = FlowKey::default();
        let packet = self.packet.key(netloom_flow::PortId(self.in_port), self.tenant);
        key.0[..PACKET_WORDS].copy_from_slice(&packet.0);
        key.0[PACKET_WORDS..].copy_from_slice(&self.own);
        key.0[word::TENANT] |= u64::from(self.kind);
        key
    }

    /// What a flow sees: without an Ethernet header, nothing of it.
    fn seen(&self) -> FlowKey {
        let mut key = self.key();
        if self.kind != 0 {
            key.0[word::ETH_DST..=word::VLAN].fill(0);
        }
        key
    }

    fn has(&self, field: FieldId) -> bool {
        let of_ethernet = [FieldId::EthDst, FieldId::EthSrc, FieldId::VlanTci, FieldId::DlVlan];
        field.field().prerequisite.holds(&self.key(), None)
            && (self.kind == 0 || !of_ethernet.contains(&field))
    }

    fn write(&mut self, target: Subfield, value: u128) {
        let mut key = self.key();
        if self.has(target.field) {
            target.write(&mut key, value);
            self.packet.absorb(&key);
            self.own.copy_from_slice(&key.0[PACKET_WORDS..]);
        }
    }
}

/// The packet types of bare packets.
const IPV4: u32 = 0x1_0800;
const IPV6: u32 = 0x1_86dd;
const NSH: u32 = 0x1_894f;
const MPLS: u32 = 0x1_8847;

impl Run {
    /// `encap` and `decap`, as ovs-actions(7) has them; whether the packet can have that done.
    fn enclose(&mut self, action: &Action) -> bool {
        let bits = |kind: u32| (kind & 0xffff) as u16;
        match (action, self.kind) {
            (Action::Encap(Encap::Ethernet), 0) => return false,
            (Action::Encap(Encap::Ethernet), _) => {
                self.packet.set_word(word::ETH_DST, 0, !0xffff);
                self.packet.set_word(word::ETH_SRC, 0, !0xffff);
                self.kind = 0;
            }
            (Action::Encap(Encap::Nsh { .. }), kind) => {
                let next = match kind {
                    0 => 3,
                    IPV4 => 1,
                    IPV6 => 2,
                    NSH => 4,
                    _ => return false,
                };
                if kind == 0 {
                    self.packet.push_eth(0x6558);
                }
                let mut header = [0; 24];
                header[..8].copy_from_slice(&[0x0f, 0xc6, 1, next, 0, 0, 0, 255]);
                self.packet.push_nsh(&header);
                self.kind = NSH;
            }
            (Action::Encap(_), kind) => {
                if kind == 0 {
                    self.packet.push_eth(0x6558);
                }
                let lse = self.packet.labels.first().map_or(0x140, |outer| outer & !0x100);
                self.packet.push_mpls(0x8847, lse);
                self.kind = MPLS;
            }
            (_, 0) if !self.packet.tags.is_empty() => return false,
            (_, 0) => self.kind = 1 << 16 | (self.packet.word(word::ETH_DST) & 0xffff) as u32,
            (_, NSH) => {
                let inner = match self.packet.word(word::NSH) >> 32 & 0xff {
                    1 => IPV4,
                    2 => IPV6,
                    3 => 0,
                    4 => NSH,
                    _ => return false,
                };
                self.packet.pop_nsh(if inner == 0 { 0x6558 } else { bits(inner) });
                if inner == 0 {
                    self.packet.pop_eth();
                }
                self.kind = inner;
            }
            (Action::Decap { packet_type: Some(inner) }, MPLS) => {
                self.packet.pop_mpls(if *inner == 0 { 0x6558 } else { bits(*inner) });
                if *inner == 0 && !self.packet.pop_eth() {
                    return false;
                }
                self.kind = *inner;
            }
            _ => return false,
        }
        true
    }
}

impl Naive {
    fn new(bridge: &config::Bridge) -> Self {
        let read = |flow: &config::Flow| netloom_flow::parse_flow(&flow.text).expect("a good flow");
        let mut flows: Vec<FlowText> = Vec::new();
        for flow in bridge.flows.iter().map(read) {
            flows.retain(|other| {
                (other.table, other.priority, other.matches.clone())
                    != (flow.table, flow.priority, flow.matches.clone())
            });
            flows.push(flow);
        }
        if flows.is_empty() {
            flows.push(netloom_flow::parse_flow("priority=0,actions=normal").expect("a good flow"));
        }
        Self { bridge: bridge.clone(), flows, macs: BTreeMap::new() }
    }

    fn run(&mut self, in_port: u32, tenant: TenantId, packet: Packet) -> Vec<(u32, Packet)> {
        let own = [0; FLOW_WORDS - PACKET_WORDS];
        let (sent, learned) = (Vec::new(), Vec::new());
        let (stack, set) = (Vec::new(), Vec::new());
        let (depth, resubmits, done, stopped) = (0, 0, false, false);
        let mut run = Run {
            packet,
            in_port,
            tenant,
            kind: 0,
            own,
            depth,
            resubmits,
            done,
            stopped,
            stack,
            set,
            sent,
            learned,
        };
        self.table(&mut run, in_port, 0);
        if !run.stopped {
            run.done = false;
            let set = in_order(&std::mem::take(&mut run.set));
            self.list(&mut run, &set, 0);
        }
        for (tenant, vlan, mac, port) in run.learned {
            self.macs.insert((tenant, vlan, mac), port);
        }
        run.sent
    }

    fn table(&self, run: &mut Run, in_port: u32, table: u8) {
        let mut key = run.seen();
        key.0[word::IN_PORT] = u64::from(in_port) << 32;
        let matching = self.flows.iter().filter(|f| f.table == TableId(table) && f.matches.matches(&key));
        let Some(flow) = matching.max_by_key(|flow| flow.priority) else { return };
        self.list(run, &flow.actions, table);
    }

    fn list(&self, run: &mut Run, actions: &[Action], table: u8) {
        for action in actions {
            match action {
                Action::Output(port) => self.output(run, *port),
                Action::OutputReg { source, .. } => {
                    let port = source.read(&run.key());
                    self.output(run, OfPort(u32::try_from(port).expect("32 bits")));
                }
                Action::SetField { field, value, mask, .. } => {
                    let old = Subfield::whole(*field).read(&run.key());
                    run.write(Subfield::whole(*field), old & !mask | value & mask);
                }
                Action::Load { value, target } => run.write(*target, *value),
                Action::Move { source, target } => {
                    if run.has(source.field) {
                        run.write(*target, source.read(&run.key()));
                    }
                }
                Action::WriteMetadata { value, mask } => run.own[0] = run.own[0] & !mask | value & mask,
                Action::SetVlanVid(_) | Action::PushVlan { .. } if run.kind != 0 => {}
                Action::SetVlanVid(vid) => match run.packet.tags.first_mut() {
                    Some((_, tci)) => *tci = *tci & 0xf000 | vid,
                    None => run.packet.tags.push((0x8100, *vid)),
                },
                Action::PushVlan { tpid } => {
                    if run.packet.tags.len() >= 2 {
                        (run.done, run.stopped) = (true, true);
                        return;
                    }
                    let tci = run.packet.tags.first().map_or(0, |(_, tci)| *tci);
                    run.packet.tags.insert(0, (*tpid, tci));
                }
                Action::PopVlan => _ = run.packet.tags.splice(..run.packet.tags.len().min(1), []),
                Action::Encap(_) | Action::Decap { .. } => {
                    if !run.enclose(action) {
                        (run.done, run.stopped) = (true, true);
                        return;
                    }
                }
                Action::DecNshTtl => {
                    let ttl = Subfield::whole(FieldId::NshTtl);
                    match ttl.read(&run.key()) {
                        _ if run.packet.word(word::ETH_DST) & 0xffff != 0x894f => {}
                        0 | 1 => return,
                        left => run.write(ttl, left - 1),
                    }
                }
                Action::DecTtl { .. } => {
                    let ttl = Subfield::whole(FieldId::NwTtl);
                    let is_ip = matches!(run.packet.word(word::ETH_DST) & 0xffff, 0x0800 | 0x86dd);
                    match ttl.read(&run.key()) {
                        _ if !is_ip => {}
                        0 | 1 => return,
                        left => run.write(ttl, left - 1),
                    }
                }
                Action::Resubmit { port, table: next, .. } => {
                    run.resubmits += 1;
                    if run.depth >= 64 || run.resubmits > 4096 {
                        (run.done, run.stopped) = (true, true);
                        return;
                    }
                    run.depth += 1;
                    self.table(run, port.map_or(run.in_port, |port| port.0), next.map_or(table, |t| t.0));
                    run.depth -= 1;
                }
                Action::Exit => run.done = true,
                Action::StackPush(source) => run.stack.push(source.read(&run.key())),
                Action::StackPop(target) => {
                    if let Some(value) = run.stack.pop() {
                        run.write(*target, value);
                    }
                }
                Action::Clone(list) => {
                    let kept = (run.packet.clone(), run.kind, run.own, run.stack.clone(), run.set.clone());
                    self.list(run, list, table);
                    (run.packet, run.kind, run.own, run.stack, run.set) = kept;
                    run.done = run.stopped;
                }
                Action::ClearActions => run.set.clear(),
                Action::WriteActions(list) => run.set.extend(list.iter().cloned()),
                Action::GotoTable(next) => return self.table(run, run.in_port, next.0),
                other => panic!("{other:?} is not made here"),
            }
            if run.done {
                return;
            }
        }
    }

    fn number(port: &Port) -> u32 {
        port.interfaces[0].ofport_request.expect("a number").into()
    }

    fn output(&self, run: &mut Run, port: OfPort) {
        match port {
            OfPort::NORMAL => self.normal(run),
            OfPort::FLOOD | OfPort::ALL => {
                for port in &self.bridge.ports {
                    if Self::number(port) != run.in_port {
                        Self::send(run, port, run.packet.clone());
                    }
                }
            }
            _ => {
                let wanted = if port == OfPort::IN_PORT { run.in_port } else { port.0 };
                if port != OfPort::IN_PORT && wanted == run.in_port {
                    return;
                }
                if let Some(port) = self.bridge.ports.iter().find(|port| Self::number(port) == wanted) {
                    Self::send(run, port, run.packet.clone());
                }
            }
        }
    }

    fn send(run: &mut Run, port: &Port, packet: Packet) {
        if run.kind == 0 && port.tenant.is_none_or(|tenant| tenant == run.tenant) {
            run.sent.push((Self::number(port), packet));
        }
    }

    fn normal(&self, run: &mut Run) {
        if run.kind != 0 {
            return;
        }
        let key = run.key();
        let address =
            |index: usize| -> [u8; 6] { key.0[index].to_be_bytes()[..6].try_into().expect("six bytes") };
        let (src, dst) = (address(word::ETH_SRC), address(word::ETH_DST));
        let in_port =
            self.bridge.ports.iter().find(|port| Self::number(port) == run.in_port).expect("a port");
        let vid = run.packet.tags.first().map_or(0, |(_, tci)| tci & 0xfff);
        let Some(vlan) = vlan_in(in_port, vid) else { return };
        if dst[..5] == [1, 0x80, 0xc2, 0, 0] && dst[5] < 16 {
            return;
        }
        if src[0] & 1 == 0 {
            run.learned.push((run.tenant, vlan, src, run.in_port));
        }
        let known = match self.macs.get(&(run.tenant, vlan, dst)) {
            _ if dst == src && dst[0] & 1 == 0 => Some(run.in_port),
            Some(port) if dst[0] & 1 == 0 => Some(*port),
            _ => None,
        };
        for port in &self.bridge.ports {
            let is_wanted = known.is_none_or(|known| known == Self::number(port));
            if is_wanted && Self::number(port) != run.in_port && is_in(port, vlan) {
                Self::send(run, port, in_vlan(run.packet.clone(), port, vlan));
            }
        }
    }
}

/// An action set: of each kind the last, in the order of OpenFlow 1.5.1 section 5.6, but all changes of fields.
fn in_order(set: &[Action]) -> Vec<Action> {
    let last = |kind: fn(&Action) -> bool| set.iter().rfind(|action| kind(action)).cloned();
    let is_set = |action: &&Action| {
        matches!(action, Action::SetField { .. } | Action::Load { .. } | Action::SetVlanVid(_))
    };
    let mut list: Vec<Action> = Vec::new();
    list.extend(last(|action| matches!(action, Action::PopVlan)));
    list.extend(last(|action| matches!(action, Action::PushVlan { .. })));
    list.extend(last(|action| matches!(action, Action::DecTtl { .. })));
    list.extend(set.iter().filter(is_set).cloned());
    list.extend(last(|action| matches!(action, Action::Output(_))));
    list
}

fn mode(port: &Port) -> VlanMode {
    port.vlan_mode.unwrap_or(if port.tag.is_some() { VlanMode::Access } else { VlanMode::Trunk })
}

fn trunks(port: &Port, vlan: u16) -> bool {
    port.trunks.is_empty() || port.trunks.contains(&vlan)
}

fn vlan_in(port: &Port, vid: u16) -> Option<u16> {
    match (mode(port), vid) {
        (VlanMode::Access, 0) | (VlanMode::NativeTagged | VlanMode::NativeUntagged, 0) => port.tag,
        (VlanMode::Access, _) => None,
        _ => trunks(port, vid).then_some(vid),
    }
}

fn is_in(port: &Port, vlan: u16) -> bool {
    match mode(port) {
        VlanMode::Access => port.tag == Some(vlan),
        VlanMode::Trunk => trunks(port, vlan),
        _ => port.tag == Some(vlan) || trunks(port, vlan),
    }
}

fn in_vlan(mut packet: Packet, port: &Port, vlan: u16) -> Packet {
    let is_untagged = match mode(port) {
        VlanMode::Access => true,
        VlanMode::NativeUntagged => port.tag == Some(vlan),
        _ => vlan == 0,
    };
    match packet.tags.first_mut() {
        Some(_) if is_untagged => _ = packet.tags.remove(0),
        Some((_, tci)) => *tci = *tci & 0xf000 | vlan,
        None if is_untagged => {}
        None => packet.tags.push((0x8100, vlan)),
    }
    packet
}

fn lab() -> impl Strategy<Value = (Plan, Vec<Step>)> {
    // One bridge; its links are ports like any other here.
    (random::bridge(), random::steps(1, false))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn translated_is_interpreted((plan, steps) in lab()) {
        let mut net = Net::new(&plan.config, true).with_cache();
        let mut naive = Naive::new(&plan.config.bridges[0]);
        for step in &steps {
            let Step::Send(port, packet) = step else { continue };
            if packet.tags.len() > 2 {
                continue; // keys know two headers, and so does the interpreter
            }
            let tenant = plan.config.bridges[0].ports[port.0 as usize - 1].tenant.expect("a host");
            let mut expected = naive.run(port.0, tenant, packet.clone());
            expected.sort();
            let sent: Vec<_> = net.step(step).into_iter().map(|(port, packet)| (port.0, packet)).collect();
            prop_assert_eq!(sent, expected, "{:?}", step);
        }
        let learned = net.switch.macs("s1").into_iter().map(|row| ((row.tenant, row.vlan, row.mac), row.port.0));
        prop_assert_eq!(learned.collect::<BTreeMap<_, _>>(), naive.macs);
        prop_assert_eq!(dp(0, 1).0, 1, "ports of the first bridge have the numbers of the datapath");
    }
}

#[test]
fn the_random_actions_are_actions() {
    for text in [
        "write_actions(output:3,set_field:02:00:00:00:00:02->eth_dst)",
        "ip,actions=write_actions(pop_vlan,dec_ttl,output:2)",
        "clone(mod_dl_src:02:00:00:00:00:01,output:2,push_vlan:0x8100,normal)",
        "push:NXM_OF_ETH_SRC[],pop:NXM_OF_ETH_DST[]",
    ] {
        let text = if text.contains("actions=") { text.to_owned() } else { format!("actions={text}") };
        assert!(netloom_flow::parse_flow(&text).is_ok(), "{text}");
    }
}
