//! Connection tracking through flows: what the pipeline sees, what comes out, what is remembered.

mod switched;

use netloom_flow::{BridgeId, ConnectionFilter, DropReason};
use netloom_packet::build::L4;
use netloom_packet::tcp::flag::{ACK, FIN, PSH, RST, SYN};
use netloom_packet::{Csum, Gso, Offload, checksum, parse};
use netloom_testkit::Packet;

use self::switched::{Net, dp, echo, frame, frame6, ip, tcp, udp};

/// The firewall of the manual of `ct`: port 1 may begin connections to port 2, port 2 may answer.
const FIREWALL: [&str; 7] = [
    "table=0,priority=1,actions=drop",
    "table=0,priority=100,ip,ct_state=-trk,actions=ct(table=1)",
    "table=0,priority=100,ipv6,ct_state=-trk,actions=ct(table=1)",
    "table=1,in_port=1,ip,ct_state=+trk+new,actions=ct(commit),2",
    "table=1,in_port=1,ip,ct_state=+trk+est,actions=2",
    "table=1,in_port=2,ip,ct_state=+trk+new,actions=drop",
    "table=1,in_port=2,ip,ct_state=+trk+est,actions=1",
];

/// Sends every state to a port of its own choice: a mirror of what the pipeline sees.
const STATES: [&str; 8] = [
    "table=0,priority=10,ip,actions=ct(commit,table=1)",
    "table=0,priority=10,ipv6,actions=ct(commit,table=1)",
    "table=1,priority=9,ct_state=+trk+inv,actions=drop",
    "table=1,priority=8,ct_state=+trk+rel+rpl,actions=4",
    "table=1,priority=7,ct_state=+trk+new,actions=2",
    "table=1,priority=6,ct_state=+trk+est-rpl,actions=3",
    "table=1,priority=6,ct_state=+trk+est+rpl,actions=1",
    "table=1,priority=1,actions=drop",
];

/// What comes out, and where.
type Out = Vec<(u32, Vec<u8>)>;

fn ports(out: &[(u32, Vec<u8>)]) -> Vec<u32> {
    out.iter().map(|(port, _)| *port).collect()
}

#[test]
fn the_firewall_of_the_manual_lets_answers_in_and_nothing_else() {
    let mut net = Net::new(&FIREWALL);
    let (there, back) = ((1_000, 80), (80, 1_000));
    let stranger = |net: &mut Net| net.send(2, frame(ip(2), ip(1), tcp((99, 22), SYN, (1, 0), b"")));
    assert!(stranger(&mut net).is_empty());
    assert_eq!(net.pass(1, frame(ip(1), ip(2), tcp(there, SYN, (9, 0), b""))).0, 2);
    assert_eq!(net.pass(2, frame(ip(2), ip(1), tcp(back, SYN | ACK, (49, 10), b""))).0, 1);
    assert_eq!(net.pass(1, frame(ip(1), ip(2), tcp(there, ACK, (10, 50), b"hello"))).0, 2);
    assert!(stranger(&mut net).is_empty());
    assert_eq!(net.connections(), ["6 10.0.0.1:1000>10.0.0.2:80 10.0.0.2:80>10.0.0.1:1000 ESTABLISHED"]);
    // A segment far outside of the window belongs to nobody.
    assert!(net.send(2, frame(ip(2), ip(1), tcp(back, ACK, (9_000_000, 15), b"evil"))).is_empty());
    let misses = net.model.misses;
    for n in 0..20 {
        let data = frame(ip(2), ip(1), tcp(back, ACK | PSH, (50 + n * 4, 15), b"data"));
        assert_eq!(net.pass(2, data).0, 1);
    }
    assert!(net.model.misses <= misses + 2, "established packets hit the cache");
    net.after(86_401);
    assert!(net.send(2, frame(ip(2), ip(1), tcp(back, ACK, (130, 15), b"late"))).is_empty());
    net.worker.judge(net.now);
    assert_eq!(net.tracker.count(), 0);
}

