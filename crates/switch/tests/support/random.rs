//! Random labs: topologies that are trees, flows, packets, changes.

use netloom_flow::action::{Learn, LearnSpec};
use netloom_flow::{Action, FieldId, OfPort, Operand, PortId, Subfield, TableId};
use netloom_switch::config::VlanMode;
use proptest::prelude::*;

use super::{Packet, Plan, dp, mac};

/// Something that happens in a lab.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Send(PortId, Packet),
    AddFlow(usize, String),
    /// A flow whose actions text cannot say, or says at length.
    AddActions(usize, String, Vec<Action>),
    DelFlows(usize, String),
    /// The link at a port is plain, or shaped, captured or down.
    Link(PortId, u8),
    /// Seconds pass.
    Wait(u64),
}

fn action() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1_u16..6).prop_map(|port| format!("output:{port}")),
        4 => Just("normal".to_owned()),
        1 => Just("flood".to_owned()),
        1 => Just("all".to_owned()),
        1 => Just("in_port".to_owned()),
        2 => (1_u8..3).prop_map(|table| format!("resubmit(,{table})")),
        1 => (3_u16..6, 1_u8..3).prop_map(|(port, table)| format!("resubmit({port},{table})")),
        1 => Just("dec_ttl".to_owned()),
        1 => (1_u8..5).prop_map(|host| format!("mod_dl_dst:02:00:00:00:00:0{host}")),
        1 => (1_u8..5).prop_map(|host| format!("mod_dl_src:02:00:00:00:00:0{host}")),
        1 => (1_u8..5).prop_map(|host| format!("mod_nw_dst:10.0.0.{host}")),
        1 => (80_u16..83).prop_map(|port| format!("mod_tp_dst:{port}")),
        1 => prop_oneof![Just(10), Just(20)].prop_map(|vlan| format!("mod_vlan_vid:{vlan}")),
        1 => Just("strip_vlan".to_owned()),
        1 => Just("push_vlan:0x8100".to_owned()),
        1 => Just("load:0->NXM_OF_VLAN_TCI[]".to_owned()),
        1 => Just("load:0x100a->NXM_OF_VLAN_TCI[]".to_owned()),
        1 => (0_u8..5).prop_map(|host| format!("load:{host}->NXM_OF_ETH_DST[0..7]")),
        1 => Just("exit".to_owned()),
        1 => (0_u8..4).prop_map(|value| format!("load:{value}->NXM_NX_REG0[]")),
        1 => Just("move:NXM_OF_TCP_DST[]->NXM_NX_REG0[0..15]".to_owned()),
        1 => Just("move:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15]".to_owned()),
        1 => Just("output:NXM_NX_REG0[]".to_owned()),
        1 => Just("write_metadata:1".to_owned()),
        1 => Just("clear_actions".to_owned()),
        2 => (1_u16..6, 1_u8..5).prop_map(|(port, host)| {
            format!("write_actions(output:{port},set_field:02:00:00:00:00:0{host}->eth_dst)")
        }),
        1 => (1_u16..6).prop_map(|port| format!("write_actions(pop_vlan,dec_ttl,output:{port})")),
        1 => (1_u16..6, 1_u8..5).prop_map(|(port, host)| {
            format!("clone(mod_dl_src:02:00:00:00:00:0{host},output:{port},push_vlan:0x8100,normal)")
        }),
        2 => enclosure(),
        1 => Just("push:NXM_OF_ETH_SRC[]".to_owned()),
        1 => Just("pop:NXM_OF_ETH_DST[]".to_owned()),
    ]
}

