//! Tunnels between two switches of a lab, with the real model above: a packet that fits in costs one lookup, and all is as
//! if it had gone hop by hop.

mod switched;

use netloom_flow::DropReason;
use netloom_packet::build::{Frame, Ip, L4};
use netloom_packet::tcp::flag::ACK;
use netloom_packet::{Csum, Gso, Mac, Offload, parse};
use netloom_testkit::Packet;

use self::switched::{Net, Shape, dp, echo, frame, frame6, ip, tcp, udp};

const MTU: u16 = 1_400;

/// Two switches with a tunnel between them. What comes by port 1 of the first goes through it.
fn net(fusion: bool, flows: &[&str]) -> Net {
    let shape = Shape { switches: 2, fusion, tunnel: Some(Some(MTU)), ..Shape::default() };
    Net::shaped(&shape, flows)
}

const FLOWS: [&str; 5] = [
    "in_port=1,actions=output:4",
    "in_port=4,actions=output:1",
    "s2 priority=9,in_port=3,udp,tun_id=77,tun_src=127.9.0.1,actions=mod_nw_tos:184,output:1",
    "s2 priority=8,in_port=3,tun_id=77,actions=output:2",
    "s2 priority=1,actions=output:3",
];

/// A super-packet of TCP with so many bytes in it.
fn super_packet(bytes: usize, gso_size: u16) -> Packet {
    let bytes = frame(ip(1), ip(2), tcp((1, 80), ACK, (1, 1), &vec![7; bytes]));
    let csum = Csum::Partial { start: 34, offset: 16 };
    Packet { bytes, offload: Offload { csum, gso: Gso::Tcp4, gso_size, hdr_len: 54, ..Offload::default() } }
}

fn tagged(l4: L4<'_>) -> Packet {
    let ip = Ip { l4, ..Ip::v4(ip(1), ip(2)) };
    let frame = Frame::ip(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), ip).vlan(5);
    Packet { bytes: frame.to_vec().expect("it fits"), offload: Offload::default() }
}

fn plain(bytes: Vec<u8>) -> Packet {
    Packet { bytes, offload: Offload::default() }
}

/// Payloads up to, at and beyond what fits in.
fn packets() -> Vec<Packet> {
    let mut all = Vec::new();
    for size in [0, 100, 1_371, 1_372, 1_373, 1_458] {
        let payload = vec![7; size];
        all.push(plain(frame(ip(1), ip(2), udp(1, 2, &payload))));
        all.push(plain(frame6(1, 2, udp(1, 2, &payload))));
        all.push(tagged(udp(1, 2, &payload)));
    }
    all.push(plain(frame(ip(1), ip(2), echo(false, 7))));
    all.extend([super_packet(20_000, 1_360), super_packet(15 * 1_361, 1_361), super_packet(500, 1_448)]);
    all
}

#[test]
fn fused_it_is_as_it_is_hop_by_hop() {
    let [mut fused, mut apart] = [true, false].map(|fusion| net(fusion, &FLOWS));
    for _ in 0..3 {
        for packet in packets() {
            let sent = fused.send_packet(dp(1, 1), packet.clone());
            assert_eq!(sent, apart.send_packet(dp(1, 1), packet.clone()), "{}", packet.bytes.len());
        }
    }
    assert_eq!(fused.drops(), apart.drops());
    assert_eq!(
        fused.drops().iter().map(|(reason, _)| *reason).collect::<Vec<_>>(),
        [DropReason::TunnelTooLong]
    );
    assert_eq!(fused.counted(), apart.counted());
}

#[test]
fn what_fits_costs_one_lookup_and_what_does_not_is_answered() {
    let mut net = net(true, &FLOWS);
    let fits = frame(ip(1), ip(2), udp(1, 2, &[7; 1_372]));
    let sent = net.send_packet(dp(1, 1), plain(fits));
    assert_eq!((sent.len(), sent[0].0, sent[0].1.bytes[15]), (1, dp(2, 1), 184));
    assert_eq!(net.model.misses, 1);
    let answer = net.pass(1, frame(ip(1), ip(2), udp(1, 2, &[7; 1_373])));
    let headers = parse(&answer.1).expect("a frame");
    let icmp = &answer.1[usize::from(headers.l4)..];
    assert_eq!((answer.0, icmp[0], icmp[1], &icmp[6..8]), (1, 3, 4, &MTU.to_be_bytes()[..]));
}

#[test]
fn what_the_tunnel_said_is_known_where_a_packet_is_looked_up_again() {
    let flows = [
        "in_port=1,actions=output:4",
        "s2 ip,in_port=3,actions=ct(table=1)",
        "s2 table=1,priority=9,ip,tun_id=77,ct_state=+trk,actions=output:2",
        "s2 table=1,priority=1,actions=output:1",
    ];
    for fusion in [true, false] {
        let mut net = net(fusion, &flows);
        let sent = net.send_packet(dp(1, 1), plain(frame(ip(1), ip(2), udp(1, 2, b"?"))));
        assert_eq!(sent.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [dp(2, 2)], "{fusion}");
    }
}

#[test]
fn a_flood_has_a_copy_for_the_tunnel_and_others_for_other_ports() {
    let flows = [
        "ip,in_port=1,actions=output:2,output:4,mod_nw_tos:40,output:3",
        "in_port=4,actions=output:1",
        "s2 in_port=3,actions=output:1,output:2",
    ];
    let sent = [true, false].map(|fusion| {
        let mut net = net(fusion, &flows);
        let mut sent = Vec::new();
        for size in [10, 1_400, 10] {
            sent.push(net.send_packet(dp(1, 1), plain(frame(ip(1), ip(2), udp(1, 2, &vec![7; size])))));
        }
        (sent, net.counted())
    });
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0].0.iter().map(Vec::len).collect::<Vec<_>>(), [4, 3, 4]);
}
