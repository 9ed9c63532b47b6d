//! ARP for IPv4 over Ethernet.
//!
//! ```text
//! 0      2      4    5    6    8     14    18    24    28
//! | 0001 | 0800 | 06 | 04 | op | sha | spa | tha | tpa |
//! ```
//!
//! Source: RFC 826.

use crate::bytes::array;
use crate::{Headers, Mac};

/// Bytes of the packet.
pub const LEN: usize = 28;
/// Operation: who has the target address?
pub const REQUEST: u16 = 1;
/// Operation: the sender has the sender address.
pub const REPLY: u16 = 2;

/// A checked view of an ARP packet.
#[derive(Debug, Clone, Copy)]
pub struct Arp<'a>(&'a [u8; LEN]);

impl<'a> Arp<'a> {
    /// The ARP packet of a frame.
    #[inline]
    #[must_use]
    pub fn of(frame: &'a [u8], headers: &Headers) -> Option<Self> {
        array(frame, usize::from(headers.l3)).filter(|_| headers.is_arp()).map(Self)
    }

    /// Operation.
    #[must_use]
    pub const fn op(self) -> u16 {
        u16::from_be_bytes([self.0[6], self.0[7]])
    }

    /// Sender's Ethernet address.
    #[must_use]
    pub const fn sha(self) -> Mac {
        let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, ..] = *self.0;
        Mac([a, b, c, d, e, f])
    }

    /// Sender's IPv4 address.
    #[must_use]
    pub const fn spa(self) -> [u8; 4] {
        [self.0[14], self.0[15], self.0[16], self.0[17]]
    }

    /// Target's Ethernet address.
    #[must_use]
    pub const fn tha(self) -> Mac {
        let [.., a, b, c, d, e, f, _, _, _, _] = *self.0;
        Mac([a, b, c, d, e, f])
    }

    /// Target's IPv4 address.
    #[must_use]
    pub const fn tpa(self) -> [u8; 4] {
        let [.., a, b, c, d] = *self.0;
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn fields() {
        let mut frame = [0; 42];
        frame[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
        for (at, byte) in (1..=20).enumerate() {
            frame[22 + at] = byte;
        }
        let headers = parse(&frame).unwrap();
        let arp = Arp::of(&frame, &headers).unwrap();
        assert_eq!(arp.op(), REPLY);
        assert_eq!(arp.sha(), Mac([1, 2, 3, 4, 5, 6]));
        assert_eq!(arp.spa(), [7, 8, 9, 10]);
        assert_eq!(arp.tha(), Mac([11, 12, 13, 14, 15, 16]));
        assert_eq!(arp.tpa(), [17, 18, 19, 20]);
        assert!(Arp::of(&frame[..41], &headers).is_none());
    }
}
