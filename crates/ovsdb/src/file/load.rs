//! A database out of the bytes of its file.

use std::sync::Arc;

use serde_json::Value;

use super::read::{FileError, Records, Tail};
use crate::data::Datum;
use crate::error::OvsdbError;
use crate::json::integer;
use crate::schema::{ColumnType, Schema, TableSchema};
use crate::store::{Database, Row, Stored};
use crate::transact::Txn;
use crate::uuid::{Uuid, UuidSource};

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
    let first = records.next_record()?.ok_or(FileError::NoSchema)?;
    let schema = Schema::from_json(&first.json);
    let schema = schema.map_err(|source| FileError::Unfit { offset: first.offset, source })?;
    let mut database = Database::new(schema);
    let (mut transactions, mut base_bytes, mut last) = (0, bytes.len(), 0);
    while let Some(record) = records.next_record()? {
        last = record.offset;
        let done = apply(&mut database, &record.json);
        done.map_err(|source| FileError::Unfit { offset: record.offset, source })?;
        transactions += 1;
        if transactions == 2 {
            base_bytes = record.offset;
        }
    }
    let checked = adopt(database, uuids).map_err(|source| FileError::Unfit { offset: last, source })?;
    let tail = records.tail().clone();
    Ok(Loaded { database: checked, tail, transactions, base_bytes })
}

/// Applies a record to rows that nobody has checked yet.
fn apply(database: &mut Database, json: &Value) -> Result<(), OvsdbError> {
    let schema = Arc::clone(database.schema());
    let is_diff = json.get("_is_diff").and_then(Value::as_bool).unwrap_or(false);
    for (name, rows) in json.as_object().into_iter().flatten() {
        let Some((table, kind)) = schema.table(name).and_then(|at| Some((at, schema.tables.get(at)?))) else {
            match name.as_str() {
                "_date" if integer(rows).is_some() => continue,
                "_comment" | "_is_diff" => continue,
                _ => return Err(OvsdbError::new("unknown table", format!("No table named {name}."))),
            }
        };
        let Some(rows) = rows.as_object() else { return Err(OvsdbError::syntax(rows, "object expected")) };
        for (uuid, row) in rows {
            let wrong = |_| OvsdbError::new("syntax error", format!("\"{uuid}\" is not a valid UUID"));
            let uuid: Uuid = uuid.parse().map_err(wrong)?;
            apply_row(database, (table, kind), uuid, row, is_diff)?;
        }
    }
    Ok(())
}

fn apply_row(
    database: &mut Database,
    (table, kind): (usize, &TableSchema),
    uuid: Uuid,
    json: &Value,
    is_diff: bool,
) -> Result<(), OvsdbError> {
    let Some(rows) = database.tables.get_mut(table).map(|table| &mut table.rows) else { return Ok(()) };
    if json.is_null() {
        let missing = || {
            let details = format!("transaction deletes row {uuid} that does not exist");
            OvsdbError::new("syntax error", details)
        };
        return rows.remove(&uuid).map(drop).ok_or_else(missing);
    }
    let stored = rows.entry(uuid).or_insert_with(|| {
        let mut row = Row::new(kind);
        row.set_uuid(uuid);
        Stored { row: Arc::new(row), references: 0 }
    });
    let row = Arc::make_mut(&mut stored.row);
    let Some(fields) = json.as_object() else {
        return Err(OvsdbError::syntax(json, "row must be JSON object"));
    };
    for (name, value) in fields {
        let Some((at, column)) = kind.column(name).and_then(|at| Some((at, kind.columns.get(at)?))) else {
            let details = format!("No column {name} in table {}.", kind.name);
            return Err(OvsdbError::tagged(json, "unknown column", details));
        };
        let old = row.get(at);
        let applies = is_diff && *old != column.default;
        // A difference may have more elements than the column, and fewer.
        let many = ColumnType { min: 0, max: u32::MAX, ..column.kind.clone() };
        let kind = if applies && column.kind.is_composite() { &many } else { &column.kind };
        let value = Datum::from_json(kind, value, None)?;
        let value = if applies {
            let new = old.apply_diff(&value, &column.kind);
            if !column.kind.allows(new.len()) {
                return Err(OvsdbError::new("ovsdb error", "Datum crated by diff has size error"));
            }
            new
        } else {
            value
        };
        row.set(at, value);
    }
    Ok(())
}

/// Makes a database of rows that nobody has checked: as if one transaction had inserted them all.
fn adopt(unchecked: Database, uuids: &mut UuidSource) -> Result<Database, OvsdbError> {
    let mut database = Database::new((**unchecked.schema()).clone());
    let mut txn = Txn::default();
    for (table, rows) in unchecked.tables.into_iter().enumerate() {
        for stored in rows.rows.into_values() {
            let mut row = Arc::unwrap_or_clone(stored.row);
            row.set_version(uuids.generate());
            txn.insert(&mut database, table, row);
        }
    }
    txn.commit(&mut database, uuids)?;
    Ok(database)
}
