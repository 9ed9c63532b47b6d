//! Tables, actions and flow changes on one bridge.

mod support;

use netloom_flow::{DpAction, DropReason, Nanos, PortId, TenantId};
use netloom_switch::config::{FailMode, Origin};
use netloom_switch::{FlowError, Matching};
use support::{Net, Packet, Plan, dp, mac};

fn plan(flows: &[&str]) -> Plan {
    let ports = Plan::new(1).host(0, 1, 0).host(0, 2, 0).host(0, 3, 0).host(0, 4, 0);
    flows.iter().fold(ports, |plan, flow| plan.flow(0, flow))
}

fn reasons(net: &Net) -> Vec<(DropReason, u64)> {
    net.switch.drops().iter().map(|drop| (drop.reason, drop.packets)).collect()
}

#[test]
fn tables_follow_each_other_and_registers_carry_over() {
    let mut net = Net::new(
        &plan(&[
            "table=0,tcp,tp_dst=80,actions=load:3->NXM_NX_REG1[0..15],goto_table:5",
            "table=0,priority=1,actions=resubmit(,7)",
            "table=5,reg1=3,actions=output:NXM_NX_REG1[]",
            "table=7,in_port=1,actions=output:2,resubmit(4,8),output:3",
            "table=8,in_port=4,actions=in_port",
        ])
        .config,
        true,
    );
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3)]);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 81)), [dp(0, 1), dp(0, 2), dp(0, 3)]);
    let packets = |net: &Net| -> Vec<u64> {
        net.switch.flows("s1", "").unwrap().iter().map(|flow| flow.packets).collect()
    };
    assert_eq!(packets(&net), [1, 1, 1, 1, 1]);
}

#[test]
fn another_ingress_port_is_for_the_lookup_only() {
    let mut net = Net::new(
        &plan(&[
            "actions=resubmit(4,1)",
            "table=1,in_port=4,actions=goto_table:2",
            "table=2,priority=2,in_port=4,actions=output:2",
            "table=2,priority=1,in_port=1,actions=output:3",
        ])
        .config,
        true,
    );
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3)]);
}

#[test]
fn the_physical_ingress_port_is_the_one_it_came_by() {
    let flows = ["actions=resubmit(4,1)", "table=1,in_phy_port=1,in_port=4,actions=output:2"];
    let mut net = Net::new(&plan(&flows).config, true);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    assert!(net.ports(dp(0, 3), &Packet::tcp(1, 2, 80)).is_empty());
    net.switch.add_flow("s1", "table=1,in_phy_port=3,actions=output:4", Origin::Command, net.now).unwrap();
    assert_eq!(net.ports(dp(0, 3), &Packet::tcp(1, 2, 80)), [dp(0, 4)], "the cached answer is out of date");
}

#[test]
fn exit_ends_everything() {
    let flows = ["actions=resubmit(,1),output:2", "table=1,actions=output:3,exit,output:4"];
    let mut net = Net::new(&plan(&flows).config, true);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3)]);
}

#[test]
fn edits_stay_for_what_follows_and_go_with_each_copy() {
    let net = Net::new(
        &plan(&[
            "actions=output:2,mod_dl_dst:02:00:00:00:00:09,output:3,push_vlan:0x8100,set_field:4106->vlan_vid,output:4",
        ])
        .config,
        true,
    );
    let translation = net.translate(&Packet::tcp(1, 2, 80).key(dp(0, 1), TenantId(0)));
    let set = translation.actions.iter().find_map(|action| match action {
        DpAction::Set(set) => Some(*set),
        _ => None,
    });
    let kinds: Vec<_> = translation.actions.iter().map(std::mem::discriminant).collect();
    let expected = [
        DpAction::Output(PortId(2)),
        DpAction::Set(set.unwrap()),
        DpAction::Output(PortId(3)),
        DpAction::PushVlan { tpid: 0x8100, tci: 10 },
        DpAction::Output(PortId(4)),
    ];
    assert_eq!(kinds, expected.iter().map(std::mem::discriminant).collect::<Vec<_>>());
    assert!(translation.actions.contains(&expected[3]));
}

