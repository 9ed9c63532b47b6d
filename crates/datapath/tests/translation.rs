//! Network address translation through flows, with helpers.

mod switched;

use std::net::Ipv4Addr;

use netloom_flow::DropReason;
use netloom_packet::build::L4;
use netloom_packet::tcp::flag::{ACK, PSH, SYN};
use netloom_packet::{Csum, Gso, Offload, checksum, parse};
use netloom_testkit::Packet;

use self::switched::{Net, dp, echo, ends, frame, frame6, ip, tcp, udp};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Port 1 is inside, port 2 outside.
const MASQUERADE: [&str; 6] = [
    "table=0,in_port=1,ip,actions=ct(commit,nat(src=192.0.2.1)),2",
    "table=0,in_port=2,ip,actions=ct(nat,table=1)",
    "table=1,priority=9,ct_state=+rel+rpl,actions=3",
    "table=1,priority=8,ct_state=+est+rpl+dnat,actions=1",
    "table=1,priority=7,ct_state=+new-dnat-snat,actions=4",
    "table=1,priority=1,actions=drop",
];

#[test]
fn a_source_is_translated_and_the_answer_finds_back() {
    let mut net = Net::new(&MASQUERADE);
    let out = net.pass(1, frame(ip(1), ip(2), udp(5_000, 53, b"?")));
    assert_eq!((out.0, ends(&out.1)), (2, (PUBLIC, 5_000, ip(2), 53)));
    let back = net.pass(2, frame(ip(2), PUBLIC, udp(53, 5_000, b"!")));
    assert_eq!((back.0, ends(&back.1)), (1, (ip(2), 53, ip(1), 5_000)));
    // The port is taken: another host gets another one.
    let other = net.pass(1, frame(ip(3), ip(2), udp(5_000, 53, b"?")));
    let (address, port, ..) = ends(&other.1);
    assert!(address == PUBLIC && port != 5_000);
    let back = net.pass(2, frame(ip(2), PUBLIC, udp(53, port, b"!")));
    assert_eq!((back.0, ends(&back.1)), (1, (ip(2), 53, ip(3), 5_000)));
    // Nobody has asked for this one.
    assert_eq!(net.pass(2, frame(ip(2), PUBLIC, udp(53, 999, b"!"))).0, 4);
    // Without a checksum it stays without one.
    let mut bare = frame(ip(1), ip(2), udp(5_000, 53, b"?"));
    bare[40..42].fill(0);
    assert_eq!(net.pass(1, bare).1[40..42], [0, 0]);
}

#[test]
fn an_echo_is_translated_by_its_id_and_an_error_with_what_is_inside() {
    let mut net = Net::new(&MASQUERADE);
    net.pass(1, frame(ip(1), ip(2), echo(false, 7)));
    let (_, second) = net.pass(1, frame(ip(3), ip(2), echo(false, 7)));
    let id = u16::from_be_bytes([second[38], second[39]]);
    assert_ne!(id, 7);
    let (port, back) = net.pass(2, frame(ip(2), PUBLIC, echo(true, id)));
    assert_eq!((port, ends(&back).2, &back[38..40]), (1, ip(3), &[0, 7][..]));
    let (_, sent) = net.pass(1, frame(ip(1), ip(2), udp(5_000, 53, b"a question")));
    let mut body = vec![3, 1, 0, 0, 0, 0, 0, 0];
    body.extend(&sent[14..]);
    let check = checksum::checksum(&body);
    body[2..4].copy_from_slice(&check.to_be_bytes());
    let (port, error) = net.pass(2, frame(ip(9), PUBLIC, L4::Raw { proto: 1, bytes: &body }));
    assert_eq!((port, ends(&error).0, ends(&error).2), (3, ip(9), ip(1)));
    // What is inside is what the sender sent, with right checksums.
    let original = frame(ip(1), ip(2), udp(5_000, 53, b"a question"));
    assert_eq!(error[42..], original[14..]);
}

