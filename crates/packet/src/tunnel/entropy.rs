//! The outer source port, by which the underlay spreads flows over its paths.
//!
//! Source: RFC 7348 §5 and RFC 8926 §3.3: a hash of the inner headers. The range is that of OVS's userspace
//! datapath, 32768 to 61000.

use crate::Headers;
use crate::bytes::array;
use crate::parse::{FRAG_ANY, ip_proto};

const LOWEST: u64 = 32_768;
const COUNT: u64 = 61_000 - LOWEST + 1;

/// A source port for the flow of an inner frame: the same for each of its packets, the same in both of a lab's runs.
///
/// It goes by addresses, protocol and ports for IP, by MAC addresses and type otherwise. All fragments of a datagram
/// have the same.
#[must_use]
pub fn source_port(frame: &[u8], headers: &Headers) -> u16 {
    let port = LOWEST + flow_hash(frame, headers) % COUNT;
    u16::try_from(port).unwrap_or(u16::MAX)
}

/// A hash of an inner frame's flow.
#[must_use]
pub fn flow_hash(frame: &[u8], headers: &Headers) -> u64 {
    let l3 = usize::from(headers.l3);
    let (from, count) = match () {
        () if headers.is_ipv4() => (l3 + 12, 1),
        () if headers.is_ipv6() => (l3 + 8, 4),
        () => return mix(mix(u64::from(headers.eth_type), word(frame, 0)), word(frame, 6)),
    };
    let mut hash = mix(0, u64::from(headers.ip_proto));
    for at in (0..count).map(|n| from + n * 8) {
        hash = mix(hash, word(frame, at));
    }
    let ports = matches!(headers.ip_proto, ip_proto::TCP | ip_proto::UDP | ip_proto::SCTP);
    if ports && headers.l4 != 0 && headers.frag & FRAG_ANY == 0 {
        let ports = array::<4>(frame, headers.l4.into()).map_or(0, |ports| u32::from_be_bytes(*ports));
        hash = mix(hash, u64::from(ports));
    }
    hash
}

/// 8 bytes, or 0 beyond the end.
fn word(frame: &[u8], at: usize) -> u64 {
    array::<8>(frame, at).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// One round of a multiply-and-fold hash: the halves of the 128-bit product, combined.
fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    let (high, low) = ((product >> 64) as u64, product & u128::from(u64::MAX));
    high ^ u64::try_from(low).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Frame, Ip};
    use crate::{Mac, parse};

    fn port(ip: Ip<'_>) -> u16 {
        let frame = Frame::ip(Mac::ZERO, Mac([1; 6]), ip).to_vec().unwrap();
        source_port(&frame, &parse(&frame).unwrap())
    }

    #[test]
    fn flows_spread_and_packets_of_one_do_not() {
        for ip in [Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]), Ip::v6([1; 8], [2; 8])] {
            let ports: std::collections::BTreeSet<u16> =
                (0..1000).map(|n| port(ip.udp(n, 53, b"a"))).collect();
            assert!(ports.len() > 960, "{} of 1000", ports.len());
            assert!(ports.iter().all(|port| (32_768..=61_000).contains(port)));
            assert_eq!(port(ip.udp(7, 53, b"a")), port(ip.udp(7, 53, b"longer")));
        }
    }

    #[test]
    fn fragments_stay_together() {
        let ip = Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]);
        let first = port(Ip { fragment: 0x2000, ..ip }.udp(7, 53, b"12345678"));
        assert_eq!(first, port(Ip { fragment: 0x0002, ..ip }.udp(9, 9, b"12345678")));
    }
}
