//! Paths over several bridges: fusion, its cuts, loops, addresses of the lab.

mod support;

use std::net::IpAddr;

use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{DpAction, DropReason, Effect, PortId, TenantId, TunnelKey};
use netloom_switch::config::{Inner, Loops, Origin};
use netloom_switch::{Cut, Event, LinkState, Owner, Owners, Recorder, Role, Subnet};
use support::{Net, Packet, Plan, dp, mac};

/// A chain of bridges with a host at port 1 of each.
fn chain(bridges: usize) -> Plan {
    let hosts = (0..bridges).fold(Plan::new(bridges), |plan, bridge| plan.host(bridge, 1, 0));
    (1..bridges).fold(hosts, |plan, bridge| plan.link((bridge - 1, 3), (bridge, 2)))
}

/// Three bridges in a ring, a host at each.
fn ring() -> Plan {
    chain(3).link((2, 3), (0, 2))
}

/// Hosts 1 to `bridges` at port 1 of each bridge.
fn owners(bridges: u8) -> Owners {
    let owner = |host: u8| Owner {
        tenant: TenantId(0),
        port: dp(usize::from(host) - 1, 1),
        mac: mac(host),
        addresses: vec![
            IpAddr::from([10, 0, 0, host]),
            IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(host)]),
        ],
    };
    let subnet = Subnet { tenant: TenantId(0), address: IpAddr::from([10, 0, 0, 0]), prefix: 24 };
    Owners { owners: (1..=bridges).map(owner).collect(), subnets: vec![subnet], ..Owners::default() }
}

fn hops(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Hop { .. })).count()
}

#[derive(Default)]
struct Cuts(Vec<Cut>);

impl Recorder for Cuts {
    fn record(&mut self, event: Event<'_>) {
        if let Event::Output { cut: Some(cut), .. } = event {
            self.0.push(cut);
        }
    }
}

fn cuts(net: &Net, port: PortId, packet: &Packet) -> Vec<Cut> {
    let mut cuts = Cuts::default();
    let key = packet.key(port, TenantId(0));
    let upcall = netloom_flow::Upcall { key: &key, packet: &[], now: net.now };
    let _ = net.switch.trace(&upcall, &mut cuts);
    cuts.0
}

#[test]
fn a_hundred_switches_cost_one_lookup_and_count_like_a_hundred() {
    let mut net = Net::new(&chain(100).config, true);
    net.send(dp(99, 1), &Packet::tcp(100, 1, 80));
    let key = Packet::tcp(1, 100, 80).key(dp(0, 1), TenantId(0));
    let translation = net.translate(&key);
    assert_eq!(*translation.actions, [DpAction::Output(dp(99, 1))]);
    assert_eq!(hops(&translation.effects), 99);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 100, 80)), [dp(99, 1)]);
    for n in 1..=100 {
        let bridge = format!("s{n}");
        assert_eq!(net.learned(&bridge, mac(1)), Some(if n == 1 { 1 } else { 2 }));
        assert_eq!(net.learned(&bridge, mac(100)), Some(if n == 100 { 1 } else { 3 }));
        let flow = &net.switch.flows(&bridge, "").unwrap()[0];
        assert_eq!((flow.packets, flow.bytes), (2, 180));
    }
}

#[test]
fn the_first_packet_of_a_flow_does_not_outdate_its_own_translation() {
    let mut net = Net::new(&chain(5).config, true).with_cache();
    net.switch.set_owners(&owners(5));
    for _ in 0..3 {
        assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 5, 80)), [dp(4, 1)]);
    }
    assert_eq!((net.misses, net.hits), (1, 2));
}

#[test]
fn a_long_path_is_cut_not_dropped() {
    let mut net = Net::new(&chain(200).config, true);
    net.send(dp(199, 1), &Packet::tcp(200, 1, 80));
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 200, 80)), [dp(199, 1)]);
    assert_eq!(cuts(&net, dp(0, 1), &Packet::tcp(1, 200, 80)), [Cut::Budget]);
}

