//! Packets that wait for a controller, and go on when it says so.

mod switched;

use std::sync::Arc;

use netloom_openflow::msg::{PacketIn, PacketInFormat, Resume};
use netloom_openflow::{Message, OfError, Version};
use netloom_switch::{Answer, Connection, Handled, Kind, PortTraffic};

use self::switched::{Net, ends, frame, ip, udp};

const FLOWS: [&str; 5] = [
    "table=0,ip,actions=ct(commit,table=1,exec(set_field:9->ct_mark))",
    "table=1,ip,actions=set_field:7->reg0,push:NXM_NX_REG0[],resubmit(,2),pop:NXM_NX_REG5[],resubmit(,4)",
    "table=2,cookie=0x42,udp,actions=mod_tp_dst:99,controller(pause,userdata=01.02),set_field:8->reg2,resubmit(,3)",
    "table=3,udp,reg0=7,reg2=8,ct_state=+trk+new,ct_mark=9,tp_dst=99,actions=3",
    "table=4,udp,reg5=7,actions=4",
];

/// What a controller is told of the only packet that waits.
fn waiting(net: &mut Net, connection: &Connection) -> PacketIn {
    let (punt, frame) = net.model.punts.pop().expect("a packet for controllers");
    match connection.packet_in(&punt, &frame, frame.len()) {
        Some(Message::PacketIn(message)) => *message,
        other => panic!("{other:?}"),
    }
}

fn resume(net: &mut Net, connection: &mut Connection, message: PacketIn) -> Handled {
    let bridge = net.model.switch.bridges().next().expect("a switch").0;
    let message = Message::Resume(Resume { packet_in: Box::new(message) });
    let counts = |_| PortTraffic::default();
    let mut handled = net.model.switch.handle(bridge, connection, message, &counts, net.now);
    for injection in handled.injections.drain(..) {
        let translation = Arc::new(injection.translation);
        net.worker.inject(injection.in_port, &injection.frame, &translation, net.now, &mut net.model);
    }
    handled
}

#[test]
fn a_packet_waits_and_goes_on_where_it_was_with_all_it_had() {
    let mut net = Net::new(&FLOWS);
    let mut connection = Connection::new(Version::V13, Kind::Primary, "test");
    let bridge = net.model.switch.bridges().next().unwrap().0;
    let counts = |_| PortTraffic::default();
    let format = Message::SetPacketInFormat(PacketInFormat::Nxt2);
    net.model.switch.handle(bridge, &mut connection, format, &counts, net.now);
    for _ in 0..2 {
        assert!(net.send(1, frame(ip(1), ip(2), udp(5, 53, b"?"))).is_empty(), "it waits");
    }
    net.model.punts.pop();
    let message = waiting(&mut net, &connection);
    assert_eq!((message.cookie, &message.userdata[..]), (Some(0x42), &[1, 2][..]));
    assert_eq!(ends(&message.packet), (ip(1), 5, ip(2), 99));
    assert!(resume(&mut net, &mut connection, message.clone()).answers.is_empty());
    let out: Vec<u32> = net.received().iter().map(|(port, _)| *port).collect();
    assert_eq!(out, [3, 4]);
    // The controller may send another packet on.
    let other = PacketIn { packet: frame(ip(3), ip(4), udp(6, 99, b"!")), ..message.clone() };
    resume(&mut net, &mut connection, other);
    assert!(net.received().iter().all(|(_, bytes)| ends(bytes) == (ip(3), 6, ip(4), 99)));
    // It is nobody else's, and without a place to go on there is nothing to do.
    let mut foreign = message.clone();
    foreign.continuation.as_mut().unwrap().bridge = [7; 16];
    let refused = resume(&mut net, &mut connection, foreign).answers;
    assert_eq!(refused, [Answer::Refuse(OfError::NxrStale)]);
    let refused = resume(&mut net, &mut connection, PacketIn { continuation: None, ..message }).answers;
    assert_eq!(refused, [Answer::Refuse(OfError::NxrNotSupported)]);
}
