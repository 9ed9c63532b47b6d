//! NORMAL on one bridge: learning, ageing, VLANs, tenants.

mod support;

use netloom_flow::{DropReason, Nanos, PortId};
use netloom_switch::config::VlanMode;
use support::{Net, Packet, Plan, dp, mac};

fn dropped(net: &Net, reason: DropReason) -> u64 {
    net.switch.drops().iter().filter(|drop| drop.reason == reason).map(|drop| drop.packets).sum()
}

#[test]
fn an_unknown_address_is_flooded_and_a_learned_one_is_not() {
    let plan = Plan::new(1).host(0, 1, 0).host(0, 2, 0).host(0, 3, 0);
    let mut net = Net::new(&plan.config, true);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2), dp(0, 3)]);
    assert_eq!(net.ports(dp(0, 2), &Packet::tcp(2, 1, 80)), [dp(0, 1)]);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    assert_eq!(net.learned("s1", mac(1)), Some(1));
    // It moves: the next packet from it tells, and nothing else has to.
    assert_eq!(net.ports(dp(0, 3), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    assert_eq!(net.ports(dp(0, 2), &Packet::tcp(2, 1, 80)), [dp(0, 3)]);
}

#[test]
fn an_address_that_is_silent_for_300_seconds_is_forgotten() {
    let plan = Plan::new(1).host(0, 1, 0).host(0, 2, 0).host(0, 3, 0);
    let mut net = Net::new(&plan.config, true);
    net.send(dp(0, 2), &Packet::tcp(2, 1, 80));
    let before = net.epoch.now();
    assert_eq!(net.switch.deadline(), Some(Nanos::from_secs(301)));
    net.now = Nanos::from_secs(301);
    net.switch.tick(net.now);
    assert!(net.epoch.now() > before);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2), dp(0, 3)]);
}

#[test]
fn what_goes_nowhere_is_dropped_for_a_reason() {
    let plan = Plan::new(1).host(0, 1, 0).host(0, 2, 0);
    let mut net = Net::new(&plan.config, true);
    let nobody: [PortId; 0] = [];
    net.send(dp(0, 1), &Packet::tcp(1, 9, 80));
    assert_eq!(
        net.ports(dp(0, 1), &Packet::tcp(9, 1, 80)),
        nobody,
        "the destination is behind the same port"
    );
    assert_eq!(dropped(&net, DropReason::Hairpin), 1);
    assert_eq!(net.ports(dp(0, 1), &Packet::eth(mac(1), mac(1))), nobody);
    assert_eq!(dropped(&net, DropReason::Hairpin), 2);
    assert_eq!(net.ports(dp(0, 1), &Packet::eth(mac(1), [1, 0x80, 0xc2, 0, 0, 0x0e])), nobody);
    assert_eq!(dropped(&net, DropReason::Reserved), 1);
    assert_eq!(net.ports(dp(0, 1), &Packet::eth(mac(1), [1, 0x80, 0xc2, 0, 0, 0x10])), [dp(0, 2)]);
}

#[test]
fn vlans_are_kept_apart_and_tagged_as_each_port_wants() {
    let plan = Plan::new(1)
        .access(0, 1, 10)
        .access(0, 2, 10)
        .access(0, 3, 20)
        .trunk(0, 4, VlanMode::Trunk, None, &[10, 20])
        .trunk(0, 5, VlanMode::NativeUntagged, Some(10), &[20])
        .trunk(0, 6, VlanMode::NativeTagged, Some(20), &[]);
    let mut net = Net::new(&plan.config, true);
    let seen = |net: &mut Net, port, packet: &Packet| -> Vec<(PortId, Vec<u16>)> {
        let sent = net.send(port, packet);
        sent.into_iter().map(|(port, packet)| (port, packet.tags.iter().map(|tag| tag.1).collect())).collect()
    };
    let plain = Packet::eth(mac(1), [0xff; 6]);
    assert_eq!(
        seen(&mut net, dp(0, 1), &plain),
        [(dp(0, 2), vec![]), (dp(0, 4), vec![10]), (dp(0, 5), vec![]), (dp(0, 6), vec![10])],
    );
    // The priority bits stay where the tag stays.
    assert_eq!(
        seen(&mut net, dp(0, 4), &plain.clone().tagged(0x6014)),
        [(dp(0, 3), vec![]), (dp(0, 5), vec![0x6014]), (dp(0, 6), vec![0x6014])],
    );
    assert_eq!(seen(&mut net, dp(0, 1), &plain.clone().tagged(10)), [], "an access port refuses tags");
    assert_eq!(seen(&mut net, dp(0, 4), &plain), [], "the trunk has no untagged VLAN");
    assert_eq!(dropped(&net, DropReason::VlanIngress), 2);
    // A tag with a priority and no VLAN goes into the native VLAN.
    assert_eq!(
        seen(&mut net, dp(0, 5), &plain.clone().tagged(0xe000)),
        [(dp(0, 1), vec![]), (dp(0, 2), vec![]), (dp(0, 4), vec![0xe00a]), (dp(0, 6), vec![0xe00a])],
    );
    // The same address in two VLANs is two entries.
    assert_eq!(net.switch.macs("s1").len(), 2);
}

