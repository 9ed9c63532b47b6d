//! Sockets that talk to each other over loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;
use crate::netlink::{LinkChange, Netlink, NetlinkSocket, Request};
use crate::netns::NetNs;
use crate::testing::can_make_namespaces;
use rustix::io::Errno;

const PORT: u16 = 4789;

/// A namespace with nothing but loopback.
fn place() -> Option<NetNs> {
    if !can_make_namespaces() {
        return None;
    }
    let ns = NetNs::create().unwrap();
    ns.run(|| {
        let change = LinkChange::up();
        NetlinkSocket::open().unwrap().batch(&[Request::SetLink { index: 1, change }]).unwrap();
    })
    .unwrap();
    Some(ns)
}

fn local(v6: bool) -> IpAddr {
    if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
}

fn outgoing(v6: bool, bytes: &[u8]) -> Outgoing<'_> {
    Outgoing { to: local(v6), port: PORT, from: Some(local(v6)), tos: 0xb8, ttl: 9, segment: 0, bytes }
}

#[test]
fn a_train_arrives_in_one_piece_and_a_packet_with_its_outer_header() {
    let Some(ns) = place() else { return };
    for v6 in [false, true] {
        ns.run(move || {
            let listener = UnderlaySocket::listen(Protocol::Udp(PORT), v6, None).unwrap();
            let sender = UnderlaySocket::sender(Protocol::Udp(PORT), v6, true, Checksum::On).unwrap();
            let bytes: Vec<u8> = (0..3_500_u32).map(|n| n.to_le_bytes()[0]).collect();
            let train = Outgoing { segment: 1_000, ..outgoing(v6, &bytes) };
            assert_eq!(sender.send([train, outgoing(v6, &bytes[..99])]), Ok(2));
            let mut batch = Datagrams::new();
            let count = listener.receive(&mut batch, BATCH).unwrap();
            assert_eq!(count, 2, "the train is one");
            let first = batch.datagram(0).unwrap();
            assert_eq!((first.segment, first.from, first.to), (1_000, local(v6), Some(local(v6))));
            assert_eq!((first.tos, first.ttl), (0xb8, 9));
            assert_eq!(first.buffer[first.range], bytes);
            let second = batch.datagram(1).unwrap();
            assert_eq!((second.segment, second.range.len()), (0, 99));
            assert!(batch.datagram(32).is_none());
            assert_eq!(listener.receive(&mut batch, BATCH), Err(Errno::AGAIN));
        })
        .unwrap();
    }
}

#[test]
fn other_protocols_come_with_their_ip_header_over_ipv4_only() {
    let Some(ns) = place() else { return };
    for v6 in [false, true] {
        ns.run(move || {
            let protocol = Protocol::Ip(47, None);
            let listener = UnderlaySocket::listen(protocol, v6, Some(local(v6))).unwrap();
            let sender = UnderlaySocket::sender(protocol, v6, true, Checksum::On).unwrap();
            assert_eq!(sender.send([outgoing(v6, &[7; 60])]), Ok(1));
            let mut batch = Datagrams::new();
            assert_eq!(listener.receive(&mut batch, BATCH), Ok(1));
            let packet = batch.datagram(0).unwrap();
            let header = if v6 { 0 } else { 20 };
            assert_eq!(packet.range.len(), header + 60);
            assert_eq!(packet.buffer[packet.range.clone()][header..], [7; 60]);
            if v6 {
                assert_eq!((packet.tos, packet.ttl), (0xb8, 9));
            }
        })
        .unwrap();
    }
}

#[test]
fn what_does_not_go_is_refused() {
    let Some(ns) = place() else { return };
    ns.run(|| {
        let first = UnderlaySocket::listen(Protocol::Udp(PORT), false, None).unwrap();
        let second = UnderlaySocket::listen(Protocol::Udp(PORT), false, None).unwrap_err();
        assert_eq!(second.errno, Errno::ADDRINUSE);
        let elsewhere = UnderlaySocket::listen(Protocol::Udp(PORT), false, Some([192, 0, 2, 1].into()));
        assert_eq!(elsewhere.unwrap_err().errno, Errno::ADDRNOTAVAIL);
        let sender = UnderlaySocket::sender(Protocol::Udp(PORT), false, true, Checksum::On).unwrap();
        let nowhere = Outgoing { to: [192, 0, 2, 7].into(), from: None, ..outgoing(false, &[1]) };
        assert_eq!(sender.send([nowhere]), Err(Errno::NETUNREACH));
        assert_eq!(sender.send([outgoing(true, &[1])]), Err(Errno::INVAL), "the other family");
        assert_eq!(sender.send([]), Ok(0));
        drop(first);
    })
    .unwrap();
}
