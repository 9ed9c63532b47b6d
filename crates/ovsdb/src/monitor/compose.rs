//! The text of updates.

use std::sync::Arc;

use super::spec::{Select, Spec, TableSpec, Version};
use crate::json::text;
use crate::schema::{Schema, TableSchema};
use crate::store::{Database, Row};
use crate::transact::Change;
use crate::uuid::Uuid;

/// An object of tables of rows under way.
struct Updates<'a> {
    schema: &'a Schema,
    out: String,
    table: Option<usize>,
}

impl<'a> Updates<'a> {
    const fn new(schema: &'a Schema) -> Self {
        Self { schema, out: String::new(), table: None }
    }

    /// Adds a row; rows come table by table.
    fn add(&mut self, table: usize, uuid: Uuid, row: &str) {
        if self.table == Some(table) {
            self.out.push(',');
        } else {
            self.out.push_str(if self.table.is_some() { "}," } else { "{" });
            text::string(&mut self.out, self.schema.tables.get(table).map_or("", |table| &table.name));
            self.out.push_str(":{");
            self.table = Some(table);
        }
        self.out.push('"');
        uuid.emit(&mut self.out);
        self.out.push_str("\":");
        self.out.push_str(row);
    }

    fn finish(mut self) -> Option<String> {
        self.table?;
        self.out.push_str("}}");
        Some(self.out)
    }
}

/// What to tell of `changes`, which come in order of their tables. `None` if nothing.
pub(crate) fn compose(schema: &Schema, spec: &Spec, changes: &[Change]) -> Option<String> {
    let mut updates = Updates::new(schema);
    for change in changes {
        let Some(wanted) = spec.tables.get(&change.table) else { continue };
        let Some(table) = schema.tables.get(change.table) else { continue };
        if let Some(row) = update(table, wanted, spec.version, change) {
            updates.add(change.table, change.uuid, &row);
        }
    }
    updates.finish()
}

/// All rows, for the reply to a monitor request.
pub(crate) fn initial(database: &Database, spec: &Spec) -> Option<String> {
    let schema = database.schema();
    let mut updates = Updates::new(schema);
    for (&at, wanted) in &spec.tables {
        let Some(table) = schema.tables.get(at).filter(|_| wanted.select.has(Select::INITIAL)) else {
            continue;
        };
        for row in database.rows(at).filter(|row| wanted.condition.any(row)) {
            let text = match spec.version {
                Version::One => {
                    let all = |row| columns_of(table, wanted, Select::INITIAL, row);
                    format!("{{\"new\":{}}}", all(row))
                }
                _ => format!("{{\"initial\":{}}}", without_defaults(table, wanted, Select::INITIAL, row)),
            };
            updates.add(at, row.uuid(), &text);
        }
    }
    updates.finish()
}

/// What to tell when the conditions of a monitor change from those of `old` to those of `new`.
pub(crate) fn changed_condition(database: &Database, old: &Spec, new: &Spec) -> Option<String> {
    let schema = database.schema();
    let mut updates = Updates::new(schema);
    for (&at, wanted) in &new.tables {
        let Some(before) = old.tables.get(&at).filter(|before| before.condition != wanted.condition) else {
            continue;
        };
        let Some(table) = schema.tables.get(at) else { continue };
        for row in database.rows(at) {
            let text = match (before.condition.any(row), wanted.condition.any(row)) {
                (false, true) if wanted.select.has(Select::INSERT) => {
                    format!("{{\"insert\":{}}}", without_defaults(table, wanted, Select::INSERT, row))
                }
                (true, false) if wanted.select.has(Select::DELETE) => "{\"delete\":null}".to_owned(),
                _ => continue,
            };
            updates.add(at, row.uuid(), &text);
        }
    }
    updates.finish()
}

