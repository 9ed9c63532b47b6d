//! Anything at all as frames of a network's guests, as payloads of its services, and as answers of name servers outside:
//! nothing panics, every answer leaves by the port of its question, is a frame with right checksums and no longer than it
//! may be, and a question that goes on is answered once.
//!
//! Layout of an input: 1 byte (0 a frame; 1 to 4 the payload of a DHCP, DHCPv6, IPv4 DNS, IPv6 DNS message; 5 the answer
//! to a question; 6 what is said in a TCP connection to the name server, after a byte of how long its segments are, and one
//! of their flags), and the bytes of it.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use netloom_flow::Nanos;
use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::tcp::flag;
use netloom_packet::{Mac, checksum, parse};
use netloom_services::{Client, Hop, Network, Output, Router, Spec, Zone, link_local};

const SERVICE: Mac = Mac([2, 0, 0, 0, 0, 0xfd]);
const GUEST: Mac = Mac([2, 0, 0, 0, 0, 1]);
const PORT: u32 = 1;
/// Longest frame that a service sends but for echoes: a DHCP message on a link of 1,500 bytes.
const LONGEST: usize = 1_514;

fn spec() -> Spec {
    let mut zone = Zone::new("shop", "red", ["red".to_owned(), "blue".to_owned()]);
    zone.add("web", [10, 0, 0, 1].into());
    zone.add("web", IpAddr::V6(Ipv6Addr::from_bits(0xfd00 << 112 | 1)));
    zone.cover([10, 0, 0, 0].into(), 24);
    let client = Client {
        node: "red/web".to_owned(),
        hostname: "web".to_owned(),
        mac: GUEST,
        port: Some(PORT),
        mtu: 1_500,
        v4: Some(([10, 0, 0, 1].into(), 24)),
        v6: Some((Ipv6Addr::from_bits(0xfd00 << 112 | 1), 64)),
        gateway: Some([10, 0, 0, 254].into()),
        routes: vec![Hop { to: [192, 0, 2, 0].into(), len: 24, via: [10, 0, 0, 9].into() }],
        router: Some(Router { mac: SERVICE, address: link_local(SERVICE) }),
    };
    Spec {
        mac: SERVICE,
        v4: Some(([10, 0, 0, 253].into(), 24)),
        v6: Some((Ipv6Addr::from_bits(0xfd00 << 112 | 0xfd), 64)),
        dhcp: true,
        forwards: true,
        zone,
        clients: vec![client],
    }
}

fn framed(kind: u8, data: &[u8]) -> Option<Vec<u8>> {
    let own = |last: u128| IpAddr::V6(Ipv6Addr::from_bits(0xfd00 << 112 | last));
    let (to_mac, from, to): (Mac, (IpAddr, u16), (IpAddr, u16)) = match kind {
        1 => (Mac::BROADCAST, (Ipv4Addr::UNSPECIFIED.into(), 68), (Ipv4Addr::BROADCAST.into(), 67)),
        2 => (
            Mac([0x33, 0x33, 0, 1, 0, 2]),
            (link_local(GUEST).into(), 546),
            (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2).into(), 547),
        ),
        3 => (SERVICE, ([10, 0, 0, 1].into(), 9), ([10, 0, 0, 253].into(), 53)),
        _ => (SERVICE, (own(1), 9), (own(0xfd), 53)),
    };
    Frame::ip(GUEST, to_mac, Ip::between(from.0, to.0)?.udp(from.1, to.1, data)).to_vec()
}

fn judge(frame: &[u8], asked: usize) {
    let headers = parse(frame).expect("what leaves is a frame");
    assert_ne!(checksum::verify_ipv4(frame, &headers), Some(false), "IPv4 checksum");
    assert_ne!(checksum::verify_l4(frame, &headers), Some(false), "L4 checksum");
    assert!(frame.len() <= LONGEST.max(asked), "{} bytes for {asked}", frame.len());
}

/// Says it all in one connection: what comes back is whole, and there is an end to it.
fn stream(network: &mut Network, data: &[u8], mut now: Nanos) {
    let [len, flags, rest @ ..] = data else { return };
    let (guest, server) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 253));
    let mut out = Vec::new();
    let mut say = |network: &mut Network, seq: u32, ack: u32, flags: u16, data: &[u8], now: Nanos| {
        let tcp =
            Tcp { src: 9, dst: 53, seq, ack, flags, window: u16::from(*len) * 16, data, ..Tcp::default() };
        let Some(ip) = Ip::between(guest.into(), server.into()) else { return 0 };
        let Some(frame) = Frame::ip(GUEST, SERVICE, ip.tcp(tcp)).to_vec() else { return 0 };
        network.handle(PORT, &frame, now, &mut out);
        let mut last = 0;
        for output in out.drain(..) {
            if let Output::Send { frame, .. } = output {
                judge(&frame, 0);
                let headers = parse(&frame).expect("what leaves is a frame");
                last = netloom_packet::tcp::Tcp::of(&frame, &headers).map_or(last, |tcp| tcp.seq());
            }
        }
        last
    };
    let first = say(network, 99, 0, flag::SYN, &[], now).wrapping_add(1);
    let mut seq = 100_u32;
    for part in rest.chunks(usize::from(*len).max(1)) {
        say(network, seq, first, flag::ACK | u16::from(*flags), part, now);
        seq = seq.wrapping_add(u32::try_from(part.len()).unwrap_or(0));
    }
    for _ in 0..200 {
        let Some(due) = network.deadline().filter(|due| *due < Nanos::from_secs(100)) else { break };
        now = due;
        let mut out = Vec::new();
        network.poll(now, &mut out);
        assert!(out.len() <= 64, "{} at once", out.len());
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&kind, data)) = input.split_first() else { return };
    let now = Nanos::from_secs(1);
    let mut network = Network::new(spec(), now);
    let mut out = Vec::new();
    if kind == 6 {
        return stream(&mut network, data, now);
    }
    let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01";
    let frame = match kind {
        0 => Some(data.to_vec()),
        5 => framed(3, question),
        _ => framed(kind, data),
    };
    let Some(frame) = frame else { return };
    network.handle(PORT, &frame, now, &mut out);
    assert!(out.len() <= 1, "one answer for one frame");
    for output in std::mem::take(&mut out) {
        match output {
            Output::Send { port, frame: answer } => {
                assert_eq!(port, PORT);
                judge(&answer, frame.len());
            }
            Output::Ask { token, query } => {
                assert!(query.len() <= 12 + 255 + 4 + 11);
                network.upstream(token, Some(data), now, &mut out);
                assert!(matches!(out.as_slice(), [Output::Send { port: PORT, .. }]), "one answer");
                network.upstream(token, Some(data), now, &mut out);
                assert_eq!(out.len(), 1, "and no other");
            }
        }
    }
    assert!(network.leases(now).count() <= 2);
});
