//! MPLS label stack entries: label 20, traffic class 3, bottom of stack 1, TTL 8 bits.
//!
//! Source: RFC 3032 §2.1, RFC 5462.

use crate::Headers;
use crate::bytes::be32;

/// One 32-bit entry of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Entry(pub u32);

impl Entry {
    /// The label, 20 bits.
    #[must_use]
    pub const fn label(self) -> u32 {
        self.0 >> 12
    }

    /// The traffic class, 0 to 7.
    #[must_use]
    pub const fn class(self) -> u8 {
        self.0.to_be_bytes()[2] >> 1 & 7
    }

    /// Whether this is the last entry.
    #[must_use]
    pub const fn is_bottom(self) -> bool {
        self.0 & 0x100 != 0
    }

    /// Time to live.
    #[must_use]
    pub const fn ttl(self) -> u8 {
        self.0.to_be_bytes()[3]
    }
}

/// Entry `n` of the frame's stack, 0 the outermost.
#[must_use]
pub fn entry(frame: &[u8], headers: &Headers, n: u8) -> Option<Entry> {
    (n < headers.mpls)
        .then(|| usize::from(headers.l2_len) + usize::from(n) * 4)
        .and_then(|at| be32(frame, at))
        .map(Entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn stack() {
        let mut frame = [0; 30];
        frame[12..22].copy_from_slice(&[0x88, 0x47, 0x00, 0x06, 0x4a, 0x40, 0xff, 0xff, 0xf1, 0x3f]);
        let headers = parse(&frame).unwrap();
        let outer = entry(&frame, &headers, 0).unwrap();
        assert_eq!((outer.label(), outer.class(), outer.is_bottom(), outer.ttl()), (100, 5, false, 64));
        let inner = entry(&frame, &headers, 1).unwrap();
        assert_eq!((inner.label(), inner.class(), inner.is_bottom(), inner.ttl()), (0xfffff, 0, true, 63));
        assert_eq!(entry(&frame, &headers, 2), None);
    }
}
