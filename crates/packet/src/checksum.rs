//! The Internet checksum: sums, incremental updates, completion.
//!
//! The sum is over big-endian 16-bit words in one's complement arithmetic; the field holds its complement. A
//! [`Csum::Partial`] field holds the *uncomplemented* sum of the pseudo header alone, so that completing it is one
//! sum from the transport header to the end.
//!
//! Source: RFC 1071 (sum), RFC 1624 eq. 3 (update), RFC 9293 §3.1 and RFC 8200 §8.1 (pseudo headers).

use std::fmt;

use crate::bytes::{be16, put16};
use crate::parse::{FRAG_ANY, ip_proto};
use crate::{Csum, Headers, Offload};

/// A one's complement sum that is still being added to. Carries are kept and folded at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing added yet.
    pub const ZERO: Self = Self(0);

    /// Adds bytes that begin at an even offset of what is summed. An odd last byte is padded with 0.
    #[inline]
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // Words of the machine's order: a one's complement sum may be byte-swapped once at its end (RFC 1071 §2).
        let (words, rest) = bytes.as_chunks::<8>();
        let mut sum: u64 = 0;
        for word in words {
            let word = u64::from_ne_bytes(*word);
            sum += (word & 0xffff_ffff) + (word >> 32); // 2^32 words before this could overflow
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        let word = u64::from_ne_bytes(last);
        sum += (word & 0xffff_ffff) + (word >> 32);
        self.word(u16::from_be(fold(sum)))
    }

    /// Adds a 16-bit word.
    #[inline]
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds both halves of a 32-bit number.
    #[inline]
    #[must_use]
    pub const fn long(self, long: u32) -> Self {
        Self(self.0 + (long >> 16) as u64 + (long & 0xffff) as u64)
    }

    /// The sum in 16 bits, not complemented: what a [`Csum::Partial`] field holds.
    #[inline]
    #[must_use]
    pub const fn fold(self) -> u16 {
        fold(self.0)
    }

    /// The checksum: the folded sum's complement.
    #[inline]
    #[must_use]
    pub const fn finish(self) -> u16 {
        !self.fold()
    }
}

#[inline]
const fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    // Four folds leave 16 bits of any 64: 33, 18, 17, 16.
    (sum & 0xffff) as u16
}

/// The checksum of `bytes`, as of an IPv4 header whose field is 0. Over bytes with a right field it is 0.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    Sum::ZERO.bytes(bytes).finish()
}

/// The pseudo header of IPv4: addresses, protocol, and the length in bytes from the transport header on.
#[must_use]
pub fn pseudo_v4(src: [u8; 4], dst: [u8; 4], proto: u8, len: u32) -> Sum {
    Sum::ZERO.bytes(&src).bytes(&dst).word(u16::from(proto)).long(len)
}

/// The pseudo header of IPv6, as [`pseudo_v4`]. With a routing header, `dst` is the final destination.
#[must_use]
pub fn pseudo_v6(src: &[u8; 16], dst: &[u8; 16], proto: u8, len: u32) -> Sum {
    Sum::ZERO.bytes(src).bytes(dst).word(u16::from(proto)).long(len)
}

/// The checksum after one of the words it covers changed from `old` to `new`.
///
/// Source: RFC 1624 eq. 3, `HC' = ~(~HC + ~m + m')`.
#[inline]
#[must_use]
pub const fn update(check: u16, old: u16, new: u16) -> u16 {
    !update_partial(!check, old, new)
}

/// The uncomplemented sum in a [`Csum::Partial`] field after a word of the pseudo header changed.
#[inline]
#[must_use]
pub const fn update_partial(sum: u16, old: u16, new: u16) -> u16 {
    Sum(sum as u64 + !old as u64 + new as u64).fold()
}

/// No room for the checksum where the metadata says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfFrame;

impl fmt::Display for OutOfFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The checksum field is outside the frame")
    }
}

impl std::error::Error for OutOfFrame {}

/// Completes a [`Csum::Partial`] checksum: sums from `start` to the end of `frame` and writes the complement
/// `offset` bytes behind `start`. A result of 0 is written as its other form 0xffff, as UDP demands.
///
/// # Errors
/// [`OutOfFrame`], and nothing written.
pub fn finish(frame: &mut [u8], start: u16, offset: u16) -> Result<(), OutOfFrame> {
    let covered = frame.get_mut(usize::from(start)..).ok_or(OutOfFrame)?;
    let check = match checksum(covered) {
        0 => 0xffff,
        check => check,
    };
    put16(covered, usize::from(offset), check).then_some(()).ok_or(OutOfFrame)
}

/// Completes what `offload` says is to be completed; does nothing to a frame whose checksum is in place.
///
/// # Errors
/// As [`finish`].
pub fn complete(frame: &mut [u8], offload: &mut Offload) -> Result<(), OutOfFrame> {
    if let Csum::Partial { start, offset } = offload.csum {
        finish(frame, start, offset)?;
        offload.csum = Csum::Valid;
    }
    Ok(())
}

/// Where the frame's L4 checksum field is: one of the Internet checksum (not SCTP), whole or not.
#[must_use]
pub fn l4_field(headers: &Headers) -> Option<usize> {
    let within = match headers.ip_proto {
        _ if headers.l4 == 0 => return None,
        ip_proto::TCP => 16,
        ip_proto::UDP => 6,
        ip_proto::ICMP | ip_proto::ICMPV6 | ip_proto::IGMP => 2,
        _ => return None,
    };
    Some(usize::from(headers.l4) + within)
}