#[test]
fn ttl_is_lowered_until_it_runs_out() {
    let mut net = Net::new(&plan(&["ip,actions=dec_ttl,dec_ttl,output:2"]).config, true);
    let sent = net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    assert_eq!(sent[0].1.word(netloom_flow::word::IP) >> 40 & 0xff, 62);
    let mut tired = Packet::tcp(1, 2, 80);
    tired.set_word(netloom_flow::word::IP, 2 << 40, 0xff << 40);
    assert!(net.send(dp(0, 1), &tired).is_empty());
    assert_eq!(reasons(&net), [(DropReason::TtlExpired, 1)]);
}

#[test]
fn endless_resubmits_end_with_a_drop() {
    let mut deep = Net::new(&plan(&["actions=resubmit(,0)"]).config, true);
    assert!(deep.send(dp(0, 1), &Packet::tcp(1, 2, 80)).is_empty());
    assert_eq!(reasons(&deep), [(DropReason::ResubmitLimit, 1)]);
    assert_eq!(deep.switch.flows("s1", "").unwrap()[0].packets, 65, "the first, and 64 nested in it");
    let wide = "resubmit(,1),".repeat(16);
    let flows = [0, 1, 2]
        .map(|table| format!("table={table},actions={}", wide.replace("(,1)", &format!("(,{})", table + 1))));
    let last = "table=3,actions=output:2".to_owned();
    let flows: Vec<&str> = flows.iter().chain([&last]).map(String::as_str).collect();
    let mut wide = Net::new(&plan(&flows).config, true);
    let sent = wide.send(dp(0, 1), &Packet::tcp(1, 2, 80)).len();
    assert!((3_800..4_096).contains(&sent), "{sent} of 4,096 copies, those before the limit");
    assert_eq!(reasons(&wide), [(DropReason::ResubmitLimit, 1)]);
}

#[test]
fn drops_have_reasons() {
    let mut net = Net::new(
        &plan(&[
            "in_port=1,actions=drop",
            "in_port=2,actions=output:77",
            "in_port=3,actions=output:3",
            "in_port=4,tcp,actions=load:1->NXM_NX_REG0[]",
        ])
        .config,
        true,
    );
    for (port, reason) in [(1, DropReason::FlowAction), (2, DropReason::NoPort), (3, DropReason::Hairpin)] {
        let before = reasons(&net).iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count);
        assert!(net.send(dp(0, port), &Packet::tcp(1, 2, 80)).is_empty());
        assert!(reasons(&net).contains(&(reason, before + 1)), "{reason}");
    }
    net.send(dp(0, 4), &Packet::tcp(1, 2, 80));
    net.send(dp(0, 4), &Packet::eth(mac(1), mac(2)));
    let all: u64 = reasons(&net).iter().map(|(_, packets)| packets).sum();
    assert_eq!(all, 5);
    assert!(reasons(&net).contains(&(DropReason::TableMiss, 1)));
}

#[test]
fn without_flows_a_bridge_learns_unless_it_is_secure() {
    let mut config = plan(&[]).config;
    let net = Net::new(&config, true);
    let flows = net.switch.flows("s1", "").unwrap();
    assert_eq!(*flows[0].rule.origin, Origin::Default);
    assert_eq!(
        flows[0].line(net.now),
        "cookie=0x0, duration=0.000s, table=0, n_packets=0, n_bytes=0, priority=0 actions=NORMAL",
    );
    config.bridges[0].fail_mode = FailMode::Secure;
    let mut net = Net::new(&config, true);
    assert!(net.send(dp(0, 1), &Packet::tcp(1, 2, 80)).is_empty());
    assert_eq!(reasons(&net), [(DropReason::TableMiss, 1)]);
}

#[test]
fn packets_that_would_be_sampled_go_on_and_are_counted() {
    let flow = "priority=5,tcp,actions=sample(probability=65535,collector_set_id=1,obs_domain_id=2),output:2";
    let mut net = Net::new(&plan(&[flow]).config, true).with_cache();
    for _ in 0..3 {
        assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    }
    let flows = net.switch.flows("s1", "tcp").unwrap();
    assert_eq!((flows[0].packets, flows[0].bytes), (3, 270));
}

