//! What a record changes: rows that come, change and go, with values that have the types of their columns.

use super::object::{Object, Record, Row as Columns};
use crate::data::Datum;
use crate::error::OvsdbError;
use crate::json::integer;
use crate::schema::{ColumnType, Schema, TableSchema};
use crate::uuid::Uuid;

/// What a record changes. How many elements a value has is not checked yet: it may be a difference.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Whether values of rows that are there are differences.
    pub(super) is_diff: bool,
    rows: Vec<Change>,
    /// Columns by their places, of all rows.
    values: Vec<(usize, Datum)>,
}

#[derive(Debug)]
struct Change {
    table: usize,
    uuid: Uuid,
    /// How many values; `None`: it is deleted.
    values: Option<usize>,
}

/// Rows of a table, to be added.
#[derive(Debug)]
pub(super) struct Rows<'c> {
    changes: &'c mut Changes,
    table: usize,
}

impl Rows<'_> {
    pub(super) fn delete(&mut self, uuid: Uuid) {
        self.changes.rows.push(Change { table: self.table, uuid, values: None });
    }

    /// A row that comes or changes, by what is [set](Self::set) then.
    pub(super) fn begin(&mut self, uuid: Uuid) {
        self.changes.rows.push(Change { table: self.table, uuid, values: Some(0) });
    }

    pub(super) fn set(&mut self, column: usize, value: Datum) {
        if let Some(values) = self.changes.rows.last_mut().and_then(|row| row.values.as_mut()) {
            *values += 1;
            self.changes.values.push((column, value));
        }
    }
}

impl Changes {
    pub(super) fn clear(&mut self) {
        self.is_diff = false;
        self.rows.clear();
        self.values.clear();
    }

    pub(super) const fn of_table(&mut self, table: usize) -> Rows<'_> {
        Rows { changes: self, table }
    }

    /// Gives the rows away, one after the other: table, name, and the values of one that is not deleted.
    ///
    /// # Errors
    /// The first of `take`.
    pub(super) fn take(
        &mut self,
        mut take: impl FnMut(
            usize,
            Uuid,
            Option<&mut dyn Iterator<Item = (usize, Datum)>>,
        ) -> Result<(), OvsdbError>,
    ) -> Result<(), OvsdbError> {
        let mut values = self.values.drain(..);
        for Change { table, uuid, values: count } in self.rows.drain(..) {
            match count {
                None => take(table, uuid, None)?,
                Some(count) => take(table, uuid, Some(&mut values.by_ref().take(count)))?,
            }
        }
        Ok(())
    }

    /// Reads any record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(&mut self, schema: &Schema, record: &Record<'_>) -> Result<(), OvsdbError> {
        self.clear();
        for (name, rows) in record.members() {
            match (name.as_ref(), rows) {
                ("_date", Object::Other(date)) if integer(date).is_some() => continue,
                ("_is_diff", Object::Other(is_diff)) => {
                    self.is_diff |= is_diff.as_bool() == Some(true);
                    continue;
                }
                ("_comment" | "_is_diff", _) => continue,
                _ => {}
            }
            let Some((at, table)) = schema.table(name).and_then(|at| Some((at, schema.tables.get(at)?)))
            else {
                return Err(OvsdbError::new("unknown table", format!("No table named {name}.")));
            };
            let rows = match rows {
                Object::Members(rows) => rows,
                Object::Other(json) => return Err(OvsdbError::syntax(json, "object expected")),
            };
            for (uuid, row) in rows {
                let wrong = |_| OvsdbError::new("syntax error", format!("\"{uuid}\" is not a valid UUID"));
                read_row(table, &mut self.of_table(at), uuid.parse().map_err(wrong)?, row)?;
            }
        }
        Ok(())
    }
}

fn read_row(
    table: &TableSchema,
    rows: &mut Rows<'_>,
    uuid: Uuid,
    row: &Columns<'_>,
) -> Result<(), OvsdbError> {
    let columns = match row {
        Object::Members(columns) => columns,
        Object::Other(json) if json.is_null() => {
            rows.delete(uuid);
            return Ok(());
        }
        Object::Other(json) => return Err(OvsdbError::syntax(json, "row must be JSON object")),
    };
    rows.begin(uuid);
    for (name, value) in columns {
        let Some((at, column)) = table.column(name).and_then(|at| Some((at, table.columns.get(at)?))) else {
            let details = format!("No column {name} in table {}.", table.name);
            return Err(OvsdbError::new("unknown column", details));
        };
        let any = ColumnType { min: 0, max: u32::MAX, ..column.kind.clone() };
        rows.set(at, Datum::from_json(&any, value, None)?);
    }
    Ok(())
}
