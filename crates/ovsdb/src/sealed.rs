//! A text with its length and its SHA-1 sum in front, as each record of the database's log has them: so a text that was torn
//! off, or changed, is known as such.
//!
//! ```text
//! netloom-kept 1 56 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12
//! ...
//! ```
//!
//! The sum finds accidents. It keeps nobody from writing another text with another sum.

use sha1::{Digest, Sha1};

/// Hexadecimal digits of a sum.
const DIGITS: usize = 40;
/// No first line is longer than a kind and two numbers.
const LONGEST_LINE: usize = 128;

/// Why a file is not a text that was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is something else.
    #[error("It is a file of another kind")]
    Foreign,
    /// Another version has written it.
    #[error("It is of version {found} of its form, and only version {known} is known")]
    Version {
        /// Its version.
        found: u32,
        /// The version that is known.
        known: u32,
    },
    /// Its end is missing, or it goes on behind it.
    #[error("It has {found} bytes and not {wanted} behind its first line")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// Its sum is another one.
    #[error("It was changed after it was written: its sum is another one")]
    Changed,
    /// It is no text.
    #[error("It is no text")]
    NoText,
}

/// Puts the first line in front of a text. `kind` is a word without blanks.
#[must_use]
pub fn seal(kind: &str, version: u32, text: &str) -> Vec<u8> {
    let mut out = format!("{kind} {version} {} {}\n", text.len(), sum(text.as_bytes())).into_bytes();
    out.extend_from_slice(text.as_bytes());
    out
}

/// Takes the first line away again.
///
/// # Errors
/// It is not what was sealed: see [`SealError`].
pub fn open<'b>(kind: &str, version: u32, bytes: &'b [u8]) -> Result<&'b str, SealError> {
    let end = bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n').ok_or(SealError::Foreign)?;
    let (line, rest) = bytes.split_at_checked(end).ok_or(SealError::Foreign)?;
    let text = rest.get(1..).unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| SealError::Foreign)?;
    let mut words = line.split(' ');
    if words.next() != Some(kind) {
        return Err(SealError::Foreign);
    }
    let found = words.next().and_then(|word| word.parse().ok()).ok_or(SealError::Foreign)?;
    if found != version {
        return Err(SealError::Version { found, known: version });
    }
    let wanted = words.next().and_then(|word| word.parse().ok()).ok_or(SealError::Foreign)?;
    let told = words.next().filter(|word| word.len() == DIGITS).ok_or(SealError::Foreign)?;
    if words.next().is_some() {
        return Err(SealError::Foreign);
    }
    if text.len() != wanted {
        return Err(SealError::Length { found: text.len(), wanted });
    }
    if sum(text) != told {
        return Err(SealError::Changed);
    }
    std::str::from_utf8(text).map_err(|_| SealError::NoText)
}

fn sum(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "two\nlines\n";

    #[test]
    fn what_was_sealed_is_opened() {
        let sealed = seal("kind", 3, TEXT);
        // `printf 'two\nlines\n' | sha1sum`
        let whole = format!("kind 3 10 9656185d94e295fffa08d724aa98447f97d3afa4\n{TEXT}");
        assert_eq!(sealed, whole.into_bytes());
        assert_eq!(open("kind", 3, &sealed), Ok(TEXT));
        assert_eq!(open("kind", 3, &seal("kind", 3, "")), Ok(""));
    }

    #[test]
    fn what_is_torn_changed_foreign_or_newer_is_told_apart() {
        let sealed = seal("kind", 3, TEXT);
        assert_eq!(open("other", 3, &sealed), Err(SealError::Foreign));
        assert_eq!(open("kind", 2, &sealed), Err(SealError::Version { found: 3, known: 2 }));
        let longer = [&sealed[..], b"x"].concat();
        assert_eq!(open("kind", 3, &longer), Err(SealError::Length { found: 11, wanted: 10 }));
        for end in 0..sealed.len() {
            let error = open("kind", 3, &sealed[..end]).unwrap_err();
            assert!(matches!(error, SealError::Foreign | SealError::Length { .. }), "{end}: {error}");
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x01;
            assert!(open("kind", 3, &changed).is_err(), "{at}");
        }
        let mut bytes = seal("kind", 3, "xx");
        let end = bytes.len() - 2;
        bytes.truncate(end);
        bytes.extend([0xff, 0xfe]);
        assert_eq!(open("kind", 3, &bytes), Err(SealError::Changed));
        for other in [&b""[..], b"\n", b"kind\n", b"kind 3\n", b"kind 3 0 \n", b"kind 3 -1 0\n", &[0xff; 300]]
        {
            assert_eq!(open("kind", 3, other), Err(SealError::Foreign), "{other:?}");
        }
    }
}