#[test]
fn flows_are_added_changed_and_removed_by_command() {
    let mut net = Net::new(&plan(&[]).config, true);
    let add = |net: &mut Net, text: &str| net.switch.add_flow("s1", text, Origin::Command, net.now);
    add(&mut net, "priority=10,tcp,tp_dst=80,actions=drop").unwrap();
    add(&mut net, "priority=20,tcp,tp_dst=80,nw_dst=10.0.0.2,actions=output:s1-eth3").unwrap();
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3)]);
    assert!(net.ports(dp(0, 1), &Packet::tcp(1, 4, 80)).is_empty());
    let overlap = add(&mut net, "check_overlap,priority=10,tcp,nw_dst=10.0.0.0/8,actions=drop");
    assert!(matches!(overlap, Err(FlowError::Overlap(_))), "{overlap:?}");
    assert_eq!(add(&mut net, "actions=group:7"), Err(FlowError::UnknownGroup(7)));
    assert!(matches!(add(&mut net, "actions=outpt:2"), Err(FlowError::Text(_))));
    let count = net.switch.mod_flows(
        "s1",
        "tcp,tp_dst=80,actions=output:4",
        Matching::Loose,
        Origin::Command,
        net.now,
    );
    assert_eq!(count, Ok(2));
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 4)]);
    let http = net.switch.flows("s1", "tcp,tp_dst=80,nw_dst=10.0.0.2").unwrap();
    assert_eq!((http[0].packets, http[0].bytes), (2, 180), "a change of actions keeps the counters");
    assert_eq!(
        net.switch.del_flows("s1", "tcp,tp_dst=80", Matching::Strict, Nanos::ZERO),
        Ok(0),
        "its priority is 32768"
    );
    assert_eq!(net.switch.del_flows("s1", "priority=10,tcp,tp_dst=80", Matching::Strict, Nanos::ZERO), Ok(1));
    assert_eq!(net.switch.del_flows("s1", "out_port=4", Matching::Loose, Nanos::ZERO), Ok(1));
    assert_eq!(net.switch.del_flows("s1", "", Matching::Loose, Nanos::ZERO), Ok(1), "the NORMAL flow");
    assert!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)).is_empty());
    assert_eq!(
        net.switch.del_flows("s9", "", Matching::Loose, Nanos::ZERO),
        Err(FlowError::NoBridge("s9".into()))
    );
}

#[test]
fn flows_end_when_their_time_has_come() {
    let mut net = Net::new(
        &plan(&[
            "priority=2,tcp,tp_dst=80,idle_timeout=10,actions=output:2",
            "priority=1,hard_timeout=15,actions=output:3",
        ])
        .config,
        true,
    )
    .with_cache();
    let http = Packet::tcp(1, 2, 80);
    net.now = Nanos::from_secs(9);
    assert_eq!(net.ports(dp(0, 1), &http), [dp(0, 2)]);
    assert_eq!(net.switch.deadline(), Some(Nanos::from_secs(11)));
    net.switch.tick(Nanos::from_secs(11));
    assert_eq!(net.ports(dp(0, 1), &http), [dp(0, 2)], "used at 9 s");
    net.switch.tick(Nanos::from_secs(19));
    assert_eq!(net.switch.flows("s1", "").unwrap().len(), 0, "one idle since 9 s, one 15 s old at 16 s");
    assert!(net.ports(dp(0, 1), &http).is_empty());
}

#[test]
fn a_change_costs_only_the_cached_flows_it_could_concern() {
    let mut net = Net::new(
        &plan(&["priority=1,actions=output:2", "priority=5,tcp,tp_dst=22,actions=drop"]).config,
        true,
    );
    let key = Packet::tcp(1, 2, 80).key(dp(0, 1), TenantId(0));
    let translation = net.translate(&key);
    let add = |net: &mut Net, text: &str| net.switch.add_flow("s1", text, Origin::Command, net.now).unwrap();
    for elsewhere in [
        "priority=9,tcp,tp_dst=22,nw_dst=10.0.0.7,actions=output:1",
        "in_port=3,tcp,tp_dst=80,actions=drop",
        "table=3,tcp,actions=drop",
    ] {
        add(&mut net, elsewhere);
        assert!(net.switch.still_valid(&key, &translation), "{elsewhere}");
    }
    add(&mut net, "tcp,nw_src=10.0.0.99,actions=drop");
    assert!(!net.switch.still_valid(&key, &translation), "it did not look at addresses");
}
