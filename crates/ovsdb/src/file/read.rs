//! Records out of the bytes of a file.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use sha1::{Digest, Sha1};

use crate::error::OvsdbError;

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A record is damaged, and it is not the last.
    #[error("The record at offset {offset} is damaged: {reason}")]
    Damaged {
        /// Where the record begins.
        offset: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Another kind of file, such as that of a cluster.
    #[error("Not a standalone OVSDB database: it begins with {0:?}")]
    NotStandalone(String),
    /// Not even a schema.
    #[error("The file has no schema")]
    NoSchema,
    /// A record is whole, but not a change of this database.
    #[error("The record at offset {offset} does not fit the database")]
    Unfit {
        /// Where the record begins.
        offset: usize,
        /// Why.
        source: OvsdbError,
    },
}

/// How a file ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// With a whole record.
    Clean,
    /// With a torn one: the file is good up to `offset` and must be cut there before more is written.
    Torn {
        /// Where the torn record begins.
        offset: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// A record.
#[derive(Debug)]
pub(super) struct Record<'a, T> {
    /// Where it begins.
    pub(super) offset: usize,
    /// Its JSON.
    pub(super) text: &'a [u8],
    /// What was read of that.
    pub(super) content: T,
}

const LEAD: &[u8] = b"OVSDB JSON ";

/// The records of a file, one after the other.
#[derive(Debug)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    offset: usize,
    tail: Tail,
}

impl<'a> Records<'a> {
    /// The records in `bytes`, the whole of a file.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, tail: Tail::Clean }
    }

    /// How the file ends. Known when there are no more records.
    pub(super) const fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The next record, whose JSON `read` reads, or tells why it is none; `None` at the end, torn or not.
    ///
    /// # Errors
    /// [`FileError::Damaged`] for a bad record that is not the last, [`FileError::NotStandalone`] at the front.
    pub(super) fn next_record<T>(
        &mut self,
        read: impl FnOnce(&'a [u8]) -> Result<T, String>,
    ) -> Result<Option<Record<'a, T>>, FileError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        if rest.is_empty() || self.tail != Tail::Clean {
            return Ok(None);
        }
        let offset = self.offset;
        match record(rest).and_then(|(text, length)| Ok((read(text)?, text, length))) {
            Ok((content, text, length)) => {
                self.offset += length;
                Ok(Some(Record { offset, text, content }))
            }
            Err(_)
                if offset == 0
                    && !rest.starts_with(b"OVSDB JSON ".get(..rest.len().min(11)).unwrap_or(LEAD)) =>
            {
                let begin = rest.get(..rest.len().min(16)).unwrap_or_default();
                Err(FileError::NotStandalone(String::from_utf8_lossy(begin).into_owned()))
            }
            Err(reason) if another_begins(rest) => Err(FileError::Damaged { offset, reason }),
            Err(reason) => {
                self.tail = Tail::Torn { offset, reason };
                Ok(None)
            }
        }
    }
}

/// The JSON of the record at the front of `bytes`, and how long the record is.
fn record(bytes: &[u8]) -> Result<(&[u8], usize), String> {
    let Header { length, hash, begin } = header(bytes).ok_or("its first line is not that of a record")?;
    let end = begin.checked_add(length).ok_or("it is too long")?;
    let body = bytes.get(begin..end).ok_or_else(|| {
        format!("{length} bytes were announced and {} are there", bytes.len().saturating_sub(begin))
    })?;
    let found: [u8; 20] = Sha1::digest(body).into();
    if found == hash {
        return Ok((body, end));
    }
    Err(format!("its SHA-1 hash is {} and should be {}", hexadecimal(&found), hexadecimal(&hash)))
}

/// The first line of a record.
#[derive(Debug, Clone, Copy)]
struct Header {
    /// Of the JSON, in bytes.
    length: usize,
    hash: [u8; 20],
    /// Where the JSON begins.
    begin: usize,
}

/// Longest length of a record: as many digits as any file's has. As Open vSwitch: a first line has fewer than 128 bytes.
const LENGTH_DIGITS: usize = 127 - LEAD.len() - 42;

