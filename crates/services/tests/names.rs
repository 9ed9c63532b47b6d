//! The name server.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

mod support;

use netloom_flow::Nanos;
use netloom_packet::Mac;
use netloom_services::{Network, Output, Refusal, Served};
use support::*;

const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut out: Vec<u8> =
        labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat()).collect();
    out.push(0);
    out
}

fn query(name: &str, kind: u16) -> Vec<u8> {
    let head = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&head[..], &wire(name), &kind.to_be_bytes(), &[0, 1]].concat()
}

/// With EDNS.
fn edns(mut query: Vec<u8>, size: u16, version: u8) -> Vec<u8> {
    query[11] = 1;
    query.extend([0, 0, 41]);
    query.extend(size.to_be_bytes());
    query.extend([0, version, 0, 0, 0, 0]);
    query
}

fn frame(data: &[u8]) -> Vec<u8> {
    udp((WEB, SERVICE), ([10, 0, 0, 1].into(), 5353), (SERVER.into(), 53), data)
}

fn ask(network: &mut Network, data: &[u8]) -> Vec<u8> {
    let (mac, from, to, data) = opened(&answer(network, 1, &frame(data)));
    assert_eq!((mac, from, to), (WEB, (SERVER.into(), 53), ([10, 0, 0, 1].into(), 5353)));
    data
}

/// Response code, and the data of the records.
fn answers(network: &mut Network, name: &str, kind: u16) -> (u8, Vec<Vec<u8>>) {
    let asked = query(name, kind);
    let reply = ask(network, &asked);
    assert_eq!((&reply[..2], reply[2] & 0x81, reply[3] & 0x80), (&[0x12, 0x34][..], 0x81, 0x80));
    assert_eq!(reply[12..asked.len()], asked[12..], "the question as it came");
    let mut rest = &reply[asked.len()..];
    let mut out = Vec::new();
    for _ in 0..u16::from_be_bytes([reply[6], reply[7]]) {
        assert_eq!((&rest[..2], &rest[4..10]), (&[0xc0, 12][..], &[0, 1, 0, 0, 0, 5][..]));
        let len = usize::from(rest[11]);
        out.push(rest[12..12 + len].to_vec());
        rest = &rest[12 + len..];
    }
    assert!(rest.is_empty());
    (reply[3] & 0xf, out)
}

#[test]
fn names_of_the_tenant_have_their_addresses() {
    let mut network = network();
    for name in ["db", "DB.red", "db.Red.shop"] {
        assert_eq!(answers(&mut network, name, A), (0, vec![vec![10, 0, 0, 2]]), "{name}");
        assert_eq!(answers(&mut network, name, AAAA), (0, vec![v6("fd00::2").octets().to_vec()]), "{name}");
    }
    assert_eq!(answers(&mut network, "db", 255).1.len(), 2);
    assert_eq!(answers(&mut network, "db", 15), (0, vec![]), "there is no mail");
    assert_eq!(answers(&mut network, "2.0.0.10.in-addr.arpa", PTR), (0, vec![wire("db.red.shop")]));
    for name in ["nobody", "db.blue", "db.shop", "9.0.0.10.in-addr.arpa"] {
        assert_eq!(answers(&mut network, name, A), (3, vec![]), "{name}");
    }
    assert!(refused(&network).is_empty());
}

#[test]
fn a_closed_network_says_at_once_that_there_is_no_world() {
    let mut network = network();
    assert_eq!(answers(&mut network, "example.org", A), (3, vec![]));
    assert_eq!(refused(&network), [(Refusal::NoUpstream, 1)]);
}

fn open() -> Network {
    let mut spec = spec();
    spec.forwards = true;
    Network::new(spec, NOW)
}

