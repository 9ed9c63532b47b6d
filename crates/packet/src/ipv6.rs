//! IPv6's fixed header. Extension headers are walked by [`mod@crate::parse`].
//!
//! ```text
//! 0                     4        6      7           8     24    40
//! | ver, class, label   | length | next | hop limit | src | dst |
//! ```
//!
//! Source: RFC 8200.

use crate::Headers;
use crate::bytes::array;

/// Bytes of the fixed header.
pub const HEADER: usize = 40;

/// A checked view of an IPv6 header.
#[derive(Debug, Clone, Copy)]
pub struct Ipv6<'a>(&'a [u8; HEADER]);

impl<'a> Ipv6<'a> {
    /// The IPv6 header of a frame.
    #[inline]
    #[must_use]
    pub fn of(frame: &'a [u8], headers: &Headers) -> Option<Self> {
        array(frame, usize::from(headers.l3)).filter(|_| headers.is_ipv6()).map(Self)
    }

    /// Version, class and label.
    const fn first(self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }

    /// Traffic class: DSCP and ECN.
    #[must_use]
    pub const fn tos(self) -> u8 {
        (self.first() >> 20 & 0xff) as u8
    }

    /// Flow label, 20 bits.
    #[must_use]
    pub const fn label(self) -> u32 {
        self.first() & 0x000f_ffff
    }

    /// Length without this header, in bytes.
    #[must_use]
    pub const fn payload_len(self) -> u16 {
        u16::from_be_bytes([self.0[4], self.0[5]])
    }

    /// The first extension or upper-layer header.
    #[must_use]
    pub const fn next_header(self) -> u8 {
        self.0[6]
    }

    /// Hop limit.
    #[must_use]
    pub const fn ttl(self) -> u8 {
        self.0[7]
    }

    /// Source.
    #[inline]
    #[must_use]
    pub fn src(self) -> [u8; 16] {
        array(self.0, 8).copied().unwrap_or_default()
    }

    /// Destination.
    #[inline]
    #[must_use]
    pub fn dst(self) -> [u8; 16] {
        array(self.0, 24).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn fields() {
        let mut frame = [0; 54];
        frame[12..22].copy_from_slice(&[0x86, 0xdd, 0x6b, 0x9f, 0xed, 0xcb, 0, 0, 59, 63]);
        frame[22..38].fill(0x20);
        frame[38..].fill(0xfe);
        let headers = parse(&frame).unwrap();
        let ip = Ipv6::of(&frame, &headers).unwrap();
        assert_eq!((ip.tos(), ip.label(), ip.payload_len()), (0xb9, 0xf_edcb, 0));
        assert_eq!((ip.next_header(), ip.ttl(), ip.src(), ip.dst()), (59, 63, [0x20; 16], [0xfe; 16]));
        assert!(Ipv6::of(&frame[..53], &headers).is_none());
    }
}
