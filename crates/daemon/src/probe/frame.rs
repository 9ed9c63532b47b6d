//! Probes as whole frames: built for those who want to send past the sender's own routes and neighbours, and told
//! apart from everything else that arrives.

use std::net::{IpAddr, SocketAddr};

use netloom_lab::expect::ProbeKind;
use netloom_packet::Mac;
use netloom_packet::build::{Body, Frame, Ip, Tcp};
use netloom_packet::ipv4::Ipv4;
use netloom_packet::ipv6::Ipv6;
use netloom_packet::tcp::flag;
use serde::{Deserialize, Serialize};

use super::echo::Token;

/// Ethernet type of broadcast probes: IEEE 802, for local experiments.
const ETHER_TYPE: u16 = 0x88b5;
/// Where probes with ports come from; nobody's service, and below the kernel's range for its own choices.
pub(super) const SOURCE_PORT: u16 = 26_213;

/// Where a frame comes from, or goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) mac: [u8; 6],
    pub(super) ip: IpAddr,
}

/// A probe as a frame. `None` if the families differ.
pub(super) fn probe(kind: ProbeKind, token: Token, from: Place, to: Place) -> Option<Vec<u8>> {
    let bytes = token.bytes();
    let ip = Ip::between(from.ip, to.ip)?;
    let id = u16::try_from(token.run & 0xffff).unwrap_or(0);
    let ip = match kind {
        ProbeKind::Icmp => ip.echo(id, u16::try_from(token.attempt & 0xffff).unwrap_or(0), &bytes),
        ProbeKind::Udp(port) => ip.udp(SOURCE_PORT, port, &bytes),
        ProbeKind::Tcp(port) => {
            let syn = Tcp {
                src: SOURCE_PORT,
                dst: port,
                seq: token.probe,
                flags: flag::SYN,
                window: 65_535,
                ..Tcp::default()
            };
            ip.tcp(Tcp { data: &bytes, ..syn })
        }
        ProbeKind::Broadcast => return broadcast(from.mac, token),
    };
    Frame::ip(Mac(from.mac), Mac(to.mac), ip).to_vec()
}

/// A frame to everybody.
pub(super) fn broadcast(from: [u8; 6], token: Token) -> Option<Vec<u8>> {
    let mut bytes = [0; 46]; // the least an Ethernet frame carries
    bytes.get_mut(..super::echo::TOKEN_LEN)?.copy_from_slice(&token.bytes());
    Frame::new(Mac(from), Mac::BROADCAST, Body::Raw { eth_type: ETHER_TYPE, bytes: &bytes }).to_vec()
}

/// The token in a frame that was seen, if it is a probe.
pub(super) fn token_in(frame: &[u8]) -> Option<Token> {
    let headers = netloom_packet::parse(frame).ok()?;
    let at = match headers.eth_type {
        ETHER_TYPE => headers.l2_len,
        _ if headers.payload != 0 => headers.payload,
        _ => return None,
    };
    frame.get(usize::from(at)..).and_then(Token::read)
}

/// From where to where a frame begins a connection, if it does.
pub(super) fn call_in(frame: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let headers = netloom_packet::parse(frame).ok()?;
    let tcp = netloom_packet::tcp::Tcp::of(frame, &headers)?;
    let (src, dst) = match (Ipv4::of(frame, &headers), Ipv6::of(frame, &headers)) {
        (Some(ip), _) => (IpAddr::from(ip.src()), IpAddr::from(ip.dst())),
        (None, Some(ip)) => (IpAddr::from(ip.src()), IpAddr::from(ip.dst())),
        (None, None) => return None,
    };
    let begins = tcp.flags() & (flag::SYN | flag::ACK) == flag::SYN;
    begins.then(|| (SocketAddr::new(src, tcp.src()), SocketAddr::new(dst, tcp.dst())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token { run: 0x0102_0304, probe: 7, attempt: 3 };

    fn place(last: u8, v6: bool) -> Place {
        let ip = if v6 {
            IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)])
        } else {
            IpAddr::from([10, 0, 0, last])
        };
        Place { mac: [2, 0, 0, 0, 0, last], ip }
    }

    #[test]
    fn tokens_are_found_in_every_kind_of_probe() {
        for v6 in [false, true] {
            for kind in [ProbeKind::Icmp, ProbeKind::Tcp(80), ProbeKind::Udp(53), ProbeKind::Broadcast] {
                let frame = probe(kind, TOKEN, place(1, v6), place(2, v6)).unwrap();
                assert_eq!(token_in(&frame), Some(TOKEN), "{kind:?}");
                for len in 0..frame.len() {
                    let cut = token_in(&frame[..len]);
                    assert!(cut.is_none() || cut == Some(TOKEN), "{kind:?} cut at {len}");
                }
            }
        }
    }

    #[test]
    fn the_begin_of_a_connection_is_known_by_its_ends() {
        for v6 in [false, true] {
            let (a, b) = (place(1, v6), place(2, v6));
            let frame = probe(ProbeKind::Tcp(80), TOKEN, a, b).unwrap();
            let ends = (SocketAddr::new(a.ip, SOURCE_PORT), SocketAddr::new(b.ip, 80));
            assert_eq!(call_in(&frame), Some(ends));
            assert_eq!(call_in(&probe(ProbeKind::Udp(80), TOKEN, a, b).unwrap()), None);
            let answer = Tcp { flags: flag::SYN | flag::ACK, ..Tcp::default() };
            let answer = Frame::ip(Mac(a.mac), Mac(b.mac), Ip::between(a.ip, b.ip).unwrap().tcp(answer));
            assert_eq!(call_in(&answer.to_vec().unwrap()), None);
        }
    }

    #[test]
    fn other_frames_have_none() {
        let ip = Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).udp(1, 2, b"question with some length");
        let frame = Frame::ip(Mac([2; 6]), Mac([4; 6]), ip).to_vec().unwrap();
        assert_eq!(token_in(&frame), None);
        assert_eq!(token_in(&[0xff; 60]), None);
        assert_eq!(token_in(&[]), None);
        assert_eq!(probe(ProbeKind::Icmp, TOKEN, place(1, false), place(2, true)), None, "two families");
    }
}
