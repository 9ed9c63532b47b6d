//! Router advertisements, and the service as a neighbour.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

mod support;

use std::net::{Ipv4Addr, Ipv6Addr};

use netloom_flow::Nanos;
use netloom_packet::build::{Frame, Ip, L4, Tcp};
use netloom_packet::ipv6::Ipv6;
use netloom_packet::tcp::flag;
use netloom_packet::{Mac, parse};
use netloom_services::{Network, Output, Refusal, Served, link_local};
use support::*;

const ROUTERS: Mac = Mac([0x33, 0x33, 0, 0, 0, 2]);

fn solicit(mac: Mac, from: Ipv6Addr, ttl: u8) -> Vec<u8> {
    icmpv6(mac, ROUTERS, from, v6("ff02::2"), ttl, vec![133, 0, 0, 0, 0, 0, 0, 0])
}

/// Sender, receiver and message.
fn read(frame: &[u8]) -> (Ipv6Addr, Ipv6Addr, Vec<u8>) {
    let headers = parse(frame).unwrap();
    let ip = Ipv6::of(frame, &headers).unwrap();
    assert_eq!(ip.ttl(), 255);
    (ip.src().into(), ip.dst().into(), frame[usize::from(headers.l4)..].to_vec())
}

/// The options behind an advertisement's fixed part.
fn options(message: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut rest = &message[16..];
    let mut out = Vec::new();
    while !rest.is_empty() {
        let len = usize::from(rest[1]) * 8;
        out.push((rest[0], rest[2..len].to_vec()));
        rest = &rest[len..];
    }
    out
}

#[test]
fn who_asks_is_told_the_prefix_the_router_the_mtu_and_name_servers() {
    let mut network = network();
    let frame = answer(&mut network, 1, &solicit(WEB, link_local(WEB), 255));
    assert_eq!(frame[..12], [WEB.0, SERVICE.0].concat(), "no switch learns the router here");
    let (from, to, message) = read(&frame);
    assert_eq!((from, to), (link_local(ROUTER), link_local(WEB)), "in the router's name");
    assert_eq!((message[0], message[5], &message[6..8]), (134, 0xc0, &1_800u16.to_be_bytes()[..]));
    let options = options(&message);
    let find =
        |code| options.iter().find(|(known, _)| *known == code).map(|(_, value)| value.as_slice()).unwrap();
    assert_eq!(find(1), ROUTER.0);
    assert_eq!(find(5)[2..], 1_500u32.to_be_bytes());
    let prefix = find(3);
    assert_eq!(
        (prefix[0], prefix[1], &prefix[14..30]),
        (64, 0x80, &v6("fd00::").octets()[..]),
        "on link, no SLAAC"
    );
    assert_eq!(find(25)[6..], v6("fd00::fd").octets());
    assert!(find(31)[6..].starts_with(b"\x03red\x04shop\0"));
}

#[test]
fn where_no_router_is_the_service_says_that_it_is_none() {
    let mut network = network();
    let frame = answer(&mut network, 2, &solicit(DB, Ipv6Addr::UNSPECIFIED, 255));
    let (from, to, message) = read(&frame);
    assert_eq!((from, to), (link_local(SERVICE), v6("ff02::1")));
    assert_eq!((&frame[..6], &message[6..8]), (&[0x33, 0x33, 0, 0, 0, 1][..], &[0, 0][..]));
    assert_eq!(options(&message)[1].1[2..], 1_400u32.to_be_bytes());
}

#[test]
fn all_are_told_from_time_to_time_each_at_its_own_port() {
    let mut network = network();
    let mut told = Vec::new();
    for _ in 0..4 {
        let due = network.deadline().unwrap();
        let mut out = Vec::new();
        network.poll(due, &mut out);
        let ports: Vec<u32> =
            out.iter().map(|it| if let Output::Send { port, .. } = it { *port } else { 0 }).collect();
        told.push((due.since(NOW).0 / 1_000_000_000, ports));
    }
    assert_eq!(told, [16, 32, 48, 648].map(|at| (at, vec![1, 2])));
    let mut spec = spec();
    spec.dhcp = false;
    network.set(spec, NOW);
    assert_eq!(network.deadline(), None);
    let mut out = Vec::new();
    network.poll(NOW + Nanos::from_secs(9_999), &mut out);
    assert!(out.is_empty());
    assert!(handle(&mut network, 1, &solicit(WEB, link_local(WEB), 255)).is_empty());
    assert_eq!(refused(&network), [(Refusal::Off, 1)]);
}

