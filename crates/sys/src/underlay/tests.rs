//! Sockets that talk to each other over loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;
use crate::netlink::{LinkChange, Netlink, NetlinkSocket, NewLink, Request};
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
            let length = if v6 { 0 } else { 20 };
            assert_eq!(packet.range.len(), length + 60);
            let (header, body) = packet.buffer[packet.range.clone()].split_at(length);
            assert_eq!(body, [7; 60]);
            if v6 {
                assert_eq!((packet.tos, packet.ttl), (0xb8, 9));
                return;
            }
            // Version and length, TOS; DF; TTL and protocol; addresses.
            assert_eq!((&header[..2], header[6], &header[8..10]), (&[0x45, 0xb8][..], 0x40, &[9, 47][..]));
            assert_eq!(header[12..], [127, 0, 0, 1, 127, 0, 0, 1]);
            let plain = Outgoing { from: None, ttl: 0, ..outgoing(v6, &[7; 60]) };
            assert_eq!(sender.send([plain]), Ok(1));
            assert_eq!(listener.receive(&mut batch, BATCH), Ok(1));
            let packet = batch.datagram(0).unwrap();
            let header = &packet.buffer[packet.range.clone()][..20];
            assert_eq!((header[8], &header[12..16]), (64, &[127, 0, 0, 1][..]), "as the kernel has it");
            assert_eq!(sender.send([outgoing(v6, &[7; 65_530])]), Err(Errno::MSGSIZE));
            // One that may be fragmented is left to the kernel altogether.
            let other = UnderlaySocket::sender(protocol, v6, false, Checksum::On).unwrap();
            assert_eq!(other.send([outgoing(v6, &[7; 60])]), Ok(1));
            assert_eq!(listener.receive(&mut batch, BATCH), Ok(1));
            let packet = batch.datagram(0).unwrap();
            let header = &packet.buffer[packet.range.clone()][..20];
            assert_eq!((header[1], header[6], header[8]), (0xb8, 0, 9));
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

/// A TCP header as STT has it: no connection's, with ACK.
fn like_tcp(v6: bool) -> [u8; 30] {
    let mut packet = [0; 30];
    packet[..4].copy_from_slice(&[0x9c, 0x40, 0x1d, 0x2f]);
    packet[12..16].copy_from_slice(&[0x50, 0x10, 0xff, 0xff]);
    let words = |bytes: &[u8]| -> u32 {
        bytes.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(*two.get(1).unwrap_or(&0))).sum()
    };
    let addresses = if v6 { 2 } else { 2 * (0x7f00 + 1) };
    let sum = words(&packet) + addresses + 6 + 30;
    let folded = (sum & 0xffff) + (sum >> 16);
    packet[16..18].copy_from_slice(&(!folded & 0xffff).to_be_bytes()[2..]);
    packet
}

/// How many packets a socket has received within 200 ms, and the port and flags of the last.
fn heard(socket: &UnderlaySocket) -> (usize, u16, u8) {
    let mut batch = Datagrams::new();
    let (mut count, mut port, mut flags) = (0, 0, 0);
    let end = crate::clock::now() + 200_000_000;
    while crate::clock::now() < end {
        for n in 0..socket.receive(&mut batch, BATCH).unwrap_or(0) {
            let datagram = batch.datagram(n).unwrap();
            let start = datagram.range.start + if datagram.from.is_ipv4() { 20 } else { 0 };
            port = u16::from_be_bytes([datagram.buffer[start + 2], datagram.buffer[start + 3]]);
            flags = datagram.buffer[start + 13];
            count += 1;
        }
    }
    (count, port, flags)
}

