//! Mirrors, and what they change for everybody else.

mod support;

use netloom_flow::{DropReason, PortId};
use netloom_switch::config::{Config, Mirror, Uuid, VlanMode};
use support::{Net, Packet, Plan, dp, mac};

/// Three hosts; port 1 and 2 send to each other, port 3 is for copies.
fn lab(mirror: Mirror) -> Config {
    let plan = (1..=3).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    let mut config = plan.flow(0, "in_port=1,actions=output:2").flow(0, "in_port=2,actions=output:1").config;
    config.bridges[0].mirrors = vec![mirror];
    config
}

fn mirror(name: &str) -> Mirror {
    Mirror {
        name: name.to_owned(),
        uuid: Uuid::named(&[name]),
        output_port: Some("s1-eth3".to_owned()),
        ..Mirror::default()
    }
}

/// What arrives where, in order.
fn sent(net: &mut Net, port: PortId, packet: &Packet) -> Vec<PortId> {
    net.send(port, packet).into_iter().map(|(port, _)| port).collect()
}

fn dropped(net: &Net, reason: DropReason) -> u64 {
    net.switch.drops().iter().filter(|drop| drop.reason == reason).map(|drop| drop.packets).sum()
}

#[test]
fn everything_is_copied_once() {
    let mut net = Net::new(&lab(Mirror { select_all: true, ..mirror("m") }), true).with_cache();
    for _ in 0..3 {
        // As it comes in, so before it leaves: the order in which OVS sends.
        assert_eq!(sent(&mut net, dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3), dp(0, 2)]);
    }
    assert_eq!(sent(&mut net, dp(0, 2), &Packet::tcp(2, 1, 80)), [dp(0, 3), dp(0, 1)]);
    let rows = net.switch.mirrors("s1");
    assert_eq!(
        rows.iter().map(|row| (row.uuid, row.packets)).collect::<Vec<_>>(),
        [(Uuid::named(&["m"]), 4)]
    );
    assert_eq!(rows[0].bytes, 4 * Packet::tcp(1, 2, 80).bytes());
    assert_eq!(sent(&mut net, dp(0, 3), &Packet::tcp(3, 1, 80)), [], "that port is for copies only");
    assert_eq!(dropped(&net, DropReason::MirrorOutput), 1);
}

#[test]
fn packets_are_chosen_by_the_port_they_come_in_by_or_leave_by() {
    let named = |port: &str| vec![port.to_owned()];
    let mut net = Net::new(&lab(Mirror { select_src_port: named("s1-eth1"), ..mirror("m") }), true);
    assert_eq!(sent(&mut net, dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3), dp(0, 2)]);
    assert_eq!(sent(&mut net, dp(0, 2), &Packet::tcp(2, 1, 80)), [dp(0, 1)]);
    let mut net = Net::new(&lab(Mirror { select_dst_port: named("s1-eth1"), ..mirror("m") }), true);
    assert_eq!(sent(&mut net, dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    assert_eq!(sent(&mut net, dp(0, 2), &Packet::tcp(2, 1, 80)), [dp(0, 1), dp(0, 3)]);
}

#[test]
fn a_mirror_that_comes_goes_or_changes_takes_effect_on_cached_flows() {
    let all = Mirror { select_all: true, ..mirror("m") };
    let mut config = lab(all.clone());
    config.bridges[0].mirrors.clear();
    let mut net = Net::new(&config, true).with_cache();
    let packet = Packet::tcp(1, 2, 80);
    assert_eq!(sent(&mut net, dp(0, 1), &packet), [dp(0, 2)]);
    config.bridges[0].mirrors = vec![all.clone()];
    net.reconfigure(&config);
    assert_eq!(sent(&mut net, dp(0, 1), &packet), [dp(0, 3), dp(0, 2)]);
    // It goes on counting, whatever else of it changes; what is for VLAN 7 only passes this packet by.
    config.bridges[0].mirrors = vec![Mirror { select_vlan: vec![7], ..all }];
    net.reconfigure(&config);
    assert_eq!(sent(&mut net, dp(0, 1), &packet), [dp(0, 2)]);
    assert_eq!(sent(&mut net, dp(0, 1), &packet.clone().tagged(7)), [dp(0, 3), dp(0, 2)]);
    assert_eq!(net.switch.mirrors("s1")[0].packets, 2);
    config.bridges[0].mirrors.clear();
    net.reconfigure(&config);
    assert_eq!(sent(&mut net, dp(0, 1), &packet.tagged(7)), [dp(0, 2)]);
    assert!(net.switch.mirrors("s1").is_empty());
}

#[test]
fn a_mirror_without_its_port_waits_for_it() {
    let mut config = lab(Mirror { select_all: true, ..mirror("m") });
    let output = config.bridges[0].ports.remove(2);
    let mut net = Net::new(&config, true).with_cache();
    assert_eq!(sent(&mut net, dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    config.bridges[0].ports.push(output);
    net.reconfigure(&config);
    assert_eq!(sent(&mut net, dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3), dp(0, 2)]);
}

#[test]
fn copies_are_made_of_what_is_there_at_the_port() {
    let mut config = lab(Mirror { select_dst_port: vec!["s1-eth2".to_owned()], ..mirror("m") });
    config.bridges[0].flows[0].text = "in_port=1,actions=mod_vlan_vid:9,output:2,drop".replace(",drop", "");
    let mut net = Net::new(&config, true);
    let arrived = net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    let tags = |packet: &Packet| packet.tags.iter().map(|tag| tag.1 & 0xfff).collect::<Vec<_>>();
    let seen: Vec<_> = arrived.iter().map(|(port, packet)| (*port, tags(packet))).collect();
    assert_eq!(seen, [(dp(0, 2), vec![9]), (dp(0, 3), vec![9])]);
}

#[test]
fn two_mirrors_to_one_place_make_one_copy_and_both_to_others_two() {
    let all = |name: &str| Mirror { select_all: true, ..mirror(name) };
    let mut config = lab(all("m"));
    config.bridges[0].mirrors.push(all("n"));
    let mut net = Net::new(&config, true);
    assert_eq!(sent(&mut net, dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3), dp(0, 2)]);
    let other = Plan::new(1).host(0, 4, 0).config.bridges.remove(0).ports.remove(0);
    config.bridges[0].ports.push(other);
    config.bridges[0].mirrors[1].output_port = Some("s1-eth4".to_owned());
    net.reconfigure(&config);
    assert_eq!(sent(&mut net, dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3), dp(0, 4), dp(0, 2)]);
}

