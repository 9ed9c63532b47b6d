//! The operations of a transaction.
//!
//! Source: RFC 7047 §5.2; `uuid` of `insert` is Open vSwitch's extension.

use std::collections::BTreeSet;

use serde_json::Value;

use super::execute::{Context, Stop};
use super::mutation::Mutation;
use super::{Condition, Txn, fields_from_json, query};
use crate::data::{Datum, Symbols};
use crate::error::OvsdbError;
use crate::json::{Kinds, Members, integer, text};
use crate::schema::{TableSchema, UUID};
use crate::store::{Database, Row};
use crate::uuid::Uuid;

/// A transaction being carried out.
pub(super) struct Execution<'d, 'u> {
    pub(super) database: &'d mut Database,
    pub(super) txn: Txn,
    pub(super) symbols: Symbols<'u>,
    pub(super) context: Context<'d>,
    /// The shortest timeout of the `wait`s so far.
    pub(super) timeout_ms: Option<u64>,
}

type Result<T = (), E = Stop> = std::result::Result<T, E>;

/// The table that a member names.
fn named_table(database: &Database, members: &mut Members<'_>) -> Option<usize> {
    let name = members.text("table", Kinds::ID)?;
    let table = database.schema().table(name);
    if table.is_none() {
        members.refuse(format_args!("No table named {name}."));
    }
    table
}

fn missing() -> OvsdbError {
    // Members::check has failed before whenever something is missing.
    OvsdbError::new("internal error", "a member is missing that was checked")
}

impl Execution<'_, '_> {
    fn table_schema(&self, table: usize) -> Result<std::sync::Arc<crate::schema::Schema>, OvsdbError> {
        let schema = self.database.schema();
        schema.tables.get(table).map(|_| std::sync::Arc::clone(schema)).ok_or_else(missing)
    }

    pub(super) fn insert(&mut self, members: &mut Members<'_>, out: &mut String) -> Result {
        let table = named_table(self.database, members);
        let uuid = members.take("uuid", Kinds::STRING.optional());
        let name = members.take("uuid-name", Kinds::ID.optional());
        let fields = members.take("row", Kinds::OBJECT);
        members.check()?;
        let (Some(table), Some(fields)) = (table, fields) else { return Err(missing().into()) };
        let schema = self.table_schema(table)?;
        let kind = schema.tables.get(table).ok_or_else(missing)?;
        let uuid = uuid.map(|json| self.free_uuid(table, json)).transpose()?;
        let uuid = match name.and_then(|json| Some((json, json.as_str()?))) {
            None => uuid.unwrap_or_else(|| self.symbols.generate()),
            Some((json, name)) => self.symbols.insert(name, uuid).ok_or_else(|| {
                let details = "This \"uuid-name\" appeared on an earlier \"insert\" operation.";
                OvsdbError::tagged(json, "duplicate uuid-name", details)
            })?,
        };
        let mut row = Row::new(kind);
        for (column, value) in fields_from_json(kind, fields, Some(&mut self.symbols))? {
            row.set(column, value);
        }
        // Defaults may not be what the column allows. Given values are checked already.
        for (at, column) in kind.columns.iter().enumerate() {
            if row.get(at).len() == 1 {
                row.get(at).check(&column.kind)?;
            }
        }
        row.set_uuid(uuid);
        row.set_version(self.symbols.generate());
        self.txn.insert(self.database, table, row);
        out.push_str("{\"uuid\":[\"uuid\",\"");
        uuid.emit(out);
        out.push_str("\"]}");
        Ok(())
    }

    /// The UUID a client wants for a row, if it may have it.
    fn free_uuid(&self, table: usize, json: &Value) -> Result<Uuid, OvsdbError> {
        let uuid: Option<Uuid> = json.as_str().and_then(|text| text.parse().ok());
        let uuid = uuid.ok_or_else(|| OvsdbError::syntax(json, "bad uuid"))?;
        if self.txn.may_insert(self.database, (table, uuid)) {
            return Ok(uuid);
        }
        let details = "This UUID would duplicate a UUID already present within the table or deleted within the same \
                       transaction.";
        Err(OvsdbError::tagged(json, "duplicate uuid", details))
    }

    fn condition(&mut self, table: &TableSchema, clauses: &[Value]) -> Result<Condition, OvsdbError> {
        Condition::from_json(table, clauses, Some(&mut self.symbols))
    }