/// Headers that come and go around the whole packet.
fn enclosure() -> impl Strategy<Value = String> {
    let header = || {
        prop_oneof![
            Just("encap(nsh(md_type=1))"),
            Just("encap(nsh(md_type=1)),set_field:7->nsh_spi"),
            Just("encap(nsh(md_type=1)),encap(ethernet),dec_nsh_ttl,output:2"),
            Just("encap(ethernet)"),
            Just("encap(mpls)"),
            Just("encap(mpls),decap(packet_type(ns=0,type=0))"),
            Just("decap"),
            Just("decap,encap(ethernet)"),
            Just("decap(packet_type(ns=0,type=0))"),
        ]
    };
    proptest::collection::vec(header(), 1..4).prop_map(|headers| headers.join(","))
}

fn demand() -> impl Strategy<Value = String> {
    prop_oneof![
        (1_u16..5).prop_map(|port| format!("in_port={port}")),
        (1_u8..5).prop_map(|host| format!("dl_src=02:00:00:00:00:0{host}")),
        (1_u8..5).prop_map(|host| format!("dl_dst=02:00:00:00:00:0{host}")),
        Just("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00".to_owned()),
        Just("tcp".to_owned()),
        Just("arp".to_owned()),
        (80_u16..83).prop_map(|port| format!("tcp,tp_dst={port}")),
        (0_u8..5, 28_u8..33).prop_map(|(host, length)| {
            format!("ip,nw_dst=10.0.0.{}/{length}", host & !((1_u16 << (32 - length)) - 1) as u8)
        }),
        prop_oneof![Just("10"), Just("20"), Just("0xffff")].prop_map(|vlan| format!("dl_vlan={vlan}")),
        (0_u8..4).prop_map(|value| format!("reg0={value}")),
        (1_u8..4).prop_map(|value| format!("reg1={value}")),
        Just("metadata=1".to_owned()),
        Just("packet_type=(0,0)".to_owned()),
        Just("packet_type=(1,0x800)".to_owned()),
        Just("packet_type=(1,0x894f),nsh_spi=7".to_owned()),
        Just("dl_type=0x894f,nsh_ttl=62".to_owned()),
    ]
}

fn is_flow(matches: &[String], actions: &[String]) -> bool {
    netloom_flow::parse_flow(&format!("{} actions={}", matches.join(","), actions.join(","))).is_ok()
}

/// Back to a host; back over a link, packets would run in circles.
fn is_circle(demands: &[String], action: &str) -> bool {
    action == "in_port" && !demands.iter().any(|demand| demand == "in_port=1" || demand == "in_port=2")
}

/// Demands that a flow may have together: one that contradicts those before it is left out.
fn demands() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(demand(), 0..3).prop_map(|demands| {
        demands.into_iter().fold(Vec::new(), |mut kept, demand| {
            kept.push(demand);
            if !is_flow(&kept, &["drop".to_owned()]) {
                kept.pop();
            }
            kept
        })
    })
}

/// A flow whose priority is its own, so that no two tie. Actions that its match does not allow are left out.
pub(crate) fn flow() -> impl Strategy<Value = String> {
    let actions = proptest::collection::vec(action(), 0..4);
    (0_u8..3, 1_u16..60_000, demands(), actions, any::<bool>()).prop_map(
        |(table, priority, demands, actions, goes_on)| {
            let mut kept = actions.into_iter().fold(Vec::new(), |mut kept, action| {
                let is_circle = is_circle(&demands, &action);
                kept.push(action);
                if is_circle || !is_flow(&demands, &kept) {
                    kept.pop();
                }
                kept
            });
            if goes_on && table < 2 {
                kept.push(format!("goto_table:{}", table + 1));
            }
            let list = if kept.is_empty() { "drop".to_owned() } else { kept.join(",") };
            format!("table={table},priority={priority},{} actions={list}", demands.join(","))
        },
    )
}

fn host_or_group() -> impl Strategy<Value = [u8; 6]> {
    prop_oneof![5 => (1_u8..5).prop_map(mac), 2 => Just([0xff; 6]), 1 => Just([1, 0x80, 0xc2, 0, 0, 0])]
}

