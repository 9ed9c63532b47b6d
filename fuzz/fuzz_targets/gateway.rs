//! What nodes and the gateway's own kernel send through a gateway, in any order, and what the daemon tells meanwhile:
//! nothing panics, no packet for the world gets to the gateway's kernel as one, right checksums stay right, whoever asks to be
//! remembered is counted, and in the end nothing is.
//!
//! Layout of an input: operations, each 1 byte: 0 a frame out, 1 a frame home (1 byte length, the bytes); 2 a built frame out,
//! 3 an answer home (5 bytes: protocol, node, its port, destination, flags); 4 to 7 admit, refuse, over, forget the flow that
//! was asked for so many questions ago (1 byte); 8 there is no room outside from now on, 9 there is.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use netloom_netdev::{Ask, BareGateway, Doors, GatewaySettings, GatewayShare, Inner, Tell, Whither};
use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::{Mac, checksum, parse};

const DOORS: Doors = Doors { tcp: 40_000, udp: 40_001, closed: 40_002 };
const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const GATE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
const GATE6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xfe);

fn settings() -> GatewaySettings {
    GatewaySettings {
        own: vec![GATE.into(), GATE6.into()],
        doors: DOORS,
        denied: vec![(Ipv4Addr::new(10, 0, 0, 0).into(), 8), (Ipv6Addr::from_bits(0xfd00 << 112).into(), 48)],
    }
}

/// The bytes of an input, one after the other; 0 at its end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn some(&mut self) -> &'a [u8] {
        let len = usize::from(self.next()).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }
}

/// A frame between a node and somebody: protocol, node, port, other end, flags.
fn built(bytes: &mut Bytes<'_>, home: bool) -> Option<Vec<u8>> {
    let [kind, node, port, other, flags] = [(); 5].map(|()| bytes.next());
    let is_v6 = kind & 0x80 != 0;
    let node: IpAddr = match is_v6 {
        true => Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(node)).into(),
        false => Ipv4Addr::new(10, 0, 0, node).into(),
    };
    let other: IpAddr = match (home || other == 0, is_v6) {
        (true, true) => GATE6.into(),
        (true, false) => GATE.into(),
        (false, true) => Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(other)).into(),
        // The loopback, the machine's neighbours, everybody and the rest of the world are among them.
        (false, false) => Ipv4Addr::new(other, 168, 0, other).into(),
    };
    let (own, far) = (u16::from(port), if home { DOORS.tcp + u16::from(kind >> 3 & 1) } else { 80 });
    let ((src, src_port), (dst, dst_port)) =
        if home { ((other, far), (node, own)) } else { ((node, own), (other, far)) };
    let ip = Ip::between(src, dst)?;
    let ip = match kind & 3 {
        0 => ip.udp(src_port, dst_port, b"said"),
        1 => ip.echo(own, 1, b"data"),
        _ => ip.tcp(Tcp { src: src_port, dst: dst_port, flags: flags.into(), ..Tcp::default() }),
    };
    Frame::ip(MAC, MAC, ip).to_vec()
}

/// Whether the checksums of a frame are right, as far as there are any; `None`: it is no packet.
fn is_right(frame: &[u8]) -> Option<bool> {
    let headers = parse(frame).ok()?;
    let sums = [checksum::verify_ipv4(frame, &headers), checksum::verify_l4(frame, &headers)];
    Some(sums.iter().all(|sum| *sum != Some(false)))
}

/// The receiver of an IP packet.
fn receiver(frame: &[u8]) -> Option<IpAddr> {
    let headers = parse(frame).ok()?;
    let l3 = usize::from(headers.l3);
    if headers.is_ipv4() {
        return Some(IpAddr::V4((*frame.get(l3 + 16..)?.first_chunk::<4>()?).into()));
    }
    headers.is_ipv6().then(|| frame.get(l3 + 24..)?.first_chunk::<16>().map(|ip| IpAddr::V6((*ip).into())))?
}

fn is_for_the_link(ip: IpAddr) -> bool {
    let near = match ip {
        IpAddr::V4(ip) => ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    near || ip.is_multicast() || ip == IpAddr::V4(GATE) || ip == IpAddr::V6(GATE6)
}

fuzz_target!(|input: &[u8]| {
    let share = Arc::<GatewayShare>::default();
    let mut gateway = BareGateway::new(settings(), Arc::clone(&share));
    let mut bytes = Bytes(input);
    let mut flows: Vec<Inner> = Vec::new();
    let mut has_room = true;
    while !bytes.0.is_empty() {
        let operation = bytes.next() % 10;
        let (frame, home) = match operation {
            0 | 1 => (Some(bytes.some().to_vec()), operation == 1),
            2 | 3 => (built(&mut bytes, operation == 3), operation == 3),
            4..=7 => {
                let back = usize::from(bytes.next());
                if let Some(inner) = flows.iter().rev().nth(back).copied() {
                    let tell = [Tell::Admit, Tell::Refuse, Tell::Over, Tell::Forget]
                        [usize::from(operation - 4)](inner);
                    if let Some(frame) = gateway.told(tell) {
                        assert!(receiver(&frame).is_some_and(is_for_the_link), "let in as the gateway's own");
                    }
                }
                continue;
            }
            _ => {
                has_room = operation == 9;
                continue;
            }
        };
        let Some(mut frame) = frame else { continue };
        let before = is_right(&frame);
        let passes = if home {
            gateway.homeward(&mut frame)
        } else {
            let mut ask = |ask: Ask| {
                let (inner, to) = match ask {
                    Ask::Connect { inner, to, .. } | Ask::Datagrams { inner, to, .. } => (inner, Some(to)),
                    Ask::Echo { inner, to, .. } => (inner, Some(Whither::Out((to, 0).into()))),
                    Ask::Own { inner } => (inner, None),
                };
                if let Some(Whither::Out(to)) = to {
                    assert!(!to.ip().is_loopback() && !to.ip().is_multicast(), "never to {to}");
                    assert!(!matches!(to.ip(), IpAddr::V4(ip) if ip.octets()[0] == 10), "never to {to}");
                }
                if has_room {
                    flows.push(inner);
                }
                has_room
            };
            gateway.outward(&mut frame, &mut ask)
        };
        if passes && before == Some(true) {
            assert_eq!(is_right(&frame), Some(true), "checksums stay right");
        }
        if passes
            && !home
            && let Some(ip) = receiver(&frame)
        {
            assert!(is_for_the_link(ip), "{ip} is for the world");
        }
        assert_eq!(gateway.flows(), share.used());
    }
    drop(gateway);
    assert_eq!(share.used(), 0);
});