#[test]
fn inner_vlan_headers_are_left_alone() {
    let plan = Plan::new(1).access(0, 1, 10).trunk(0, 2, VlanMode::Trunk, None, &[]);
    let mut net = Net::new(&plan.config, true);
    let packet = Packet::eth(mac(1), [0xff; 6]).tagged(7).tagged(10);
    let sent = net.send(dp(0, 2), &packet);
    assert_eq!(sent[0].1.tags, [(0x8100, 7)]);
}

#[test]
fn tenants_share_a_bridge_and_see_nothing_of_each_other() {
    let plan = Plan::new(1).host(0, 1, 1).host(0, 2, 1).host(0, 3, 2).host(0, 4, 2);
    let mut net = Net::new(&plan.config, true);
    assert_eq!(net.ports(dp(0, 1), &Packet::eth(mac(1), [0xff; 6])), [dp(0, 2)]);
    // The same address in both.
    assert_eq!(net.ports(dp(0, 3), &Packet::tcp(1, 2, 80)), [dp(0, 4)]);
    assert_eq!(net.ports(dp(0, 2), &Packet::tcp(2, 1, 80)), [dp(0, 1)]);
    assert_eq!(net.ports(dp(0, 4), &Packet::tcp(2, 1, 80)), [dp(0, 3)]);
}

#[test]
fn no_flow_leads_into_another_tenant() {
    let plan = Plan::new(1)
        .host(0, 1, 1)
        .host(0, 2, 1)
        .host(0, 3, 2)
        .flow(0, "in_port=1,actions=output:3,output:2")
        .flow(0, "in_port=3,actions=all");
    let mut net = Net::new(&plan.config, true);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    assert_eq!(dropped(&net, DropReason::Tenant), 1);
    assert!(net.ports(dp(0, 3), &Packet::tcp(1, 2, 80)).is_empty());
}

#[test]
fn an_address_is_learned_when_its_packet_is_met_and_nothing_is_counted_yet() {
    let plan = Plan::new(1).host(0, 1, 0).host(0, 2, 0).host(0, 3, 0);
    let mut net = Net::new(&plan.config, true);
    let key = Packet::tcp(1, 2, 80).key(dp(0, 1), netloom_flow::TenantId::default());
    let translation = net.translate(&key);
    assert_eq!(net.learned("s1", mac(1)), None, "translating changes nothing");
    let before = net.epoch.now();
    net.switch.meet(&translation, net.now);
    assert_eq!(net.learned("s1", mac(1)), Some(1));
    assert!(net.epoch.now() > before, "whoever floods to it looks again");
    let packets: u64 = net.switch.flows("s1", "").unwrap().iter().map(|flow| flow.packets).sum();
    assert_eq!(packets, 0);
}

#[test]
fn learning_ends_at_its_limit_and_says_so() {
    let flows = [
        "table=0,in_port=1,tcp,actions=learn(table=1,limit=2,result_dst=reg0[0],cookie=0x9,hard_timeout=60,eth_type=0x800,nw_proto=6,\
         NXM_OF_TCP_DST[],output:NXM_OF_IN_PORT[]),resubmit(,2)",
        "table=2,priority=2,reg0=1,actions=2",
        "table=2,priority=1,actions=3",
    ];
    let plan = (1..=3).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    let config = flows.iter().fold(plan, |plan, flow| plan.flow(0, flow)).config;
    let mut net = Net::new(&config, true).with_cache();
    let ports = |net: &mut Net, port: u16| net.ports(dp(0, 1), &Packet::tcp(1, 2, port));
    for _ in 0..3 {
        assert_eq!(ports(&mut net, 80), [dp(0, 2)]);
        assert_eq!(ports(&mut net, 81), [dp(0, 2)]);
        assert_eq!(ports(&mut net, 82), [dp(0, 3)], "there are two");
    }
    assert_eq!(net.switch.flows("s1", "table=1").unwrap().len(), 2);
    // One goes: there is room for another.
    net.now += Nanos::from_secs(61);
    net.switch.tick(net.now);
    assert_eq!(ports(&mut net, 82), [dp(0, 2)]);
}
