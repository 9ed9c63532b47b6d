//! Bundles too long for one step: others go on meanwhile, and nobody sees a state between.

mod support;

use netloom_flow::{Action, FieldId, FlowMatch, Nanos, OfPort, PacketKey, PortId, TenantId, Upcall};
use netloom_openflow::frame::Head;
use netloom_openflow::msg::{self, BundleAdd, BundleCommand, BundleControl, BundleFlags};
use netloom_openflow::{Message, OfError, Version, Xid};
use netloom_switch::config::Origin;
use netloom_switch::{Answer, Connection, Handled, Kind, PortTraffic};
use support::{Net, Packet, Plan, dp};

/// Changes of a bundle: many steps.
const MANY: u16 = 1_000;

fn flow(port: u16, out: u32) -> Message {
    let mut matches = FlowMatch::any();
    matches.set(FieldId::EthType, 0x0800);
    matches.set(FieldId::NwProto, 6);
    matches.set(FieldId::TcpDst, port.into());
    let actions = vec![Action::Output(OfPort(out))];
    Message::FlowMod(Box::new(msg::FlowMod { matches, actions, ..msg::FlowMod::default() }))
}

/// Begins to commit a bundle of these messages on the bridge `s1`.
fn begin(net: &mut Net, connection: &mut Connection, messages: Vec<Message>) -> Handled {
    let counts = |_: PortId| PortTraffic::default();
    let id = net.bridge();
    let flags = BundleFlags::ATOMIC;
    for message in messages {
        let add = BundleAdd {
            xid: Xid(9),
            bundle: 1,
            flags,
            head: Head::of(&[5, 14, 0, 8, 0, 0, 0, 9]),
            message: Box::new(message),
        };
        let handled = net.switch.handle(id, connection, Message::BundleAdd(add), &counts, Nanos::ZERO);
        assert!(handled.answers.is_empty(), "{:?}", handled.answers);
    }
    let commit = BundleControl { bundle: 1, command: BundleCommand::CommitRequest, flags };
    net.switch.handle(id, connection, Message::BundleControl(commit), &counts, Nanos::ZERO)
}

/// Takes it to its end; how many steps it took.
fn finish(net: &mut Net, connection: &mut Connection, handled: &mut Handled) -> usize {
    let mut steps = 1;
    while let Some(commit) = handled.commit.take() {
        net.switch.go_on(connection, *commit, Nanos::ZERO, handled);
        steps += 1;
    }
    steps
}

/// Two bridges, on each of which all goes to port 2.
fn two_bridges() -> Net {
    let plan = Plan::new(2).host(0, 1, 0).host(0, 2, 0).host(0, 3, 0).host(1, 1, 0).host(1, 2, 0);
    let plan = plan.flow(0, "priority=1,actions=output:2").flow(1, "priority=1,actions=output:2");
    Net::new(&plan.config, true)
}

/// A packet of TCP to port 7 of somebody, at port 1 of a bridge.
fn key(bridge: usize) -> PacketKey {
    Packet::tcp(1, 2, 7).key(dp(bridge, 1), TenantId(0))
}

const fn upcall(key: &PacketKey) -> Upcall<'_> {
    Upcall { key, packet: &[], now: Nanos::ZERO }
}

fn rules(net: &Net, bridge: &str) -> Vec<String> {
    let flows = net.switch.flows(bridge, "").expect("a bridge");
    flows.iter().map(|flow| flow.rule.flow.to_string()).collect()
}

#[test]
fn others_go_on_while_a_long_bundle_is_carried_out() {
    let mut net = two_bridges();
    let mut connection = Connection::new(Version::V14, Kind::Service, "test");
    let (here, there) = (key(0), key(1));
    let cached = net.switch.translate(&upcall(&here));
    let elsewhere = net.switch.translate(&upcall(&there));
    let messages = (0..MANY).map(|port| flow(port, 3)).collect();
    let mut handled = begin(&mut net, &mut connection, messages);
    assert!(handled.commit.is_some() && net.switch.is_committing());
    assert!(net.switch.try_translate(&upcall(&here)).is_none(), "neither what it was nor what it will be");
    assert!(net.switch.still_valid(&here, &cached), "as before the bundle");
    assert_eq!(
        net.switch.try_translate(&upcall(&there)).map(|it| it.actions),
        Some(elsewhere.actions.clone())
    );
    assert!(net.switch.still_valid(&there, &elsewhere));
    let before = net.epoch.now();
    let steps = finish(&mut net, &mut connection, &mut handled);
    assert!(steps > 10, "{steps}");
    assert!(
        matches!(handled.answers[..], [Answer::Reply(Message::BundleControl(_))]),
        "{:?}",
        handled.answers
    );
    assert_ne!(net.epoch.now(), before, "caches are to check what they hold");
    assert!(!net.switch.still_valid(&here, &cached) && net.switch.still_valid(&there, &elsewhere));
    let now = net.switch.try_translate(&upcall(&here)).expect("it is done");
    assert_ne!(now.actions, cached.actions);
}

