//! Rows as records put them together, which nobody has checked yet.
//!
//! They are found by a hash of their names until the last record was read. Sorting them once, for a database, costs less
//! than finding each of them in order whenever a record changes it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use super::changes::Changes;
use crate::data::Datum;
use crate::error::OvsdbError;
use crate::schema::{ColumnType, Schema};
use crate::store::{Database, Row, Stored};
use crate::transact::Txn;
use crate::uuid::{Uuid, UuidSource};

/// Rows by their tables.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) schema: Arc<Schema>,
    tables: Vec<HashMap<Uuid, Row, Keyed>>,
}

impl Rows {
    pub(super) fn new(schema: Schema, uuids: &mut UuidSource) -> Self {
        let keyed = Keyed(uuids.generate().bits());
        let tables = schema.tables.iter().map(|_| HashMap::with_hasher(keyed)).collect();
        Self { schema: Arc::new(schema), tables }
    }

    /// Applies a record.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn apply(&mut self, changes: &mut Changes) -> Result<(), OvsdbError> {
        let Self { schema, tables } = self;
        let is_diff = changes.is_diff;
        changes.take(|table, uuid, values| {
            let (Some(kind), Some(rows)) = (schema.tables.get(table), tables.get_mut(table)) else {
                return Ok(());
            };
            let Some(values) = values else {
                let missing = || {
                    let details = format!("transaction deletes row {uuid} that does not exist");
                    OvsdbError::new("syntax error", details)
                };
                return rows.remove(&uuid).map(drop).ok_or_else(missing);
            };
            let row = rows.entry(uuid).or_insert_with(|| Row::new(kind));
            for (at, value) in values {
                let Some(column) = kind.columns.get(at) else { continue };
                let old = row.get(at);
                let value = if is_diff && *old != column.default {
                    changed(old, &column.kind, &value)?
                } else {
                    whole(&column.kind, value)?
                };
                row.set(at, value);
            }
            Ok(())
        })
    }

    /// Makes a database of them: as if one transaction had inserted them all.
    ///
    /// # Errors
    /// What that transaction would be refused for.
    pub(super) fn adopt(self, uuids: &mut UuidSource) -> Result<Database, OvsdbError> {
        let mut database = Database::new(Arc::unwrap_or_clone(self.schema));
        for (rows, table) in self.tables.into_iter().zip(&mut database.tables) {
            let mut rows: Vec<(Uuid, Row)> = rows.into_iter().collect();
            rows.sort_unstable_by_key(|(uuid, _)| *uuid);
            let stored = |(uuid, mut row): (Uuid, Row)| {
                row.set_uuid(uuid);
                row.set_version(uuids.generate());
                (uuid, Stored { row: Arc::new(row), references: 0 })
            };
            table.rows = rows.into_iter().map(stored).collect();
        }
        Txn::of_all(&database).commit(&mut database, uuids)?;
        Ok(database)
    }
}

/// A value, if it has as many elements as it may have.
fn whole(kind: &ColumnType, value: Datum) -> Result<Datum, OvsdbError> {
    if kind.allows(value.len()) {
        return Ok(value);
    }
    let mut text = String::new();
    value.emit(kind, &mut text);
    Datum::from_json(kind, &serde_json::from_str(&text).unwrap_or_default(), None)
}

/// What a difference makes of a value.
fn changed(old: &Datum, kind: &ColumnType, diff: &Datum) -> Result<Datum, OvsdbError> {
    if !kind.is_composite() {
        return whole(kind, diff.clone());
    }
    // A difference may have more elements than the column, and fewer.
    let new = old.apply_diff(diff, kind);
    match kind.allows(new.len()) {
        true => Ok(new),
        false => Err(OvsdbError::new("ovsdb error", "Datum crated by diff has size error")),
    }
}

/// Hashes names of rows with a key, so that no file makes them meet.
#[derive(Debug, Clone, Copy)]
struct Keyed([u64; 2]);

#[derive(Debug)]
struct OfUuid {
    key: u64,
    hash: u64,
}

impl BuildHasher for Keyed {
    type Hasher = OfUuid;

    fn build_hasher(&self) -> OfUuid {
        let [hash, key] = self.0;
        OfUuid { key: key | 1, hash }
    }
}

impl Hasher for OfUuid {
    fn finish(&self) -> u64 {
        self.hash
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.hash ^ word) * u128::from(self.key ^ 0x9e37_79b9_7f4a_7c15);
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
        self.hash = half(product) ^ half(product >> 64);
    }
}