#[test]
fn a_link_that_acts_on_packets_is_handed_them() {
    let mut net = Net::new(&chain(3).config, true);
    let packet = Packet::tcp(1, 3, 80);
    net.send(dp(2, 1), &Packet::tcp(3, 1, 80));
    let plain = LinkState::default();
    let states = [
        (LinkState { plain: false, ..plain }, dp(1, 3), Cut::Shaped),
        (LinkState { captured: true, ..plain }, dp(1, 3), Cut::Captured),
        (LinkState { captured: true, ..plain }, dp(2, 2), Cut::Captured),
    ];
    for (state, port, cut) in states {
        let key = packet.key(dp(0, 1), TenantId(0));
        let before = net.translate(&key);
        net.switch.set_link(port, state, net.now);
        assert!(!net.switch.still_valid(&key, &before), "{cut:?}");
        assert_eq!(*net.translate(&key).actions, [DpAction::Output(dp(1, 3))]);
        assert_eq!(cuts(&net, dp(0, 1), &packet), [cut]);
        assert_eq!(net.ports(dp(0, 1), &packet), [dp(2, 1)], "it arrives all the same");
        net.switch.set_link(port, plain, net.now);
        assert_eq!(*net.translate(&key).actions, [DpAction::Output(dp(2, 1))]);
    }
}

/// An end of a tunnel within the lab.
fn end(key: Option<u64>, mtu: Option<u16>) -> Inner {
    let (src, dst) = (IpAddr::from([127, 9, 0, 1]), IpAddr::from([127, 0, 0, 1]));
    Inner {
        key,
        keys: vec![(5, 500)],
        src,
        dst,
        tos: 4,
        ttl: 9,
        gbp: false,
        options: true,
        mtu,
        clamp: false,
    }
}

/// What leaves by a port in a tunnel under a key, to be looked at there.
fn tunnel(port: PortId, key: u64) -> DpAction {
    let end = end(None, None);
    let key = Box::new(TunnelKey::new(key, end.src, end.dst).with_ip(end.tos, end.ttl));
    DpAction::Tunnel { port, queue: DEFAULT_QUEUE, key, max_len: None, options: None }
}

#[test]
fn beside_a_packet_in_a_tunnel_its_key_travels() {
    let clamped = |key| Inner { clamp: true, ..end(key, Some(1_400)) };
    let plan = chain(2).host(0, 5, 5).inner(0, 3, clamped(Some(77))).inner(1, 2, clamped(None));
    let plan = plan.flow(0, "actions=output:3").flow(1, "actions=set_field:9->tun_id,output:2");
    let net = Net::new(&plan.config, true);
    for (port, tenant, leaves, key) in
        [(dp(0, 1), 0, dp(0, 3), 77), (dp(0, 5), 5, dp(0, 3), 500), (dp(1, 1), 0, dp(1, 2), 9)]
    {
        let packet = Packet::tcp(1, 2, 80);
        assert_eq!(*net.translate(&packet.key(port, TenantId(tenant))).actions, [tunnel(leaves, key)]);
        if tenant == 0 {
            assert_eq!(cuts(&net, port, &packet), [Cut::Tunnel]);
        }
    }
}

#[test]
fn a_tunnel_within_the_lab_costs_no_lookup_but_for_what_does_not_fit() {
    let plan = chain(2).inner(0, 3, end(Some(77), Some(1_400))).inner(1, 2, end(None, Some(1_400)));
    let plan =
        plan.flow(0, "in_port=1,actions=output:3").flow(1, "in_port=2,tun_id=77,tun_ttl=9,actions=output:1");
    let mut net = Net::new(&plan.config, true);
    let key = Packet::tcp(1, 2, 80).key(dp(0, 1), TenantId(0));
    let translation = net.translate(&key);
    let [DpAction::CheckLength { len: 1_414, longer, other }] = &*translation.actions else {
        panic!("{:?}", translation.actions)
    };
    assert_eq!((&*longer.actions, longer.effects.len()), (&[tunnel(dp(0, 3), 77)][..], 0));
    assert_eq!((&*other.actions, hops(&other.effects)), (&[DpAction::Output(dp(1, 1))][..], 1));
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(1, 1)]);
    let flows = net.switch.flows("s2", "").unwrap();
    assert_eq!(flows[0].packets, 1, "what comes out is counted there");
    // A tag counts for the tunnel, so the packet goes there itself.
    let tagged = Packet::tcp(1, 2, 80).tagged(7).key(dp(0, 1), TenantId(0));
    assert_eq!(*net.translate(&tagged).actions, [tunnel(dp(0, 3), 77)]);
    // Nothing is too long where the underlay may fragment.
    let any = chain(2).inner(0, 3, end(Some(77), None)).inner(1, 2, end(None, None));
    let any = any.flow(0, "in_port=1,actions=output:3").flow(1, "in_port=2,tun_id=77,actions=output:1");
    assert_eq!(*Net::new(&any.config, true).translate(&key).actions, [DpAction::Output(dp(1, 1))]);
}

