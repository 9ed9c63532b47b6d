//! Packets for controllers, and packets from them.

mod support;

use netloom_flow::action::PacketInReason;
use netloom_flow::{Action, Controller, DpAction, Effect, FieldId, OfPort, PortId, TableId, TenantId, word};
use netloom_switch::{Control, PortConfig};
use support::{Net, Packet, Plan, dp};

fn net(flows: &[&str]) -> Net {
    let plan = (1..=4).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    Net::new(
        &flows.iter().fold(plan.flow(0, "table=9,actions=drop"), |plan, flow| plan.flow(0, flow)).config,
        true,
    )
}

fn miss(net: &mut Net, miss: bool) {
    let bridge = net.bridge();
    net.switch.set_control(bridge, Control { miss, ..Control::default() });
}

#[test]
fn a_packet_goes_up_as_it_is_then_with_what_the_pipeline_knows() {
    let mut net = net(&[]).with_cache();
    let controller = Controller { max_len: 100, id: 7, userdata: Box::new([1, 2]), ..Controller::default() };
    let actions = vec![
        Action::set(FieldId::Reg0, 5),
        Action::set(FieldId::EthDst, 9),
        Action::Controller(controller),
        Action::set(FieldId::EthDst, 8),
        Action::Output(OfPort(2)),
    ];
    net.add("table=0,priority=3,cookie=0x42,tcp,", actions).unwrap();
    let sent = net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1.word(word::ETH_DST) >> 16, 8);
    let (punt, packet) = &net.punts[0];
    assert_eq!(packet.word(word::ETH_DST) >> 16, 9);
    assert_eq!((punt.table, punt.cookie, punt.reason), (TableId(0), Some(0x42), PacketInReason::Action));
    assert_eq!((punt.max_len, punt.controller, &*punt.userdata), (100, 7, &[1, 2][..]));
    assert_eq!(FieldId::Reg0.field().read(&netloom_flow::FlowKey(punt.key.0)), 5);
    assert_eq!(punt.key.0[word::IN_PORT] >> 32, 1);
    assert!(!punt.is_miss && !punt.is_miss_flow);
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    assert_eq!((net.hits, net.punts.len()), (1, 2), "cached, and handed up all the same");
}

#[test]
fn a_miss_is_dropped_unless_controllers_ask_for_it() {
    let mut net = net(&["table=0,udp,actions=drop"]).with_cache();
    assert!(net.send(dp(0, 1), &Packet::tcp(1, 2, 80)).is_empty() && net.punts.is_empty());
    miss(&mut net, true);
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    let (punt, _) = &net.punts[0];
    assert!(punt.is_miss && punt.reason == PacketInReason::NoMatch && punt.cookie.is_none());
    let (bridge, config) = (net.bridge(), PortConfig { no_packet_in: true, ..PortConfig::default() });
    assert!(net.switch.set_port_config(bridge, OfPort(1), config, net.now));
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    assert_eq!(net.punts.len(), 1, "its port keeps quiet");
    miss(&mut net, false);
    net.send(dp(0, 2), &Packet::tcp(1, 2, 80));
    assert_eq!(net.punts.len(), 1);
    assert_eq!(net.switch.drops().iter().map(|drop| drop.packets).sum::<u64>(), 3);
}

#[test]
fn the_flow_for_misses_says_no_match_and_a_resubmit_that_finds_nothing_says_nothing() {
    let mut net = net(&[]);
    miss(&mut net, true);
    net.add(
        "priority=0,",
        vec![
            Action::Resubmit { port: None, table: Some(TableId(5)), ct: false },
            Action::Output(OfPort::CONTROLLER),
        ],
    )
    .unwrap();
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    let reasons: Vec<_> =
        net.punts.iter().map(|(punt, _)| (punt.reason, punt.is_miss, punt.is_miss_flow)).collect();
    assert_eq!(reasons, [(PacketInReason::NoMatch, false, true)]);
    net.add("priority=1,", vec![Action::GotoTable(TableId(5))]).unwrap();
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    assert!(net.punts[1].0.is_miss && net.punts[1].0.table == TableId(5));
}

