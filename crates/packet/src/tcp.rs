//! TCP.
//!
//! ```text
//! 0     2     4     8     12             14       16         18       20
//! | src | dst | seq | ack | off 4 flags 12 | window | checksum | urgent | options
//! ```
//!
//! Source: RFC 9293 §3.1.

use crate::Headers;
use crate::bytes::array;
use crate::parse::ip_proto;

/// Bytes of the header without options.
pub const HEADER: usize = 20;

/// Flags, as in the 12 bits behind the data offset.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u16 = 0x001;
    /// Synchronize sequence numbers.
    pub const SYN: u16 = 0x002;
    /// Reset.
    pub const RST: u16 = 0x004;
    /// Push.
    pub const PSH: u16 = 0x008;
    /// The acknowledgment counts.
    pub const ACK: u16 = 0x010;
    /// The urgent pointer counts.
    pub const URG: u16 = 0x020;
    /// ECN echo.
    pub const ECE: u16 = 0x040;
    /// Congestion window reduced.
    pub const CWR: u16 = 0x080;
}

/// A checked view of a TCP header.
#[derive(Debug, Clone, Copy)]
pub struct Tcp<'a>(&'a [u8; HEADER]);

impl<'a> Tcp<'a> {
    /// The TCP header of a frame.
    #[inline]
    #[must_use]
    pub fn of(frame: &'a [u8], headers: &Headers) -> Option<Self> {
        let there = headers.l4 != 0 && headers.ip_proto == ip_proto::TCP;
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

    /// Sequence number.
    #[must_use]
    pub const fn seq(self) -> u32 {
        u32::from_be_bytes([self.0[4], self.0[5], self.0[6], self.0[7]])
    }

    /// Acknowledgment number.
    #[must_use]
    pub const fn ack(self) -> u32 {
        u32::from_be_bytes([self.0[8], self.0[9], self.0[10], self.0[11]])
    }

    /// The 12 bits of [`flag`]s.
    #[must_use]
    pub const fn flags(self) -> u16 {
        u16::from_be_bytes([self.0[12], self.0[13]]) & 0x0fff
    }

    /// Receive window, unscaled.
    #[must_use]
    pub const fn window(self) -> u16 {
        u16::from_be_bytes([self.0[14], self.0[15]])
    }
}
