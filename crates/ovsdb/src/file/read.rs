//! Records out of the bytes of a file.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use sha1::{Digest, Sha1};

use super::object::{self, Object};
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
pub(super) struct Record<'a> {
    /// Where it begins.
    pub(super) offset: usize,
    /// Its JSON.
    pub(super) text: &'a [u8],
    /// What that says: an object.
    pub(super) object: object::Record<'a>,
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

    /// The next record; `None` at the end, torn or not.
    ///
    /// # Errors
    /// [`FileError::Damaged`] for a bad record that is not the last, [`FileError::NotStandalone`] at the front.
    pub(super) fn next_record(&mut self) -> Result<Option<Record<'a>>, FileError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        if rest.is_empty() || self.tail != Tail::Clean {
            return Ok(None);
        }
        let offset = self.offset;
        match record(rest) {
            Ok((object, text, length)) => {
                self.offset += length;
                Ok(Some(Record { offset, text, object }))
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

/// The record at the front of `bytes`, its JSON, and how long it is.
fn record(bytes: &[u8]) -> Result<(object::Record<'_>, &[u8], usize), String> {
    let (length, hash, begin) = header(bytes).ok_or("its first line is not that of a record")?;
    let end = begin.checked_add(length).ok_or("it is too long")?;
    let body = bytes.get(begin..end).ok_or_else(|| {
        format!("{length} bytes were announced and {} are there", bytes.len().saturating_sub(begin))
    })?;
    let found = hexadecimal(&Sha1::digest(body));
    if !found.as_bytes().eq_ignore_ascii_case(hash) {
        return Err(format!("its SHA-1 hash is {found} and should be {}", String::from_utf8_lossy(hash)));
    }
    match serde_json::from_slice(body).map_err(|e| format!("it is not JSON: {e}"))? {
        object @ Object::Members(_) => Ok((object, body, end)),
        Object::Other(_) => Err("it is not a JSON object".to_owned()),
    }
}

/// The length of the JSON, its hash, and where it begins.
fn header(bytes: &[u8]) -> Option<(usize, &[u8], usize)> {
    // As Open vSwitch: a first line has fewer than 128 bytes.
    let line = bytes.get(..bytes.len().min(127))?.strip_prefix(LEAD)?;
    let end = line.iter().position(|&byte| byte == b'\n')?;
    let fields = line.get(..end)?;
    let space = fields.iter().position(|&byte| byte == b' ')?;
    let (length, hash) = (fields.get(..space)?, fields.get(space + 1..)?);
    let digits = length.iter().all(u8::is_ascii_digit);
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    let hexadecimal = hash.len() == 40 && hash.iter().all(u8::is_ascii_hexdigit);
    (digits && length > 0 && hexadecimal).then_some((length, hash, LEAD.len() + end + 1))
}

/// Whether another record begins after the one at the front, where that says it ends or at a line. No line of a
/// record's JSON looks like that: it has only one.
fn another_begins(bytes: &[u8]) -> bool {
    let end = header(bytes).and_then(|(length, _, begin)| begin.checked_add(length));
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
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::write::record as emit;
    use super::*;

    fn all(bytes: &[u8]) -> Result<(Vec<Value>, Tail), FileError> {
        let mut records = Records::new(bytes);
        let mut found = Vec::new();
        while let Some(record) = records.next_record()? {
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