#[test]
fn what_fails_late_is_undone_in_steps_too_and_changes_of_others_stay() {
    let mut net = two_bridges();
    let mut connection = Connection::new(Version::V14, Kind::Service, "test");
    let before = rules(&net, "s1");
    let bad = Message::FlowMod(Box::new(msg::FlowMod {
        actions: vec![Action::Group(9)],
        ..msg::FlowMod::default()
    }));
    let messages = (0..MANY).map(|port| flow(port, 3)).chain([bad]).collect();
    let mut handled = begin(&mut net, &mut connection, messages);
    net.switch.add_flow("s2", "priority=9,actions=drop", Origin::Command, Nanos::ZERO).expect("a flow");
    let steps = finish(&mut net, &mut connection, &mut handled);
    assert!(steps > 20, "{steps}");
    let [Answer::RefusePart(_, _), Answer::Refuse(OfError::BfcMsgFailed)] = handled.answers[..] else {
        panic!("{:?}", handled.answers);
    };
    assert_eq!(rules(&net, "s1"), before);
    assert_eq!(rules(&net, "s2").len(), 2, "what others did stays");
    assert!(!net.switch.is_committing());
}

#[test]
fn flows_of_the_bridge_expire_after_the_bundle_and_those_of_others_meanwhile() {
    let mut net = two_bridges();
    let mut connection = Connection::new(Version::V14, Kind::Service, "test");
    for name in ["s1", "s2"] {
        let flow = "priority=5,hard_timeout=3,actions=drop";
        net.switch.add_flow(name, flow, Origin::Command, Nanos::ZERO).expect("a flow");
    }
    let timed =
        |net: &Net, name| rules(net, name).iter().filter(|rule| rule.contains("hard_timeout")).count();
    let mut handled = begin(&mut net, &mut connection, (0..MANY).map(|port| flow(port, 3)).collect());
    net.switch.tick(Nanos::from_secs(4));
    assert_eq!((timed(&net, "s1"), timed(&net, "s2")), (1, 0), "it may have to be undone");
    finish(&mut net, &mut connection, &mut handled);
    net.switch.tick(Nanos::from_secs(4));
    assert_eq!(timed(&net, "s1"), 0);
}

#[test]
fn what_packets_teach_in_the_middle_is_learned_right_after_it() {
    let plan = Plan::new(1).host(0, 1, 0).host(0, 2, 0).host(0, 3, 0);
    let plan = plan.flow(0, "priority=1,actions=learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),output:2");
    let mut net = Net::new(&plan.config, true);
    let mut connection = Connection::new(Version::V15, Kind::Service, "mgmt");
    let translation = net.translate(&key(0));
    let learned = |net: &Net| rules(net, "s1").iter().filter(|line| line.contains(" table=9,")).count();
    let ports = (1..=MANY).map(|port| flow(port, 3)).collect();
    let mut handled = begin(&mut net, &mut connection, ports);
    assert!(handled.commit.is_some(), "not done in one step");
    // Once by its first packet, and again when its hits are pulled.
    net.switch.meet(&translation, Nanos::ZERO);
    net.switch.meet(&translation, Nanos::from_secs(1));
    assert_eq!(learned(&net), 0, "nobody else changes the bridge now");
    finish(&mut net, &mut connection, &mut handled);
    assert_eq!(learned(&net), 1);
}

#[test]
fn bundles_are_bounded_by_bytes_over_all_of_a_connection() {
    let mut net = two_bridges();
    let mut connection = Connection::new(Version::V14, Kind::Service, "test");
    let id = net.bridge();
    let add = |net: &mut Net, connection: &mut Connection, bundle: u32, len: u16| {
        let [high, low] = len.to_be_bytes();
        let add = BundleAdd {
            xid: Xid(9),
            bundle,
            flags: BundleFlags::ATOMIC,
            head: Head::of(&[5, 14, high, low, 0, 0, 0, 9]),
            message: Box::new(flow(1, 3)),
        };
        let counts = |_: PortId| PortTraffic::default();
        net.switch.handle(id, connection, Message::BundleAdd(add), &counts, Nanos::ZERO).answers
    };
    // As if each had so many bytes: 256 MiB together.
    for n in 0..8_192_u32 {
        assert!(add(&mut net, &mut connection, 1 + n % 2, 0x8000).is_empty(), "{n}");
    }
    let held = connection.held();
    assert_eq!((held.bundled, held.bundled_bytes), (8_192, 256 << 20));
    let answers = add(&mut net, &mut connection, 2, 8);
    assert!(matches!(answers[..], [Answer::RefusePart(_, OfError::BfcMsgTooMany)]), "{answers:?}");
    let discard =
        BundleControl { bundle: 1, command: BundleCommand::DiscardRequest, flags: BundleFlags::ATOMIC };
    let counts = |_: PortId| PortTraffic::default();
    net.switch.handle(id, &mut connection, Message::BundleControl(discard), &counts, Nanos::ZERO);
    assert_eq!(connection.held().bundled_bytes, 128 << 20);
    assert!(add(&mut net, &mut connection, 2, 8).is_empty(), "there is room again");
}
