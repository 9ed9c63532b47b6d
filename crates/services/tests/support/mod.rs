//! A network with two clients, and frames as they send them.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netloom_flow::Nanos;
use netloom_packet::build::{Ends, Frame, Ip, L4};
use netloom_packet::checksum::{pseudo_v6, verify_ipv4, verify_l4};
use netloom_packet::udp::Udp;
use netloom_packet::{Mac, parse};
use netloom_services::{Client, Hop, Network, Output, Refusal, Router, Served, Spec, Zone, link_local};

pub(crate) const SERVICE: Mac = Mac([2, 0, 0, 0, 0, 0xfd]);
pub(crate) const WEB: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub(crate) const DB: Mac = Mac([2, 0, 0, 0, 0, 2]);
pub(crate) const NOW: Nanos = Nanos::from_secs(100);
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 253);
pub(crate) const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 0xfe]);

pub(crate) fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

pub(crate) fn client(host: &str, mac: Mac, port: u32, last: u8) -> Client {
    Client {
        node: format!("red/{host}"),
        hostname: host.to_owned(),
        mac,
        port: Some(port),
        mtu: 1_500,
        v4: Some((Ipv4Addr::new(10, 0, 0, last), 24)),
        v6: Some((Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(last)), 64)),
        gateway: Some(Ipv4Addr::new(10, 0, 0, 254)),
        routes: Vec::new(),
        router: Some(Router { mac: ROUTER, address: link_local(ROUTER) }),
    }
}

pub(crate) fn spec() -> Spec {
    let mut zone = Zone::new("shop", "red", ["default", "red", "blue"].map(str::to_owned));
    for (host, last) in [("web", 1), ("db", 2)] {
        zone.add(host, [10, 0, 0, last].into());
        zone.add(host, Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(last)).into());
    }
    zone.cover([10, 0, 0, 0].into(), 24);
    let mut db = client("db", DB, 2, 2);
    db.mtu = 1_400;
    db.gateway = None;
    db.router = None;
    db.routes = vec![Hop { to: [192, 0, 2, 0].into(), len: 25, via: [10, 0, 0, 9].into() }];
    Spec {
        mac: SERVICE,
        v4: Some((SERVER, 24)),
        v6: Some((v6("fd00::fd"), 64)),
        dhcp: true,
        forwards: false,
        zone,
        clients: vec![client("web", WEB, 1, 1), db],
    }
}

pub(crate) fn network() -> Network {
    Network::new(spec(), NOW)
}

/// What comes of a frame: every frame out of its own port, with right checksums.
pub(crate) fn handle(network: &mut Network, port: u32, frame: &[u8]) -> Vec<Output> {
    let mut out = Vec::new();
    network.handle(port, frame, NOW, &mut out);
    for output in &out {
        if let Output::Send { port: to, frame } = output {
            assert_eq!(*to, port, "an answer leaves where the question came in");
            let headers = parse(frame).unwrap();
            assert_ne!(verify_ipv4(frame, &headers), Some(false));
            assert_ne!(verify_l4(frame, &headers), Some(false));
        }
    }
    out
}

/// The only frame that comes of one.
pub(crate) fn answer(network: &mut Network, port: u32, frame: &[u8]) -> Vec<u8> {
    match handle(network, port, frame).as_slice() {
        [Output::Send { frame, .. }] => frame.clone(),
        other => panic!("{other:?}; {:?}", network.tally()),
    }
}

pub(crate) fn refused(network: &Network) -> Vec<(Refusal, u64)> {
    network.tally().refused().collect()
}

pub(crate) fn served(network: &Network) -> Vec<(Served, u64)> {
    network.tally().served().collect()
}

pub(crate) fn udp(macs: (Mac, Mac), from: (IpAddr, u16), to: (IpAddr, u16), data: &[u8]) -> Vec<u8> {
    Frame::ip(macs.0, macs.1, Ip::between(from.0, to.0).unwrap().udp(from.1, to.1, data)).to_vec().unwrap()
}

/// Receiver's Ethernet address, addresses and ports, and payload of a datagram.
pub(crate) fn opened(frame: &[u8]) -> (Mac, (IpAddr, u16), (IpAddr, u16), Vec<u8>) {
    let headers = parse(frame).unwrap();
    let udp = Udp::of(frame, &headers).unwrap();
    let mac = Mac(frame[..6].try_into().unwrap());
    let (from, to): (IpAddr, IpAddr) = if headers.is_ipv4() {
        let ip = netloom_packet::ipv4::Ipv4::of(frame, &headers).unwrap();
        (ip.src().into(), ip.dst().into())
    } else {
        let ip = netloom_packet::ipv6::Ipv6::of(frame, &headers).unwrap();
        (ip.src().into(), ip.dst().into())
    };
    let data = frame[usize::from(headers.payload)..usize::try_from(headers.end).unwrap()].to_vec();
    (mac, (from, udp.src()), (to, udp.dst()), data)
}

/// A message of ICMPv6 whose checksum is made here.
pub(crate) fn icmpv6(
    mac: Mac,
    to: Mac,
    from: Ipv6Addr,
    group: Ipv6Addr,
    ttl: u8,
    mut message: Vec<u8>,
) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap();
    let sum = pseudo_v6(&from.octets(), &group.octets(), 58, len).bytes(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let l4 = L4::Raw { proto: 58, bytes: &message };
    Frame::ip(mac, to, Ip { ttl, ..Ip::new(Ends::V6(from, group), l4) }).to_vec().unwrap()
}