#[test]
fn copies_in_a_vlan_of_their_own_go_to_every_port_of_it() {
    let mut config = lab(Mirror { output_port: None, output_vlan: Some(12), ..mirror("m") });
    config.bridges[0].mirrors[0].select_src_port = vec!["s1-eth1".to_owned()];
    config.bridges[0].ports[1].tag = Some(12);
    let mut net = Net::new(&config, true);
    let arrived = net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    let tags = |packet: &Packet| packet.tags.iter().map(|tag| tag.1 & 0xfff).collect::<Vec<_>>();
    let seen: Vec<_> = arrived.iter().map(|(port, packet)| (*port, tags(packet))).collect();
    // Trunks see it tagged, also the one it came from; the access port of that VLAN does not; then it goes its way.
    assert_eq!(seen, [(dp(0, 1), vec![12]), (dp(0, 2), vec![]), (dp(0, 3), vec![12]), (dp(0, 2), vec![])]);
    assert_eq!(sent(&mut net, dp(0, 1), &Packet::tcp(1, 2, 80).tagged(12)), [dp(0, 2)], "it is in that VLAN");
}

#[test]
fn normal_keeps_copies_ports_out_of_floods() {
    let mut config = lab(Mirror { select_src_port: vec!["s1-eth1".to_owned()], ..mirror("m") });
    config.bridges[0].flows.clear();
    let mut net = Net::new(&config, true);
    assert_eq!(sent(&mut net, dp(0, 2), &Packet::eth(mac(2), [0xff; 6])), [dp(0, 1)]);
    assert_eq!(sent(&mut net, dp(0, 1), &Packet::eth(mac(1), [0xff; 6])), [dp(0, 3), dp(0, 2)]);
}

#[test]
fn a_dropped_packet_is_copied_and_counts_as_dropped() {
    let mut config = lab(Mirror { select_all: true, ..mirror("m") });
    config.bridges[0].flows[0].text = "in_port=1,actions=drop".to_owned();
    let mut net = Net::new(&config, true);
    assert_eq!(sent(&mut net, dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3)]);
    assert_eq!(dropped(&net, DropReason::FlowAction), 1);
}

#[test]
fn a_mirror_of_a_trunk_sees_vlans_where_its_own_port_has_them() {
    let mut config = Plan::new(1)
        .access(0, 1, 10)
        .access(0, 2, 20)
        .trunk(0, 3, VlanMode::Trunk, None, &[])
        .trunk(0, 4, VlanMode::Trunk, None, &[])
        .config;
    config.bridges[0].mirrors = vec![Mirror { select_all: true, select_vlan: vec![10], ..mirror("m") }];
    config.bridges[0].mirrors[0].output_port = Some("s1-eth4".to_owned());
    let mut net = Net::new(&config, true);
    let arrived = net.send(dp(0, 1), &Packet::eth(mac(1), [0xff; 6]));
    let copy = arrived.iter().find(|(port, _)| *port == dp(0, 4)).map(|(_, packet)| packet.tags.clone());
    assert_eq!(
        copy,
        Some(vec![(0x8100, 0x100a)]).map(|tags| tags.into_iter().map(|(a, b)| (a, b & 0xfff)).collect())
    );
    assert!(!sent(&mut net, dp(0, 2), &Packet::eth(mac(2), [0xff; 6])).contains(&dp(0, 4)), "another VLAN");
}