/// A packet between four hosts.
pub(crate) fn packet() -> impl Strategy<Value = Packet> {
    let kind = prop_oneof![
        4 => (1_u8..5, 1_u8..5, 80_u16..83).prop_map(|(src, dst, port)| Packet::tcp(src, dst, port)),
        1 => (1_u8..5, host_or_group()).prop_map(|(src, dst)| Packet::eth(mac(src), dst)),
        1 => (1_u8..5, 1_u8..6).prop_map(|(src, target)| Packet::arp(src, target)),
        1 => (1_u8..5, 1_u8..6).prop_map(|(src, target)| Packet::solicitation(src, target)),
        1 => (1_u8..5, 1_u8..6, 66_u16..69).prop_map(|(src, dst, port)| Packet::udp(src, dst, port)),
    ];
    let tags = prop_oneof![
        4 => Just(vec![]),
        1 => Just(vec![10]),
        1 => Just(vec![20]),
        1 => Just(vec![0x6000]),
        1 => Just(vec![10, 20]),
        1 => Just(vec![20, 10, 30]),
    ];
    (kind, tags).prop_map(|(packet, tags)| tags.into_iter().rev().fold(packet, Packet::tagged))
}

fn host(plan: Plan, bridge: usize, port: u16, kind: u8) -> Plan {
    match kind {
        0 => plan.access(bridge, port, 10),
        1 => plan.trunk(bridge, port, VlanMode::NativeUntagged, Some(10), &[20]),
        2 => plan.trunk(bridge, port, VlanMode::Trunk, None, &[]),
        3 => plan.host(bridge, port, 1),
        _ => plan.host(bridge, port, 0),
    }
}

/// One bridge with five hosts.
pub(crate) fn bridge() -> impl Strategy<Value = Plan> {
    let hosts = proptest::collection::vec(0_u8..6, 5);
    let flows = proptest::collection::vec(flow(), 0..10);
    (hosts, flows).prop_map(|(hosts, flows)| {
        let plan = hosts.iter().zip(1..).fold(Plan::new(1), |plan, (kind, port)| host(plan, 0, port, *kind));
        flows.iter().fold(plan, |plan, flow| plan.flow(0, flow))
    })
}

/// Ports 1 and 2 of each bridge are hosts' in different tenants and VLANs; from 3 on links. The bridges form a tree.
pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    (1_usize..=6).prop_flat_map(|bridges| {
        let parents = (1..bridges).map(|bridge| 0..bridge).collect::<Vec<_>>();
        let hosts = proptest::collection::vec(0_u8..6, 2 * bridges);
        let flows = proptest::collection::vec(proptest::collection::vec(flow(), 0..6), bridges);
        let learning = proptest::collection::vec(any::<bool>(), bridges);
        (parents, hosts, flows, learning, any::<[bool; 2]>()).prop_map(
            move |(parents, hosts, flows, learning, [local, served])| {
                let mut plan = Plan::new(bridges);
                for (n, kind) in hosts.iter().enumerate() {
                    let (bridge, port) = (n / 2, 1 + u16::try_from(n % 2).unwrap());
                    plan = host(plan, bridge, port, *kind);
                }
                let mut next = vec![3; bridges];
                for (child, parent) in (1..bridges).zip(parents) {
                    plan = plan.link((parent, next[parent]), (child, next[child]));
                    next[parent] += 1;
                    next[child] += 1;
                }
                for (bridge, (flows, learns)) in flows.iter().zip(learning).enumerate() {
                    plan = flows.iter().fold(plan, |plan, flow| plan.flow(bridge, flow));
                    if learns {
                        plan = plan.flow(bridge, "priority=0,actions=normal");
                    }
                }
                let plan = if local { plan.arp_local() } else { plan };
                // What the fifth host would be.
                if served { plan.served(0, 0, 5) } else { plan }
            },
        )
    })
}