#[test]
fn each_copy_crosses_with_its_own_edits() {
    let plan = chain(2)
        .host(0, 4, 0)
        .flow(0, "in_port=1,actions=mod_nw_dst:10.0.0.9,output:3,mod_nw_dst:10.0.0.8,output:4")
        .flow(1, "in_port=2,actions=mod_dl_src:02:00:00:00:00:77,output:1");
    let arrived = |fusion| {
        let mut sent = Net::new(&plan.config, fusion).send(dp(0, 1), &Packet::tcp(1, 2, 80));
        sent.sort();
        sent
    };
    let fused = arrived(true);
    assert_eq!(fused, arrived(false));
    let addresses: Vec<u64> = fused.iter().map(|(_, p)| p.word(netloom_flow::word::IPV4) & 0xff).collect();
    assert_eq!(addresses, [8, 9], "ports 4 of s1 and 1 of s2");
}

#[test]
fn registers_end_at_the_bridge() {
    let plan = chain(2)
        .flow(0, "actions=load:1->NXM_NX_REG0[],set_field:1->metadata,output:3")
        .flow(1, "priority=2,reg0=1,actions=drop")
        .flow(1, "priority=2,metadata=1,actions=drop")
        .flow(1, "priority=1,actions=output:1");
    for fusion in [true, false] {
        let mut net = Net::new(&plan.config, fusion);
        assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(1, 1)]);
    }
}

#[test]
fn a_change_further_down_concerns_what_a_packet_has_become() {
    let plan =
        chain(2).flow(0, "ip,actions=mod_nw_dst:10.0.0.9,output:3").flow(1, "priority=1,actions=output:1");
    let mut net = Net::new(&plan.config, true).with_cache();
    let packet = Packet::tcp(1, 2, 80);
    assert_eq!(net.ports(dp(0, 1), &packet), [dp(1, 1)]);
    net.switch.add_flow("s2", "ip,nw_dst=10.0.0.9,actions=drop", Origin::Command, net.now).unwrap();
    assert!(net.ports(dp(0, 1), &packet).is_empty());
}

#[test]
fn a_ring_has_one_blocked_link_and_heals() {
    let mut net = Net::new(&ring().config, true);
    let roles = |net: &Net| -> Vec<(String, Role)> {
        let ports = ["s1", "s2", "s3"].into_iter().flat_map(|bridge| net.switch.ports(bridge));
        ports.filter(|port| port.role != Role::Forwarding).map(|port| (port.name, port.role)).collect()
    };
    let named = |name: &str, role| (name.to_owned(), role);
    assert_eq!(roles(&net), [named("s2-eth3", Role::Blocked), named("s3-eth2", Role::Blocked)]);
    let broadcast = Packet::eth(mac(1), [0xff; 6]);
    assert_eq!(net.ports(dp(0, 1), &broadcast), [dp(1, 1), dp(2, 1)], "once each");
    net.send(dp(2, 1), &Packet::tcp(3, 1, 80));
    assert_eq!(net.ports(dp(1, 1), &Packet::tcp(2, 3, 80)), [dp(2, 1)]);
    // The link s3-s1 goes down: what led over it is forgotten, the blocked link takes over.
    net.switch.set_link(dp(2, 3), LinkState { up: false, ..LinkState::default() }, net.now);
    assert_eq!(roles(&net), [named("s1-eth2", Role::Down), named("s3-eth3", Role::Down)]);
    assert_eq!(net.learned("s1", mac(3)), None);
    assert_eq!(net.learned("s1", mac(1)), Some(1), "hosts stay where they are");
    assert_eq!(net.ports(dp(0, 1), &broadcast), [dp(1, 1), dp(2, 1)]);
    assert_eq!(net.ports(dp(2, 1), &Packet::tcp(3, 1, 80)), [dp(0, 1)]);
    assert_eq!(net.learned("s2", mac(3)), Some(3));
    net.switch.set_link(dp(2, 3), LinkState::default(), net.now);
    assert_eq!(net.learned("s2", mac(3)), None, "and back");
    assert_eq!(net.ports(dp(1, 1), &broadcast), [dp(0, 1), dp(2, 1)]);
}

