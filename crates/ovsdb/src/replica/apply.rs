//! Updates of a monitor, applied to the copy.

use std::sync::Arc;

use serde_json::Value;

use crate::error::OvsdbError;
use crate::monitor::Version;
use crate::schema::TableSchema;
use crate::store::{Database, Row, Stored};
use crate::transact::{Change, fields_from_json};
use crate::uuid::Uuid;

/// Applies `<table-updates>` or `<table-updates2>`.
///
/// # Errors
/// What the server told does not fit its own schema.
pub(super) fn apply(
    copy: &mut Database,
    version: Version,
    updates: &Value,
) -> Result<Vec<Change>, OvsdbError> {
    let schema = Arc::clone(copy.schema());
    let mut changes = Vec::new();
    for (name, rows) in updates.as_object().into_iter().flatten() {
        let Some((table, kind)) = schema.table(name).and_then(|at| Some((at, schema.tables.get(at)?))) else {
            return Err(OvsdbError::new("unknown table", format!("No table named {name}.")));
        };
        for (uuid, update) in rows.as_object().into_iter().flatten() {
            let wrong = |_| OvsdbError::new("syntax error", format!("\"{uuid}\" is not a valid UUID"));
            let uuid: Uuid = uuid.parse().map_err(wrong)?;
            let old = copy.row(table, uuid).cloned();
            let new = match version {
                Version::One => whole(kind, uuid, update.get("new"))?,
                _ => changed(kind, uuid, old.as_deref(), update)?,
            };
            if old.as_deref() == new.as_ref() {
                continue;
            }
            let new = new.map(Arc::new);
            replace(copy, table, uuid, new.clone());
            changes.push(Change { table, uuid, old, new });
        }
    }
    Ok(changes)
}

/// Removes the rows that `updates`, which has all there are, has not.
pub(super) fn forget_others(copy: &mut Database, updates: &Value) -> Vec<Change> {
    let schema = Arc::clone(copy.schema());
    let mut changes = Vec::new();
    for (table, kind) in schema.tables.iter().enumerate() {
        let told = updates.get(&*kind.name);
        let is_told = |uuid: Uuid| told.and_then(|rows| rows.get(uuid.to_string())).is_some();
        let gone: Vec<Arc<Row>> = copy.rows(table).filter(|row| !is_told(row.uuid())).cloned().collect();
        for row in gone {
            replace(copy, table, row.uuid(), None);
            changes.push(Change { table, uuid: row.uuid(), old: Some(row), new: None });
        }
    }
    changes
}

fn replace(copy: &mut Database, table: usize, uuid: Uuid, row: Option<Arc<Row>>) {
    let Some(rows) = copy.tables.get_mut(table).map(|table| &mut table.rows) else { return };
    match row {
        Some(row) => drop(rows.insert(uuid, Stored { row, references: 0 })),
        None => drop(rows.remove(&uuid)),
    }
}

/// The row that has the given columns, and defaults.
fn whole(table: &TableSchema, uuid: Uuid, fields: Option<&Value>) -> Result<Option<Row>, OvsdbError> {
    let Some(fields) = fields else { return Ok(None) };
    let mut row = Row::new(table);
    for (column, value) in fields_from_json(table, fields, None)? {
        row.set(column, value);
    }
    row.set_uuid(uuid);
    Ok(Some(row))
}

/// The row after a `<row-update2>`.
fn changed(
    table: &TableSchema,
    uuid: Uuid,
    old: Option<&Row>,
    update: &Value,
) -> Result<Option<Row>, OvsdbError> {
    if let Some(fields) = update.get("initial").or_else(|| update.get("insert")) {
        return whole(table, uuid, Some(fields));
    }
    let (Some(fields), Some(old)) = (update.get("modify"), old) else { return Ok(None) };
    let mut row = old.clone();
    let Some(fields) = fields.as_object() else {
        return Err(OvsdbError::syntax(fields, "row must be JSON object"));
    };
    for (name, value) in fields {
        let Some((at, column)) = table.column(name).and_then(|at| Some((at, table.columns.get(at)?))) else {
            let details = format!("No column {name} in table {}.", table.name);
            return Err(OvsdbError::new("unknown column", details));
        };
        // A difference may have more elements than the column, and fewer.
        let many = crate::schema::ColumnType { min: 0, max: u32::MAX, ..column.kind.clone() };
        let kind = if column.kind.is_composite() { &many } else { &column.kind };
        let diff = crate::data::Datum::from_json(kind, value, None)?;
        row.set(at, old.get(at).apply_diff(&diff, &column.kind));
    }
    Ok(Some(row))
}