/// An action of OpenFlow 1.1 and later, or of Nicira, by its value.
fn rich_action() -> impl Strategy<Value = Action> {
    let port = || (1_u32..6).prop_map(|port| Action::Output(OfPort(port)));
    let edit = || {
        prop_oneof![
            (1_u128..5).prop_map(|host| Action::set(FieldId::EthDst, 0x0200_0000_0000 + host)),
            (0_u128..4).prop_map(|value| Action::set(FieldId::Reg0, value)),
            Just(Action::PushVlan { tpid: 0x8100 }),
            Just(Action::PopVlan),
            Just(Action::dec_ttl()),
        ]
    };
    let bits = |field, bits| Subfield { field, offset: 0, bits };
    let learn = || {
        let specs = vec![
            LearnSpec::Match {
                target: Subfield::whole(FieldId::EthDst),
                source: Operand::Field(Subfield::whole(FieldId::EthSrc)),
            },
            LearnSpec::Output(bits(FieldId::InPort, 16)),
        ];
        Learn { table: TableId(2), hard_timeout: 30, specs: specs.into(), ..Learn::default() }
    };
    let simple = prop_oneof![
        3 => port(),
        3 => edit(),
        1 => Just(Action::Output(OfPort::CONTROLLER)),
        1 => (1_u32..6).prop_map(|port| Action::OutputTrunc { port: OfPort(port), max_len: 64 }),
        1 => Just(Action::StackPush(Subfield::whole(FieldId::EthSrc))),
        1 => Just(Action::StackPop(Subfield::whole(FieldId::EthDst))),
        1 => (70_u16..100).prop_map(move |len| Action::CheckPktLarger { len, target: bits(FieldId::Reg0, 1) }),
        1 => Just(Action::Learn(Box::new(learn()))),
        1 => (1_u8..3).prop_map(|table| Action::Resubmit { port: None, table: Some(TableId(table)), ct: false }),
        1 => (1_u32..3).prop_map(Action::Group),
        1 => Just(Action::PushMpls { ethertype: 0x8847 }),
        1 => Just(Action::PopMpls { ethertype: 0x0800 }),
        1 => Just(Action::ClearActions),
        1 => Just(Action::Exit),
        2 => proptest::collection::vec(prop_oneof![port(), edit(), Just(Action::Group(1))], 1..3)
            .prop_map(|list| Action::WriteActions(list.into())),
    ];
    let inner = proptest::collection::vec(prop_oneof![port(), edit()], 1..3);
    prop_oneof![8 => simple, 1 => inner.prop_map(|list| Action::Clone(list.into()))]
}

/// A flow with such actions.
fn rich_flow(bridges: usize) -> impl Strategy<Value = Step> {
    let actions = proptest::collection::vec(rich_action(), 1..5);
    (0..bridges, 0_u8..3, 1_u16..60_000, demands(), actions).prop_map(
        |(bridge, table, priority, demands, mut actions)| {
            if table < 2 {
                actions.push(Action::GotoTable(TableId(table + 1)));
            }
            Step::AddActions(
                bridge,
                format!("table={table},priority={priority},{}", demands.join(",")),
                actions,
            )
        },
    )
}

/// What happens in a lab of so many bridges.
pub(crate) fn steps(bridges: usize, changes: bool) -> impl Strategy<Value = Vec<Step>> {
    let send = (0..bridges, 1_u16..3, packet())
        .prop_map(|(bridge, port, packet)| Step::Send(dp(bridge, port), packet));
    let rare = u32::from(changes);
    let step = prop_oneof![
        20 => send,
        4 * rare => rich_flow(bridges),
        4 * rare => (0..bridges, flow()).prop_map(|(bridge, flow)| Step::AddFlow(bridge, flow)),
        2 * rare => (0..bridges, demands()).prop_map(|(bridge, demands)| Step::DelFlows(bridge, demands.join(","))),
        2 * rare => (0..bridges, 3_u16..6, 0_u8..4).prop_map(|(bridge, port, state)| Step::Link(dp(bridge, port), state)),
        rare => (1_u64..400).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..25)
}