#[test]
fn a_destination_is_translated_with_its_port() {
    let mut net = Net::new(&[
        "table=0,in_port=1,tcp,actions=ct(commit,nat(dst=10.0.0.2:8080)),2",
        "table=0,in_port=2,tcp,actions=ct(nat,table=1)",
        "table=1,tcp,ct_state=+est+rpl+snat,nw_src=192.0.2.1,tp_src=80,actions=1",
    ]);
    let out = net.pass(1, frame(ip(1), PUBLIC, tcp((5_000, 80), SYN, (1, 0), b"")));
    assert_eq!((out.0, ends(&out.1)), (2, (ip(1), 5_000, ip(2), 8_080)));
    let back = net.pass(2, frame(ip(2), ip(1), tcp((8_080, 5_000), SYN | ACK, (9, 2), b"")));
    assert_eq!((back.0, ends(&back.1)), (1, (PUBLIC, 80, ip(1), 5_000)));
    // A second way to the same server, by the same port of the same client: told apart by another source port.
    let out = net.pass(1, frame(ip(1), ip(2), tcp((5_000, 80), SYN, (1, 0), b"")));
    let (_, port, to, to_port) = ends(&out.1);
    assert_eq!((to, to_port), (ip(2), 8_080));
    assert_ne!(port, 5_000);
}

#[test]
fn a_range_that_is_used_up_drops_aloud() {
    let mut net = Net::new(&["ip,actions=ct(commit,nat(src=192.0.2.1-192.0.2.2:7000-7001)),2"]);
    for n in 0..4 {
        assert_eq!(net.pass(1, frame(ip(1), ip(2), udp(100 + n, 53, b"?"))).0, 2);
    }
    assert!(net.send(1, frame(ip(1), ip(2), udp(99, 53, b"?"))).is_empty());
    assert_eq!((net.drops(), net.tracker.count()), (vec![(DropReason::CtNat, 1)], 4));
}

#[test]
fn ipv6_is_translated() {
    let mut net = Net::new(&[
        "table=0,in_port=1,ipv6,actions=ct(commit,nat(src=2001:db8::99)),2",
        "table=0,in_port=2,ipv6,actions=ct(nat,table=1)",
        "table=1,ipv6,ct_state=+rpl,ipv6_dst=2001:db8::1,actions=1",
    ]);
    for l4 in [udp(5, 53, b"?"), tcp((5, 80), SYN, (1, 0), b""), echo(false, 9)] {
        let (_, out) = net.pass(1, frame6(1, 2, l4));
        assert_eq!(out[37], 0x99);
    }
    for l4 in [udp(53, 5, b"!"), tcp((80, 5), SYN | ACK, (8, 2), b""), echo(true, 9)] {
        let (port, back) = net.pass(2, frame6(2, 0x99, l4));
        assert_eq!((port, back[53]), (1, 1));
    }
}

#[test]
fn what_follows_in_the_list_writes_whole_addresses() {
    let mut net = Net::new(&[
        "in_port=1,udp,actions=clone(ct(commit,nat(src=192.0.2.1)),2),3",
        "in_port=2,udp,actions=ct(commit,zone=1,nat(src=192.0.2.1:9-9)),mod_nw_src:10.0.0.3,mod_tp_src:5001,2",
    ]);
    let out = net.send(1, frame(ip(1), ip(2), udp(5_000, 53, b"?")));
    let seen: Vec<_> = out.iter().map(|(port, bytes)| (*port, ends(bytes).0)).collect();
    assert_eq!(seen, [(2, PUBLIC), (3, ip(1))], "what is done to a copy is not done to the packet");
    let mut net = Net::new(&[
        "in_port=1,udp,actions=ct(commit,nat(src=192.0.2.1:9-9)),mod_nw_src:10.0.0.3,mod_tp_src:5001,2",
    ]);
    let (_, out) = net.pass(1, frame(ip(1), ip(2), udp(5_000, 53, b"?")));
    assert_eq!(ends(&out), (ip(3), 5_001, ip(2), 53));
}

/// Inside at port 1; data connections of either side are told apart from others.
const FTP: [&str; 8] = [
    "table=0,in_port=1,tcp,tp_dst=21,actions=ct(commit,alg=ftp,nat(src=192.0.2.1)),2",
    "table=0,priority=1,in_port=1,ip,actions=ct(nat,table=1)",
    "table=0,in_port=2,ip,actions=ct(nat,table=1)",
    "table=1,priority=9,in_port=2,ip,ct_state=+new+rel,actions=ct(commit,nat),1",
    "table=1,priority=9,in_port=1,ip,ct_state=+new+rel,actions=ct(commit,nat),2",
    "table=1,priority=8,in_port=2,ct_state=+est,actions=1",
    "table=1,priority=8,in_port=1,ct_state=+est,actions=2",
    "table=1,priority=1,actions=4",
];

