//! Flows that tell how much they have counted.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use netloom_flow::Nanos;
use netloom_openflow::msg::{AsyncConfig, AsyncMasks, FlowStats, MultipartReply};
use netloom_openflow::{Message, Version};
use netloom_switch::config::Origin;
use netloom_switch::{Connection, Kind, Matching, PortTraffic};
use support::{Net, Packet, Plan, dp};

/// A flow with a trigger; packets of TCP have 90 bytes.
fn net(flow: &str) -> Net {
    let plan = (1..=2).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    let mut net = Net::new(&plan.config, true).with_cache();
    add(&mut net, flow);
    net.switch.take_events();
    net
}

fn add(net: &mut Net, flow: &str) {
    net.switch.add_flow("s1", flow, Origin::Command, net.now).unwrap();
}

fn controller(version: Version) -> Connection {
    Connection::new(version, Kind::Primary, "tcp:127.0.0.1:6653")
}

fn send(net: &mut Net, count: usize) {
    for _ in 0..count {
        net.ports(dp(0, 1), &Packet::tcp(1, 2, 80));
    }
}

fn wait(net: &mut Net, seconds: u64) {
    net.now += Nanos::from_secs(seconds);
    net.switch.tick(net.now);
}

/// What a connection is told: packets, bytes and age of each.
fn told(net: &mut Net, connection: &Connection) -> Vec<(u64, u64, u64)> {
    let (events, bridge) = (net.switch.take_events(), net.bridge());
    let told = net.switch.notices(&events, bridge, &[connection]);
    let each = |message: Message| match message {
        Message::MultipartReply(MultipartReply::FlowCounts(all)) => match &all[..] {
            [FlowStats { is_triggered: true, counts, cookie: 7 | 0, .. }] => {
                (counts.packets, counts.bytes, counts.duration.0 / 1_000_000_000)
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    told.into_iter().map(|(_, message)| each(message)).collect()
}

#[test]
fn a_threshold_of_packets_is_told_once_or_each_time() {
    let mut net = net("actions=output:2,stat_trigger(packets=3)");
    let connection = controller(Version::V15);
    send(&mut net, 2);
    assert!(told(&mut net, &connection).is_empty());
    send(&mut net, 1);
    assert_eq!(told(&mut net, &connection), [(3, 270, 0)]);
    send(&mut net, 9);
    assert!(told(&mut net, &connection).is_empty());
    add(&mut net, "actions=output:2,stat_trigger(periodic,packets=3,bytes=100000)");
    net.switch.take_events();
    send(&mut net, 7);
    // Whether the counters began anew is another question.
    let all = told(&mut net, &connection);
    assert!(all.len() == 2 && all.iter().all(|(packets, ..)| packets % 3 == 0), "{all:?}");
}

#[test]
fn only_the_first_threshold_is_told_if_so_wanted() {
    let mut net = net("actions=output:2,stat_trigger(only_first,packets=3,bytes=180)");
    let connection = controller(Version::V15);
    send(&mut net, 5);
    assert_eq!(told(&mut net, &connection), [(2, 180, 0)]);
}

#[test]
fn ages_are_told_though_no_packet_comes() {
    let mut net = net("actions=output:2,stat_trigger(periodic,duration=5)");
    let connection = controller(Version::V15);
    wait(&mut net, 4);
    assert!(told(&mut net, &connection).is_empty());
    assert_eq!(net.switch.deadline(), Some(Nanos::from_secs(6)), "it was made at 1 s");
    wait(&mut net, 1);
    assert_eq!(told(&mut net, &connection), [(0, 0, 5)]);
    wait(&mut net, 12);
    assert_eq!(told(&mut net, &connection), [(0, 0, 17)], "once for those that were passed together");
    net.switch.del_flows("s1", "", Matching::Loose, net.now).unwrap();
    wait(&mut net, 100);
    assert!(told(&mut net, &connection).is_empty());
    assert_eq!(net.switch.deadline(), None);
}

#[test]
fn who_speaks_an_older_version_or_does_not_want_it_hears_nothing() {
    let mut net = net("actions=output:2,stat_trigger(periodic,packets=1)");
    let old = controller(Version::V14);
    let mut deaf = controller(Version::V15);
    let (bridge, now) = (net.bridge(), net.now);
    let masks = AsyncMasks { flow_stats: Some(0), ..AsyncMasks::default() };
    let asks = Message::SetAsync(AsyncConfig { primary: masks, secondary: masks });
    net.switch.handle(bridge, &mut deaf, asks, &|_| PortTraffic::default(), now);
    for connection in [&old, &deaf] {
        send(&mut net, 1);
        assert!(told(&mut net, connection).is_empty());
    }
}

#[test]
fn another_trigger_or_none_takes_the_place_of_the_first() {
    let mut net = net("cookie=7,actions=output:2,stat_trigger(packets=2)");
    let connection = controller(Version::V15);
    let change = |net: &mut Net, flow: &str| {
        let flow = netloom_flow::parse_flow(flow).unwrap();
        let id = net.bridge();
        let change = netloom_switch::FlowMod {
            command: netloom_switch::FlowCommand::Modify,
            ..netloom_switch::FlowMod::add(flow)
        };
        net.switch.flow_mod(id, change, Origin::Command, net.now).unwrap();
    };
    change(&mut net, "cookie=7,actions=output:2,stat_trigger(packets=4)");
    send(&mut net, 3);
    assert!(told(&mut net, &connection).is_empty());
    send(&mut net, 1);
    assert_eq!(told(&mut net, &connection), [(4, 360, 0)]);
    change(&mut net, "cookie=7,actions=output:2");
    send(&mut net, 10);
    assert!(told(&mut net, &connection).is_empty());
}