#[test]
fn what_came_over_a_router_is_no_neighbours_word() {
    let mut network = network();
    assert!(handle(&mut network, 1, &solicit(WEB, link_local(WEB), 64)).is_empty());
    assert!(handle(&mut network, 2, &solicit(WEB, link_local(WEB), 255)).is_empty(), "at another's port");
    assert_eq!(refused(&network), [(Refusal::Malformed, 1), (Refusal::WrongPort, 1)]);
}

fn echo(network: &mut Network, from: Ipv4Addr, to: Ipv4Addr) -> Vec<Output> {
    let frame = Frame::ip(WEB, SERVICE, Ip::v4(from, to).echo(7, 9, b"data")).to_vec().unwrap();
    handle(network, 1, &frame)
}

#[test]
fn the_service_is_a_neighbour() {
    let mut network = network();
    let own = Ipv4Addr::new(10, 0, 0, 1);
    let reply = answer(&mut network, 1, &Frame::arp_request(WEB, own, SERVER).to_vec().unwrap());
    assert_eq!(reply, Frame::arp_reply(SERVICE, SERVER, WEB, own).to_vec().unwrap());
    for target in [v6("fd00::fd"), link_local(SERVICE)] {
        let ask = Frame::nd_solicit(WEB, link_local(WEB), target).to_vec().unwrap();
        let advert = Frame::nd_advert(SERVICE, target, WEB, link_local(WEB)).to_vec().unwrap();
        assert_eq!(answer(&mut network, 1, &ask), advert);
    }
    assert_eq!(echo(&mut network, own, SERVER).len(), 1);
    assert_eq!(served(&network), [(Served::Neighbour, 4)]);
    // Whoever wants the address for itself is told that it is taken, and so is everybody.
    let probe = Frame::nd_solicit(WEB, Ipv6Addr::UNSPECIFIED, v6("fd00::fd")).to_vec().unwrap();
    assert_eq!(read(&answer(&mut network, 1, &probe)).1, v6("ff02::1"));
    // For others it says nothing.
    assert!(echo(&mut network, own, Ipv4Addr::new(10, 0, 0, 2)).is_empty());
    let other = Frame::arp_request(WEB, own, Ipv4Addr::new(10, 0, 0, 2)).to_vec().unwrap();
    assert!(handle(&mut network, 1, &other).is_empty());
}

#[test]
fn answers_and_errors_are_nothing_to_answer() {
    let mut network = network();
    let unreachable = [3, 3, 0xfc, 0xfc, 0, 0, 0, 0];
    let ip = Ip { l4: L4::Raw { proto: 1, bytes: &unreachable }, ..Ip::v4([10, 0, 0, 1], SERVER) };
    let error = Frame::ip(WEB, SERVICE, ip).to_vec().unwrap();
    let reply = Frame::arp_reply(WEB, Ipv4Addr::new(10, 0, 0, 1), SERVICE, SERVER).to_vec().unwrap();
    let advert = Frame::nd_advert(WEB, v6("fd00::1"), SERVICE, v6("fd00::fd")).to_vec().unwrap();
    for frame in [error, reply, advert] {
        assert!(handle(&mut network, 1, &frame).is_empty());
    }
    assert_eq!(refused(&network), [], "and none is refused");
}

#[test]
fn connections_are_refused_at_once() {
    let mut network = network();
    let syn = Tcp { src: 999, dst: 80, seq: 41, flags: flag::SYN, ..Tcp::default() };
    let frame = Frame::ip(WEB, SERVICE, Ip::v4([10, 0, 0, 1], SERVER).tcp(syn)).to_vec().unwrap();
    let reset = Tcp { src: 80, dst: 999, ack: 42, flags: flag::RST | flag::ACK, ..Tcp::default() };
    let expected = Frame::ip(SERVICE, WEB, Ip::v4(SERVER, [10, 0, 0, 1]).tcp(reset)).to_vec().unwrap();
    assert_eq!(answer(&mut network, 1, &frame), expected);
    assert!(
        handle(
            &mut network,
            1,
            &Frame::ip(WEB, SERVICE, Ip::v4([10, 0, 0, 1], SERVER).tcp(reset)).to_vec().unwrap()
        )
        .is_empty()
    );
}
