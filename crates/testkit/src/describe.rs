//! A frame in a line, for the message of a failed test.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use netloom_packet::parse::ip_proto;
use netloom_packet::{Mac, arp, bytes, icmp, ipv4, ipv6, nd, parse, sctp, tcp, udp, vlan};

/// What the frame is, from Ethernet to L4, and its length.
#[must_use]
pub fn describe(frame: &[u8]) -> String {
    let Ok(h) = parse(frame) else { return format!("{} bytes, no Ethernet header", frame.len()) };
    let mac = |at| bytes::array(frame, at).map_or(Mac::ZERO, |b| Mac(*b));
    let mut text = format!("{} > {}", mac(6), mac(0));
    for tag in vlan::tags(frame, &h).into_iter().flatten() {
        let _ = write!(text, " vlan {}", tag.vid());
    }
    if let Some(arp) = arp::Arp::of(frame, &h) {
        let (spa, tpa) = (Ipv4Addr::from(arp.spa()), Ipv4Addr::from(arp.tpa()));
        let _ = write!(text, " arp op {} {spa} is {} > {tpa}", arp.op(), arp.sha());
    } else if let Some(ip) = ipv4::Ipv4::of(frame, &h) {
        let _ = write!(text, " {} > {} ttl {}", Ipv4Addr::from(ip.src()), Ipv4Addr::from(ip.dst()), ip.ttl());
    } else if let Some(ip) = ipv6::Ipv6::of(frame, &h) {
        let _ = write!(text, " {} > {} ttl {}", Ipv6Addr::from(ip.src()), Ipv6Addr::from(ip.dst()), ip.ttl());
    } else {
        let _ = write!(text, " type {:#06x}", h.eth_type);
    }
    if h.frag != 0 {
        let _ = write!(text, " frag {}", h.frag);
    }
    if let Some(tcp) = tcp::Tcp::of(frame, &h) {
        let _ =
            write!(text, " tcp {} > {} flags {:#05x} seq {}", tcp.src(), tcp.dst(), tcp.flags(), tcp.seq());
    } else if let Some(udp) = udp::Udp::of(frame, &h) {
        let _ = write!(text, " udp {} > {}", udp.src(), udp.dst());
    } else if let Some(sctp) = sctp::Sctp::of(frame, &h) {
        let _ = write!(text, " sctp {} > {}", sctp.src(), sctp.dst());
    } else if let Some(nd) = nd::Nd::of(frame, &h) {
        let what = if nd.kind == nd::SOLICIT { "solicit" } else { "advert" };
        let _ = write!(text, " nd {what} {}", Ipv6Addr::from(nd.target));
    } else if let Some(icmp) = icmp::Icmp::of(frame, &h) {
        let name = if h.ip_proto == ip_proto::ICMP { "icmp" } else { "icmp6" };
        let _ = write!(text, " {name} {}/{} id {} seq {}", icmp.kind(), icmp.code(), icmp.id(), icmp.seq());
    } else if h.l3 != 0 && !h.is_arp() {
        let _ = write!(text, " proto {}", h.ip_proto);
    }
    let _ = write!(text, " ({} bytes)", frame.len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;

    #[test]
    fn one_line_each() {
        let (a, b) = (Host::new(1), Host::new(2));
        let text = |p: crate::Packet| describe(&p.bytes);
        let macs = "02:00:00:00:00:01 > 02:00:00:00:00:02";
        assert_eq!(
            text(a.udp(&b, (7, 8), b"x").vlan(5)),
            format!("{macs} vlan 5 10.0.0.1 > 10.0.0.2 ttl 64 udp 7 > 8 (47 bytes)")
        );
        assert_eq!(
            text(a.ping6(&b, 3)),
            format!("{macs} fd00::1 > fd00::2 ttl 64 icmp6 128/0 id 1 seq 3 (69 bytes)")
        );
        assert_eq!(
            text(a.arp(b.ip)),
            "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff arp op 1 10.0.0.1 is 02:00:00:00:00:01 > 10.0.0.2 (42 bytes)"
        );
        assert_eq!(describe(&[0; 3]), "3 bytes, no Ethernet header");
        assert_eq!(describe(&[0xff; 14]), "ff:ff:ff:ff:ff:ff > ff:ff:ff:ff:ff:ff type 0xffff (14 bytes)");
    }
}
