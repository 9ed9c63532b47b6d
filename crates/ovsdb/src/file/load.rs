//! A database out of the bytes of its file.

use std::sync::Arc;

use serde_json::Value;

use super::object::{Object, Record, Row as Columns};
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
    let json = serde_json::from_slice(first.text).unwrap_or_default();
    let schema = Schema::from_json(&json);
    let schema = schema.map_err(|source| FileError::Unfit { offset: first.offset, source })?;
    let mut database = Database::new(schema);
    let (mut transactions, mut base_bytes, mut last) = (0, bytes.len(), 0);
    while let Some(record) = records.next_record()? {
        last = record.offset;
        let done = apply(&mut database, &record.object);
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
fn apply(database: &mut Database, record: &Record<'_>) -> Result<(), OvsdbError> {
    let schema = Arc::clone(database.schema());
    let members = record.members();
    let says = |name: &str, value: &Value| {
        members.iter().any(|(member, it)| member == name && matches!(it, Object::Other(it) if it == value))
    };
    let is_diff = says("_is_diff", &Value::Bool(true));
    for (name, rows) in members {
        match (name.as_ref(), rows) {
            ("_date", Object::Other(date)) if integer(date).is_some() => continue,
            ("_comment" | "_is_diff", _) => continue,
            _ => {}
        }
        let Some((table, kind)) = schema.table(name).and_then(|at| Some((at, schema.tables.get(at)?))) else {
            return Err(OvsdbError::new("unknown table", format!("No table named {name}.")));
        };
        let rows = match rows {
            Object::Members(rows) => rows,
            Object::Other(json) => return Err(OvsdbError::syntax(json, "object expected")),
        };
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
    columns: &Columns<'_>,
    is_diff: bool,
) -> Result<(), OvsdbError> {
    let Some(rows) = database.tables.get_mut(table).map(|table| &mut table.rows) else { return Ok(()) };
    let columns = match columns {
        Object::Members(columns) => columns,
        Object::Other(Value::Null) => {
            let missing = || {
                let details = format!("transaction deletes row {uuid} that does not exist");
                OvsdbError::new("syntax error", details)
            };
            return rows.remove(&uuid).map(drop).ok_or_else(missing);
        }
        Object::Other(json) => return Err(OvsdbError::syntax(json, "row must be JSON object")),
    };
    let stored = rows.entry(uuid).or_insert_with(|| {
        let mut row = Row::new(kind);
        row.set_uuid(uuid);
        Stored { row: Arc::new(row), references: 0 }
    });
    let row = Arc::make_mut(&mut stored.row);
    for (name, value) in columns {
        let Some((at, column)) = kind.column(name).and_then(|at| Some((at, kind.columns.get(at)?))) else {
            let details = format!("No column {name} in table {}.", kind.name);
            return Err(OvsdbError::new("unknown column", details));
        };
        let old = row.get(at);
        let value = if is_diff && *old != column.default {
            changed(old, &column.kind, value)?
        } else {
            Datum::from_json(&column.kind, value, None)?
        };
        row.set(at, value);
    }
    Ok(())
}

/// What a difference makes of a value.
fn changed(old: &Datum, kind: &ColumnType, diff: &Value) -> Result<Datum, OvsdbError> {
    let diff = if kind.is_composite() {
        // A difference may have more elements than the column, and fewer.
        Datum::from_json(&ColumnType { min: 0, max: u32::MAX, ..kind.clone() }, diff, None)?
    } else {
        Datum::from_json(kind, diff, None)?
    };
    let new = old.apply_diff(&diff, kind);
    match kind.allows(new.len()) {
        true => Ok(new),
        false => Err(OvsdbError::new("ovsdb error", "Datum crated by diff has size error")),
    }
}

/// Makes a database of rows that nobody has checked: as if one transaction had inserted them all.
fn adopt(mut database: Database, uuids: &mut UuidSource) -> Result<Database, OvsdbError> {
    for stored in database.tables.iter_mut().flat_map(|table| table.rows.values_mut()) {
        Arc::make_mut(&mut stored.row).set_version(uuids.generate());
    }
    Txn::of_all(&database).commit(&mut database, uuids)?;
    Ok(database)
}
