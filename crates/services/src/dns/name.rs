//! Names.

use netloom_packet::bytes::u8_at;

/// Longest name in bytes, lengths and root included (RFC 1035 section 2.3.4).
const MAX: usize = 255;
/// The two high bits of a length that is a pointer, and those of one that is nothing.
const POINTER: u8 = 0xc0;

/// A name in the form of the wire, in lower case: labels, each with its length in front, the empty one last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(Vec<u8>);

impl Name {
    /// Reads the name at the front of `bytes`, and how many bytes it has there. Pointers are refused: this is for the
    /// first name of a message, and nothing is in front of it that could be pointed at.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut at = 0;
        loop {
            let len = u8_at(bytes, at)?;
            if len & POINTER != 0 {
                return None;
            }
            at += 1 + usize::from(len);
            if at > MAX {
                return None;
            }
            if len == 0 {
                let mut wire = bytes.get(..at)?.to_vec();
                // Lengths are below 64, and so no letters.
                wire.make_ascii_lowercase();
                return Some((Self(wire), at));
            }
        }
    }

    /// The name that a text means; `None` if it is none.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            let len = u8::try_from(label.len()).ok().filter(|len| (1..64).contains(len))?;
            wire.push(len);
            wire.extend(label.bytes());
        }
        wire.push(0);
        wire.make_ascii_lowercase();
        (wire.len() <= MAX).then_some(Self(wire))
    }

    /// The form of the wire.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels, the root's not among them.
    pub(crate) fn labels(&self) -> Vec<&[u8]> {
        let mut out = Vec::new();
        let mut rest = self.0.as_slice();
        while let Some((&len, after)) = rest.split_first().filter(|(len, _)| **len != 0) {
            let Some((label, after)) = after.split_at_checked(len.into()) else { break };
            out.push(label);
            rest = after;
        }
        out
    }
}

/// Where the name at `at` ends. A pointer ends it, and is not followed: nobody wants to know what is said there, and a loop
/// of pointers is none.
pub(crate) fn skip(bytes: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    loop {
        let len = u8_at(bytes, at)?;
        match len & POINTER {
            POINTER => return u8_at(bytes, at + 1).map(|_| at + 2),
            0 if len == 0 => return Some(at + 1),
            0 => at += 1 + usize::from(len),
            _ => return None,
        }
        if at - start > MAX {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_lower_case_and_pointers_are_not_followed() {
        let wire = b"\x03WeB\x03red\0rest";
        let (name, len) = Name::read(wire).unwrap();
        assert_eq!((name.wire(), len), (b"\x03web\x03red\0".as_slice(), 9));
        assert_eq!(name.labels(), [b"web", b"red"]);
        assert_eq!(Name::of("Web.red"), Some(name));
        assert_eq!(Name::read(b"\0").map(|(name, len)| (name.labels().len(), len)), Some((0, 1)));
        for bad in [b"\xc0\0".as_slice(), b"\x40a", b"\x03we", b"", b"\x01a"] {
            assert_eq!(Name::read(bad), None, "{bad:?}");
        }
        let long = [b"\x3f".as_slice(), &[b'a'; 63]].concat();
        let name = |count: usize, last: &[u8]| [long.repeat(count).as_slice(), last, b"\0"].concat();
        assert!(Name::read(&name(3, &[b"\x3d".as_slice(), &[b'a'; 61]].concat())).is_some(), "255 bytes");
        assert!(Name::read(&name(3, &[b"\x3e".as_slice(), &[b'a'; 62]].concat())).is_none(), "256 bytes");
        for bad in ["", "a..b", ".", &"a".repeat(64), &vec!["abcdefg"; 32].join(".")] {
            assert_eq!(Name::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_are_skipped_up_to_their_end_or_pointer() {
        assert_eq!(skip(b"\x01a\0", 0), Some(3));
        assert_eq!(skip(b"x\x01a\xc0\x00y", 1), Some(5));
        assert_eq!(skip(b"\xc0\x00", 0), Some(2), "a loop to whoever follows it");
        for bad in [b"\xc0".as_slice(), b"\x80a", b"\x05ab", b""] {
            assert_eq!(skip(bad, 0), None, "{bad:?}");
        }
        assert_eq!(skip(&[1; 600], 0), None);
    }
}
