//! Ports exchanged without looking at the others: the same comes of it as of a whole configuration.

mod support;

use netloom_switch::config::{Config, Mirror, Port};
use support::{Net, Packet, Plan, dp, mac};

fn hosts(numbers: &[u16]) -> Config {
    numbers.iter().fold(Plan::new(1), |plan, port| plan.host(0, *port, 0)).config
}

fn ports(numbers: &[u16]) -> Vec<Port> {
    hosts(numbers).bridges.remove(0).ports
}

/// What people see of a bridge.
fn shown(net: &Net) -> String {
    format!("{:?} {:?}", net.switch.ports("s1"), net.switch.macs("s1"))
}

#[test]
fn what_comes_of_it_is_what_comes_of_the_whole() {
    let (mut one, mut all) = (Net::new(&hosts(&[1, 2]), true), Net::new(&hosts(&[1, 2]), true));
    for net in [&mut one, &mut all] {
        net.send(dp(0, 1), &Packet::eth(mac(1), [0xff; 6]));
        net.send(dp(0, 2), &Packet::tcp(2, 1, 80));
    }
    let bridge = hosts(&[1]).bridges[0].uuid;
    let now = one.now;
    assert!(one.switch.exchange_ports(bridge, &["s1-eth2"], &ports(&[3, 4]), now));
    all.reconfigure(&hosts(&[1, 3, 4]));
    assert_eq!(shown(&one), shown(&all));
    // The whole finds nothing left to do but to see that it is so.
    let changes = one.reconfigure(&hosts(&[1, 3, 4]));
    assert!(
        changes.added.is_empty() && changes.removed.is_empty() && changes.changed.is_empty(),
        "{changes:?}"
    );
}

#[test]
fn flows_in_the_caches_know_of_it() {
    let mut net = Net::new(&hosts(&[1, 2, 3]), true).with_cache();
    let broadcast = Packet::eth(mac(1), [0xff; 6]);
    assert_eq!(net.ports(dp(0, 1), &broadcast), [dp(0, 2), dp(0, 3)]);
    let bridge = hosts(&[1]).bridges[0].uuid;
    let now = net.now;
    assert!(net.switch.exchange_ports(bridge, &["s1-eth3"], &[], now));
    assert_eq!(net.ports(dp(0, 1), &broadcast), [dp(0, 2)]);
}

#[test]
fn what_is_not_so_simple_is_refused_and_changes_nothing() {
    let bridge = hosts(&[1]).bridges[0].uuid;
    let refused = |config: &Config, gone: &[&str], come: &[Port]| {
        let mut net = Net::new(config, true);
        let before = (shown(&net), net.epoch.now());
        let now = net.now;
        assert!(!net.switch.exchange_ports(bridge, gone, come, now));
        assert_eq!((shown(&net), net.epoch.now()), before);
    };
    refused(&hosts(&[1, 2]), &[], &ports(&[2])); // its number, name and device are taken
    refused(&hosts(&[1, 2]), &["s1-eth7"], &[]); // it is not there
    let mut renamed = ports(&[3]);
    renamed[0].interfaces[0].ofport_request = Some(1);
    refused(&hosts(&[1, 2]), &[], &renamed);
    let mut vlan = ports(&[3]);
    vlan[0].tag = Some(5000);
    refused(&hosts(&[1, 2]), &[], &vlan);
    let linked = Plan::new(2).host(0, 1, 0).link((0, 2), (1, 2)).config;
    refused(&linked, &["s1-eth2"], &[]);
    let mut mirrored = hosts(&[1, 2]);
    let all = Mirror { select_all: true, output_port: Some("s1-eth2".to_owned()), ..Mirror::default() };
    mirrored.bridges[0].mirrors = vec![all];
    refused(&mirrored, &[], &ports(&[3]));
}