#[test]
fn late_reports_do_not_bring_back_a_path_that_is_gone() {
    let mut net = Net::new(&ring().config, true);
    let key = Packet::tcp(3, 1, 80).key(dp(2, 1), TenantId(0));
    let old = net.translate(&key);
    let used = net.now;
    net.now += netloom_flow::Nanos::from_millis(1);
    net.switch.set_link(dp(2, 3), LinkState { up: false, ..LinkState::default() }, net.now);
    let delta = netloom_switch::HitsDelta { packets: 3, bytes: 300, used, tcp_flags: 0 };
    net.switch.credit(&old, delta);
    assert_eq!(net.learned("s1", mac(3)), None);
}

#[test]
fn loops_are_left_alone_where_a_controller_is_set_or_the_file_says_so() {
    let mut with_controller = ring().config;
    with_controller.bridges[1].controller = vec!["tcp:127.0.0.1:6653".into()];
    let allowed = ring().loops(Loops::Allow).config;
    for config in [with_controller, allowed] {
        let net = Net::new(&config, true);
        let ports = ["s1", "s2", "s3"].into_iter().flat_map(|bridge| net.switch.ports(bridge));
        assert!(ports.into_iter().all(|port| port.role == Role::Forwarding));
        // A copy that comes back to a bridge leaves the translation there.
        if config.loops == Loops::Allow {
            let cuts = cuts(&net, dp(0, 1), &Packet::eth(mac(1), [0xff; 6]));
            assert_eq!(cuts, [Cut::Visited, Cut::Visited], "one for each direction of the ring");
        }
    }
}

/// s1 and s4, joined over s2 and over s3; a host at each.
fn square() -> Plan {
    (0..4)
        .fold(Plan::new(4), |plan, bridge| plan.host(bridge, 1, 0))
        .link((0, 2), (1, 2))
        .link((0, 3), (2, 2))
        .link((1, 3), (3, 2))
        .link((2, 3), (3, 3))
}

#[test]
fn shortest_paths_use_all_links_and_floods_only_the_tree() {
    let plan = square().loops(Loops::Ecmp);
    let mut net = Net::new(&plan.config, true);
    net.switch.set_owners(&owners(4));
    let mut over = [0, 0];
    for port in 1..=64 {
        assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 4, port)), [dp(3, 1)]);
        let before = net.ledger().ports;
        net.send(dp(0, 1), &Packet::tcp(1, 4, port));
        let after = net.ledger().ports;
        for (way, name) in over.iter_mut().zip(["s1-eth2", "s1-eth3"]) {
            *way += after[name].tx_packets - before[name].tx_packets;
        }
    }
    assert_eq!(over[0] + over[1], 64);
    assert!(over[0] > 16 && over[1] > 16, "{over:?}");
    assert_eq!(net.ports(dp(0, 1), &Packet::eth(mac(1), [0xff; 6])), [dp(1, 1), dp(2, 1), dp(3, 1)]);
    // An address the lab does not know takes the tree.
    assert_eq!(net.ports(dp(3, 1), &Packet::tcp(77, 99, 80)), [dp(0, 1), dp(1, 1), dp(2, 1)]);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 77, 80)), [dp(3, 1)]);
}

#[test]
fn requests_take_shortest_paths_to_the_owner_too() {
    // Half of all requests go by the link outside the tree, where a flood would end.
    let plan = square().loops(Loops::Ecmp).arp_local();
    let mut net = Net::new(&plan.config, true);
    net.switch.set_owners(&owners(4));
    for (from, to) in [(1_u8, 4_u8), (4, 1), (2, 3), (3, 2), (1, 2), (1, 3)] {
        let [asker, owner] = [from, to].map(|host| dp(usize::from(host) - 1, 1));
        assert_eq!(net.ports(asker, &Packet::arp(from, to)), [owner], "{from} asks for {to}");
    }
}

