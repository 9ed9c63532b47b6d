//! Queues: which one a packet leaves by, what it is marked with, what controllers are told of them.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

mod support;

use std::collections::BTreeMap;

use netloom_flow::{Action, DpAction, Nanos, OfPort, PortId, Qos, Queue, word};
use netloom_openflow::msg::queue::QUEUE_ALL;
use netloom_openflow::msg::{MultipartReply, MultipartRequest, QueueDesc, QueueRequest, QueueStats};
use netloom_openflow::{Message, OfError, Version};
use netloom_switch::{Answer, Connection, Kind, PortCounts, PortTraffic, QueueTraffic};
use support::{Net, Packet, Plan, dp};

const MBIT: u64 = 1_000_000;

/// Queue 1 has a share, queue 2 marks with EF.
fn qos() -> Qos {
    let share = Queue { min_rate: 20 * MBIT, max_rate: Some(40 * MBIT), ..Queue::default() };
    let marking = Queue { dscp: Some(46), ..Queue::default() };
    Qos { max_rate: Some(100 * MBIT), queues: [(1, share), (2, marking)].into() }
}

/// A switch of four ports, the second and third with queues.
fn plan() -> Plan {
    let mut plan =
        (1..=4).fold(Plan::new(1), |plan, port| plan.host(0, port, 0)).flow(0, "table=99,actions=drop");
    for port in [1, 2] {
        plan.config.bridges[0].ports[port].qos = Some(qos());
    }
    plan
}

fn out(port: u32) -> Action {
    Action::Output(OfPort(port))
}

fn actions(net: &mut Net, of: Vec<Action>) -> Vec<DpAction> {
    net.add("", of).unwrap();
    let key = Packet::tcp(1, 2, 80).key(dp(0, 1), netloom_flow::TenantId(0));
    net.translate(&key).actions.to_vec()
}

fn by(port: u16, queue: u32) -> DpAction {
    DpAction::Enqueue { port: dp(0, port), queue }
}

#[test]
fn set_queue_holds_until_it_is_popped_and_enqueue_for_itself() {
    let mut net = Net::new(&plan().config, true);
    let list = vec![
        out(2),
        Action::SetQueue(1),
        out(2),
        Action::Enqueue { port: OfPort(3), queue: 7 },
        out(4),
        Action::OutputTrunc { port: OfPort(2), max_len: 64 },
        Action::PopQueue,
        out(3),
        Action::SetQueue(0x0001_0000),
        out(4),
    ];
    let plain = |port| DpAction::Output(dp(0, port));
    let cut = DpAction::OutputTrunc { port: dp(0, 2), queue: 1, max_len: 64 };
    let expected = [plain(2), by(2, 1), by(3, 7), by(4, 1), cut, plain(3), plain(4)];
    assert_eq!(actions(&mut net, list), expected);
    // Never by the port it came in by.
    let back = actions(&mut net, vec![Action::Enqueue { port: OfPort(1), queue: 1 }]);
    assert_eq!(back, []);
}

#[test]
fn a_queue_that_marks_marks_what_leaves_by_it_only() {
    let mut net = Net::new(&plan().config, true);
    let list = vec![out(4), Action::Enqueue { port: OfPort(2), queue: 2 }, out(3)];
    let done = actions(&mut net, list);
    // Bits that are equal already are not written.
    let DpAction::Set(marked) = done[1] else { panic!("{done:?}") };
    assert_eq!((usize::from(marked.word), marked.value >> 50, marked.mask >> 50), (word::IP, 46, 46));
    assert_eq!(done[0], DpAction::Output(dp(0, 4)));
    assert_eq!(done[2], by(2, 2));
    let DpAction::Set(restored) = done[3] else { panic!("{done:?}") };
    assert_eq!((restored.value, restored.mask), (0, marked.mask));
    assert_eq!(done[4..], [DpAction::Output(dp(0, 3))]);
    // What is not IP stays as it is.
    let arp = Packet::arp(1, 2).key(dp(0, 1), netloom_flow::TenantId(0));
    let translation = net.translate(&arp);
    assert_eq!(*translation.actions, [DpAction::Output(dp(0, 4)), by(2, 2), DpAction::Output(dp(0, 3))]);
}

#[test]
fn other_queues_change_what_is_cached_and_keep_what_was_learned() {
    let mut plan = plan();
    let mut net = Net::new(&plan.config, true);
    net.add("", vec![Action::Enqueue { port: OfPort(2), queue: 2 }]).unwrap();
    let key = Packet::tcp(1, 2, 80).key(dp(0, 1), netloom_flow::TenantId(0));
    let translation = net.translate(&key);
    assert!(net.switch.still_valid(&key, &translation));
    plan.config.bridges[0].ports[1].qos = Some(Qos { max_rate: Some(MBIT), ..qos() });
    let (changes, _) = net.switch.reconfigure(&plan.config, net.now).unwrap();
    assert_eq!((changes.added.len(), changes.changed.len(), changes.removed.len()), (0, 0, 0));
    assert!(!net.switch.still_valid(&key, &translation));
}

/// Ports and queues of one test: queue 1 of port 2 has sent something.
struct Counts;

impl PortCounts for Counts {
    fn traffic(&self, _port: PortId) -> PortTraffic {
        PortTraffic::default()
    }

