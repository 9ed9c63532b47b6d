//! Actions beyond output and set_field.

mod support;

use netloom_flow::action::{
    Bundle, BundleAlgorithm, Encap, HashFields, Learn, LearnSpec, Multipath, MultipathAlgorithm, NshTlv,
};
use netloom_flow::{
    Action, DpAction, DropReason, FieldId, Nanos, OfPort, Operand, PacketKey, Subfield, TableId, TenantId,
    WordSet, word,
};
use netloom_switch::{FlowError, LinkState};
use support::{Net, Packet, Plan, dp};

fn net() -> Net {
    let plan = (1..=6).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    Net::new(&plan.flow(0, "table=99,actions=drop").config, true).with_cache()
}

fn out(port: u32) -> Action {
    Action::Output(OfPort(port))
}

fn ports(net: &mut Net, packet: &Packet) -> Vec<u32> {
    net.send(dp(0, 1), packet).iter().map(|(port, _)| port.0).collect()
}

fn tcp() -> Packet {
    Packet::tcp(1, 2, 80)
}

fn write(actions: impl IntoIterator<Item = Action>) -> Action {
    Action::WriteActions(actions.into_iter().collect())
}

fn goto(table: u8) -> Action {
    Action::GotoTable(TableId(table))
}

#[test]
fn the_action_set_is_carried_out_at_the_end_in_its_own_order() {
    let mut net = net();
    let mac = |mac: u128| Action::set(FieldId::EthDst, mac);
    net.add("table=0,", vec![write([out(2), mac(7), mac(8)]), out(5), goto(1)]).unwrap();
    net.add("table=1,", vec![write([out(3), Action::PushVlan { tpid: 0x8100 }]), Action::Exit]).unwrap();
    for _ in 0..2 {
        let sent = net.send(dp(0, 1), &tcp());
        let seen: Vec<_> = sent
            .iter()
            .map(|(port, packet)| (port.0, packet.word(word::ETH_DST) >> 16, packet.tags.len()))
            .collect();
        assert_eq!(seen, [(5, 0x0200_0000_0002, 0), (3, 8, 1)]);
    }
    net.add("table=1,", vec![Action::ClearActions, write([mac(9)])]).unwrap();
    assert_eq!(ports(&mut net, &tcp()), [5]);
}

#[test]
fn actset_output_can_be_matched() {
    let mut net = net();
    net.add("table=0,tcp,tp_dst=80,", vec![write([out(2)]), goto(1)]).unwrap();
    net.add("table=0,tcp,tp_dst=81,", vec![goto(1)]).unwrap();
    net.add("table=1,priority=2,actset_output=2,", vec![Action::ClearActions, out(3)]).unwrap();
    net.add("table=1,priority=1,", vec![out(4)]).unwrap();
    assert_eq!(ports(&mut net, &tcp()), [3]);
    assert_eq!(ports(&mut net, &Packet::tcp(1, 2, 81)), [4]);
    net.switch.del_flows("s1", "table=1,priority=2", netloom_switch::Matching::Loose, net.now).unwrap();
    assert!(net.switch.flows("s1", "table=1").unwrap().is_empty());
    net.add("table=1,priority=3,actset_output=2,", vec![out(5)]).unwrap();
    assert_eq!(ports(&mut net, &tcp()), [5, 2], "a new flow for it concerns what is cached");
}

#[test]
fn a_clone_leaves_packet_and_registers_alone_and_exit_ends_it_only() {
    let mut net = net();
    let inner = Box::new([
        Action::set(FieldId::EthDst, 7),
        Action::set(FieldId::Reg0, 3),
        out(2),
        Action::Exit,
        out(6),
    ]);
    net.add(
        "",
        vec![
            Action::set(FieldId::Reg0, 4),
            Action::Clone(inner),
            Action::OutputReg { source: Subfield { field: FieldId::Reg0, offset: 0, bits: 16 }, max_len: 0 },
        ],
    )
    .unwrap();
    let sent = net.send(dp(0, 1), &tcp());
    let seen: Vec<_> = sent.iter().map(|(port, packet)| (port.0, packet.word(word::ETH_DST) >> 16)).collect();
    assert_eq!(seen, [(2, 7), (4, 0x0200_0000_0002)]);
}

