//! Time passes while packets run through a cache: what they keep alive lives, and what nobody uses goes, in order.

mod support;

use netloom_flow::Nanos;
use netloom_switch::config::Origin;
use netloom_switch::{Notice, Removed};
use support::{Net, Packet, Plan, dp, mac};

/// Two hosts at a switch with these flows; packets are answered from a cache wherever it knows.
fn net(flows: &[&str]) -> Net {
    let plan = Plan::new(1).host(0, 1, 0).host(0, 2, 0);
    let plan = flows.iter().fold(plan, |plan, flow| plan.flow(0, flow));
    Net::new(&plan.config, true).with_cache()
}

/// Lets seconds pass, one by one; in each a packet comes by, if there is one.
fn pass(net: &mut Net, seconds: u64, packet: Option<&Packet>) {
    for _ in 0..seconds {
        net.now += Nanos::from_secs(1);
        if let Some(packet) = packet {
            net.send(dp(0, 1), packet);
        }
        net.switch.tick(net.now);
    }
}

fn count(net: &Net) -> usize {
    net.switch.flows("s1", "").expect("a bridge").len()
}

#[test]
fn cached_packets_keep_a_flow_from_being_idle() {
    let mut net = net(&["priority=9,tcp,idle_timeout=5,actions=output:2", "priority=0,actions=drop"]);
    let packet = Packet::tcp(1, 2, 80);
    pass(&mut net, 60, Some(&packet));
    assert_eq!((net.misses, net.hits), (1, 59), "all but the first came from the cache");
    assert_eq!(count(&net), 2);
    pass(&mut net, 4, None);
    assert_eq!(count(&net), 2, "idle for 4 s of 5");
    pass(&mut net, 1, None);
    assert_eq!(count(&net), 1);
    assert!(net.ports(dp(0, 1), &packet).is_empty(), "and the cache knows");
    assert_eq!(net.misses, 2);
}

#[test]
fn cached_packets_of_others_do_not() {
    let mut net =
        net(&["priority=9,tcp,tp_dst=80,idle_timeout=5,actions=output:2", "priority=0,actions=output:2"]);
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    pass(&mut net, 5, Some(&Packet::tcp(1, 2, 81)));
    assert_eq!(count(&net), 1, "its neighbour's packets are not its own");
}

#[test]
fn a_hard_timeout_ends_a_flow_whatever_its_cached_packets() {
    let mut net =
        net(&["priority=9,tcp,hard_timeout=5,idle_timeout=3,actions=output:2", "priority=0,actions=drop"]);
    let packet = Packet::tcp(1, 2, 80);
    pass(&mut net, 4, Some(&packet));
    assert_eq!(count(&net), 2);
    pass(&mut net, 1, Some(&packet));
    assert_eq!(count(&net), 1);
    assert!(net.ports(dp(0, 1), &packet).is_empty());
}

#[test]
fn cached_packets_keep_an_address_and_silence_ages_it() {
    let mut net = net(&[]);
    net.send(dp(0, 2), &Packet::tcp(2, 1, 80));
    let packet = Packet::tcp(1, 2, 80);
    pass(&mut net, 290, Some(&packet));
    assert!(net.hits > 280, "{}", net.hits);
    assert_eq!((net.learned("s1", mac(1)), net.learned("s1", mac(2))), (Some(1), Some(2)));
    pass(&mut net, 11, Some(&packet));
    assert_eq!(net.learned("s1", mac(2)), None, "300 s old, though packets went to it");
    assert_eq!(net.learned("s1", mac(1)), Some(1), "its own packets have kept it, all from the cache");
    pass(&mut net, 300, None);
    assert_eq!(net.learned("s1", mac(1)), None);
}

#[test]
fn many_flows_go_in_the_order_of_their_time_and_of_their_age_within_it() {
    const FLOWS: u16 = 5_000;
    let mut net = net(&["priority=0,actions=drop"]);
    for n in 0..FLOWS {
        let flow =
            format!("priority=1,udp,tp_dst={n},hard_timeout={},send_flow_rem,actions=drop", 1 + n * 7 % 50);
        net.switch.add_flow("s1", &flow, Origin::Command, net.now).expect("a good flow");
    }
    drop(net.switch.take_events());
    let start = net.now;
    let mut gone = Vec::new();
    while let Some(due) = net.switch.deadline() {
        assert!(due > net.now, "what was due before is gone");
        net.now = due;
        net.switch.tick(net.now);
        for (_, notice) in net.switch.take_events() {
            let Notice::FlowRemoved(removed) = notice else { panic!("{notice:?}") };
            assert_eq!((removed.reason, removed.duration), (Removed::Hard, net.now.since(start)));
            gone.push((removed.rule.flow.hard_timeout, removed.rule.id));
        }
    }
    assert_eq!(gone.len(), usize::from(FLOWS));
    assert!(gone.is_sorted(), "by time, then by age");
    assert_eq!(net.now.since(start), Nanos::from_secs(50));
}

#[test]
fn flows_that_end_at_once_go_in_steps_and_each_in_time() {
    let mut net = net(&["priority=0,actions=drop"]);
    for n in 0..1_000_u64 {
        let flow = format!("tcp,tp_dst={n},hard_timeout={},actions=output:2", 5 + n % 2 * 5);
        // A flow in place of another: the end of the other is forgotten.
        for _ in 0..3 {
            net.switch.add_flow("s1", &flow, Origin::Command, net.now).unwrap();
        }
    }
    net.now += Nanos::from_secs(5);
    let mut steps = 0;
    while net.switch.tick_some(net.now, 64) {
        steps += 1;
        assert_eq!(count(&net), 1_001 - 64 * steps);
    }
    assert_eq!((steps, count(&net)), (7, 501));
    net.now += Nanos::from_secs(5);
    net.switch.tick(net.now);
    assert_eq!(count(&net), 1);
}
