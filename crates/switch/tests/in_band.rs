//! In-band control: a bridge that drops everything lets its controller be reached.

mod support;

use std::net::SocketAddrV4;

use netloom_flow::word;
use support::{Net, Packet, Plan, dp};

fn plan(in_band: &[&str]) -> Plan {
    let mut plan = (1..=3).fold(Plan::new(1), |plan, port| plan.host(0, port, 0)).flow(0, "actions=drop");
    plan.config.bridges[0].in_band =
        in_band.iter().map(|it| it.parse::<SocketAddrV4>().expect("an address")).collect();
    plan
}

/// From host `src` to host `dst`, with both ports.
fn tcp(src: u8, dst: u8, ports: (u64, u64)) -> Packet {
    let mut packet = Packet::tcp(src, dst, 0);
    packet.set_word(word::L4, ports.0 << 48 | ports.1 << 32, 0xffff_ffff << 32);
    packet
}

#[test]
fn what_controller_and_switches_say_passes_and_nothing_else() {
    let mut net = Net::new(&plan(&["10.0.0.2:6653"]).config, true).with_cache();
    let others = |at: u16| {
        [1, 2, 3].into_iter().filter(|port| *port != at).map(|port| dp(0, port)).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        assert!(net.ports(dp(0, 1), &tcp(1, 2, (5, 80))).is_empty());
        assert!(net.ports(dp(0, 1), &Packet::arp(1, 2)).is_empty(), "as in OVS only the controller may ask");
        assert!(net.ports(dp(0, 1), &tcp(1, 3, (5, 6653))).is_empty(), "another host's port");
    }
    assert_eq!(net.ports(dp(0, 2), &Packet::arp(2, 1)), others(2), "its request is flooded");
    assert_eq!(net.ports(dp(0, 1), &tcp(1, 2, (5, 6653))), [dp(0, 2)], "and it was learned");
    assert_eq!(net.ports(dp(0, 2), &tcp(2, 1, (6653, 5))), [dp(0, 1)]);
    assert!(net.ports(dp(0, 2), &tcp(2, 1, (5, 6653))).is_empty(), "it is nobody's switch");
    let mut reply = Packet::arp(3, 2);
    reply.set_word(word::IP, 2 << 56, 0xff << 56);
    assert_eq!(net.ports(dp(0, 3), &reply), others(3));
    // What was cached goes when it is switched off.
    net.reconfigure(&plan(&[]).config);
    assert!(net.ports(dp(0, 1), &tcp(1, 2, (5, 6653))).is_empty());
    net.reconfigure(&plan(&["10.0.0.2:6653"]).config);
    assert_eq!(net.ports(dp(0, 1), &tcp(1, 2, (5, 6653))), [dp(0, 2)]);
}
