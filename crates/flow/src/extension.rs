//! The IPv6 extension headers of a packet, as the bits of `ipv6_exthdr`.
//!
//! Only packets that have some come here.
//!
//! Source: OpenFlow 1.3.5 §7.2.3.8 (`ofp_ipv6exthdr_flags`); RFC 8200 §4.

use netloom_packet::bytes::array;
use netloom_packet::parse::{Headers, MAX_EXTENSIONS, ip_proto};

const NO_NEXT: u16 = 0x001;
const ESP: u16 = 0x002;
const AUTHENTICATION: u16 = 0x004;
const DESTINATION: u16 = 0x008;
const FRAGMENT: u16 = 0x010;
const ROUTING: u16 = 0x020;
const HOP_BY_HOP: u16 = 0x040;
const REPEATED: u16 = 0x080;
const OUT_OF_ORDER: u16 = 0x100;

/// The order in which they should stand. Destination options stand before routing, or at the end.
const ORDER: [u16; 7] = [HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT, AUTHENTICATION, ESP, DESTINATION];

/// The bit of a header by its number, if it is one of an extension.
#[inline]
pub(crate) const fn bit(next: u8) -> Option<u16> {
    Some(match next {
        ip_proto::HOP_BY_HOP => HOP_BY_HOP,
        ip_proto::ROUTING => ROUTING,
        ip_proto::FRAGMENT => FRAGMENT,
        50 => ESP,
        ip_proto::AH => AUTHENTICATION,
        59 => NO_NEXT,
        ip_proto::DEST_OPTIONS => DESTINATION,
        _ => return None,
    })
}

/// The bits of all extension headers of an IPv6 packet, as far as they can be walked.
#[cold]
pub(crate) fn headers(frame: &[u8], headers: &Headers) -> u16 {
    let at = usize::from(headers.l3);
    let packet = frame.get(..usize::try_from(headers.end).unwrap_or(usize::MAX)).unwrap_or(frame);
    let Some([next]) = array::<1>(packet, at + 6) else { return 0 };
    let (mut next, mut at, mut seen, mut place) = (*next, at + 40, 0, 0);
    for _ in 0..MAX_EXTENSIONS {
        let Some(bit) = bit(next) else { break };
        seen |= bit | order(bit, seen, &mut place);
        if matches!(bit, NO_NEXT | ESP) {
            break;
        }
        let Some([following, length, b, c, ..]) = array::<8>(packet, at) else { break };
        at += match bit {
            // What follows in a later fragment is no header.
            FRAGMENT if u16::from_be_bytes([*b, *c]) & !7 != 0 => break,
            FRAGMENT => 8,
            AUTHENTICATION => 4 * (usize::from(*length) + 2),
            _ => 8 * (usize::from(*length) + 1),
        };
        next = *following;
    }
    seen
}

/// What is wrong with the place of a header, of which those in `seen` came before. `place` moves on in [`ORDER`].
fn order(bit: u16, seen: u16, place: &mut usize) -> u16 {
    if bit == NO_NEXT {
        return 0;
    }
    let ahead = ORDER.iter().skip(*place).position(|expected| *expected == bit);
    if let Some(steps) = ahead {
        *place += steps + 1;
        return 0;
    }
    if seen & bit != 0 { REPEATED } else { OUT_OF_ORDER }
}

#[cfg(test)]
mod tests {
    use netloom_packet::parse;

    use super::*;

    /// The bits of a packet with these headers, the last one not an extension.
    fn bits(numbers: &[u8]) -> u16 {
        let mut frame = vec![0; 12];
        let length = u8::try_from(8 * numbers.len()).unwrap();
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, length, numbers[0], 64]);
        frame.extend([0; 32]);
        for next in numbers[1..].iter().chain(&[59]) {
            frame.extend([*next, 0, 0, 0, 0, 0, 0, 0]);
        }
        headers(&frame, &parse::parse(&frame).unwrap())
    }

    #[test]
    fn headers_order_and_repeats() {
        assert_eq!(bits(&[0, 17]), HOP_BY_HOP);
        assert_eq!(bits(&[0, 60, 43, 44, 60, 6]), HOP_BY_HOP | DESTINATION | ROUTING | FRAGMENT);
        assert_eq!(bits(&[60, 59]), DESTINATION | NO_NEXT);
        assert_eq!(bits(&[50]), ESP);
        assert_eq!(bits(&[43, 0, 17]), ROUTING | HOP_BY_HOP | OUT_OF_ORDER);
        assert_eq!(bits(&[43, 43, 17]), ROUTING | REPEATED);
        assert_eq!(bits(&[60, 60, 60, 17]), DESTINATION | REPEATED);
        assert_eq!(bits(&[17]), 0);
    }

    #[test]
    fn a_chain_that_is_cut_ends_the_walk() {
        let mut frame = vec![0; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 1, 0, 64]);
        frame.extend([0; 33]);
        assert_eq!(headers(&frame, &parse::parse(&frame).unwrap()), HOP_BY_HOP);
    }
}
