//! Fields that say what follows them: the headers behind are found anew afterwards.
//!
//! The bytes behind stay as they are, whatever they are now taken for, but for the checksum: TCP, UDP and ICMPv6 sum up
//! the IP protocol too (RFC 9293 §3.1, RFC 768, RFC 4443 §2.3), so what was right for the old one is made right for the
//! new one. It stays where the old protocol has it.

use netloom_flow::NextHeader;
use netloom_packet::bytes::{array, be16, put, put16};
use netloom_packet::checksum;
use netloom_packet::parse::ip_proto;

use crate::execute::{Carried, wire};

/// Extension headers that are walked at most.
const MOST_EXTENSIONS: usize = 8;
/// The lowest Ethernet type; below, it is the length of a frame with LLC.
const LOWEST_TYPE: u16 = 0x0600;

/// Writes the field, if the frame has it. Checksums of what was there before are finished first.
pub(crate) fn set(carried: &mut Carried<'_, '_>, next: NextHeader) {
    wire::finish(carried);
    let (l2, l3) = (usize::from(carried.headers.l2_len), usize::from(carried.headers.l3));
    let (is_ipv4, is_ipv6) = (carried.headers.is_ipv4(), carried.headers.is_ipv6());
    let has_label = carried.headers.mpls > 0;
    let (old_proto, check_at) = (carried.headers.ip_proto, checksum::l4_field(&carried.headers));
    let data = carried.frame.data_mut();
    if let NextHeader::IpProto(proto) = next {
        resum(data, check_at, old_proto, proto);
    }
    match next {
        NextHeader::EthType(ethertype) => {
            let at = l2.saturating_sub(2);
            if at >= 12 && be16(data, at).is_some_and(|old| old >= LOWEST_TYPE) {
                put16(data, at, ethertype);
            }
        }
        NextHeader::IpProto(proto) if is_ipv4 => {
            if let Some([ttl, old]) = array(data, l3 + 8).copied() {
                put(data, l3 + 9, [proto]);
                let sum = be16(data, l3 + 10).unwrap_or(0);
                let word = |proto| u16::from_be_bytes([ttl, proto]);
                put16(data, l3 + 10, checksum::update(sum, word(old), word(proto)));
            }
        }
        // Behind options, the last of them says it.
        NextHeader::IpProto(proto) if is_ipv6 => {
            if let Some(at) = last_ipv6(data, l3) {
                put(data, at, [proto]);
            }
        }
        NextHeader::IpProto(_) => {}
        NextHeader::BottomOfStack(is_bottom) if has_label => {
            if let Some([old]) = array(data, l2 + 2).copied() {
                put(data, l2 + 2, [old & !1 | u8::from(is_bottom)]);
            }
        }
        NextHeader::BottomOfStack(_) => {}
    }
    carried.reparse();
}

/// Brings the checksum of an upper layer up to date, which is at `at`, if its pseudo header has the protocol in it.
fn resum(data: &mut [u8], at: Option<usize>, old: u8, new: u8) {
    let Some(at) = at.filter(|_| matches!(old, ip_proto::TCP | ip_proto::UDP | ip_proto::ICMPV6)) else {
        return;
    };
    match be16(data, at) {
        // A datagram without one.
        Some(0) if old == ip_proto::UDP => {}
        Some(sum) => _ = put16(data, at, checksum::update(sum, old.into(), new.into())),
        None => {}
    }
}

/// Where an IPv6 packet says what its upper layer is: in its header, or in the last of its extension headers.
fn last_ipv6(data: &[u8], l3: usize) -> Option<usize> {
    let (mut says, mut next) = (l3 + 6, l3 + 40);
    for _ in 0..MOST_EXTENSIONS {
        let [kind] = *array(data, says)?;
        let len =
            |unit: usize, more: usize| array(data, next + 1).map(|[len]| unit * (usize::from(*len) + more));
        let len = match kind {
            ip_proto::HOP_BY_HOP | ip_proto::ROUTING | ip_proto::DEST_OPTIONS => len(8, 1)?,
            ip_proto::AH => len(4, 2)?,
            ip_proto::FRAGMENT => 8,
            _ => return Some(says),
        };
        (says, next) = (next, next + len);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_extension_header_says_what_follows() {
        let mut packet = vec![0; 40];
        packet[6] = ip_proto::UDP;
        assert_eq!(last_ipv6(&packet, 0), Some(6));
        packet[6] = ip_proto::HOP_BY_HOP;
        packet.extend([ip_proto::FRAGMENT, 1]);
        packet.resize(56, 0);
        packet.extend([ip_proto::UDP, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(last_ipv6(&packet, 0), Some(56));
        packet.truncate(50);
        assert_eq!(last_ipv6(&packet, 0), None, "cut short");
        packet.truncate(40);
        packet[6] = ip_proto::UDP;
        packet.insert(0, 0);
        assert_eq!(last_ipv6(&packet, 1), Some(7));
    }
}