    fn queues(&self, port: PortId) -> BTreeMap<u32, QueueTraffic> {
        let sent = QueueTraffic { tx_packets: 7, tx_bytes: 700, dropped: 3, since: Nanos::from_secs(1) };
        let queues = (port == dp(0, 2)).then_some((1, sent));
        queues.into_iter().collect()
    }
}

fn ask(net: &mut Net, version: Version, message: Message) -> Result<Message, OfError> {
    let bridge = net.bridge();
    let mut connection = Connection::new(version, Kind::Primary, "tcp:127.0.0.1:6653");
    let mut handled = net.switch.handle(bridge, &mut connection, message, &Counts, Nanos::from_secs(5));
    match handled.answers.pop() {
        Some(Answer::Reply(message)) => Ok(message),
        Some(Answer::Refuse(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

fn stats(net: &mut Net, port: OfPort, queue: u32) -> Result<Vec<QueueStats>, OfError> {
    let request = Message::MultipartRequest(MultipartRequest::Queue(QueueRequest { port, queue }));
    match ask(net, Version::V13, request)? {
        Message::MultipartReply(MultipartReply::Queue(stats)) => Ok(stats),
        other => panic!("{other:?}"),
    }
}

#[test]
fn controllers_are_told_what_queues_counted() {
    let mut net = Net::new(&plan().config, true);
    let all = stats(&mut net, OfPort::NONE, QUEUE_ALL).unwrap();
    let ids: Vec<_> = all.iter().map(|stats| (stats.port.0, stats.queue)).collect();
    assert_eq!(ids, [(2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (3, 2)], "queue 0 is there in any case");
    let one = stats(&mut net, OfPort(2), 1).unwrap();
    let expected = QueueStats {
        port: OfPort(2),
        queue: 1,
        tx_bytes: 700,
        tx_packets: 7,
        tx_errors: 3,
        duration: Some(Nanos::from_secs(4)),
    };
    assert_eq!(one, [expected]);
    assert_eq!(stats(&mut net, OfPort(1), QUEUE_ALL), Ok(Vec::new()), "a port without queues");
    assert_eq!(stats(&mut net, OfPort::NONE, 2).unwrap().len(), 2);
    for (port, queue, error) in [
        (OfPort(9), QUEUE_ALL, OfError::QofcBadPort),
        (OfPort(2), 3, OfError::QofcBadQueue),
        (OfPort(1), 0, OfError::QofcBadQueue),
        (OfPort::NONE, 9, OfError::QofcBadQueue),
    ] {
        assert_eq!(stats(&mut net, port, queue), Err(error));
    }
}

#[test]
fn controllers_are_told_what_queues_may() {
    let mut net = Net::new(&plan().config, true);
    let desc = |queue, min_rate, max_rate| QueueDesc { port: OfPort(2), queue, min_rate, max_rate };
    let expected = vec![desc(0, None, None), desc(1, Some(200), Some(400)), desc(2, None, None)];
    for version in [Version::V10, Version::V11, Version::V12, Version::V13] {
        let reply = ask(&mut net, version, Message::QueueGetConfigRequest(OfPort(2)));
        assert_eq!(reply, Ok(Message::QueueGetConfigReply(OfPort(2), expected.clone())));
        let unknown = ask(&mut net, version, Message::QueueGetConfigRequest(OfPort(9)));
        assert_eq!(unknown, Err(OfError::QofcBadPort));
        let all = ask(&mut net, version, Message::QueueGetConfigRequest(OfPort::NONE));
        match (version, all) {
            (Version::V10, all) => {
                assert_eq!(all, Err(OfError::QofcBadPort), "1.0 cannot say whose they are")
            }
            (_, Ok(Message::QueueGetConfigReply(_, all))) => assert_eq!(all.len(), 6),
            (_, other) => panic!("{other:?}"),
        }
    }
    for version in [Version::V14, Version::V15] {
        let asked = |port, queue| {
            Message::MultipartRequest(MultipartRequest::QueueDesc(QueueRequest { port, queue }))
        };
        let reply = ask(&mut net, version, asked(OfPort(2), QUEUE_ALL));
        assert_eq!(reply, Ok(Message::MultipartReply(MultipartReply::QueueDesc(expected.clone()))));
        assert_eq!(ask(&mut net, version, asked(OfPort(2), 5)), Err(OfError::QofcBadQueue));
        assert_eq!(ask(&mut net, version, asked(OfPort(9), QUEUE_ALL)), Err(OfError::QofcBadPort));
    }
}

/// A port between switches that has queues holds packets up, so that they have to be there.
#[test]
fn a_link_with_queues_is_no_plain_link() {
    let mut plan = Plan::new(2).host(0, 1, 0).link((0, 2), (1, 2)).host(1, 1, 0);
    plan.config.bridges[0].ports[1].qos = Some(qos());
    let net = Net::new(&plan.flow(0, "actions=set_queue:1,output:2").config, true);
    let key = Packet::tcp(1, 2, 80).key(dp(0, 1), netloom_flow::TenantId(0));
    assert_eq!(*net.translate(&key).actions, [by(2, 1)]);
    let mut fused = Plan::new(2).host(0, 1, 0).link((0, 2), (1, 2)).host(1, 1, 0);
    fused = fused.flow(0, "actions=set_queue:1,output:2").flow(1, "actions=output:1");
    let net = Net::new(&fused.config, true);
    assert_eq!(*net.translate(&key).actions, [DpAction::Output(dp(1, 1))], "the queue ends with the switch");
}