#[test]
fn requests_go_to_the_owner_and_to_nobody_else() {
    let mut net = Net::new(&chain(3).arp_local().config, true);
    let everybody = [dp(1, 1), dp(2, 1)];
    assert_eq!(net.ports(dp(0, 1), &Packet::arp(1, 3)), everybody, "nothing is known yet");
    net.switch.set_owners(&owners(3));
    assert_eq!(net.ports(dp(0, 1), &Packet::arp(1, 3)), [dp(2, 1)]);
    assert_eq!(net.ports(dp(0, 1), &Packet::solicitation(1, 2)), [dp(1, 1)]);
    assert_eq!(net.learned("s3", mac(1)), Some(2), "learned on the way");
    assert!(net.ports(dp(0, 1), &Packet::arp(1, 200)).is_empty());
    assert_eq!(net.switch.drops().last().map(|drop| drop.reason), Some(DropReason::UnknownOwner));
    assert_eq!(net.ports(dp(0, 1), &Packet::arp(1, 1)), everybody, "an announcement");
    assert_eq!(net.ports(dp(0, 1), &Packet::solicitation(1, 200)), everybody, "not in a subnet of the lab");
    // The first packet to an address of the lab need not be flooded either.
    let mut fresh = Net::new(&chain(3).config, true);
    fresh.switch.set_owners(&owners(3));
    assert_eq!(fresh.ports(dp(0, 1), &Packet::tcp(1, 3, 80)), [dp(2, 1)]);
}

#[test]
fn an_owner_that_moves_outdates_only_what_asked_for_it() {
    let mut net = Net::new(&chain(3).arp_local().config, true);
    net.switch.set_owners(&owners(3));
    let keys = [3, 2].map(|target| Packet::arp(1, target).key(dp(0, 1), TenantId(0)));
    net.send(dp(0, 1), &Packet::arp(1, 2)); // so that learning host 1 is behind us
    net.send(dp(0, 1), &Packet::arp(1, 3));
    let [third, second] = keys.map(|key| net.translate(&key));
    let mut moved = owners(3);
    moved.owners[2].addresses.remove(0);
    net.switch.set_owners(&moved);
    assert!(!net.switch.still_valid(&keys[0], &third));
    assert!(net.switch.still_valid(&keys[1], &second));
    assert!(net.ports(dp(0, 1), &Packet::arp(1, 3)).is_empty());
}

#[test]
fn the_address_of_another_tenant_is_out_of_reach() {
    let plan = Plan::new(2).host(0, 1, 1).host(1, 1, 2).host(1, 4, 1).link((0, 3), (1, 2)).arp_local();
    let mut net = Net::new(&plan.config, true);
    let owner = |tenant, port, host: u8| Owner {
        tenant: TenantId(tenant),
        port,
        mac: mac(host),
        addresses: vec![IpAddr::from([10, 0, 0, host])],
    };
    let subnet =
        |tenant| Subnet { tenant: TenantId(tenant), address: IpAddr::from([10, 0, 0, 0]), prefix: 24 };
    net.switch.set_owners(&Owners {
        owners: vec![owner(1, dp(0, 1), 1), owner(2, dp(1, 1), 2), owner(1, dp(1, 4), 4)],
        subnets: vec![subnet(1), subnet(2)],
        ..Owners::default()
    });
    assert_eq!(net.ports(dp(0, 1), &Packet::arp(1, 4)), [dp(1, 4)]);
    assert!(net.ports(dp(0, 1), &Packet::arp(1, 2)).is_empty());
    assert!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)).is_empty());
    assert_eq!(net.ports(dp(0, 1), &Packet::eth(mac(1), [0xff; 6])), [dp(1, 4)]);
    let tenant: u64 = net
        .switch
        .drops()
        .iter()
        .filter(|drop| drop.reason == DropReason::Tenant)
        .map(|drop| drop.packets)
        .sum();
    assert_eq!(tenant, 2);
}

#[test]
fn reports_of_membership_go_where_somebody_routes() {
    let plan = Plan::new(2).host(0, 1, 1).host(0, 2, 1).host(1, 1, 1).link((0, 3), (1, 2)).arp_local();
    let mut net = Net::new(&plan.config, true);
    for dst in [[0x33, 0x33, 0, 0, 0, 0x16], [0x01, 0, 0x5e, 0, 0, 0x16]] {
        net.switch.set_owners(&Owners::default());
        let (report, other) = (Packet::eth(mac(1), dst), Packet::eth(mac(1), [0x33, 0x33, 0, 0, 0, 1]));
        assert!(net.ports(dp(0, 1), &report).is_empty());
        assert_eq!(net.switch.drops().last().map(|drop| drop.reason), Some(DropReason::NoRouter));
        assert_eq!(net.ports(dp(0, 1), &other), [dp(0, 2), dp(1, 1)]);
        net.switch.set_owners(&Owners { routed: [TenantId(1)].into(), ..Owners::default() });
        assert_eq!(net.ports(dp(0, 1), &report), [dp(0, 2), dp(1, 1)]);
    }
}