#[test]
fn every_protocol_is_new_until_it_is_answered_and_ends_by_its_timeout() {
    for (question, answer, timeouts) in [
        (udp(5, 53, b"?"), udp(53, 5, b"!"), (60, 30)),
        (echo(false, 7), echo(true, 7), (60, 30)),
        (L4::Raw { proto: 47, bytes: &[0; 8] }, L4::Raw { proto: 47, bytes: &[0; 8] }, (60, 30)),
    ] {
        let mut net = Net::new(&STATES);
        let ask = |net: &mut Net| ports(&net.send(1, frame(ip(1), ip(2), question)));
        let reply = |net: &mut Net| ports(&net.send(2, frame(ip(2), ip(1), answer)));
        assert_eq!((ask(&mut net), ask(&mut net)), (vec![2], vec![2]), "{question:?}");
        net.after(timeouts.0 - 1);
        assert_eq!((reply(&mut net), ask(&mut net)), (vec![1], vec![3]));
        net.after(timeouts.1);
        assert_eq!(ask(&mut net), [2], "forgotten");
    }
}

#[test]
fn ipv6_is_tracked_and_neighbour_discovery_is_not() {
    let mut net = Net::new(&STATES);
    assert_eq!(ports(&net.send(1, frame6(1, 2, udp(5, 53, b"?")))), [2]);
    assert_eq!(ports(&net.send(2, frame6(2, 1, udp(53, 5, b"!")))), [1]);
    assert_eq!(ports(&net.send(1, frame6(1, 2, echo(false, 3)))), [2]);
    assert_eq!(ports(&net.send(2, frame6(2, 1, echo(true, 3)))), [1]);
    let target = "2001:db8::2".parse().unwrap();
    assert!(net.send(1, frame6(1, 2, L4::Solicit { target, sll: None })).is_empty());
}

/// A destination-unreachable about a frame, from `from`.
fn unreachable(from: std::net::Ipv4Addr, about: &[u8]) -> Vec<u8> {
    let inner = &about[14..(14 + 28).min(about.len())];
    let mut body = vec![3, 1, 0, 0, 0, 0, 0, 0];
    body.extend(inner);
    let check = checksum::checksum(&body);
    body[2..4].copy_from_slice(&check.to_be_bytes());
    let to = std::net::Ipv4Addr::new(about[26], about[27], about[28], about[29]);
    frame(from, to, L4::Raw { proto: 1, bytes: &body })
}

#[test]
fn errors_are_related_to_what_they_are_about() {
    let mut net = Net::new(&STATES);
    let question = frame(ip(1), ip(2), udp(5, 53, b"?"));
    net.send(1, question.clone());
    // From a router on the way.
    assert_eq!(ports(&net.send(3, unreachable(ip(9), &question))), [4]);
    let other = frame(ip(1), ip(2), udp(6, 53, b"?"));
    assert!(net.send(3, unreachable(ip(9), &other)).is_empty(), "about nothing known");
    let mut broken = unreachable(ip(9), &question);
    broken[36] ^= 1;
    assert!(net.send(3, broken).is_empty(), "a wrong checksum");
}

#[test]
fn marks_labels_zones_and_the_first_packet_are_fields() {
    let mut net = Net::new(&[
        "table=0,in_port=1,ip,actions=set_field:0x1234->reg1,ct(commit,zone=NXM_NX_REG1[0..15],\
         exec(set_field:7->ct_mark,load:1->NXM_NX_CT_LABEL[127])),2",
        "table=0,in_port=2,udp,actions=ct(zone=0x1234,table=1)",
        "table=1,priority=9,udp,ct_zone=0x1234,ct_state=+trk+rpl,ct_mark=7,\
         ct_label=0x80000000000000000000000000000000,ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=17,\
         ct_tp_src=5,ct_tp_dst=53,actions=resubmit(,2,ct)",
        "table=1,priority=1,actions=drop",
        "table=2,udp,nw_src=10.0.0.1,tp_dst=53,actions=3",
    ]);
    assert_eq!(net.pass(1, frame(ip(1), ip(2), udp(5, 53, b"?"))).0, 2);
    assert_eq!(net.pass(2, frame(ip(2), ip(1), udp(53, 5, b"!"))).0, 3, "found by the first packet");
    assert!(net.send(2, frame(ip(2), ip(1), udp(53, 6, b"!"))).is_empty());
    let bridge = net.model.switch.bridges().next().unwrap().0;
    assert_eq!(net.tracker.count_of(bridge, 0x1234), 1);
}

