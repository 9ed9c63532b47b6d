//! Records into bytes.

use sha1::{Digest, Sha1};

use super::read::hexadecimal;
use crate::json::text;
use crate::schema::{Schema, UUID};
use crate::store::{Database, Row};
use crate::transact::{Change, Commit};

/// The record whose JSON is `json`.
pub(super) fn record(json: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(json.len() + 96);
    let mut hash = Sha1::new();
    hash.update(json);
    hash.update(b"\n");
    let mut line = String::with_capacity(64);
    line.push_str("OVSDB JSON ");
    text::number(&mut line, i64::try_from(json.len() + 1).unwrap_or(i64::MAX));
    line.push(' ');
    line.push_str(&hexadecimal(&hash.finalize()));
    line.push('\n');
    body.extend_from_slice(line.as_bytes());
    body.extend_from_slice(json.as_bytes());
    body.push(b'\n');
    body
}

/// The record of a transaction, at `date_ms` since 1970. `None` if nothing that lasts has changed.
pub fn transaction(schema: &Schema, commit: &Commit, date_ms: u64) -> Option<Vec<u8>> {
    let as_diff = !commit.changes.iter().any(|change| needs_whole(schema, change));
    let mut writer = Writer { out: String::with_capacity(192 * (1 + commit.changes.len())), table: None };
    writer.out.push('{');
    for change in &commit.changes {
        writer.change(schema, change, as_diff);
    }
    writer.table?;
    Some(record(&writer.finish(commit.comment.as_deref(), date_ms, as_diff)))
}

/// A whole file that holds `database`: its schema and, if there are rows, one record.
pub fn snapshot(database: &Database, comment: Option<&str>, date_ms: u64) -> Vec<u8> {
    let schema = database.schema();
    let mut bytes = record(&schema.to_json().to_string());
    let mut writer = Writer { out: String::from("{"), table: None };
    for table in 0..schema.tables.len() {
        for row in database.rows(table) {
            let change = Change { table, uuid: row.uuid(), old: None, new: Some(row.clone()) };
            writer.change(schema, &change, true);
        }
    }
    if writer.table.is_some() {
        bytes.extend(record(&writer.finish(comment, date_ms, true)));
    }
    bytes
}

/// Whether a change cannot be told as a difference: readers take the difference to a default for the value, which
/// is right only where the default is empty; and some refuse a difference of more elements than the column may have.
fn needs_whole(schema: &Schema, change: &Change) -> bool {
    let (Some(old), Some(new), Some(table)) = (&change.old, &change.new, schema.tables.get(change.table))
    else {
        return false;
    };
    table.columns.iter().enumerate().any(|(at, column)| {
        let (old, new) = (old.get(at), new.get(at));
        column.persistent
            && column.kind.is_composite()
            && old != new
            && (!column.default.is_empty() && *old == column.default
                || column.kind.max != u32::MAX && !column.kind.allows(old.diff(new, &column.kind).len()))
    })
}

/// The JSON of a record under way.
struct Writer {
    out: String,
    /// The table whose object is open.
    table: Option<usize>,
}

impl Writer {
    fn change(&mut self, schema: &Schema, change: &Change, as_diff: bool) {
        let mut columns = String::with_capacity(128);
        match (&change.old, &change.new) {
            (_, None) => {}
            (None, Some(new)) => fields(schema, change.table, None, new, as_diff, &mut columns),
            (Some(old), Some(new)) => {
                fields(schema, change.table, Some(old), new, as_diff, &mut columns);
                // Only what does not last has changed.
                if columns.is_empty() {
                    return;
                }
            }
        }
        self.open(schema, change.table);
        self.out.push('"');
        change.uuid.emit(&mut self.out);
        self.out.push_str("\":");
        match &change.new {
            None => self.out.push_str("null"),
            Some(_) => {
                self.out.push('{');
                self.out.push_str(&columns);
                self.out.push('}');
            }
        }
    }

    /// Makes the next row belong to `table`; changes come in the order of tables.
    fn open(&mut self, schema: &Schema, table: usize) {
        if self.table == Some(table) {
            self.out.push(',');
            return;
        }
        if self.table.replace(table).is_some() {
            self.out.push_str("},");
        }
        text::string(&mut self.out, schema.tables.get(table).map_or("", |table| &table.name));
        self.out.push_str(":{");
    }

    fn finish(mut self, comment: Option<&str>, date_ms: u64, as_diff: bool) -> String {
        self.out.push_str("},");
        if let Some(comment) = comment {
            self.out.push_str("\"_comment\":");
            text::string(&mut self.out, comment);
            self.out.push(',');
        }
        if as_diff {
            self.out.push_str("\"_is_diff\":true,");
        }
        self.out.push_str("\"_date\":");
        text::number(&mut self.out, i64::try_from(date_ms).unwrap_or(i64::MAX));
        self.out.push('}');
        self.out
    }
}

fn fields(schema: &Schema, table: usize, old: Option<&Row>, new: &Row, as_diff: bool, out: &mut String) {
    let Some(table) = schema.tables.get(table) else { return };
    for (at, column) in table.columns.iter().enumerate() {
        if at == UUID || !column.persistent {
            continue;
        }
        let (before, value) = (old.map_or(&column.default, |old| old.get(at)), new.get(at));
        if before == value {
            continue;
        }
        if !out.is_empty() {
            out.push(',');
        }
        text::string(out, &column.name);
        out.push(':');
        match old {
            Some(_) if as_diff => before.diff(value, &column.kind).emit(&column.kind, out),
            _ => value.emit(&column.kind, out),
        }
    }
}
