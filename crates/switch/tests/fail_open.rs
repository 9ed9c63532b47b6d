//! Bridges with controllers: what goes with the first and the last, and what a bridge does on its own.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use netloom_flow::Action;
use netloom_openflow::msg::{FlowMod, FlowStatsRequest, MultipartReply, MultipartRequest};
use netloom_openflow::{Message, Version};
use netloom_switch::config::{Config, FailMode, Origin};
use netloom_switch::{Answer, Connection, Kind, PortTraffic};
use support::{Net, Packet, Plan, dp};

const TARGET: &str = "tcp:127.0.0.1:6653";

/// A bridge with two hosts and a flow of the file.
fn config(controlled: bool, mode: FailMode) -> Config {
    let mut config =
        Plan::new(1).host(0, 1, 0).host(0, 2, 0).flow(0, "priority=9,tcp,tp_dst=81,actions=drop").config;
    config.bridges[0].fail_mode = mode;
    if controlled {
        config.bridges[0].controller.push(TARGET.to_owned());
    }
    config
}

fn connection(target: &str) -> Connection {
    Connection::new(Version::V13, Kind::Primary, target)
}

fn say(net: &mut Net, connection: &mut Connection, message: Message) -> Vec<Answer> {
    let bridge = net.bridge();
    net.switch.handle(bridge, connection, message, &|_| PortTraffic::default(), net.now).answers
}

fn origins(net: &Net) -> Vec<Origin> {
    net.switch.flows("s1", "").unwrap().iter().map(|flow| Origin::clone(&flow.rule.origin)).collect()
}

/// How many flows a controller sees.
fn seen(net: &mut Net) -> usize {
    let request = FlowStatsRequest {
        table: None,
        matches: netloom_flow::FlowMatch::any(),
        out_port: netloom_flow::OfPort::NONE,
        out_group: u32::MAX,
        cookie: 0,
        cookie_mask: 0,
    };
    let request = Message::MultipartRequest(MultipartRequest::Flow(Box::new(request)));
    match &say(net, &mut connection("mgmt"), request)[..] {
        [Answer::Reply(Message::MultipartReply(MultipartReply::Flow(flows)))] => flows.len(),
        other => panic!("{other:?}"),
    }
}

fn add(net: &mut Net, target: &str, priority: u16) {
    let actions = vec![Action::Output(netloom_flow::OfPort(2))];
    let request = FlowMod { priority, actions, new_cookie: Some(0), ..FlowMod::default() };
    assert_eq!(say(net, &mut connection(target), Message::FlowMod(Box::new(request))), []);
}

#[test]
fn a_bridge_on_its_own_learns_and_forgets_that_again() {
    let mut net = Net::new(&config(true, FailMode::Standalone), true);
    add(&mut net, TARGET, 7);
    assert_eq!(seen(&mut net), 2);
    let (bridge, now) = (net.bridge(), net.now);
    net.switch.set_fail_open(bridge, true, now);
    assert!(matches!(origins(&net)[..], [Origin::Command, Origin::FailOpen]), "{:?}", origins(&net));
    assert_eq!(seen(&mut net), 1, "not to be seen by controllers");
    assert_eq!(net.send(dp(0, 1), &Packet::tcp(1, 2, 80)).len(), 1, "flooded");
    assert_eq!(net.send(dp(0, 1), &Packet::tcp(1, 2, 81)).len(), 1, "before the file's flow, and any other");
    add(&mut net, TARGET, u16::MAX);
    assert_eq!(net.send(dp(0, 2), &Packet::tcp(2, 1, 80)).len(), 1, "which would have sent it to port 2");
    // Nor to be removed by them.
    let all = FlowMod {
        command: netloom_openflow::msg::FlowCommand::Delete,
        table: None,
        new_cookie: None,
        ..FlowMod::default()
    };
    say(&mut net, &mut connection("mgmt"), Message::FlowMod(Box::new(all)));
    assert_eq!(origins(&net), [Origin::FailOpen]);
    add(&mut net, TARGET, 7);
    net.switch.set_fail_open(bridge, false, now);
    assert_eq!(origins(&net), [Origin::Controller { target: TARGET.to_owned() }], "the rest stays");
}

#[test]
fn what_a_controller_puts_in_the_place_of_the_learning_flow_stays() {
    let mut net = Net::new(&config(true, FailMode::Standalone), true);
    let (bridge, now) = (net.bridge(), net.now);
    net.switch.set_fail_open(bridge, true, now);
    add(&mut net, TARGET, 0);
    net.switch.set_fail_open(bridge, false, now);
    assert!(origins(&net).contains(&Origin::Controller { target: TARGET.to_owned() }));
}

#[test]
fn flows_go_with_the_first_controller_and_with_the_last() {
    let mut net = Net::new(&config(false, FailMode::Secure), true);
    add(&mut net, "mgmt", 5);
    assert_eq!(seen(&mut net), 2);
    net.reconfigure(&config(true, FailMode::Secure));
    assert_eq!(origins(&net), [Origin::Command], "only the file's are left");
    add(&mut net, TARGET, 5);
    // One more changes nothing.
    let mut two = config(true, FailMode::Secure);
    two.bridges[0].controller.push("unix:/x".to_owned());
    net.reconfigure(&two);
    assert_eq!(seen(&mut net), 2);
    net.reconfigure(&config(false, FailMode::Secure));
    assert_eq!(origins(&net), [Origin::Command]);
}

#[test]
fn the_flows_of_its_controllers_are_no_drift() {
    let mut net = Net::new(&config(true, FailMode::Standalone), true);
    add(&mut net, TARGET, 5);
    assert_eq!(net.switch.flow_drift("s1"), []);
    let (bridge, now) = (net.bridge(), net.now);
    net.switch.set_fail_open(bridge, true, now);
    assert_eq!(net.switch.flow_drift("s1"), []);
    add(&mut net, "mgmt", 6);
    assert_eq!(net.switch.flow_drift("s1").len(), 1, "somebody else's is");
}