/// Asks for a name of the world; which question that is, and as it goes on.
fn ask_outside(network: &mut Network, asked: &[u8]) -> (u64, Vec<u8>) {
    match handle(network, 1, &frame(asked)).as_slice() {
        [Output::Ask { token, query }] => (*token, query.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_names_are_asked_outside_and_the_answer_comes_back() {
    let mut network = open();
    let asked = query("Example.org", A);
    let (token, onward) = ask_outside(&mut network, &asked);
    assert_eq!((&onward[..4], &onward[12..12 + 13]), (&[0, 0, 1, 0][..], &wire("Example.org")[..]));
    let mut reply = query("example.org", A);
    reply[2..8].copy_from_slice(&[0x85, 0x80, 0, 1, 0, 1]);
    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    let records = reply[reply.len() - 16..].to_vec();
    // Who does not speak EDNS is not shown that others do.
    reply[11] = 1;
    reply.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    let mut out = Vec::new();
    network.upstream(token, Some(&reply), NOW, &mut out);
    let [Output::Send { port: 1, frame }] = out.as_slice() else { panic!("{out:?}") };
    let (_, _, to, data) = opened(frame);
    assert_eq!((to.1, &data[..2], &data[10..12]), (5353, &[0x12, 0x34][..], &[0, 0][..]));
    assert!(data.ends_with(&records));
    assert_eq!(served(&network), [(Served::Forwarded, 1)]);
    // Once only.
    out.clear();
    network.upstream(token, Some(&reply), NOW, &mut out);
    assert!(out.is_empty());
}

/// The response code of what comes of an answer from outside.
fn relayed(asked: &[u8], reply: Option<&[u8]>) -> (u8, bool, usize) {
    let mut network = open();
    let (token, _) = ask_outside(&mut network, asked);
    let mut out = Vec::new();
    network.upstream(token, reply, NOW, &mut out);
    let [Output::Send { frame, .. }] = out.as_slice() else { panic!("{out:?}") };
    let data = opened(frame).3;
    (data[3] & 0xf, data[2] & 2 != 0, data.len())
}

#[test]
fn what_is_no_answer_to_the_question_is_not_handed_on() {
    let asked = query("example.org", A);
    let reply = |name: &str, kind| {
        let mut reply = query(name, kind);
        reply[2] = 0x81;
        reply
    };
    assert_eq!(relayed(&asked, Some(&reply("example.org", A))).0, 0);
    for wrong in [reply("example.com", A), reply("example.org", AAAA), asked.clone(), vec![], vec![0x81; 12]]
    {
        assert_eq!(relayed(&asked, Some(&wrong)).0, 2, "{wrong:?}");
    }
    assert_eq!(relayed(&asked, None).0, 2);
    // Too long for the client.
    let long = [reply("example.org", A), vec![0; 2_000]].concat();
    assert_eq!(relayed(&asked, Some(&long)), (0, true, asked.len()));
}

#[test]
fn a_question_waits_no_longer_than_its_client() {
    let mut network = open();
    ask_outside(&mut network, &query("example.org", A));
    let due = network.deadline().unwrap();
    assert_eq!(due, NOW + Nanos::from_secs(4));
    let mut out = Vec::new();
    network.poll(due, &mut out);
    let [Output::Send { frame, .. }] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!(opened(frame).3[3] & 0xf, 2);
    assert_eq!(refused(&network), [(Refusal::Timeout, 1)]);
}

#[test]
fn one_port_cannot_take_all_the_places() {
    let mut network = open();
    for _ in 0..64 {
        ask_outside(&mut network, &query("example.org", A));
    }
    assert_eq!(ask(&mut network, &query("example.org", A))[3] & 0xf, 2);
    assert_eq!(refused(&network), [(Refusal::Busy, 1)]);
    let other = udp((DB, SERVICE), ([10, 0, 0, 2].into(), 99), (SERVER.into(), 53), &query("example.org", A));
    assert!(matches!(handle(&mut network, 2, &other).as_slice(), [Output::Ask { .. }]));
}

#[test]
fn edns_is_spoken_and_nothing_newer() {
    let mut network = network();
    let reply = ask(&mut network, &edns(query("db", A), 4_096, 0));
    assert_eq!((reply[11], &reply[reply.len() - 11..]), (1, &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0][..]));
    let reply = ask(&mut network, &edns(query("db", A), 4_096, 1));
    assert_eq!((reply[3] & 0xf, reply[reply.len() - 6]), (0, 1), "BADVERS");
}

#[test]
fn many_addresses_are_cut_at_what_the_client_takes() {
    let mut spec = spec();
    for n in 0..40u8 {
        spec.zone.add("many", v6(&format!("fd00::{n:x}")).into());
    }
    let mut network = Network::new(spec, NOW);
    let small = ask(&mut network, &query("many", AAAA));
    assert!(small.len() <= 512);
    let all = ask(&mut network, &edns(query("many", AAAA), 1_232, 0));
    assert_eq!((all[2] & 2, u16::from_be_bytes([all[6], all[7]])), (0, 16), "and that many are told");
}

#[test]
fn what_is_no_question_gets_a_word_or_silence() {
    let mut network = network();
    let code = |network: &mut Network, data: &[u8]| ask(network, data)[3] & 0xf;
    let mut update = query("db", A);
    update[2] = 0x28;
    assert_eq!(code(&mut network, &update), 4, "NOTIMP");
    let mut two = query("db", A);
    two[5] = 2;
    assert_eq!(code(&mut network, &two), 1, "FORMERR");
    let pointer = [&query("", A)[..12], &[0xc0, 12, 0, 1, 0, 1]].concat();
    assert_eq!(code(&mut network, &pointer), 1, "a loop");
    assert_eq!(code(&mut network, &query("db", 252)), 5, "no transfers");
    let mut chaos = query("version.bind", 16);
    *chaos.last_mut().unwrap() = 3;
    assert_eq!(code(&mut network, &chaos), 5);
    let mut reply = query("db", A);
    reply[2] = 0x80;
    for silent in [reply, vec![], vec![0; 11]] {
        assert!(handle(&mut network, 1, &frame(&silent)).is_empty());
    }
    // Nobody answers for another address.
    let elsewhere =
        udp((WEB, SERVICE), ([10, 0, 0, 1].into(), 1), ([10, 0, 0, 2].into(), 53), &query("db", A));
    assert!(handle(&mut network, 1, &elsewhere).is_empty());
    // Names are also for those who are not in the lab's file.
    let stranger = Mac([2, 9, 9, 9, 9, 9]);
    let from = ([10, 0, 0, 77].into(), 1);
    let asked = udp((stranger, SERVICE), from, (SERVER.into(), 53), &query("db", A));
    assert_eq!(handle(&mut network, 5, &asked).len(), 1);
}