    pub(super) fn select(&mut self, members: &mut Members<'_>, out: &mut String) -> Result {
        let table = named_table(self.database, members);
        let clauses = members.array("where");
        let columns = members.take("columns", Kinds::ARRAY.optional());
        let sort = members.take("sort", Kinds::ARRAY.optional());
        members.check()?;
        let (Some(table), Some(clauses)) = (table, clauses) else { return Err(missing().into()) };
        let schema = self.table_schema(table)?;
        let kind = schema.tables.get(table).ok_or_else(missing)?;
        let condition = self.condition(kind, clauses)?;
        let columns = kind.column_set(columns)?;
        let sort = sort.map(|sort| kind.column_set(Some(sort))).transpose()?;
        let found = query::find(self.database, &self.txn, table, &condition);
        let mut rows: Vec<&Row> =
            found.iter().filter_map(|&uuid| Some(&**self.database.row(table, uuid)?)).collect();
        if !columns.contains(&UUID) {
            let mut seen: BTreeSet<Vec<&Datum>> = BTreeSet::new();
            rows.retain(|row| seen.insert(columns.iter().map(|&at| row.get(at)).collect()));
        }
        if let Some(sort) = sort {
            rows.sort_by(|a, b| sort.iter().map(|&at| a.get(at)).cmp(sort.iter().map(|&at| b.get(at))));
        }
        out.push_str("{\"rows\":[");
        for (at, row) in rows.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            emit_row(kind, &columns, row, out);
        }
        out.push_str("]}");
        Ok(())
    }

    pub(super) fn update(&mut self, members: &mut Members<'_>, json: &Value, out: &mut String) -> Result {
        let table = named_table(self.database, members);
        let clauses = members.array("where");
        let fields = members.take("row", Kinds::OBJECT);
        members.check()?;
        let (Some(table), Some(clauses), Some(fields)) = (table, clauses, fields) else {
            return Err(missing().into());
        };
        let schema = self.table_schema(table)?;
        let kind = schema.tables.get(table).ok_or_else(missing)?;
        let fields = fields_from_json(kind, fields, Some(&mut self.symbols))?;
        let fixed = fields.iter().filter_map(|(at, _)| kind.columns.get(*at)).find(|column| !column.mutable);
        if let Some(column) = fixed {
            let details = format!("Cannot update immutable column {} in table {}.", column.name, kind.name);
            return Err(OvsdbError::tagged(json, "constraint violation", details).into());
        }
        let condition = self.condition(kind, clauses)?;
        let found = query::find(self.database, &self.txn, table, &condition);
        for &uuid in &found {
            let same = |row: &Row| fields.iter().all(|(at, value)| row.get(*at) == value);
            if self.database.row(table, uuid).is_some_and(|row| same(row)) {
                continue;
            }
            if let Some(row) = self.txn.modify(self.database, (table, uuid)) {
                fields.iter().for_each(|(at, value)| row.set(*at, value.clone()));
            }
        }
        emit_count(found.len(), out);
        Ok(())
    }

    pub(super) fn mutate(&mut self, members: &mut Members<'_>, out: &mut String) -> Result {
        let table = named_table(self.database, members);
        let clauses = members.array("where");
        let mutations = members.array("mutations");
        members.check()?;
        let (Some(table), Some(clauses), Some(mutations)) = (table, clauses, mutations) else {
            return Err(missing().into());
        };
        let schema = self.table_schema(table)?;
        let kind = schema.tables.get(table).ok_or_else(missing)?;
        let mutations = mutations.iter().map(|json| Mutation::from_json(kind, json, Some(&mut self.symbols)));
        let mutations = mutations.collect::<Result<Vec<Mutation>, OvsdbError>>()?;
        let condition = self.condition(kind, clauses)?;
        let found = query::find(self.database, &self.txn, table, &condition);
        for &uuid in &found {
            let Some(row) = self.txn.modify(self.database, (table, uuid)) else { continue };
            for mutation in &mutations {
                let column = kind.columns.get(mutation.column).ok_or_else(missing)?;
                let value = mutation.apply(row.get(mutation.column), &column.kind)?;
                row.set(mutation.column, value);
            }
        }
        emit_count(found.len(), out);
        Ok(())
    }

    pub(super) fn delete(&mut self, members: &mut Members<'_>, out: &mut String) -> Result {
        let clauses = members.array("where");
        let table = named_table(self.database, members);
        members.check()?;
        let (Some(table), Some(clauses)) = (table, clauses) else { return Err(missing().into()) };
        let schema = self.table_schema(table)?;
        let kind = schema.tables.get(table).ok_or_else(missing)?;
        let condition = self.condition(kind, clauses)?;
        let found = query::find(self.database, &self.txn, table, &condition);
        for &uuid in &found {
            self.txn.delete(self.database, (table, uuid));
        }
        emit_count(found.len(), out);
        Ok(())
    }

    pub(super) fn wait(&mut self, members: &mut Members<'_>, out: &mut String) -> Result {
        let timeout = members.take("timeout", Kinds::INTEGER.optional());
        let clauses = members.array("where");
        let columns = members.take("columns", Kinds::ARRAY.optional());
        let until = members.take("until", Kinds::STRING);
        let rows = members.array("rows");
        let table = named_table(self.database, members);
        members.check()?;
        let (Some(table), Some(clauses), Some(until), Some(rows)) = (table, clauses, until, rows) else {
            return Err(missing().into());
        };
        let schema = self.table_schema(table)?;
        let kind = schema.tables.get(table).ok_or_else(missing)?;
        let condition = self.condition(kind, clauses)?;
        let columns = kind.column_set(columns)?;
        let timeout = timeout.map(|json| self.note_timeout(json)).transpose()?;
        let wants_equal = match until.as_str() {
            Some("==") => true,
            Some("!=") => false,
            _ => return Err(OvsdbError::syntax(until, "\"until\" must be \"==\" or \"!=\"").into()),
        };
        let mut expected: BTreeSet<Vec<Datum>> = BTreeSet::new();
        for json in rows {
            let mut row = Row::new(kind);
            for (column, value) in fields_from_json(kind, json, Some(&mut self.symbols))? {
                row.set(column, value);
            }
            expected.insert(columns.iter().map(|&at| row.get(at).clone()).collect());
        }
        let found = query::find(self.database, &self.txn, table, &condition);
        let found = found.iter().filter_map(|&uuid| self.database.row(table, uuid));
        let actual: BTreeSet<Vec<Datum>> =
            found.map(|row| columns.iter().map(|&at| row.get(at).clone()).collect()).collect();
        if (actual == expected) == wants_equal {
            out.push_str("{}");
            return Ok(());
        }
        self.unmet(timeout)
    }

    fn note_timeout(&mut self, json: &Value) -> Result<u64, OvsdbError> {
        let timeout = integer(json).and_then(|ms| u64::try_from(ms).ok());
        let timeout = timeout.ok_or_else(|| OvsdbError::syntax(json, "timeout must be nonnegative"))?;
        self.timeout_ms = Some(self.timeout_ms.map_or(timeout, |least| least.min(timeout)));
        Ok(timeout)
    }

    fn unmet(&self, timeout: Option<u64>) -> Result {
        let elapsed = self.context.elapsed_ms;
        match timeout {
            Some(timeout) if elapsed >= timeout => Err(match elapsed {
                0 => OvsdbError::new("timed out", "\"where\" clause test failed"),
                _ => OvsdbError::new("timed out", format!("\"wait\" timed out after {elapsed} ms")),
            }
            .into()),
            _ if self.context.may_wait => Err(Stop::Wait),
            _ => Err(OvsdbError::new("not supported", "triggers not supported").into()),
        }
    }

    pub(super) fn commit(&mut self, members: &mut Members<'_>, out: &mut String) -> Result {
        let durable = members.take("durable", Kinds::BOOLEAN);
        self.txn.durable |= durable.and_then(Value::as_bool).unwrap_or(false);
        out.push_str("{}");
        Ok(())
    }

    pub(super) fn comment(&mut self, members: &mut Members<'_>, out: &mut String) -> Result {
        if let Some(comment) = members.text("comment", Kinds::STRING) {
            self.txn.add_comment(comment);
        }
        out.push_str("{}");
        Ok(())
    }

    pub(super) fn assert(&mut self, members: &mut Members<'_>, out: &mut String) -> Result {
        if let Some(lock) = members.text("lock", Kinds::ID)
            && !(self.context.owns_lock)(lock)
        {
            return Err(OvsdbError::new("not owner", format!("Asserted lock {lock} not held.")).into());
        }
        out.push_str("{}");
        Ok(())
    }
}

fn emit_count(count: usize, out: &mut String) {
    out.push_str("{\"count\":");
    text::number(out, i64::try_from(count).unwrap_or(i64::MAX));
    out.push('}');
}

fn emit_row(table: &TableSchema, columns: &[usize], row: &Row, out: &mut String) {
    out.push('{');
    for (n, &at) in columns.iter().enumerate() {
        let Some(column) = table.columns.get(at) else { continue };
        if n > 0 {
            out.push(',');
        }
        text::string(out, &column.name);
        out.push(':');
        row.get(at).emit(&column.kind, out);
    }
    out.push('}');
}