#[test]
fn ttl_that_runs_out_is_told_to_who_wants_to_know() {
    let mut net = net(&[]);
    let mut packet = Packet::tcp(1, 2, 80);
    packet.set_word(word::IP, 1 << 40, 0xff << 40);
    let dec = Action::DecTtl { controllers: Box::new([3, 4]) };
    net.add("", vec![dec, Action::Output(OfPort(2))]).unwrap();
    assert!(net.send(dp(0, 1), &packet).is_empty() && net.punts.is_empty());
    let bridge = net.bridge();
    net.switch.set_control(bridge, Control { invalid_ttl: true, ..Control::default() });
    assert!(net.send(dp(0, 1), &packet).is_empty());
    let told: Vec<_> = net.punts.iter().map(|(punt, _)| (punt.controller, punt.reason)).collect();
    assert_eq!(told, [(3, PacketInReason::InvalidTtl), (4, PacketInReason::InvalidTtl)]);
}

#[test]
fn a_packet_from_a_controller_goes_where_it_says_or_through_the_tables() {
    let mut net = net(&["in_port=3,actions=output:4"]);
    let bytes = netloom_testkit::Host::new(1).udp(&netloom_testkit::Host::new(2), (1, 2), &[0; 20]).bytes;
    let outputs = |net: &Net, in_port, actions: &[Action]| -> Vec<DpAction> {
        net.switch.packet_out(net.bridge(), in_port, actions, &bytes).unwrap().actions.into()
    };
    let out = |port: u32| DpAction::Output(PortId(port));
    assert_eq!(outputs(&net, OfPort::CONTROLLER, &[Action::Output(OfPort(2))]), [out(2)]);
    let flood = outputs(&net, OfPort(2), &[Action::Output(OfPort::FLOOD)]);
    assert_eq!(flood, [out(1), out(3), out(4)]);
    assert_eq!(outputs(&net, OfPort(3), &[Action::Output(OfPort::TABLE)]), [out(4)]);
    assert_eq!(outputs(&net, OfPort::CONTROLLER, &[Action::Output(OfPort::TABLE)]), []);
    miss(&mut net, true);
    let asked = outputs(&net, OfPort::CONTROLLER, &[Action::Output(OfPort::TABLE)]);
    assert!(matches!(&asked[..], [DpAction::Userspace(punt)] if punt.is_miss));
    let nothing = net.switch.packet_out(net.bridge(), OfPort(1), &[], &bytes).unwrap();
    assert!(matches!(nothing.effects[..], [Effect::Drop { .. }]) && !nothing.cacheable);
    assert!(net.switch.packet_out(net.bridge(), OfPort(1), &[], &[1, 2]).is_none());
}

#[test]
fn ports_are_closed_and_opened_by_their_configuration() {
    let mut net = net(&["actions=output:2,flood"]).with_cache();
    let ports = |net: &mut Net| {
        net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)).iter().map(|port| port.0).collect::<Vec<_>>()
    };
    assert_eq!(ports(&mut net), [2, 2, 3, 4]);
    let set = |net: &mut Net, port, config| {
        let bridge = net.bridge();
        assert!(net.switch.set_port_config(bridge, OfPort(port), config, net.now));
    };
    set(&mut net, 2, PortConfig { no_flood: true, ..PortConfig::default() });
    assert_eq!(ports(&mut net), [2, 3, 4]);
    set(&mut net, 2, PortConfig { no_fwd: true, ..PortConfig::default() });
    assert_eq!(ports(&mut net), [3, 4]);
    set(&mut net, 1, PortConfig { no_recv: true, ..PortConfig::default() });
    assert_eq!(ports(&mut net), [0; 0]);
    set(&mut net, 1, PortConfig::default());
    set(&mut net, 2, PortConfig { down: true, ..PortConfig::default() });
    assert_eq!(ports(&mut net), [3, 4]);
    let bridge = net.bridge();
    assert!(!net.switch.set_port_config(bridge, OfPort(9), PortConfig::default(), net.now));
    let key = Packet::tcp(1, 2, 80).key(dp(0, 1), TenantId(0));
    assert_eq!(net.translate(&key).actions.len(), 2);
}