#[test]
fn the_rest_of_the_list_and_ct_clear_see_no_tracking() {
    let mut net = Net::new(&[
        "table=0,ip,ct_state=-trk,actions=ct(table=1),resubmit(,2)",
        "table=1,ct_state=+trk,actions=2,ct_clear,resubmit(,3)",
        "table=2,ct_state=-trk,actions=3",
        "table=3,ct_state=-trk,actions=4",
    ]);
    assert_eq!(ports(&net.send(1, frame(ip(1), ip(2), udp(5, 53, b"?")))), [2, 3, 4]);
}

#[test]
fn force_begins_a_connection_in_the_other_direction() {
    let mut net = Net::new(&[
        "table=0,in_port=1,ip,actions=ct(commit),2",
        "table=0,in_port=2,ip,actions=ct(commit,force),1",
        "table=0,in_port=3,ip,actions=ct(commit),1",
    ]);
    net.send(1, frame(ip(1), ip(2), udp(5, 53, b"?")));
    net.send(3, frame(ip(2), ip(1), udp(53, 5, b"!")));
    assert_eq!(net.connections(), ["17 10.0.0.1:5>10.0.0.2:53 10.0.0.2:53>10.0.0.1:5 "]);
    net.send(2, frame(ip(2), ip(1), udp(53, 5, b"!")));
    assert_eq!(net.connections(), ["17 10.0.0.2:53>10.0.0.1:5 10.0.0.1:5>10.0.0.2:53 "]);
}

#[test]
fn zones_of_switches_have_nothing_to_do_with_each_other() {
    let flows = [
        "table=0,in_port=1,ip,actions=ct(commit),4",
        "s2 table=0,in_port=3,ip,ct_state=-trk,actions=ct(table=1)",
        "s2 table=1,ip,ct_state=+trk+new,actions=1",
        "s2 table=1,ip,ct_state=+trk+est,actions=2",
    ];
    let mut net = Net::with(2, true, 100, &flows);
    for _ in 0..2 {
        let bytes = frame(ip(1), ip(2), udp(5, 53, b"?"));
        let out = net.send_packet(dp(1, 1), Packet { bytes, offload: Offload::default() });
        assert_eq!(out.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [dp(2, 1)]);
    }
    assert_eq!(net.tracker.count(), 1);
    let other = ConnectionFilter { bridge: Some(BridgeId(99)), ..ConnectionFilter::default() };
    assert_eq!((net.tracker.flush(&other), net.tracker.flush(&ConnectionFilter::default())), (0, 1));
    assert_eq!(net.tracker.count(), 0);
}

#[test]
fn a_full_table_makes_room_of_what_is_not_established_and_else_refuses_aloud() {
    let flows = ["table=0,in_port=1,ip,actions=ct(commit),2", "table=0,in_port=2,ip,actions=ct(commit),1"];
    let mut net = Net::with(1, true, 64, &flows);
    for port in 0..64 {
        net.send(1, frame(ip(1), ip(2), udp(1_000 + port, 53, b"?")));
        net.send(2, frame(ip(2), ip(1), udp(53, 1_000 + port, b"!")));
    }
    assert_eq!(net.tracker.count(), 64);
    assert!(net.send(1, frame(ip(1), ip(2), udp(9, 53, b"?"))).is_empty());
    assert_eq!(net.drops(), [(DropReason::CtFull, 1)]);
    net.tracker.flush(&ConnectionFilter::default());
    for port in 0..1_000 {
        assert_eq!(net.pass(1, frame(ip(1), ip(2), udp(1_000 + port, 53, b"?"))).0, 2);
    }
    assert!(net.tracker.count() <= 64);
    let bridge = net.model.switch.bridges().next().unwrap().0;
    net.tracker.flush(&ConnectionFilter::default());
    net.tracker.set_limit(bridge, 0, Some(1));
    net.send(1, frame(ip(1), ip(2), udp(1, 53, b"?")));
    assert!(net.send(1, frame(ip(1), ip(2), udp(2, 53, b"?"))).is_empty());
}

