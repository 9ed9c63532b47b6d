//! Numbered hosts and the frames they send each other.

use std::net::{Ipv4Addr, Ipv6Addr};

use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::tcp::flag;
use netloom_packet::{Csum, Gso, Headers, Mac, Offload, parse};

/// A host of which only the addresses matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// `02:00:00:00:xx:xx`
    pub mac: Mac,
    /// `10.0.x.x`
    pub ip: Ipv4Addr,
    /// `fd00::x`
    pub ip6: Ipv6Addr,
}

/// A frame and what is still to be done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
    /// What is still to be done.
    pub offload: Offload,
}

impl Packet {
    /// A frame with everything in place.
    #[must_use]
    pub fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), offload: Offload::PLAIN }
    }

    /// Its headers.
    ///
    /// # Panics
    /// If it is too short for an Ethernet header.
    #[must_use]
    #[track_caller]
    pub fn headers(&self) -> Headers {
        parse(&self.bytes).expect("an Ethernet header")
    }

    /// The same with an 802.1Q tag in front.
    #[must_use]
    pub fn vlan(mut self, vid: u16) -> Self {
        let [a, b] = vid.to_be_bytes();
        self.bytes.splice(12..12, [0x81, 0x00, a, b]);
        self.offload = self.offload.shifted(4);
        self
    }
}

impl Host {
    /// Host `n`. Its addresses all end in `n`.
    #[must_use]
    pub fn new(n: u16) -> Self {
        let [hi, lo] = n.to_be_bytes();
        Self {
            mac: Mac([2, 0, 0, 0, hi, lo]),
            ip: [10, 0, hi, lo].into(),
            ip6: [0xfd00, 0, 0, 0, 0, 0, 0, n].into(),
        }
    }

    /// A UDP datagram to `to`.
    #[must_use]
    pub fn udp(&self, to: &Self, ports: (u16, u16), data: &[u8]) -> Packet {
        self.send(to, Ip::v4(self.ip, to.ip).udp(ports.0, ports.1, data))
    }

    /// A UDP datagram to `to` over IPv6.
    #[must_use]
    pub fn udp6(&self, to: &Self, ports: (u16, u16), data: &[u8]) -> Packet {
        self.send(to, Ip::v6(self.ip6, to.ip6).udp(ports.0, ports.1, data))
    }

    /// An ICMP echo request to `to`.
    #[must_use]
    pub fn ping(&self, to: &Self, seq: u16) -> Packet {
        self.send(to, Ip::v4(self.ip, to.ip).echo(1, seq, b"netloom"))
    }

    /// An ICMPv6 echo request to `to`.
    #[must_use]
    pub fn ping6(&self, to: &Self, seq: u16) -> Packet {
        self.send(to, Ip::v6(self.ip6, to.ip6).echo(1, seq, b"netloom"))
    }

    /// A TCP segment to `to`.
    #[must_use]
    pub fn tcp(&self, to: &Self, tcp: Tcp<'_>) -> Packet {
        self.send(to, Ip::v4(self.ip, to.ip).tcp(tcp))
    }

    /// A TCP super-packet to `to` as a TAP hands it over: `len` bytes of payload in segments of `mss`.
    #[must_use]
    pub fn tcp_super(&self, to: &Self, len: usize, mss: u16) -> Packet {
        self.super_packet(to, Ip::v4(self.ip, to.ip), len, mss, Gso::Tcp4)
    }

    /// As [`Self::tcp_super`] over IPv6.
    #[must_use]
    pub fn tcp6_super(&self, to: &Self, len: usize, mss: u16) -> Packet {
        self.super_packet(to, Ip::v6(self.ip6, to.ip6), len, mss, Gso::Tcp6)
    }

    /// A request for the Ethernet address of `ip`.
    #[must_use]
    pub fn arp(&self, ip: Ipv4Addr) -> Packet {
        built(&Frame::arp_request(self.mac, self.ip, ip))
    }

    /// The answer to `to`'s request for this host's Ethernet address.
    #[must_use]
    pub fn arp_reply(&self, to: &Self) -> Packet {
        built(&Frame::arp_reply(self.mac, self.ip, to.mac, to.ip))
    }

    /// A solicitation for the Ethernet address of `ip`.
    #[must_use]
    pub fn solicit(&self, ip: Ipv6Addr) -> Packet {
        built(&Frame::nd_solicit(self.mac, self.ip6, ip))
    }

    /// The advertisement that answers `to`'s solicitation of this host's address.
    #[must_use]
    pub fn advert(&self, to: &Self) -> Packet {
        built(&Frame::nd_advert(self.mac, self.ip6, to.mac, to.ip6))
    }

    fn send(&self, to: &Self, ip: Ip<'_>) -> Packet {
        built(&Frame::ip(self.mac, to.mac, ip))
    }

    fn super_packet(&self, to: &Self, ip: Ip<'_>, len: usize, gso_size: u16, gso: Gso) -> Packet {
        let data: Vec<u8> = (0..=250).cycle().take(len).collect(); // 251 is prime: no two segments look alike
        let tcp = Tcp {
            src: 40_000,
            dst: 5201,
            seq: 1,
            ack: 1,
            flags: flag::ACK,
            window: 512,
            data: &data,
            ..Tcp::default()
        };
        let frame = Frame::ip(self.mac, to.mac, ip.tcp(tcp));
        let mut bytes = vec![0; frame.len()];
        let (_, offload) = frame.emit_partial(&mut bytes).expect("fits its length field");
        let hdr_len = u16::try_from(frame.len() - len).expect("headers are short");
        debug_assert!(matches!(offload.csum, Csum::Partial { .. }));
        Packet { bytes, offload: Offload { gso, gso_size, hdr_len, ..offload } }
    }
}

#[track_caller]
fn built(frame: &Frame<'_>) -> Packet {
    Packet::plain(frame.to_vec().expect("fits its length field"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netloom_packet::{checksum, wire};

    #[test]
    fn frames_are_right() {
        let (a, b) = (Host::new(1), Host::new(2));
        for packet in [
            a.udp(&b, (1, 2), b"x"),
            a.udp6(&b, (1, 2), b"x"),
            a.ping(&b, 1),
            a.ping6(&b, 1),
            a.tcp(&b, Tcp::default()),
            a.solicit(b.ip6),
            b.advert(&a),
        ] {
            assert_eq!(checksum::verify_l4(&packet.bytes, &packet.headers()), Some(true));
            let tagged = packet.vlan(7);
            assert_eq!(tagged.headers().vlans, 1);
            assert_eq!(checksum::verify_l4(&tagged.bytes, &tagged.headers()), Some(true));
        }
        assert!(a.arp(b.ip).headers().is_arp() && b.arp_reply(&a).headers().is_arp());
    }

    #[test]
    fn super_packets_are_consistent() {
        let (a, b) = (Host::new(1), Host::new(0x0203));
        let tagged = a.tcp6_super(&b, 10_000, 1428).vlan(7);
        for (packet, packets) in [(a.tcp_super(&b, 10_000, 1448), 7), (tagged, 8)] {
            let headers = packet.headers();
            assert_eq!(packet.offload.check(packet.bytes.len(), &headers), Ok(()));
            assert_eq!(headers.payload_len(), 10_000);
            assert_eq!(wire(packet.bytes.len(), &headers, &packet.offload).packets, packets);
        }
    }
}
