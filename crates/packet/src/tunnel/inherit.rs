//! DSCP, ECN and TTL between the inner and the outer packet.
//!
//! Source: RFC 6040 §4 for ECN: into the tunnel by its normal mode, out of it by figure 4. OVS's `options:tos` and
//! `options:ttl` for the rest.

use super::BadTunnel;
use crate::edit::Edit;
use crate::ipv4::Ipv4;
use crate::ipv6::Ipv6;
use crate::{Csum, Headers};

const ECN: u8 = 0x03;
const ECT_1: u8 = 0x01;
const CE: u8 = 0x03;

/// Where a field of the outer header comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// This value.
    Fixed(u8),
    /// The inner packet's, or this value if that is not IP.
    Inherit(u8),
}

/// The inner packet's DSCP with ECN, and its TTL; `None` if it is not IP.
#[must_use]
pub fn inner(frame: &[u8], headers: &Headers) -> Option<(u8, u8)> {
    let v4 = Ipv4::of(frame, headers).map(|ip| (ip.tos(), ip.ttl()));
    v4.or_else(|| Ipv6::of(frame, headers).map(|ip| (ip.tos(), ip.ttl())))
}

/// The outer DSCP and ECN: DSCP from `source`, ECN always that of the inner packet (RFC 6040 §4.1).
#[must_use]
pub fn outer_tos(source: Source, inner: Option<u8>) -> u8 {
    let (Source::Fixed(own) | Source::Inherit(own)) = source;
    match (source, inner) {
        (Source::Inherit(_), Some(inner)) => inner,
        (_, inner) => own & !ECN | inner.unwrap_or(0) & ECN,
    }
}

/// The outer TTL.
#[must_use]
pub const fn outer_ttl(source: Source, inner: Option<u8>) -> u8 {
    match (source, inner) {
        (Source::Inherit(_), Some(inner)) => inner,
        (Source::Fixed(own) | Source::Inherit(own), _) => own,
    }
}

/// The inner DSCP and ECN after the tunnel, for an inner packet that entered it with `inner`.
///
/// # Errors
/// [`BadTunnel::Ecn`]: congestion was marked, but the packet's sender would not understand. It must be dropped.
pub const fn leaving_tos(inner: u8, outer: u8) -> Result<u8, BadTunnel> {
    match (inner & ECN, outer & ECN) {
        (0, CE) => Err(BadTunnel::Ecn),
        (0 | CE, _) => Ok(inner),
        (_, CE) => Ok(inner | CE),
        (_, ECT_1) => Ok(inner & !ECN | ECT_1),
        _ => Ok(inner),
    }
}

/// Carries the outer header's congestion mark over into a frame that left the tunnel. Frames other than IP stay as
/// they are.
///
/// # Errors
/// As [`leaving_tos`]; the frame is as it was.
pub fn leave(frame: &mut [u8], headers: &Headers, csum: Csum, outer_tos: u8) -> Result<(), BadTunnel> {
    let Some((before, _)) = inner(frame, headers) else { return Ok(()) };
    let after = leaving_tos(before, outer_tos)?;
    if after != before {
        Edit::new(frame, headers, csum).tos(after);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Frame, Ip};
    use crate::{Mac, checksum, parse};

    /// RFC 6040 figure 4: rows are inner Not-ECT, ECT(0), ECT(1), CE; columns outer Not-ECT, ECT(0), ECT(1), CE.
    #[test]
    fn figure_4() {
        let (not, zero, one, ce) = (Ok(0), Ok(2), Ok(1), Ok(3));
        let rows = [
            (0, [not, not, not, Err(BadTunnel::Ecn)]),
            (2, [zero, zero, one, ce]),
            (1, [one, one, one, ce]),
            (3, [ce, ce, ce, ce]),
        ];
        for (inner, row) in rows {
            for (outer, expected) in [0, 2, 1, 3].into_iter().zip(row) {
                let with_dscp = expected.map(|ecn: u8| ecn | 0xb8);
                assert_eq!(leaving_tos(inner | 0xb8, outer | 0x40), with_dscp, "{inner} {outer}");
            }
        }
    }

    #[test]
    fn into_the_tunnel() {
        assert_eq!(outer_tos(Source::Fixed(0x40), Some(0xbb)), 0x43);
        assert_eq!(outer_tos(Source::Inherit(0x40), Some(0xbb)), 0xbb);
        assert_eq!(outer_tos(Source::Inherit(0x43), None), 0x40, "ECN is not the user's to set");
        assert_eq!(outer_ttl(Source::Inherit(64), Some(9)), 9);
        assert_eq!(outer_ttl(Source::Inherit(64), None), 64);
        assert_eq!(outer_ttl(Source::Fixed(64), Some(9)), 64);
    }

    #[test]
    fn leaving_keeps_the_header_checksum() {
        for ip in [Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]), Ip::v6([1; 8], [2; 8])] {
            let ip = Ip { tos: 0xba, ..ip };
            let mut frame = Frame::ip(Mac::ZERO, Mac::ZERO, ip.udp(1, 2, b"x")).to_vec().unwrap();
            let headers = parse(&frame).unwrap();
            assert_eq!(leave(&mut frame, &headers, Csum::Complete, 3), Ok(()));
            assert_eq!(inner(&frame, &headers), Some((0xbb, 64)));
            assert_ne!(checksum::verify_ipv4(&frame, &headers), Some(false));
        }
    }
}
