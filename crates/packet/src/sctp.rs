//! SCTP's common header and its CRC32c.
//!
//! ```text
//! 0     2     4      8        12
//! | src | dst | vtag | CRC32c | chunks          the CRC is little-endian, over the packet with a CRC of 0
//! ```
//!
//! Source: RFC 9260 §3.1, §6.8 and appendix A.

use crate::Headers;
use crate::bytes::{array, put};
use crate::parse::ip_proto;

/// Bytes of the common header.
pub const HEADER: usize = 12;

/// A checked view of an SCTP header.
#[derive(Debug, Clone, Copy)]
pub struct Sctp<'a>(&'a [u8; HEADER]);

impl<'a> Sctp<'a> {
    /// The SCTP header of a frame.
    #[inline]
    #[must_use]
    pub fn of(frame: &'a [u8], headers: &Headers) -> Option<Self> {
        let there = headers.l4 != 0 && headers.ip_proto == ip_proto::SCTP;
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

    /// The CRC32c as the header has it.
    #[must_use]
    pub const fn crc(self) -> u32 {
        u32::from_le_bytes([self.0[8], self.0[9], self.0[10], self.0[11]])
    }
}

/// The CRC32c of a whole SCTP packet, its field taken as 0. `None` under 12 bytes.
#[must_use]
pub fn crc(packet: &[u8]) -> Option<u32> {
    let (head, chunks) = packet.split_first_chunk::<HEADER>()?;
    let mut blank = *head;
    put(&mut blank, 8, [0; 4]);
    Some(!crc32c(crc32c(!0, &blank), chunks))
}

/// CRC32c without the inversions at both ends.
fn crc32c(mut crc: u32, bytes: &[u8]) -> u32 {
    for byte in bytes {
        let [low, ..] = (crc ^ u32::from(*byte)).to_le_bytes();
        crc = TABLE.get(usize::from(low)).copied().unwrap_or(0) ^ crc >> 8;
    }
    crc
}

/// Remainders of all bytes by the reflected Castagnoli polynomial.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte: u32 = 0;
    while byte < 256 {
        let mut crc = byte;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time, below 256")]
        {
            table[byte as usize] = crc;
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_crcs() {
        // RFC 3720 appendix B.4.
        assert_eq!(!crc32c(!0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(!crc32c(!0, &[0xff; 32]), 0x62a8_ab43);
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn the_field_counts_as_zero() {
        let mut packet = [0; 32];
        packet[8..12].fill(0xa5);
        assert_eq!(crc(&packet), Some(0x8a91_36aa));
        assert_eq!(crc(&packet[..11]), None);
    }
}
