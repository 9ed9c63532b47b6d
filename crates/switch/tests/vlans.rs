//! VLANs of services around those of customers, VLANs without learning, protected ports, priorities without a VLAN.

mod support;

use netloom_flow::PortId;
use netloom_switch::config::{Config, PriorityTags, QinqType, VlanMode};
use support::{Net, Packet, Plan, dp, mac};

/// What arrives where, with its VLAN headers: Ethernet type, VLAN and priority.
fn seen(net: &mut Net, port: PortId, packet: &Packet) -> Vec<(PortId, Vec<(u16, u16)>)> {
    let tags = |packet: &Packet| packet.tags.iter().map(|(tpid, tci)| (*tpid, tci & 0xefff)).collect();
    net.send(port, packet).into_iter().map(|(port, packet)| (port, tags(&packet))).collect()
}

/// Two customers' ports in VLAN 100 of the service, one in 200, and a trunk.
fn service() -> Config {
    let qinq = |plan: Plan, port, tag| plan.trunk(0, port, VlanMode::Dot1qTunnel, Some(tag), &[]);
    let plan = qinq(qinq(qinq(Plan::new(1), 1, 100), 2, 100), 3, 200);
    plan.trunk(0, 4, VlanMode::Trunk, None, &[]).config
}

#[test]
fn a_customers_frames_travel_in_the_vlan_of_the_service() {
    let mut net = Net::new(&service(), true);
    let plain = Packet::eth(mac(1), [0xff; 6]);
    assert_eq!(seen(&mut net, dp(0, 1), &plain), [(dp(0, 2), vec![]), (dp(0, 4), vec![(0x88a8, 100)])]);
    let tagged = plain.clone().tagged(7);
    assert_eq!(
        seen(&mut net, dp(0, 1), &tagged),
        [(dp(0, 2), vec![(0x8100, 7)]), (dp(0, 4), vec![(0x88a8, 100), (0x8100, 7)])]
    );
    // And back: the trunk's frame is in the service's VLAN, whatever is behind.
    assert_eq!(
        seen(&mut net, dp(0, 4), &Packet::eth(mac(9), [0xff; 6]).tagged(7).tagged(200)),
        [(dp(0, 3), vec![(0x8100, 7)])]
    );
    assert_eq!(net.learned("s1", mac(9)), Some(4));
    // A third header would have nowhere to go.
    assert_eq!(seen(&mut net, dp(0, 1), &tagged.tagged(8)), []);
}

#[test]
fn a_service_may_choose_its_ethernet_type_and_its_customers_vlans() {
    let mut config = service();
    config.bridges[0].ports[0].qinq_ethtype = QinqType::Q;
    config.bridges[0].ports[0].cvlans = vec![7];
    config.bridges[0].ports[1].cvlans = vec![0, 8];
    let mut net = Net::new(&config, true).with_cache();
    let plain = Packet::eth(mac(1), [0xff; 6]);
    for _ in 0..2 {
        assert_eq!(
            seen(&mut net, dp(0, 1), &plain.clone().tagged(7)),
            [(dp(0, 4), vec![(0x8100, 100), (0x8100, 7)])],
            "the other port does not take the customer's VLAN 7"
        );
        assert_eq!(seen(&mut net, dp(0, 1), &plain), [], "nor this one what has no VLAN");
        assert_eq!(
            seen(&mut net, dp(0, 4), &plain.clone().tagged(8).tagged(100)),
            [(dp(0, 2), vec![(0x8100, 8)])]
        );
        assert_eq!(
            seen(&mut net, dp(0, 4), &plain.clone().tagged(7).tagged(100)),
            [(dp(0, 1), vec![(0x8100, 7)])]
        );
    }
}

#[test]
fn nothing_is_learned_in_a_vlan_that_floods() {
    let mut config = Plan::new(1).access(0, 1, 10).access(0, 2, 10).access(0, 3, 10).config;
    let mut net = Net::new(&config, true).with_cache();
    net.send(dp(0, 2), &Packet::tcp(2, 1, 80));
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    config.bridges[0].flood_vlans = vec![10];
    net.reconfigure(&config);
    for _ in 0..2 {
        assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2), dp(0, 3)]);
        assert_eq!(net.ports(dp(0, 2), &Packet::tcp(2, 1, 80)), [dp(0, 1), dp(0, 3)]);
    }
    assert_eq!(net.learned("s1", mac(2)), None);
    config.bridges[0].flood_vlans.clear();
    net.reconfigure(&config);
    net.send(dp(0, 2), &Packet::tcp(2, 1, 80));
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)], "as before");
}

#[test]
fn protected_ports_reach_the_others_and_not_each_other() {
    let mut config = (1..=3).fold(Plan::new(1), |plan, port| plan.host(0, port, 0)).config;
    config.bridges[0].ports[0].protected = true;
    config.bridges[0].ports[1].protected = true;
    let mut net = Net::new(&config, true);
    assert_eq!(net.ports(dp(0, 1), &Packet::eth(mac(1), [0xff; 6])), [dp(0, 3)]);
    assert_eq!(net.ports(dp(0, 3), &Packet::tcp(3, 1, 80)), [dp(0, 1)]);
    assert!(net.ports(dp(0, 2), &Packet::tcp(2, 1, 80)).is_empty(), "learned, and behind a protected port");
    config.bridges[0].ports[1].protected = false;
    net.reconfigure(&config);
    net.send(dp(0, 1), &Packet::tcp(1, 3, 80));
    assert_eq!(net.ports(dp(0, 2), &Packet::tcp(2, 1, 80)), [dp(0, 1)]);
}

#[test]
fn a_priority_without_a_vlan_leaves_as_the_port_wants() {
    let mut config = Plan::new(1)
        .trunk(0, 1, VlanMode::Trunk, None, &[])
        .access(0, 2, 10)
        .access(0, 3, 10)
        .access(0, 4, 10)
        .config;
    config.bridges[0].ports[2].priority_tags = PriorityTags::IfNonzero;
    config.bridges[0].ports[3].priority_tags = PriorityTags::Always;
    let mut net = Net::new(&config, true).with_cache();
    let plain = Packet::eth(mac(1), [0xff; 6]);
    assert_eq!(
        seen(&mut net, dp(0, 1), &plain.clone().tagged(0x600a)),
        [(dp(0, 2), vec![]), (dp(0, 3), vec![(0x8100, 0x6000)]), (dp(0, 4), vec![(0x8100, 0x6000)])]
    );
    assert_eq!(
        seen(&mut net, dp(0, 1), &plain.tagged(10)),
        [(dp(0, 2), vec![]), (dp(0, 3), vec![]), (dp(0, 4), vec![(0x8100, 0)])]
    );
}
