//! Meters that mark what is above their rate: the mark is in the packet, and flows behind the meter see it.

mod switched;

use netloom_flow::Nanos;
use netloom_packet::build::{Frame, Ip};
use netloom_packet::{Gso, Mac, Offload, parse};
use netloom_switch::MeterVerb;
use netloom_testkit::Packet;

use self::switched::{Net, dp, ip, tcp, udp};

/// Assured forwarding, class 1: the drop precedence rises from one to the next. Source: RFC 2597 section 6.
const AF1: [u8; 3] = [10 << 2, 12 << 2, 14 << 2];
const EXPEDITED: u8 = 46 << 2;
/// The two bits beside the DSCP, which no meter touches.
const ECT: u8 = 2;

/// A switch whose meter 1 lets ten packets a second pass as they are.
fn net(flows: &[&str]) -> Net {
    marking(1, 1, flows)
}

fn marking(switches: u32, prec_level: u8, flows: &[&str]) -> Net {
    let mut net = Net::with(switches, true, 1 << 16, &[]);
    let band = format!("type=dscp_remark,rate=10,burst_size=10,prec_level={prec_level}");
    let meter = format!("meter=1,pktps,burst,bands={band}");
    net.model.switch.change_meters("s1", MeterVerb::Add, &[meter], net.now).expect("a good meter");
    net.flows(flows);
    net
}

fn v4(tos: u8) -> Vec<u8> {
    let ip = Ip { tos, ..Ip::v4(ip(1), ip(2)) };
    Frame::ip(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), ip.udp(5_000, 53, b"query"))
        .to_vec()
        .expect("it fits")
}

fn v6(tos: u8) -> Vec<u8> {
    let address = |n: u16| std::net::Ipv6Addr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
    let ip = Ip { tos, l4: udp(5_000, 53, b"query"), ..Ip::v6(address(1), address(2)) };
    Frame::ip(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), ip).to_vec().expect("it fits")
}

fn tos_of(frame: &[u8]) -> u8 {
    if parse(frame).expect("a frame").is_ipv4() { frame[15] } else { frame[14] << 4 | frame[15] >> 4 }
}

/// Sends so many; how many came out by port 2 with each mark that came out at all.
fn marks(net: &mut Net, frame: &[u8], count: usize) -> Vec<(u8, usize)> {
    let mut marks = std::collections::BTreeMap::new();
    for _ in 0..count {
        let (port, frame) = net.pass(1, frame.to_vec());
        assert_eq!(port, 2);
        *marks.entry(tos_of(&frame)).or_default() += 1;
    }
    marks.into_iter().collect()
}

#[test]
fn what_is_above_the_rate_is_marked_with_right_checksums() {
    for frame in [v4, v6] {
        let mut net = net(&["actions=meter:1,output:2"]);
        let [low, middle, high] = AF1.map(|tos| tos | ECT);
        assert_eq!(marks(&mut net, &frame(low), 30), [(low, 10), (middle, 20)]);
        net.now += Nanos::from_millis(500);
        assert_eq!(marks(&mut net, &frame(middle), 10), [(middle, 5), (high, 5)]);
        net.now += Nanos::from_millis(300);
        assert_eq!(marks(&mut net, &frame(high), 5), [(high, 5)], "nothing is above it");
    }
}

#[test]
fn only_assured_forwarding_has_a_drop_precedence() {
    for frame in [v4, v6] {
        for tos in [0, EXPEDITED, 8 << 2] {
            let mut net = net(&["actions=meter:1,output:2"]);
            assert_eq!(marks(&mut net, &frame(tos), 20), [(tos, 20)]);
        }
        let mut twice = marking(1, 2, &["actions=meter:1,output:2"]);
        assert_eq!(marks(&mut twice, &frame(AF1[0]), 12), [(AF1[0], 10), (AF1[2], 2)]);
    }
}

#[test]
fn flows_of_later_tables_match_the_new_mark() {
    let later = |table: u8, then: &str| {
        vec![
            format!("table=0,actions=meter:1,{then}"),
            format!("table={table},priority=9,ip,nw_tos={},actions=output:3", AF1[1]),
            format!("table={table},priority=9,ipv6,nw_tos={},actions=output:3", AF1[1]),
            format!("table={table},priority=0,actions=output:2"),
        ]
    };
    for flows in [later(1, "goto_table:1"), later(7, "resubmit(,7)")] {
        for frame in [v4, v6] {
            let mut net = net(&flows.iter().map(String::as_str).collect::<Vec<_>>());
            let by: Vec<u32> = (0..15).map(|_| net.pass(1, frame(AF1[0])).0).collect();
            assert_eq!(by, [[2; 10].as_slice(), &[3; 5]].concat(), "{}", flows[0]);
        }
    }
}

#[test]
fn flows_of_the_next_switch_match_the_new_mark() {
    let flows = [
        "actions=meter:1,output:4",
        "s2 priority=9,ip,nw_tos=48,actions=output:2",
        "s2 priority=0,actions=output:1",
    ];
    let mut net = marking(2, 1, &flows);
    let out: Vec<_> =
        (0..12).map(|_| net.pass(1, v4(AF1[0]))).map(|(port, frame)| (port, tos_of(&frame))).collect();
    let [plain, marked] = [(dp(2, 1).0 - 10, AF1[0]), (dp(2, 2).0 - 10, AF1[1])];
    assert_eq!(out, [[plain; 10].as_slice(), &[marked; 2]].concat());
}

#[test]
fn a_flow_behind_the_meter_has_the_last_word() {
    let mut net = net(&[&format!("ip,actions=meter:1,mod_nw_tos:{},output:2", AF1[0])]);
    assert_eq!(marks(&mut net, &v4(AF1[0]), 15), [(AF1[0], 15)]);
    let mut moved = net_of("ip,actions=meter:1,move:NXM_OF_IP_TOS[2..7]->NXM_NX_REG0[0..5],resubmit(,1)");
    let by: Vec<u32> = (0..12).map(|_| moved.pass(1, v4(AF1[0])).0).collect();
    assert_eq!(by, [[2; 10].as_slice(), &[3; 2]].concat());
}

/// What reads a mark into a register, and a table that tells by it.
fn net_of(first: &str) -> Net {
    net(&[first, "table=1,priority=9,reg0=12,actions=output:3", "table=1,priority=0,actions=output:2"])
}

#[test]
fn of_a_super_packet_the_segments_above_the_rate_are_marked() {
    let mut net = net(&["actions=meter:1,output:2"]);
    let ip = Ip { tos: AF1[0], l4: tcp((1, 80), 0x10, (1, 1), &[7; 15_000]), ..Ip::v4(ip(1), ip(2)) };
    let bytes = Frame::ip(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), ip).to_vec().expect("it fits");
    let offload = Offload { gso: Gso::Tcp4, gso_size: 1_000, hdr_len: 54, ..Offload::default() };
    let offload =
        netloom_packet::Offload { csum: netloom_packet::Csum::Partial { start: 34, offset: 16 }, ..offload };
    let out = net.send_packet(dp(1, 1), Packet { bytes, offload });
    let marks: Vec<u8> = out.iter().map(|(_, packet)| tos_of(&packet.bytes)).collect();
    assert_eq!(marks, [[AF1[0]; 10].as_slice(), &[AF1[1]; 5]].concat());
}