#[test]
fn nobody_answers_at_a_port_that_is_claimed() {
    let Some(ns) = place() else { return };
    for v6 in [false, true] {
        ns.run(move || {
            let protocol = Protocol::Ip(6, Some(7471));
            let listener = UnderlaySocket::listen(protocol, v6, None).unwrap();
            let answers = UnderlaySocket::listen(Protocol::Ip(6, Some(40_000)), v6, None).unwrap();
            let sender = UnderlaySocket::sender(protocol, v6, true, Checksum::On).unwrap();
            let packet = like_tcp(v6);
            assert_eq!(sender.send([outgoing(v6, &packet)]), Ok(1));
            assert_eq!(heard(&listener), (1, 7471, 0x10));
            assert_eq!(heard(&answers), (1, 40_000, 0x04), "without a claim the kernel sends RST");
            let claim = PortClaim::new(v6, Some(local(v6)), 7471).unwrap();
            let again = PortClaim::new(v6, None, 7471).unwrap_err();
            assert_eq!(again.errno, Errno::ADDRINUSE);
            assert_eq!(sender.send([outgoing(v6, &packet)]), Ok(1));
            assert_eq!(heard(&listener), (1, 7471, 0x10), "raw sockets see it all the same");
            assert_eq!(heard(&answers).0, 0);
            let tried = std::net::TcpStream::connect_timeout(
                &(local(v6), 7471).into(),
                std::time::Duration::from_millis(300),
            );
            assert_eq!(tried.unwrap_err().kind(), std::io::ErrorKind::TimedOut, "nobody is let in");
            drop(claim);
            assert!(PortClaim::new(v6, None, 7471).is_ok(), "it is free again");
        })
        .unwrap();
    }
}

#[test]
fn a_super_packet_crosses_a_cable_whole() {
    if !can_make_namespaces() {
        return;
    }
    let (near, far) = (NetNs::create().unwrap(), NetNs::create().unwrap());
    let listener =
        far.run(|| UnderlaySocket::listen(Protocol::Ip(6, Some(7471)), false, None).unwrap()).unwrap();
    let end = |index, last: u8| NewLink {
        name: "under".into(),
        index: Some(index),
        netns: None,
        with: LinkChange { mac: Some([2, 0, 0, 0, 0, last]), ..LinkChange::up() },
    };
    let peer = NewLink { netns: Some(far.raw()), ..end(78, 2) };
    let address = |index, last| Request::AddAddress { index, address: [192, 0, 2, last].into(), prefix: 24 };
    let mut netlink = near.run(NetlinkSocket::open).unwrap().unwrap();
    netlink.batch(&[Request::AddVeth { end: end(77, 1), peer }, address(77, 1)]).unwrap();
    let mut netlink = far.run(NetlinkSocket::open).unwrap().unwrap();
    netlink.batch(&[Request::SetLink { index: 78, change: LinkChange::up() }, address(78, 2)]).unwrap();
    let mut head = [0_u8; 54];
    head[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    let ip = [0x45, 0, 0xea, 0x88, 0, 0, 0x40, 0, 64, 6, 0xcc, 0x6b, 192, 0, 2, 1, 192, 0, 2, 2];
    head[14..34].copy_from_slice(&ip);
    head[34..38].copy_from_slice(&[0x9c, 0x40, 0x1d, 0x2f]);
    head[46..50].copy_from_slice(&[0x50, 0x10, 0xff, 0xff]);
    let body = vec![7; 60_000];
    // Checksum open at 34 + 16; TCP over IPv4, headers 54, segments of 1460.
    let header = [1, 1, 54, 0, 0xb4, 0x05, 34, 0, 16, 0];
    let injector = near.run(Injector::open).unwrap().unwrap();
    let mut batch = Datagrams::new();
    let end = crate::clock::now() + 5_000_000_000;
    let (mut count, mut next) = (0, 0);
    while count == 0 && crate::clock::now() < end {
        // A cable just plugged in loses what is sent until the kernel has noticed it at both ends.
        if crate::clock::now() >= next {
            assert_eq!(injector.send(77, 0x0800, &header, [&head, &body]), Ok(()));
            next = crate::clock::now() + 50_000_000;
        }
        count = listener.receive(&mut batch, BATCH).unwrap_or(0);
    }
    assert!(count > 0);
    let packet = batch.datagram(0).unwrap();
    assert_eq!((packet.range.len(), packet.buffer[packet.range.start + 8]), (60_040, 64));
    assert_eq!(injector.send(4_711, 0x0800, &header, [&head, &body]), Err(Errno::NXIO));
    let lie = [1, 1, 54, 0, 0xb4, 0x05, 0xff, 0xff, 16, 0];
    assert_eq!(injector.send(77, 0x0800, &lie, [&head, &body]), Err(Errno::INVAL));
}
