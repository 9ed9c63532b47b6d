//! The service as a neighbour: it says its link-layer address, answers echoes, and refuses connections at once, so that
//! nobody waits for what is not there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netloom_packet::Mac;
use netloom_packet::build::{Ends, Frame, Ip, L4, Tcp};
use netloom_packet::tcp::flag;

use crate::incoming::Incoming;
use crate::outgoing::{ALL_NODES, group_mac};
use crate::spec::Spec;
use crate::tally::Refusal;

impl Spec {
    /// Whether an address is the service's own.
    pub(crate) fn is_own(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(ip) => self.v4.is_some_and(|(own, _)| own == ip),
            IpAddr::V6(ip) => self.v6.is_some_and(|(own, _)| own == ip) || ip == self.link_local(),
        }
    }
}

/// Answers as a neighbour does.
///
/// # Errors
/// It is for somebody else, or nothing a neighbour answers.
pub(crate) fn answer(spec: &Spec, asker: Mac, incoming: &Incoming<'_>) -> Result<Vec<u8>, Refusal> {
    let frame = match *incoming {
        Incoming::Arp { sha, spa, target } if spec.is_own(target.into()) => {
            arp(spec, (asker, sha), spa, target)
        }
        Incoming::Solicit { from, target } if spec.is_own(target.into()) => advert(spec, asker, from, target),
        Incoming::Echo { from, to, id, seq, data } if spec.is_own(to) => {
            let l4 = L4::Echo { reply: true, id, seq, data };
            Ip::between(to, from).and_then(|ip| Frame::ip(spec.mac, asker, Ip { l4, ..ip }).to_vec())
        }
        Incoming::Segment { from, to, seq, ack, flags, data, .. }
            if spec.is_own(to.0) && flags & flag::RST == 0 =>
        {
            let len = u32::try_from(data.len()).unwrap_or(0);
            let tcp = reset((from.1, to.1), seq, ack, flags, len);
            Ip::between(to.0, from.0).and_then(|ip| Frame::ip(spec.mac, asker, ip.tcp(tcp)).to_vec())
        }
        _ => None,
    };
    frame.ok_or(Refusal::NotServed)
}

fn arp(spec: &Spec, (asker, sha): (Mac, Mac), spa: Ipv4Addr, target: Ipv4Addr) -> Option<Vec<u8>> {
    // What is told is who asked, not whom it says to be.
    (asker == sha).then(|| Frame::arp_reply(spec.mac, target, asker, spa).to_vec()).flatten()
}

/// To one who looks whether the address is free, and has none yet: to everybody, that it is not (RFC 4861 section 7.2.4).
fn advert(spec: &Spec, asker: Mac, from: Ipv6Addr, target: Ipv6Addr) -> Option<Vec<u8>> {
    const SOLICITED: u8 = 0x40;
    const OVERRIDE: u8 = 0x20;
    let (mac, to, flags) = if from.is_unspecified() {
        (group_mac(ALL_NODES), ALL_NODES, OVERRIDE)
    } else {
        (asker, from, SOLICITED | OVERRIDE)
    };
    let l4 = L4::Advert { target, tll: Some(spec.mac), flags };
    Frame::ip(spec.mac, mac, Ip { ttl: 255, ..Ip::new(Ends::V6(target, to), l4) }).to_vec()
}

/// Nothing listens (RFC 9293 section 3.5.2, group 1).
fn reset<'a>((from, to): (u16, u16), seq: u32, ack: u32, flags: u16, len: u32) -> Tcp<'a> {
    let empty = Tcp { src: to, dst: from, ..Tcp::default() };
    if flags & flag::ACK != 0 {
        return Tcp { seq: ack, flags: flag::RST, ..empty };
    }
    let length = len + u32::from(flags & flag::SYN != 0) + u32::from(flags & flag::FIN != 0);
    Tcp { ack: seq.wrapping_add(length), flags: flag::RST | flag::ACK, ..empty }
}
