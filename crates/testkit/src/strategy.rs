//! Random frames from a small world: few hosts, ports and VLANs, so that flows collide; all protocols, so that
//! every field is there sometimes; some damaged.

use netloom_packet::build::{Body, Frame, Ip, L4, Tcp};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Host, Packet};

/// How many hosts there are: [`Host::new`] 1 to this.
pub const HOSTS: u16 = 4;

/// One of the few hosts.
pub fn host() -> impl Strategy<Value = Host> {
    (1..=HOSTS).prop_map(Host::new)
}

/// A well-formed frame between two of the hosts: ARP, ND, ICMP, TCP, UDP, SCTP, fragments and unknown protocols,
/// with up to two tags, each of VLAN 1 to 3.
pub fn frame() -> impl Strategy<Value = Packet> {
    let shape = (0u8..11, any::<bool>(), 0u8..4, prop::sample::select(vec![1u8, 2, 64, 255]));
    let ports = (1u16..4, 1u16..4);
    (host(), host(), shape, ports, vec(1u16..4, 0..3), vec(any::<u8>(), 0..32)).prop_map(
        |(from, to, (kind, six, tos, ttl), ports, vlans, data)| {
            let packet = match kind {
                0 => from.arp(to.ip),
                1 => from.arp_reply(&to),
                2 => from.solicit(to.ip6),
                3 => from.advert(&to),
                4 => built(Frame::new(from.mac, to.mac, Body::Raw { eth_type: 0x88cc, bytes: &data })),
                _ => ip(from, to, (kind, six, tos, ttl), ports, &data),
            };
            vlans.into_iter().fold(packet, Packet::vlan)
        },
    )
}

fn ip(from: Host, to: Host, shape: (u8, bool, u8, u8), (src, dst): (u16, u16), data: &[u8]) -> Packet {
    let (kind, six, tos, ttl) = shape;
    let ip = if six { Ip::v6(from.ip6, to.ip6) } else { Ip::v4(from.ip, to.ip) };
    let ip = Ip { tos, ttl, label: u32::from(tos), ..ip };
    let ip = match kind {
        5 => ip.udp(src, dst, data),
        6 => ip.tcp(Tcp { src, dst, flags: src, data, ..Tcp::default() }),
        7 => ip.echo(src, dst, data),
        8 => Ip { l4: L4::Sctp { src, dst, tag: 1, data }, ..ip },
        9 => Ip { l4: L4::Raw { proto: 47, bytes: data }, ..ip },
        // The second fragment of something, or the first; IPv6 says so in a header of its own.
        _ if six => {
            return built(Frame::ip(
                from.mac,
                to.mac,
                Ip { l4: L4::Raw { proto: 44, bytes: &fragment(src, data) }, ..ip },
            ));
        }
        _ => Ip { fragment: if src == 1 { 0x2000 } else { 0x0003 }, ..ip.udp(src, dst, data) },
    };
    built(Frame::ip(from.mac, to.mac, ip))
}

fn fragment(kind: u16, data: &[u8]) -> Vec<u8> {
    let place = if kind == 1 { 0x01 } else { 0x18 };
    let mut bytes = vec![17, 0, 0, place, 0, 0, 0, 1, 0, 1, 0, 2, 0, 8, 0, 0];
    bytes.extend(data);
    bytes
}

/// A frame as [`frame`] makes them, cut short or with a few bytes overwritten, at least 14 bytes long.
pub fn damaged() -> impl Strategy<Value = Packet> {
    (frame(), any::<u16>(), vec((any::<u16>(), any::<u8>()), 0..4)).prop_map(|(mut packet, cut, changes)| {
        let len = packet.bytes.len();
        // A third stays whole, so that the overwritten bytes are what is wrong.
        packet.bytes.truncate(if cut % 3 == 0 { len } else { 14 + usize::from(cut) % (len - 13) });
        let len = packet.bytes.len();
        for (at, value) in changes {
            packet.bytes[usize::from(at) % len] = value;
        }
        packet
    })
}

fn built(frame: Frame<'_>) -> Packet {
    Packet::plain(frame.to_vec().expect("fits its length field"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netloom_packet::checksum;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    proptest! {
        #[test]
        fn frames_are_well_formed(packet in frame()) {
            let headers = packet.headers();
            prop_assert!(headers.l3 != 0 || headers.eth_type == 0x88cc);
            prop_assert_ne!(checksum::verify_l4(&packet.bytes, &headers), Some(false));
        }

        #[test]
        fn damaged_frames_are_frames(packet in damaged()) {
            prop_assert!(packet.bytes.len() >= 14);
            let _ = packet.headers();
        }
    }

    #[test]
    fn every_protocol_comes_up() {
        let mut runner = TestRunner::deterministic();
        let seen: std::collections::BTreeSet<_> = (0..500)
            .map(|_| frame().new_tree(&mut runner).expect("no filter").current().headers())
            .map(|h| (h.eth_type, h.ip_proto))
            .collect();
        for wanted in
            [(0x0806, 0), (0x88cc, 0), (0x0800, 1), (0x0800, 6), (0x0800, 17), (0x0800, 132), (0x0800, 47)]
        {
            assert!(seen.contains(&wanted), "{wanted:x?} in {seen:x?}");
        }
        for wanted in [58, 6, 17, 132, 44] {
            assert!(seen.contains(&(0x86dd, wanted)), "{wanted} in {seen:x?}");
        }
    }
}
