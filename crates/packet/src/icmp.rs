//! ICMP and ICMPv6: type, code, and the identifier and sequence number of an echo.
//!
//! ```text
//! 0      1      2          4    6     8
//! | type | code | checksum | id | seq | data
//! ```
//!
//! Source: RFC 792, RFC 4443.

use crate::Headers;
use crate::bytes::array;
use crate::parse::ip_proto;

/// Bytes of the header.
pub const HEADER: usize = 8;
/// ICMP echo reply.
pub const ECHO_REPLY: u8 = 0;
/// ICMP echo request.
pub const ECHO_REQUEST: u8 = 8;
/// ICMPv6 echo request.
pub const ECHO_REQUEST_V6: u8 = 128;
/// ICMPv6 echo reply.
pub const ECHO_REPLY_V6: u8 = 129;

/// A checked view of an ICMP or ICMPv6 header.
#[derive(Debug, Clone, Copy)]
pub struct Icmp<'a>(&'a [u8; HEADER]);

impl<'a> Icmp<'a> {
    /// The ICMP or ICMPv6 header of a frame.
    #[inline]
    #[must_use]
    pub fn of(frame: &'a [u8], headers: &Headers) -> Option<Self> {
        let there = headers.l4 != 0 && matches!(headers.ip_proto, ip_proto::ICMP | ip_proto::ICMPV6);
        array(frame, usize::from(headers.l4)).filter(|_| there).map(Self)
    }

    /// Type.
    #[must_use]
    pub const fn kind(self) -> u8 {
        self.0[0]
    }

    /// Code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0[1]
    }

    /// An echo's identifier.
    #[must_use]
    pub const fn id(self) -> u16 {
        u16::from_be_bytes([self.0[4], self.0[5]])
    }

    /// An echo's sequence number.
    #[must_use]
    pub const fn seq(self) -> u16 {
        u16::from_be_bytes([self.0[6], self.0[7]])
    }
}