fn header(bytes: &[u8]) -> Option<Header> {
    let line = bytes.strip_prefix(LEAD)?;
    let digits = line.iter().take(LENGTH_DIGITS + 1).position(|byte| !byte.is_ascii_digit())?;
    let (length, rest) = line.split_at_checked(digits)?;
    let add = |sum: usize, digit: &u8| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0'));
    let length = length.iter().try_fold(0, add).filter(|length| *length > 0)?;
    let (hash, rest) = rest.strip_prefix(b" ")?.split_first_chunk::<40>()?;
    let mut bytes = [0; 20];
    let mut wrong = 0;
    for (byte, pair) in bytes.iter_mut().zip(hash.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| NIBBLES.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT));
        *byte = high << 4 | low & 0xf;
        wrong |= high | low;
    }
    let ends = wrong & NO_DIGIT == 0 && rest.first() == Some(&b'\n');
    ends.then_some(Header { length, hash: bytes, begin: LEAD.len() + digits + 42 })
}

/// What is no digit, in [`NIBBLES`].
const NO_DIGIT: u8 = 0x80;

/// The values of hexadecimal digits. A file has forty of them before each record.
#[expect(clippy::indexing_slicing, reason = "at compile time, by bytes")]
static NIBBLES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0_u8;
    while value < 16 {
        let (small, large) = match value {
            0..=9 => (b'0' + value, b'0' + value),
            _ => (b'a' - 10 + value, b'A' - 10 + value),
        };
        values[small as usize] = value;
        values[large as usize] = value;
        value += 1;
    }
    values
};

/// Whether another record begins after the one at the front, where that says it ends or at a line. No line of a
/// record's JSON looks like that: it has only one.
fn another_begins(bytes: &[u8]) -> bool {
    let end = header(bytes).and_then(|header| header.begin.checked_add(header.length));
    if end.and_then(|end| bytes.get(end..)).and_then(header).is_some() {
        return true;
    }
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if header(rest).is_some() {
            return true;
        }
    }
    false
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' - 10 + value });
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::object::object;
    use super::super::write::record as emit;
    use super::*;

    fn all(bytes: &[u8]) -> Result<(Vec<Value>, Tail), FileError> {
        let mut records = Records::new(bytes);
        let mut found = Vec::new();
        while let Some(record) = records.next_record(|text| object(text).map(|_| ()))? {
            found.push(serde_json::from_slice(record.text).unwrap());
        }
        Ok((found, records.tail().clone()))
    }

    #[test]
    fn a_record_has_a_known_form() {
        let bytes = emit("{}");
        assert_eq!(bytes, b"OVSDB JSON 3 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n{}\n");
    }

    #[test]
    fn every_truncation_loses_only_the_last_record() {
        let (first, second) = (emit("{\"a\":1}"), emit("{\"b\":2}"));
        let whole = [first.clone(), second].concat();
        for end in first.len() + 1..whole.len() {
            let (records, tail) = all(&whole[..end]).unwrap();
            assert_eq!(records, [serde_json::json!({"a": 1})], "cut at {end}");
            assert!(matches!(tail, Tail::Torn { offset, .. } if offset == first.len()), "cut at {end}");
        }
        assert_eq!(all(&whole).unwrap().1, Tail::Clean);
        let zeros = [first.as_slice(), &[0; 100]].concat();
        assert!(matches!(all(&zeros).unwrap().1, Tail::Torn { .. }));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (first, second) = (emit("{\"a\":1}"), emit("{\"b\":2}"));
        for at in 0..first.len() {
            let mut bytes = [first.clone(), second.clone()].concat();
            bytes[at] ^= 0x11;
            match all(&bytes) {
                Err(FileError::Damaged { offset: 0, .. } | FileError::NotStandalone(_)) => {}
                other => panic!("byte {at}: {other:?}"),
            }
        }
        let mut bytes = [first.clone(), second.clone()].concat();
        bytes[first.len() + second.len() - 3] ^= 1;
        let (records, tail) = all(&bytes).unwrap();
        assert_eq!(records.len(), 1);
        assert!(matches!(tail, Tail::Torn { offset, .. } if offset == first.len()));
    }

    #[test]
    fn the_file_of_a_cluster_is_named() {
        let error = all(b"OVSDB CLUSTER 5 aa\n").unwrap_err();
        assert_eq!(error, FileError::NotStandalone("OVSDB CLUSTER 5 ".to_owned()));
    }
}
