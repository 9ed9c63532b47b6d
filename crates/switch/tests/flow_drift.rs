//! Flows changed by hand: told, and put back.

mod support;

use netloom_flow::Nanos;
use netloom_switch::Matching;
use netloom_switch::config::Origin;
use support::{Net, Plan};

fn drift(net: &Net) -> Vec<String> {
    net.switch.flow_drift("s1").iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_changed_by_hand_is_told_and_put_back() {
    let plan = Plan::new(1)
        .host(0, 1, 0)
        .flow(0, "priority=5,tcp,actions=drop")
        .flow(0, "priority=1,actions=normal");
    let mut net = Net::new(&plan.config, true);
    assert!(drift(&net).is_empty() && net.switch.flow_drift("nobody").is_empty());
    let now = Nanos::ZERO;
    net.switch.add_flow("s1", "priority=9,udp,actions=drop", Origin::Command, now).unwrap();
    net.switch.add_flow("s1", "priority=5,tcp,actions=normal", Origin::Command, now).unwrap();
    net.switch.del_flows("s1", "priority=1", Matching::Strict, now).unwrap();
    let changed = drift(&net);
    assert_eq!(changed.len(), 4, "{changed:?}");
    assert_eq!(changed.iter().filter(|flow| flow.starts_with("+flow")).count(), 2, "{changed:?}");
    assert!(changed.iter().any(|flow| flow.starts_with('+') && flow.contains("priority=9")), "{changed:?}");
    let before = net.epoch.now();
    assert_eq!(net.switch.reset_flows("s1", now), 3);
    assert!(drift(&net).is_empty());
    assert!(net.epoch.now() > before, "caches look again");
    let flows: Vec<_> =
        net.switch.flows("s1", "").unwrap().iter().map(|flow| flow.rule.flow.to_string()).collect();
    assert_eq!(flows.len(), 2, "{flows:?}");
    assert!(flows[0].contains("priority=5") && flows[0].ends_with("actions=drop"), "{flows:?}");
    assert!(flows[1].contains("priority=1"), "{flows:?}");
    assert_eq!(net.switch.reset_flows("s1", now), 0);
}

#[test]
fn the_flow_of_a_switch_that_learns_by_itself_is_no_drift() {
    let plan = Plan::new(1).host(0, 1, 0);
    let net = Net::new(&plan.config, true);
    assert!(drift(&net).is_empty());
}