/// What to tell of one row.
fn update(table: &TableSchema, wanted: &TableSpec, version: Version, change: &Change) -> Option<String> {
    let seen = |row: &Option<Arc<Row>>| row.as_ref().filter(|row| wanted.condition.any(row)).map(Arc::clone);
    let (old, new) = match (seen(&change.old), seen(&change.new)) {
        (None, None) => return None,
        sides => sides,
    };
    let kind = match (&old, &new) {
        (None, _) => Select::INSERT,
        (_, None) => Select::DELETE,
        _ => Select::MODIFY,
    };
    if !wanted.select.has(kind) {
        return None;
    }
    if let (Some(old), Some(new)) = (&old, &new)
        && wanted
            .columns
            .iter()
            .map(|(at, _)| at)
            .chain(&wanted.watched)
            .all(|at| old.get(*at) == new.get(*at))
    {
        return None;
    }
    Some(match version {
        Version::One => both_sides(table, wanted, kind, old.as_deref(), new.as_deref()),
        _ => difference(table, wanted, old.as_deref(), new.as_deref()),
    })
}

/// `{"old": {..}, "new": {..}}`; of a change, `old` has only what changed.
fn both_sides(
    table: &TableSchema,
    wanted: &TableSpec,
    kind: Select,
    old: Option<&Row>,
    new: Option<&Row>,
) -> String {
    let mut sides = Vec::new();
    if let Some(old) = old {
        let changed = |at: usize| new.is_none_or(|new| new.get(at) != old.get(at));
        sides.push(format!("\"old\":{}", columns_where(table, wanted, kind, old, changed)));
    }
    if let Some(new) = new {
        sides.push(format!("\"new\":{}", columns_of(table, wanted, kind, new)));
    }
    format!("{{{}}}", sides.join(","))
}

/// `{"insert": {..}}`, `{"modify": {..}}` or `{"delete": null}`.
fn difference(table: &TableSchema, wanted: &TableSpec, old: Option<&Row>, new: Option<&Row>) -> String {
    match (old, new) {
        (_, None) => "{\"delete\":null}".to_owned(),
        (None, Some(new)) => {
            format!("{{\"insert\":{}}}", without_defaults(table, wanted, Select::INSERT, new))
        }
        (Some(old), Some(new)) => {
            let mut out = String::from("{\"modify\":{");
            let mut first = true;
            for (at, select) in &wanted.columns {
                let Some(column) = table.columns.get(*at).filter(|_| select.has(Select::MODIFY)) else {
                    continue;
                };
                if old.get(*at) == new.get(*at) {
                    continue;
                }
                begin_member(&mut out, &mut first, &column.name);
                old.get(*at).diff(new.get(*at), &column.kind).emit(&column.kind, &mut out);
            }
            out.push_str("}}");
            out
        }
    }
}

fn begin_member(out: &mut String, first: &mut bool, name: &str) {
    if !std::mem::take(first) {
        out.push(',');
    }
    text::string(out, name);
    out.push(':');
}

fn columns_where(
    table: &TableSchema,
    wanted: &TableSpec,
    kind: Select,
    row: &Row,
    tell: impl Fn(usize) -> bool,
) -> String {
    let mut out = String::from("{");
    let mut first = true;
    for (at, _) in wanted.columns.iter().filter(|(at, select)| select.has(kind) && tell(*at)) {
        let Some(column) = table.columns.get(*at) else { continue };
        begin_member(&mut out, &mut first, &column.name);
        row.get(*at).emit(&column.kind, &mut out);
    }
    out.push('}');
    out
}

fn columns_of(table: &TableSchema, wanted: &TableSpec, kind: Select, row: &Row) -> String {
    columns_where(table, wanted, kind, row, |_| true)
}

fn without_defaults(table: &TableSchema, wanted: &TableSpec, kind: Select, row: &Row) -> String {
    let told = |at: usize| table.columns.get(at).is_some_and(|column| *row.get(at) != column.default);
    columns_where(table, wanted, kind, row, told)
}