fn payload(frame: &[u8]) -> String {
    let headers = parse(frame).expect("bytes of a test");
    String::from_utf8(frame[usize::from(headers.payload)..headers.end as usize].to_vec())
        .expect("bytes of a test")
}

fn numbers(frame: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().expect("bytes of a test"));
    (number(38), number(42))
}

fn control(net: &mut Net) {
    net.pass(1, frame(ip(1), ip(2), tcp((5_000, 21), SYN, (99, 0), b"")));
    net.pass(2, frame(ip(2), PUBLIC, tcp((21, 5_000), SYN | ACK, (499, 100), b"")));
    net.pass(1, frame(ip(1), ip(2), tcp((5_000, 21), ACK, (100, 500), b"")));
}

#[test]
fn active_ftp_names_the_public_address_and_its_data_comes_in() {
    let mut net = Net::new(&FTP);
    control(&mut net);
    let port = b"PORT 10,0,0,1,19,137\r\n"; // 5001
    let command = frame(ip(1), ip(2), tcp((5_000, 21), ACK | PSH, (100, 500), port));
    let (_, out) = net.pass(1, command.clone());
    assert_eq!(payload(&out), "PORT 192,0,2,1,19,137\r\n");
    assert_eq!(numbers(&out), (100, 500));
    // Sent again it is changed again, and counts once.
    assert_eq!(payload(&net.pass(1, command).1), "PORT 192,0,2,1,19,137\r\n");
    let (_, answer) =
        net.pass(2, frame(ip(2), PUBLIC, tcp((21, 5_000), ACK | PSH, (500, 123), b"200 OK\r\n")));
    assert_eq!(numbers(&answer), (500, 122), "one byte was put in");
    let (_, next) = net.pass(1, frame(ip(1), ip(2), tcp((5_000, 21), ACK | PSH, (122, 508), b"LIST\r\n")));
    assert_eq!(numbers(&next), (123, 508));
    // The server connects.
    let (at, data) = net.pass(2, frame(ip(2), PUBLIC, tcp((20, 5_001), SYN, (7, 0), b"")));
    assert_eq!((at, ends(&data)), (1, (ip(2), 20, ip(1), 5_001)));
    let (at, data) = net.pass(1, frame(ip(1), ip(2), tcp((5_001, 20), SYN | ACK, (70, 8), b"")));
    assert_eq!((at, ends(&data)), (2, (PUBLIC, 5_001, ip(2), 20)));
    // Once only.
    assert_eq!(net.pass(2, frame(ip(2), PUBLIC, tcp((21, 5_001), SYN, (7, 0), b""))).0, 4);
}

#[test]
fn commands_in_a_super_packet_are_read_one_by_one() {
    let mut net = Net::new(&FTP);
    control(&mut net);
    let commands = b"PORT 10,0,0,1,19,137\r\nLIST\r\n";
    let bytes = frame(ip(1), ip(2), tcp((5_000, 21), ACK | PSH, (100, 500), commands));
    let csum = Csum::Partial { start: 34, offset: 16 };
    let offload = Offload { csum, gso: Gso::Tcp4, gso_size: 22, ..Offload::default() };
    let out = net.send_packet(dp(1, 1), Packet { bytes, offload });
    let read: Vec<_> = out.iter().map(|(_, it)| (payload(&it.bytes), numbers(&it.bytes).0)).collect();
    let expected = [("PORT 192,0,2,1,19,137\r\n".to_owned(), 100), ("LIST\r\n".to_owned(), 123)];
    assert_eq!(read, expected, "one byte was put in before the second");
    let (at, data) = net.pass(2, frame(ip(2), PUBLIC, tcp((20, 5_001), SYN, (7, 0), b"")));
    assert_eq!((at, ends(&data)), (1, (ip(2), 20, ip(1), 5_001)));
    // What nobody reads stays whole.
    net.pass(1, frame(ip(1), ip(2), tcp((6_000, 80), SYN, (99, 0), b"")));
    let bytes = frame(ip(1), ip(2), tcp((6_000, 80), ACK, (100, 500), &[7; 4_000]));
    let out = net.send_packet(dp(1, 1), Packet { bytes, offload: Offload { gso_size: 1_000, ..offload } });
    assert_eq!(out.len(), 1);
}

