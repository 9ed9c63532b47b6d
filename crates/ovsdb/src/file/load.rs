//! A database out of the bytes of its file.

use super::changes::Changes;
use super::object::object;
use super::read::{FileError, Records, Tail};
use super::rows::Rows;
use super::values::Reader;
use crate::error::OvsdbError;
use crate::schema::Schema;
use crate::store::Database;
use crate::uuid::UuidSource;

/// A database as its file has it.
#[derive(Debug)]
pub struct Loaded {
    /// The database.
    pub database: Database,
    /// How the file ends.
    pub tail: Tail,
    /// How many transactions the file has.
    pub transactions: usize,
    /// Where the first transaction ends: how large the file is when it is fresh.
    pub base_bytes: usize,
}

/// Reads a file.
///
/// Rows are put together record by record; references, indexes and limits are checked once, at the end.
///
/// # Errors
/// [`FileError`].
pub fn load(bytes: &[u8], uuids: &mut UuidSource) -> Result<Loaded, FileError> {
    let mut records = Records::new(bytes);
    let first = records.next_record(|text| object(text).map(|_| ()))?.ok_or(FileError::NoSchema)?;
    let json = serde_json::from_slice(first.text).unwrap_or_default();
    let schema = Schema::from_json(&json);
    let schema = schema.map_err(|source| FileError::Unfit { offset: first.offset, source })?;
    let mut rows = Rows::new(schema, uuids);
    let (mut transactions, mut base_bytes, mut last) = (0, bytes.len(), 0);
    let (mut reader, mut changes) = (Reader::default(), Changes::default());
    while let Some(record) =
        records.next_record(|text| read(text, &rows.schema, &mut reader, &mut changes))?
    {
        last = record.offset;
        let done = record.content.and_then(|()| rows.apply(&mut changes));
        done.map_err(|source| FileError::Unfit { offset: record.offset, source })?;
        transactions += 1;
        if transactions == 2 {
            base_bytes = record.offset;
        }
    }
    let checked = rows.adopt(uuids).map_err(|source| FileError::Unfit { offset: last, source })?;
    let tail = records.tail().clone();
    Ok(Loaded { database: checked, tail, transactions, base_bytes })
}

/// Reads a record. The inner error: it is a record, and does not fit.
///
/// # Errors
/// Why it is none.
fn read(
    text: &[u8],
    schema: &Schema,
    reader: &mut Reader,
    changes: &mut Changes,
) -> Result<Result<(), OvsdbError>, String> {
    let usual = std::str::from_utf8(text).ok().and_then(|text| reader.read(schema, text, changes));
    match usual {
        Some(()) => Ok(Ok(())),
        None => object(text).map(|record| changes.read(schema, &record)),
    }
}