#[test]
fn the_stack_gives_back_what_was_put_on_it() {
    let mut net = net();
    let sub = |field, offset, bits| Subfield { field, offset, bits };
    net.add(
        "",
        vec![
            Action::StackPush(Subfield::whole(FieldId::EthSrc)),
            Action::StackPush(Subfield::whole(FieldId::EthDst)),
            Action::StackPop(Subfield::whole(FieldId::EthSrc)),
            Action::StackPop(Subfield::whole(FieldId::EthDst)),
            Action::StackPop(sub(FieldId::Reg0, 0, 16)),
            out(2),
        ],
    )
    .unwrap();
    let (_, packet) = &net.send(dp(0, 1), &tcp())[0];
    assert_eq!(packet.word(word::ETH_DST) >> 16, 0x0200_0000_0001);
    assert_eq!(packet.word(word::ETH_SRC) >> 16, 0x0200_0000_0002);
}

fn clause(id: u32, clause: u8) -> Vec<Action> {
    vec![Action::Conjunction { id, clause, n_clauses: 2 }]
}

#[test]
fn a_conjunction_holds_when_all_its_clauses_do() {
    let mut net = net();
    net.add("table=0,priority=5,ip,nw_src=10.0.0.1,", clause(7, 0)).unwrap();
    net.add("table=0,priority=5,ip,nw_src=10.0.0.3,", clause(7, 0)).unwrap();
    net.add("table=0,priority=5,tcp,tp_dst=80,", clause(7, 1)).unwrap();
    net.add("table=0,priority=5,ip,conj_id=7,", vec![out(2)]).unwrap();
    net.add("table=0,priority=1,", vec![out(3)]).unwrap();
    let from = |net: &mut Net, src, port| ports(net, &Packet::tcp(src, 9, port));
    for _ in 0..2 {
        assert_eq!(from(&mut net, 1, 80), [2]);
        assert_eq!(from(&mut net, 3, 80), [2]);
        assert_eq!(from(&mut net, 4, 80), [3]);
        assert_eq!(from(&mut net, 1, 81), [3]);
    }
    net.add("table=0,priority=9,tcp,tp_dst=80,", vec![out(4)]).unwrap();
    assert_eq!(from(&mut net, 1, 80), [4], "a flow of higher priority comes first");
    net.add("table=0,priority=5,tcp,tp_dst=81,", clause(7, 1)).unwrap();
    assert_eq!(from(&mut net, 1, 81), [2], "a new clause concerns what is cached");
    net.switch.del_flows("s1", "conj_id=7,ip", netloom_switch::Matching::Loose, net.now).unwrap();
    assert_eq!(from(&mut net, 1, 81), [3]);
}

fn learn() -> Learn {
    let specs = vec![
        LearnSpec::Match {
            target: Subfield::whole(FieldId::EthDst),
            source: Operand::Field(Subfield::whole(FieldId::EthSrc)),
        },
        LearnSpec::Output(Subfield { field: FieldId::InPort, offset: 0, bits: 16 }),
    ];
    Learn { table: TableId(1), cookie: 9, specs: specs.into(), ..Learn::default() }
}

#[test]
fn a_packet_learns_a_flow_that_lives_while_cached_packets_refresh_it() {
    let mut net = net();
    let learn = Learn { idle_timeout: 0, hard_timeout: 10, ..learn() };
    net.add("table=0,", vec![Action::Learn(Box::new(learn)), goto(1)]).unwrap();
    net.add("table=1,priority=0,", vec![out(6)]).unwrap();
    assert_eq!(ports(&mut net, &tcp()), [6]);
    let back = Packet::tcp(2, 1, 80);
    let sent = net.send(dp(0, 3), &back);
    assert_eq!(sent[0].0, dp(0, 1), "the answer goes where the first packet came from");
    let learned = |net: &Net| net.switch.flows("s1", "cookie=9/-1").unwrap().len();
    assert_eq!(learned(&net), 2);
    for _ in 0..4 {
        net.now += Nanos::from_secs(6);
        ports(&mut net, &tcp());
        net.switch.tick(net.now);
    }
    assert_eq!(learned(&net), 1, "who is silent is forgotten");
    assert_eq!(net.switch.flow_drift("s1").len(), 2, "nobody has to put back what packets taught");
    net.now += Nanos::from_secs(11);
    net.switch.tick(net.now);
    assert_eq!(learned(&net), 0);
}

#[test]
fn what_was_learned_goes_with_the_last_flow_that_learns_it() {
    let mut net = net();
    let learns = || vec![Action::Learn(Box::new(Learn { delete_learned: true, ..learn() })), out(6)];
    net.add("table=0,priority=1,", learns()).unwrap();
    net.add("table=0,priority=2,udp,", learns()).unwrap();
    ports(&mut net, &tcp());
    let learned = |net: &Net| net.switch.flows("s1", "table=1").unwrap().len();
    assert_eq!(learned(&net), 1);
    let delete = |net: &mut Net, text| {
        net.switch.del_flows("s1", text, netloom_switch::Matching::Strict, net.now).unwrap();
    };
    delete(&mut net, "priority=1");
    assert_eq!(learned(&net), 1);
    delete(&mut net, "priority=2,udp");
    assert_eq!(learned(&net), 0);
}

