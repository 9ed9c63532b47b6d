//! UDP: source and destination port, length, checksum; 2 bytes each.
//!
//! Source: RFC 768. A checksum of 0 over IPv4 says that there is none.

use crate::Headers;
use crate::bytes::array;
use crate::parse::ip_proto;

/// Bytes of the header.
pub const HEADER: usize = 8;

/// A checked view of a UDP header.
#[derive(Debug, Clone, Copy)]
pub struct Udp<'a>(&'a [u8; HEADER]);

impl<'a> Udp<'a> {
    /// The UDP header of a frame.
    #[inline]
    #[must_use]
    pub fn of(frame: &'a [u8], headers: &Headers) -> Option<Self> {
        let there = headers.l4 != 0 && headers.ip_proto == ip_proto::UDP;
        array(frame, usize::from(headers.l4)).filter(|_| there).map(Self)
    }

    /// Source port.
    #[must_use]
    pub const fn src(self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// Destination port.
    #[must_use]
    pub const fn dst(self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// Length with header, in bytes, as the header says.
    #[must_use]
    pub const fn length(self) -> u16 {
        u16::from_be_bytes([self.0[4], self.0[5]])
    }

    /// Checksum, 0 for none.
    #[must_use]
    pub const fn checksum(self) -> u16 {
        u16::from_be_bytes([self.0[6], self.0[7]])
    }
}
