//! What a network answers by itself is handed up, and costs what its nodes say to each other nothing.

mod support;

use netloom_flow::{OfPort, TenantId, word};
use support::{Net, Packet, Plan, dp, mac};

const SERVICE: [u8; 6] = mac(0xfd);
const UDP: u64 = 17;

/// Two hosts of tenant 1 in a network, and one behind another switch; one of tenant 2 there, too.
fn plan(dhcp: bool) -> Plan {
    let mut plan = Plan::new(2).host(0, 1, 1).host(0, 2, 1).link((0, 3), (1, 3)).host(1, 1, 1).host(1, 2, 2);
    plan = plan.served(0, 1, 0xfd);
    if let Some(service) = &mut plan.config.bridges[0].service {
        service.dhcp = dhcp;
    }
    plan
}

/// UDP of a host to an Ethernet address and a port.
fn udp(src: u8, dst: [u8; 6], port: u64) -> Packet {
    let mut packet = Packet::tcp(src, 0xff, 0);
    let bytes = dst.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    packet.set_word(word::ETH_DST, bytes << 16, !0 << 16);
    packet.set_word(word::IP, UDP << 56, 0xff << 56);
    packet.set_word(word::L4, 68 << 48 | port << 32, !0);
    packet
}

fn router_solicitation(src: u8) -> Packet {
    let mut packet = Packet::solicitation(src, 2);
    packet.set_word(word::ETH_DST, 0x3333_0000_0002 << 16, !0 << 16);
    packet.set_word(word::L4, 133 << 48, !0);
    packet
}

/// Whether a packet goes up, and where copies of it arrive.
fn sent(net: &mut Net, port: netloom_flow::PortId, packet: &Packet) -> (bool, usize) {
    let arrived = net.ports(port, packet).len();
    let punts = std::mem::take(&mut net.punts);
    assert!(punts.iter().all(|(punt, _)| punt.is_served && punt.max_len == u16::MAX));
    (!punts.is_empty(), arrived)
}

#[test]
fn what_is_for_the_service_goes_up_and_nowhere_else() {
    let mut net = Net::new(&plan(true).config, true).with_cache();
    let all = [0xff; 6];
    for _ in 0..2 {
        for packet in [
            udp(1, all, 67),
            udp(1, SERVICE, 53),
            udp(1, SERVICE, 9),
            Packet::tcp(1, 0xfd, 53),
            Packet::arp(1, 0xfd),
            Packet::solicitation(1, 0xfd),
            router_solicitation(1),
        ] {
            assert_eq!(sent(&mut net, dp(0, 1), &packet), (true, 0), "{packet:?}");
            assert!(!sent(&mut net, dp(1, 2), &packet).0, "another tenant's is not its business");
        }
        assert_eq!(sent(&mut net, dp(0, 1), &udp(1, all, 68)), (false, 2), "other broadcasts go on");
        assert!(!sent(&mut net, dp(0, 1), &Packet::arp(1, 2)).0);
        assert!(!sent(&mut net, dp(0, 1), &Packet::solicitation(1, 2)).0);
        assert!(!sent(&mut net, dp(0, 1), &udp(1, all, 67).tagged(5)).0);
        assert_eq!(sent(&mut net, dp(1, 1), &udp(3, all, 67)), (true, 0), "from behind the other switch");
    }
}

#[test]
fn without_dhcp_only_the_service_itself_is_served() {
    let mut net = Net::new(&plan(true).config, true).with_cache();
    let all = [0xff; 6];
    assert!(sent(&mut net, dp(0, 1), &udp(1, all, 67)).0);
    // What was cached goes when it is switched off.
    net.reconfigure(&plan(false).config);
    assert_eq!(sent(&mut net, dp(0, 1), &udp(1, all, 67)), (false, 2));
    assert_eq!(sent(&mut net, dp(0, 1), &router_solicitation(1)), (false, 2));
    assert!(sent(&mut net, dp(0, 1), &udp(1, SERVICE, 53)).0);
    assert!(sent(&mut net, dp(0, 1), &Packet::arp(1, 0xfd)).0);
}

#[test]
fn what_nodes_say_to_each_other_is_looked_into_no_deeper_than_without() {
    let mut without = plan(true);
    without.config.bridges[0].service = None;
    let (served, plain) = (Net::new(&plan(true).config, true), Net::new(&without.config, true));
    let mask = |net: &Net, packet: &Packet| net.translate(&packet.key(dp(0, 1), TenantId(1))).mask;
    for packet in [Packet::tcp(1, 2, 80), udp(1, mac(2), 53), udp(1, [1, 0, 0x5e, 0, 0, 9], 9)] {
        assert_eq!(mask(&served, &packet), mask(&plain, &packet), "{packet:?}");
    }
    // What is for the service itself is one flow, whatever it is.
    let (own, other) = (mask(&served, &udp(1, SERVICE, 53)), mask(&plain, &udp(1, mac(2), 53)));
    let deep = |mask: &netloom_flow::PacketMask| mask.0[word::IPV4..].to_vec();
    assert_eq!(deep(&own), deep(&other));
}

#[test]
fn answers_belong_to_the_tenant_also_over_a_link() {
    let mut net = Net::new(&plan(true).config, true);
    let bridge = net.bridge();
    let to = |last: u8| [&mac(last)[..], &SERVICE, &[0x88, 0xb5], &[0; 46]].concat();
    let out = |net: &Net, port: u32, last: u8| {
        let translation = net.switch.serve_out(bridge, OfPort(port), &to(last)).expect("a bridge");
        translation.actions.iter().map(|action| format!("{action:?}")).collect::<Vec<_>>()
    };
    assert_eq!(out(&net, 1, 1), ["Output(PortId(1))"]);
    // Over the link to all of the tenant behind it, and to nobody else.
    assert_eq!(out(&net, 3, 3), ["Output(PortId(1001))"]);
    let mut without = plan(true);
    without.config.bridges[0].service = None;
    net.reconfigure(&without.config);
    assert!(net.switch.serve_out(bridge, OfPort(1), &to(1)).is_none());
}