#[test]
fn passive_ftp_lets_the_client_connect_and_a_third_address_is_not_believed() {
    let mut net = Net::new(&FTP);
    control(&mut net);
    let third = b"227 Entering Passive Mode (10,0,0,9,39,17)\r\n";
    net.pass(2, frame(ip(2), PUBLIC, tcp((21, 5_000), ACK | PSH, (500, 100), third)));
    assert_eq!(net.pass(1, frame(ip(1), ip(9), tcp((5_002, 10_001), SYN, (7, 0), b""))).0, 4);
    let answer = b"229 Entering Extended Passive Mode (|||10001|)\r\n";
    let seq = 500 + u32::try_from(third.len()).unwrap();
    net.pass(2, frame(ip(2), PUBLIC, tcp((21, 5_000), ACK | PSH, (seq, 100), answer)));
    let (at, data) = net.pass(1, frame(ip(1), ip(2), tcp((5_002, 10_001), SYN, (7, 0), b"")));
    assert_eq!((at, ends(&data)), (2, (PUBLIC, 5_002, ip(2), 10_001)));
    let (at, data) = net.pass(2, frame(ip(2), PUBLIC, tcp((10_001, 5_002), SYN | ACK, (70, 8), b"")));
    assert_eq!((at, ends(&data)), (1, (ip(2), 10_001, ip(1), 5_002)));
}

#[test]
fn a_server_behind_translation_names_its_public_address() {
    let mut net = Net::new(&[
        "table=0,in_port=1,tcp,tp_dst=21,actions=ct(commit,alg=ftp,nat(dst=10.0.0.2)),2",
        "table=0,priority=1,in_port=1,tcp,actions=ct(nat,table=1)",
        "table=0,in_port=2,tcp,actions=ct(nat),1",
        "table=1,ip,ct_state=+new+rel,actions=ct(commit,nat),2",
    ]);
    net.pass(1, frame(ip(1), PUBLIC, tcp((5_000, 21), SYN, (99, 0), b"")));
    net.pass(2, frame(ip(2), ip(1), tcp((21, 5_000), SYN | ACK, (499, 100), b"")));
    let answer = b"227 Entering Passive Mode (10,0,0,2,39,17)\r\n";
    let (_, out) = net.pass(2, frame(ip(2), ip(1), tcp((21, 5_000), ACK | PSH, (500, 100), answer)));
    assert_eq!(payload(&out), "227 Entering Passive Mode (192,0,2,1,39,17)\r\n");
    let (at, data) = net.pass(1, frame(ip(1), PUBLIC, tcp((5_002, 10_001), SYN, (7, 0), b"")));
    assert_eq!((at, ends(&data)), (2, (ip(1), 5_002, ip(2), 10_001)));
}

#[test]
fn tftp_answers_from_another_port() {
    let mut net = Net::new(&[
        "table=0,in_port=1,udp,tp_dst=69,actions=ct(commit,alg=tftp,nat(src=192.0.2.1)),2",
        "table=0,in_port=2,udp,actions=ct(nat,table=1)",
        "table=1,ip,ct_state=+new+rel,actions=ct(commit,nat),1",
        "table=1,priority=1,actions=4",
    ]);
    net.pass(1, frame(ip(1), ip(2), udp(5_000, 69, b"\0\x01file\0octet\0")));
    let (at, data) = net.pass(2, frame(ip(2), PUBLIC, udp(4_444, 5_000, b"\0\x03\0\x01data")));
    assert_eq!((at, ends(&data)), (1, (ip(2), 4_444, ip(1), 5_000)));
    assert_eq!(net.pass(2, frame(ip(9), PUBLIC, udp(4_444, 5_000, b"\0\x03\0\x01data"))).0, 4);
}
