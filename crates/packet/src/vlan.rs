//! VLAN tags: 802.1Q and 802.1ad.
//!
//! ```text
//! 12     14    16     18    20
//! | TPID | TCI | TPID | TCI | type      TCI: priority 3, drop eligible 1, VLAN id 12
//! ```

use crate::Headers;
use crate::bytes::array;

/// Bytes of a tag.
pub const TAG: usize = 4;

/// A tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tag {
    /// 0x8100 or 0x88a8.
    pub tpid: u16,
    /// Priority, drop-eligible bit and VLAN id.
    pub tci: u16,
}

impl Tag {
    /// The VLAN id, 0 to 4095; 0 says that only the priority counts.
    #[must_use]
    pub const fn vid(self) -> u16 {
        self.tci & 0x0fff
    }

    /// The priority, 0 to 7.
    #[must_use]
    pub const fn pcp(self) -> u8 {
        self.tci.to_be_bytes()[0] >> 5
    }
}

/// The frame's outermost tag and the next one.
#[inline]
#[must_use]
pub fn tags(frame: &[u8], headers: &Headers) -> [Option<Tag>; 2] {
    let tag = |n: u8, at| {
        let [a, b, c, d] = *array::<4>(frame, at).filter(|_| headers.vlans > n)?;
        Some(Tag { tpid: u16::from_be_bytes([a, b]), tci: u16::from_be_bytes([c, d]) })
    };
    if headers.vlans == 0 { [None, None] } else { [tag(0, 12), tag(1, 16)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn two_tags() {
        let mut frame = [0; 60];
        frame[12..22].copy_from_slice(&[0x88, 0xa8, 0x20, 1, 0x81, 0, 0xef, 0xff, 8, 6]);
        let [outer, inner] = tags(&frame, &parse(&frame).unwrap());
        assert_eq!(outer, Some(Tag { tpid: 0x88a8, tci: 0x2001 }));
        assert_eq!(outer.map(|t| (t.vid(), t.pcp())), Some((1, 1)));
        assert_eq!(inner.map(|t| (t.vid(), t.pcp())), Some((0xfff, 7)));
        assert_eq!(tags(&frame, &Headers::default()), [None, None]);
        assert_eq!(tags(&frame[..14], &parse(&frame).unwrap()), [None, None], "headers of another frame");
    }
}
