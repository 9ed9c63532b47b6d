//! IPv4.
//!
//! ```text
//! 0          1     2        4    6               8     9       10         12    16    20
//! | ver, ihl | tos | length | id | flags, offset | ttl | proto | checksum | src | dst | options
//! ```
//!
//! Source: RFC 791; the former type of service is DSCP 6, ECN 2 bits (RFC 2474, RFC 3168).

use crate::Headers;
use crate::bytes::array;

/// Bytes of the header without options.
pub const HEADER: usize = 20;
/// Don't fragment: bit of [`Ipv4::fragment`].
pub const DF: u16 = 0x4000;
/// More fragments follow: bit of [`Ipv4::fragment`].
pub const MF: u16 = 0x2000;

/// A checked view of an IPv4 header.
#[derive(Debug, Clone, Copy)]
pub struct Ipv4<'a>(&'a [u8; HEADER]);

impl<'a> Ipv4<'a> {
    /// The IPv4 header of a frame.
    #[inline]
    #[must_use]
    pub fn of(frame: &'a [u8], headers: &Headers) -> Option<Self> {
        array(frame, usize::from(headers.l3)).filter(|_| headers.is_ipv4()).map(Self)
    }

    /// Header length with options, in bytes.
    #[must_use]
    pub const fn header_len(self) -> usize {
        (self.0[0] & 0x0f) as usize * 4
    }

    /// DSCP and ECN.
    #[must_use]
    pub const fn tos(self) -> u8 {
        self.0[1]
    }

    /// Length with header, in bytes.
    #[must_use]
    pub const fn total_len(self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// Identification.
    #[must_use]
    pub const fn id(self) -> u16 {
        u16::from_be_bytes([self.0[4], self.0[5]])
    }

    /// Flags ([`DF`], [`MF`]) and, in units of 8 bytes, the fragment's offset.
    #[must_use]
    pub const fn fragment(self) -> u16 {
        u16::from_be_bytes([self.0[6], self.0[7]])
    }

    /// Time to live.
    #[must_use]
    pub const fn ttl(self) -> u8 {
        self.0[8]
    }

    /// Protocol.
    #[must_use]
    pub const fn proto(self) -> u8 {
        self.0[9]
    }

    /// Header checksum.
    #[must_use]
    pub const fn checksum(self) -> u16 {
        u16::from_be_bytes([self.0[10], self.0[11]])
    }

    /// Source.
    #[must_use]
    pub const fn src(self) -> [u8; 4] {
        [self.0[12], self.0[13], self.0[14], self.0[15]]
    }

    /// Destination.
    #[must_use]
    pub const fn dst(self) -> [u8; 4] {
        [self.0[16], self.0[17], self.0[18], self.0[19]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn fields() {
        let mut frame = [0; 54];
        frame[12..38].copy_from_slice(&[
            0x08, 0, 0x46, 0xb9, 0, 40, 0x12, 0x34, 0x40, 0, 63, 99, 0xab, 0xcd, 10, 1, 2, 3, 10, 4, 5, 6, 1,
            1, 1, 0,
        ]);
        let headers = parse(&frame).unwrap();
        let ip = Ipv4::of(&frame, &headers).unwrap();
        assert_eq!((ip.header_len(), ip.tos(), ip.total_len(), ip.id()), (24, 0xb9, 40, 0x1234));
        assert_eq!((ip.fragment(), ip.ttl(), ip.proto(), ip.checksum()), (DF, 63, 99, 0xabcd));
        assert_eq!((ip.src(), ip.dst()), ([10, 1, 2, 3], [10, 4, 5, 6]));
        assert!(Ipv4::of(&frame[..33], &headers).is_none());
    }
}