#[test]
fn a_fin_lowers_timeouts() {
    let mut net = net();
    net.add("idle_timeout=60,tcp,", vec![Action::FinTimeout { idle: 5, hard: 9 }, out(2)]).unwrap();
    let timeouts = |net: &Net| {
        let flow = net.switch.flows("s1", "tcp").unwrap()[0].rule.flow.clone();
        (flow.idle_timeout, flow.hard_timeout)
    };
    ports(&mut net, &tcp());
    assert_eq!(timeouts(&net), (60, 0));
    let mut fin = tcp();
    fin.set_word(word::L4, 0x11 << 16, 0xfff << 16);
    ports(&mut net, &fin);
    assert_eq!(timeouts(&net), (5, 9));
    net.now += Nanos::from_secs(6);
    net.switch.tick(net.now);
    assert!(net.switch.flows("s1", "tcp").unwrap().is_empty());
}

#[test]
fn multipath_and_bundle_choose_alike_for_a_connection_and_among_what_is_up() {
    let mut net = net();
    let target = Subfield { field: FieldId::Reg0, offset: 0, bits: 16 };
    for algorithm in MultipathAlgorithm::ALL.map(|(algorithm, _)| algorithm) {
        let multipath =
            Multipath { fields: HashFields::SymmetricL4, basis: 5, algorithm, max_link: 2, arg: 1, target };
        net.add("", vec![Action::Multipath(multipath), Action::OutputReg { source: target, max_len: 0 }])
            .unwrap();
        let chosen: std::collections::BTreeSet<_> = (0..60)
            .map(|port| {
                let key = Packet::tcp(1, 9, 2000 + port).key(dp(0, 4), netloom_flow::TenantId(0));
                let sent = net.translate(&key);
                sent.actions.iter().map(|action| format!("{action:?}")).collect::<String>()
            })
            .collect();
        assert_eq!(chosen.len(), 3, "{algorithm:?}: {chosen:?}");
    }
    let bundle = Bundle {
        fields: HashFields::EthSrc,
        basis: 0,
        algorithm: BundleAlgorithm::ActiveBackup,
        members: Box::new([OfPort(2), OfPort(3)]),
        target: None,
    };
    net.add("", vec![Action::Bundle(Box::new(bundle))]).unwrap();
    assert_eq!(ports(&mut net, &tcp()), [2]);
    net.switch.set_link(dp(0, 2), LinkState { up: false, ..LinkState::default() }, net.now);
    assert_eq!(ports(&mut net, &tcp()), [3]);
}

#[test]
fn long_packets_and_short_ones_go_their_own_ways_and_count_there() {
    let mut net = net();
    let bit = Subfield { field: FieldId::Reg0, offset: 0, bits: 1 };
    let check = |len| Action::CheckPktLarger { len, target: bit };
    net.add(
        "table=0,",
        vec![check(70), Action::Clone(Box::new([Action::set(FieldId::EthDst, 5), goto_less(1)])), goto(1)],
    )
    .unwrap();
    net.add("table=1,reg0=1,", vec![out(2)]).unwrap();
    net.add("table=1,reg0=0,", vec![out(3)]).unwrap();
    assert_eq!(ports(&mut net, &tcp()), [2, 2], "90 bytes");
    let small = Packet::eth(support::mac(1), support::mac(2));
    assert_eq!(ports(&mut net, &small), [3, 3], "60 bytes");
    let packets: Vec<_> =
        net.switch.flows("s1", "table=1").unwrap().iter().map(|flow| flow.packets).collect();
    assert_eq!(packets, [2, 2]);
}

fn goto_less(table: u8) -> Action {
    Action::Resubmit { port: None, table: Some(TableId(table)), ct: false }
}