/// The sum of the pseudo header of the frame's L4 protocol for `len` bytes of L4; zero for those without one.
/// `None` if there is no IP header, or the final destination stands in a routing header.
#[must_use]
pub fn pseudo(frame: &[u8], headers: &Headers, len: u32) -> Option<Sum> {
    let at = usize::from(headers.l3);
    if matches!(headers.ip_proto, ip_proto::ICMP | ip_proto::IGMP) {
        Some(Sum::ZERO)
    } else if headers.routed {
        None
    } else if headers.is_ipv4() {
        Some(Sum::ZERO.bytes(frame.get(at + 12..at + 20)?).word(u16::from(headers.ip_proto)).long(len))
    } else if headers.is_ipv6() {
        Some(Sum::ZERO.bytes(frame.get(at + 8..at + 40)?).word(u16::from(headers.ip_proto)).long(len))
    } else {
        None
    }
}

/// Whether the frame's L4 checksum is right, computed from scratch; UDP's 0 over IPv4 is right.
///
/// `None` where that cannot be said: no Internet checksum, a fragment, a routing header with segments left.
#[must_use]
pub fn verify_l4(frame: &[u8], headers: &Headers) -> Option<bool> {
    let field = l4_field(headers)?;
    if headers.frag & FRAG_ANY != 0 {
        return None;
    }
    let l4 = frame.get(usize::from(headers.l4)..headers.end as usize)?;
    if headers.ip_proto == ip_proto::UDP && be16(frame, field) == Some(0) {
        return Some(headers.is_ipv4());
    }
    let sum = pseudo(frame, headers, u32::try_from(l4.len()).ok()?)?;
    Some(sum.bytes(l4).finish() == 0)
}

/// Whether the frame's IPv4 header checksum is right; `None` if it has no IPv4 header.
#[must_use]
pub fn verify_ipv4(frame: &[u8], headers: &Headers) -> Option<bool> {
    let at = usize::from(headers.l3);
    let len = usize::from(frame.get(at).filter(|_| headers.is_ipv4())? & 0x0f) * 4;
    Some(checksum(frame.get(at..at + len)?) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An IPv4 header from a capture of a DNS query; its checksum is 0xb861.
    const IPV4: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0,
        0xa8, 0x00, 0xc7,
    ];

    /// RFC 1071 as it is written: 16 bits at a time.
    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap()
    }

    #[test]
    fn known_sums() {
        assert_eq!(checksum(&IPV4), 0);
        let mut blank = IPV4;
        blank[10..12].fill(0);
        assert_eq!(checksum(&blank), 0xb861);
        // RFC 1071 §3: the sum of this is ddf2.
        assert_eq!(Sum::ZERO.bytes(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]).fold(), 0xddf2);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn rfc_1624_example() {
        // §4: the header's word 0x5555 becomes 0x3285, the checksum 0xdd2f becomes 0x0000.
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn pseudo_headers() {
        let v4 = pseudo_v4([192, 0, 2, 1], [198, 51, 100, 2], 17, 12);
        let bytes = [192, 0, 2, 1, 198, 51, 100, 2, 0, 17, 0, 12];
        assert_eq!(v4.fold(), Sum::ZERO.bytes(&bytes).fold());
        let (src, dst) = ([0x20; 16], [0xfe; 16]);
        let mut bytes = [src, dst].concat();
        bytes.extend([0, 1, 0x86, 0xa0, 0, 0, 0, 58]);
        assert_eq!(pseudo_v6(&src, &dst, 58, 100_000).fold(), Sum::ZERO.bytes(&bytes).fold());
    }

    #[test]
    fn finish_stays_in_the_frame() {
        let mut frame = [0xa5; 40];
        assert_eq!(finish(&mut frame, 34, 5), Err(OutOfFrame));
        assert_eq!(finish(&mut frame, 41, 0), Err(OutOfFrame));
        assert_eq!(frame, [0xa5; 40]);
        let mut offload = Offload { csum: Csum::Partial { start: 34, offset: 4 }, ..Offload::PLAIN };
        complete(&mut frame, &mut offload).unwrap();
        assert_eq!(offload.csum, Csum::Valid);
        assert_ne!(frame[38..], [0xa5; 2]);
    }

    #[test]
    fn zero_is_written_as_ffff() {
        // The words sum to 0xffff, so the checksum would be 0.
        let mut frame = [0xff, 0x00, 0x00, 0xff, 0, 0];
        finish(&mut frame, 0, 4).unwrap();
        assert_eq!(frame[4..], [0xff, 0xff]);
    }

    proptest! {
        #[test]
        fn fast_sum_is_the_plain_sum(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(checksum(&bytes), plain(&bytes));
        }

        #[test]
        fn update_is_a_full_recompute(mut bytes in any::<[u8; 24]>(), at in 0usize..11, new in any::<u16>()) {
            bytes[22..].fill(0);
            bytes[20] |= 1; // not all zero, which is the one case with two right answers
            let old = be16(&bytes, at * 2).unwrap();
            let check = checksum(&bytes);
            if at != 10 {
                put16(&mut bytes, at * 2, new);
                prop_assert_eq!(update(check, old, new), checksum(&bytes));
                prop_assert_eq!(update_partial(!check, old, new), !checksum(&bytes));
            }
        }
    }
}
