//! TCP's maximum segment size, lowered on its way.
//!
//! Who cannot be told by ICMP that packets are too big (a firewall between) can be told so in the opening of the
//! connection, as `iptables --clamp-mss-to-pmtu` does.
//!
//! Source: RFC 9293 §3.2 (options) and §3.7.1 (the option stands in SYNs only; without one, 536 or 1220 are meant).

use crate::bytes::{be16, put16, u8_at};
use crate::checksum::update;
use crate::tcp::{HEADER, Tcp, flag};
use crate::{Csum, Headers};

/// Bytes of IPv4 and TCP without options.
const V4_HEADERS: u16 = 40;
/// Bytes of IPv6 and TCP without options.
const V6_HEADERS: u16 = 60;
const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;

/// The segment size that fills an MTU: without IP and TCP headers, options not counted (RFC 6691).
#[must_use]
pub const fn of_mtu(mtu: u16, v6: bool) -> u16 {
    mtu.saturating_sub(if v6 { V6_HEADERS } else { V4_HEADERS })
}

/// Lowers the segment size that a SYN announces to `mss`, and keeps the checksum right, also an open one. Returns what
/// it was. `None`, and nothing written, for packets that announce none, or one that is no larger.
pub fn clamp(frame: &mut [u8], headers: &Headers, csum: Csum, mss: u16) -> Option<u16> {
    Tcp::of(frame, headers).filter(|tcp| tcp.flags() & flag::SYN != 0)?;
    let l4 = usize::from(headers.l4);
    let at = option(frame.get(l4 + HEADER..headers.payload.into())?)? + l4 + HEADER;
    let old = be16(frame, at).filter(|old| *old > mss)?;
    let check = be16(frame, l4 + 16)?;
    put16(frame, at, mss);
    // An open checksum holds the pseudo header's sum only.
    if !matches!(csum, Csum::Partial { .. }) {
        // Where the number lies across two words of the sum, its bytes count the other way around.
        let (from, to) =
            if (at - l4).is_multiple_of(2) { (old, mss) } else { (old.swap_bytes(), mss.swap_bytes()) };
        put16(frame, l4 + 16, update(check, from, to));
    }
    Some(old)
}

/// Where in the options the value of the first segment size is.
fn option(options: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match (u8_at(options, at)?, u8_at(options, at + 1)) {
            (END, _) => return None,
            (NOP, _) => at += 1,
            (MSS, Some(4)) => return (at + 4 <= options.len()).then_some(at + 2),
            (_, None | Some(0 | 1)) => return None,
            (_, Some(length)) => at += usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Frame, Ip, Tcp as Build};
    use crate::{Mac, checksum, parse};

    fn syn(options: &[u8], flags: u16, v6: bool) -> Vec<u8> {
        let ip = if v6 { Ip::v6([1; 8], [2; 8]) } else { Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]) };
        let tcp = Build { src: 1, dst: 2, seq: 3, flags, window: 4, options, ..Build::default() };
        Frame::ip(Mac::ZERO, Mac::ZERO, ip.tcp(tcp)).to_vec().unwrap()
    }

    #[test]
    fn lowers_and_keeps_the_checksum() {
        let options: [&[u8]; 4] = [
            &[2, 4, 0x05, 0xb4],
            &[1, 1, 1, 2, 4, 0x05, 0xb4, 0],
            &[1, 2, 4, 0x05, 0xb4, 3, 3, 7],
            &[8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 2, 4, 0x05, 0xb4, 0, 0],
        ];
        for options in options {
            for v6 in [false, true] {
                let mut frame = syn(options, flag::SYN | flag::ACK, v6);
                let headers = parse(&frame).unwrap();
                assert_eq!(clamp(&mut frame, &headers, Csum::Complete, 1400), Some(1460), "{options:?}");
                assert_eq!(checksum::verify_l4(&frame, &headers), Some(true), "{options:?}");
                assert_eq!(clamp(&mut frame, &headers, Csum::Complete, 1400), None, "no larger");
            }
        }
    }

    #[test]
    fn an_open_checksum_stays_what_it_is() {
        let mut frame = syn(&[2, 4, 0x05, 0xb4], flag::SYN, false);
        let headers = parse(&frame).unwrap();
        let before = frame[50..52].to_vec();
        let open = Csum::Partial { start: 34, offset: 16 };
        assert_eq!(clamp(&mut frame, &headers, open, 1000), Some(1460));
        assert_eq!((&frame[50..52], &frame[56..58]), (&before[..], &[0x03, 0xe8][..]));
    }

    #[test]
    fn hostile_options_end_the_search() {
        let cases: [&[u8]; 7] = [
            &[2, 4, 0x05, 0xb4], // but no SYN
            &[0, 2, 4, 5, 0xb4, 0, 0, 0],
            &[3, 0, 2, 4, 5, 0xb4, 0, 0],
            &[3, 1, 2, 4, 5, 0xb4, 0, 0],
            &[3, 200, 2, 4],
            &[1, 1, 2, 4],
            &[2, 3, 5, 0xb4],
        ];
        for (n, options) in cases.into_iter().enumerate() {
            let mut frame = syn(options, if n == 0 { flag::ACK } else { flag::SYN }, false);
            let before = frame.clone();
            let headers = parse(&frame).unwrap();
            assert_eq!(clamp(&mut frame, &headers, Csum::Complete, 500), None, "{options:?}");
            assert_eq!(frame, before);
        }
    }

    #[test]
    fn of_common_mtus() {
        assert_eq!((of_mtu(1500, false), of_mtu(1500, true), of_mtu(20, true)), (1460, 1440, 0));
    }
}