#[test]
fn labels_come_and_go_and_what_is_behind_them_is_looked_up_again() {
    let mut net = net();
    net.add(
        "table=0,ip,in_port=1,",
        vec![Action::PushMpls { ethertype: 0x8847 }, Action::set(FieldId::MplsLabel, 100), out(2)],
    )
    .unwrap();
    net.add(
        "table=0,mpls,in_port=3,",
        vec![Action::DecMplsTtl, Action::PopMpls { ethertype: 0x0800 }, goto(1)],
    )
    .unwrap();
    net.add("table=1,tcp,tp_dst=80,", vec![out(4)]).unwrap();
    net.add("table=1,tcp,tp_dst=81,", vec![out(5)]).unwrap();
    for port in [80, 81, 80, 81] {
        let sent = net.send(dp(0, 1), &Packet::tcp(1, 2, port));
        let labelled = &sent[0].1;
        assert_eq!((labelled.labels.as_slice(), labelled.bytes()), (&[100 << 12 | 0x100 | 64][..], 94));
        let back = net.send(dp(0, 3), labelled);
        assert_eq!(back, [(dp(0, if port == 80 { 4 } else { 5 }), Packet::tcp(1, 2, port))]);
    }
    let bytes: Vec<_> = net.switch.flows("s1", "").unwrap().iter().map(|flow| flow.bytes).collect();
    assert_eq!(bytes[..4], [4 * 90, 4 * 94, 2 * 90, 2 * 90], "{bytes:?}");
}

#[test]
fn a_label_pushed_to_a_copy_is_not_on_the_packet() {
    let mut net = net();
    let copy = Box::new([Action::PushMpls { ethertype: 0x8847 }, out(2)]);
    net.add("ip,", vec![Action::Clone(copy), Action::set(FieldId::Ipv4Dst, 0x0a00_0009), out(3)]).unwrap();
    let sent = net.send(dp(0, 1), &tcp());
    assert_eq!((sent[0].1.labels.len(), sent[1].1.labels.len()), (1, 0));
    assert_eq!(sent[1].1.word(word::IPV4) & 0xff, 9);
}

#[test]
fn a_truncated_output_sends_the_first_bytes_and_what_is_not_carried_out_is_refused_by_name() {
    let mut net = net();
    net.add("", vec![Action::OutputTrunc { port: OfPort(2), max_len: 64 }, out(3)]).unwrap();
    let sent = net.send(dp(0, 1), &tcp());
    assert_eq!((sent[0].1.bytes(), sent[1].1.bytes()), (64, 90));
    let tlv = NshTlv { class: 1, kind: 1, value: [0; 40].into() };
    let long = Action::Encap(Encap::Nsh { md_type: Some(2), tlvs: [tlv].into() });
    let refused = Err(FlowError::Unsupported("encap(nsh) with more than 40 bytes of metadata"));
    assert_eq!(net.add("", vec![long.clone()]), refused);
    assert_eq!(net.add("", vec![Action::Clone(Box::new([long]))]), refused);
    assert_eq!(net.add("table=4,", vec![goto(4)]), Err(FlowError::BadGoto(4)));
    let reasons: Vec<DropReason> = net.switch.drops().iter().map(|drop| drop.reason).collect();
    assert!(reasons.is_empty(), "{reasons:?}");
}

#[test]
fn a_backbone_header_hides_the_frame_until_it_is_popped_and_the_packet_parsed_again() {
    let mut net = net();
    let push = vec![Action::PushPbb, Action::set(FieldId::PbbIsid, 0xcb), out(2)];
    net.add("in_port=1,tcp,", push).unwrap();
    let key = tcp().key(dp(0, 1), TenantId(0));
    let pushed = net.translate(&key).actions;
    let isid = WordSet { word: u8::try_from(word::PBB).unwrap(), value: 0xcb, mask: 0xcb };
    let expected = [DpAction::PushPbb { itag: 0 }, DpAction::Set(isid), DpAction::Output(dp(0, 2))];
    assert_eq!(*pushed, expected);

    net.add("in_port=3,dl_type=0x88e7,pbb_isid=0xcb,", vec![Action::PopPbb, goto(1)]).unwrap();
    net.add("table=1,tcp,tp_dst=80,", vec![out(4)]).unwrap();
    let mut backbone = PacketKey::default();
    backbone.0[word::IN_PORT] = u64::from(dp(0, 3).0) << 32;
    backbone.0[word::ETH_DST] = 0x0200_0000_0002_88e7;
    backbone.0[word::PBB] = 0xcb;
    let popped = net.translate(&backbone).actions;
    let [DpAction::PopPbb, DpAction::Recirculate(id)] = popped[..] else { panic!("{popped:?}") };
    let mut again = Packet::tcp(1, 2, 80).key(dp(0, 3), TenantId(0));
    again.0[word::IN_PORT] |= u64::from(id.0);
    assert_eq!(*net.translate(&again).actions, [DpAction::Output(dp(0, 4))]);
    backbone.0[word::PBB] = 0xcc;
    assert_eq!(*net.translate(&backbone).actions, []);
}
