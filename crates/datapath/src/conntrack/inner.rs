//! The packet that an error of ICMP is about: the beginning of it, behind the error's header.

use netloom_packet::Headers;
use netloom_packet::bytes::{array, be16};
use netloom_packet::icmp;
use netloom_packet::parse::ip_proto;

use super::look::answer_to;
use super::tuple::{Tuple, mapped};

/// Where its headers are in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inner {
    pub(crate) l3: usize,
    pub(crate) l4: usize,
    /// Where it ends: as much of it as the error carries.
    pub(crate) end: usize,
    pub(crate) proto: u8,
    pub(crate) is_ipv6: bool,
}

/// Extension headers walked.
const EXTENSIONS: usize = 8;

impl Inner {
    /// Finds it. `None`: it is cut too short, or a later fragment.
    pub(crate) fn of(frame: &[u8], headers: &Headers) -> Option<Self> {
        let l3 = usize::from(headers.l4) + icmp::HEADER;
        let end = usize::try_from(headers.end).ok()?;
        let packet = frame.get(..end)?;
        if headers.is_ipv4() { ipv4(packet, l3) } else { ipv6(packet, l3) }
    }

    /// Addresses and ports.
    pub(crate) fn tuple(&self, frame: &[u8]) -> Option<Tuple> {
        let (src, dst) = if self.is_ipv6 {
            let address = |at: usize| array::<16>(frame, at).map(|bytes| u128::from_be_bytes(*bytes));
            (address(self.l3 + 8)?, address(self.l3 + 24)?)
        } else {
            (mapped(*array(frame, self.l3 + 12)?), mapped(*array(frame, self.l3 + 16)?))
        };
        let (proto, is_ipv6) = (self.proto, self.is_ipv6);
        let tuple = Tuple { src, dst, src_port: 0, dst_port: 0, proto, is_ipv6, kinds: [0, 0] };
        let [kind, ..] = *array::<8>(frame.get(..self.end)?, self.l4)?;
        match proto {
            ip_proto::TCP | ip_proto::UDP | ip_proto::SCTP => {
                Some(Tuple { src_port: be16(frame, self.l4)?, dst_port: be16(frame, self.l4 + 2)?, ..tuple })
            }
            ip_proto::ICMP | ip_proto::ICMPV6 => {
                let id = be16(frame, self.l4 + 4)?;
                let kinds = [kind, answer_to(proto, kind)?];
                Some(Tuple { src_port: id, dst_port: id, kinds, ..tuple })
            }
            _ => Some(tuple),
        }
    }
}

fn ipv4(packet: &[u8], l3: usize) -> Option<Inner> {
    let ip = array::<20>(packet, l3)?;
    let length = usize::from(ip[0] & 0x0f) * 4;
    let is_later = u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff != 0;
    (ip[0] >> 4 == 4 && length >= 20 && !is_later).then_some(Inner {
        l3,
        l4: l3 + length,
        end: packet.len(),
        proto: ip[9],
        is_ipv6: false,
    })
}

fn ipv6(packet: &[u8], l3: usize) -> Option<Inner> {
    let ip = array::<40>(packet, l3)?;
    if ip[0] >> 4 != 6 {
        return None;
    }
    let (mut proto, mut at) = (ip[6], l3 + 40);
    for _ in 0..EXTENSIONS {
        let size = match proto {
            ip_proto::HOP_BY_HOP | ip_proto::ROUTING | ip_proto::DEST_OPTIONS => {
                (usize::from(*packet.get(at + 1)?) + 1) * 8
            }
            ip_proto::FRAGMENT if be16(packet, at + 2)? & !7 == 0 => 8,
            ip_proto::FRAGMENT => return None,
            _ => return Some(Inner { l3, l4: at, end: packet.len(), proto, is_ipv6: true }),
        };
        proto = *packet.get(at)?;
        at += size;
    }
    None
}