#[test]
fn a_connection_that_ended_may_begin_anew_with_the_same_ports() {
    let mut net = Net::new(&STATES);
    let (there, back) = ((1_000, 80), (80, 1_000));
    net.send(1, frame(ip(1), ip(2), tcp(there, SYN, (9, 0), b"")));
    net.send(2, frame(ip(2), ip(1), tcp(back, SYN | ACK, (49, 10), b"")));
    net.send(1, frame(ip(1), ip(2), tcp(there, FIN | ACK, (10, 50), b"")));
    net.send(2, frame(ip(2), ip(1), tcp(back, FIN | ACK, (50, 11), b"")));
    net.send(1, frame(ip(1), ip(2), tcp(there, ACK, (11, 51), b"")));
    assert_eq!(ports(&net.send(1, frame(ip(1), ip(2), tcp(there, SYN, (500_000, 0), b"")))), [2]);
    assert_eq!(net.connections().len(), 1);
    assert_eq!(ports(&net.send(2, frame(ip(2), ip(1), tcp(back, RST | ACK, (0, 500_001), b"")))), [1]);
}

#[test]
fn a_super_packet_is_tracked_whole() {
    let mut net = Net::new(&STATES);
    let (there, back) = ((1_000, 80), (80, 1_000));
    net.send(1, frame(ip(1), ip(2), tcp(there, SYN, (9, 0), b"")));
    net.send(2, frame(ip(2), ip(1), tcp(back, SYN | ACK, (49, 10), b"")));
    let bytes = frame(ip(1), ip(2), tcp(there, ACK, (10, 50), &[7; 20_000]));
    let csum = Csum::Partial { start: 34, offset: 16 };
    let offload = Offload { csum, gso: Gso::Tcp4, gso_size: 1_448, ..Offload::default() };
    let out = net.send_packet(dp(1, 1), Packet { bytes, offload });
    assert_eq!(
        out.iter().map(|(port, packet)| (*port, packet.offload.gso)).collect::<Vec<_>>(),
        [(dp(1, 3), Gso::Tcp4)]
    );
    assert!(parse(&out[0].1.bytes).is_ok());
    assert_eq!(ports(&net.send(2, frame(ip(2), ip(1), tcp(back, ACK, (50, 20_010), b"")))), [1]);
}

#[test]
fn cached_packets_see_what_uncached_ones_see() {
    let lists: Vec<Vec<Out>> = [true, false]
        .into_iter()
        .map(|is_cached| {
            let mut net = Net::with(1, is_cached, 1 << 10, &STATES);
            let mut out = Vec::new();
            let mut chance = 12_345_u32;
            for _ in 0..400 {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (a, b) = ((chance >> 28) as u8 % 3 + 1, (chance >> 24) as u8 % 3 + 1);
                let ports = ((chance >> 20) as u16 % 3, (chance >> 16) as u16 % 3);
                let flags = [SYN, SYN | ACK, ACK, FIN | ACK, RST][(chance >> 12) as usize % 5];
                let l4 = match chance >> 8 & 3 {
                    0 => udp(ports.0, ports.1, b"x"),
                    1 => echo(chance >> 7 & 1 == 1, ports.0),
                    _ => tcp(ports, flags, (chance & 3, chance >> 2 & 3), b""),
                };
                out.push(net.send((chance & 1) + 1, frame(ip(a), ip(b), l4)).into_iter().collect());
                if chance & 0xf0 == 0 {
                    net.after(20);
                }
            }
            out
        })
        .collect();
    assert_eq!(lists[0], lists[1]);
    assert!(lists[0].iter().filter(|out| !out.is_empty()).count() > 100);
}
