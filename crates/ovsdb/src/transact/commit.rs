//! The end of a transaction: all checks, and then what cannot fail.

use std::sync::Arc;

use super::txn::{Place, Touched};
use super::{Guard, Txn};
use crate::error::OvsdbError;
use crate::store::{Database, Row, Stored, index_key};
use crate::uuid::{Uuid, UuidSource};

/// A row that a transaction changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// The table's place in the schema.
    pub table: usize,
    /// The row.
    pub uuid: Uuid,
    /// What it was; `None` if it was inserted.
    pub old: Option<Arc<Row>>,
    /// What it is; `None` if it was deleted.
    pub new: Option<Arc<Row>>,
}

/// What a transaction changed.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The transaction's own UUID, which clients of `monitor_cond_since` name.
    pub id: Uuid,
    /// Rows, in order of table and UUID. Empty if nothing changed.
    pub changes: Vec<Change>,
    /// What the client said about it.
    pub comment: Option<String>,
    /// Whether the client wants it on the disk before the reply.
    pub durable: bool,
}

impl Txn {
    /// Ends the transaction: it is done as a whole, or not at all.
    ///
    /// # Errors
    /// The first check that failed; the database is as it was before.
    pub(crate) fn commit(
        self,
        database: &mut Database,
        uuids: &mut UuidSource,
    ) -> Result<Commit, OvsdbError> {
        self.commit_guarded(database, uuids, None)
    }

    /// As [`Self::commit`], if `guard` has nothing against it.
    ///
    /// # Errors
    /// The first check that failed, or what the guard says; the database is as it was before.
    pub(crate) fn commit_guarded(
        mut self,
        database: &mut Database,
        uuids: &mut UuidSource,
        guard: Option<&dyn Guard>,
    ) -> Result<Commit, OvsdbError> {
        let judged = self.check(database).and_then(|()| match guard {
            Some(guard) => self.ask(database, guard),
            None => Ok(()),
        });
        match judged {
            Ok(()) => Ok(self.apply(database, uuids)),
            Err(error) => {
                self.undo(database);
                Err(error)
            }
        }
    }

    fn check(&mut self, database: &mut Database) -> Result<(), OvsdbError> {
        self.forget_unchanged(database);
        if self.touched.is_empty() {
            return Ok(());
        }
        self.count_references(database)?;
        self.collect_garbage(database);
        self.check_row_limits(database)?;
        self.prune_weak_references(database)?;
        self.check_indexes(database)
    }

    /// Asks the guard about all that differs. Collecting garbage and pruning references may have undone a change, so it is
    /// compared once more.
    fn ask(&self, database: &Database, guard: &dyn Guard) -> Result<(), OvsdbError> {
        let change = |(&(table, uuid), touched): (&Place, &Touched)| {
            let (old, new) = (touched.old.as_ref().map(|old| &old.row), database.row(table, uuid));
            let differs = match (old, new) {
                (None, None) => false,
                (Some(old), Some(new)) => !old.same_content(new),
                _ => true,
            };
            differs.then(|| Change { table, uuid, old: old.cloned(), new: new.cloned() })
        };
        let changes: Vec<Change> = self.touched.iter().filter_map(change).collect();
        if changes.is_empty() { Ok(()) } else { guard.judge(database.schema(), &changes) }
    }

    /// Drops rows that are what they were.
    fn forget_unchanged(&mut self, database: &mut Database) {
        self.touched.retain(|&(table, uuid), touched| {
            let Some(rows) = database.tables.get_mut(table) else { return false };
            match (&touched.old, rows.rows.get_mut(&uuid)) {
                (None, None) => false,
                (Some(old), Some(new)) if old.row.same_content(&new.row) => {
                    *new = old.clone();
                    false
                }
                _ => true,
            }
        });
    }

    fn check_row_limits(&self, database: &Database) -> Result<(), OvsdbError> {
        let mut last = None;
        for &(table, _) in self.touched.keys() {
            if last.replace(table) == Some(table) {
                continue;
            }
            let Some(schema) = database.schema().tables.get(table) else { continue };
            let (rows, limit) = (database.row_count(table), schema.max_rows);
            if u32::try_from(rows).is_ok_and(|rows| rows > limit) {
                return Err(OvsdbError::constraint(format!(
                    "transaction causes \"{}\" table to contain {rows} rows, greater than the schema-defined limit \
                     of {limit} row(s)",
                    schema.name
                )));
            }
        }
        Ok(())
    }

    fn apply(self, database: &mut Database, uuids: &mut UuidSource) -> Commit {
        let mut changes = Vec::with_capacity(self.touched.len());
        for (place, touched) in self.touched {
            let Some(rows) = database.tables.get_mut(place.0) else { continue };
            let new = rows.rows.get_mut(&place.1);
            let old = touched.old.map(|stored| stored.row);
            let new = match (&old, new) {
                (None, None) => continue,
                (_, None) => None,
                (Some(old), Some(new)) if Arc::ptr_eq(old, &new.row) || old.same_content(&new.row) => {
                    *new = Stored { row: Arc::clone(old), references: touched.references };
                    continue;
                }
                (old, Some(new)) => {
                    new.references = touched.references;
                    if old.is_some() {
                        Arc::make_mut(&mut new.row).set_version(uuids.generate());
                    }
                    Some(Arc::clone(&new.row))
                }
            };
            changes.push(Change { table: place.0, uuid: place.1, old, new });
        }
        register(database, &changes);
        Commit { id: uuids.generate(), changes, comment: self.comment, durable: self.durable }
    }
}

/// Brings indexes and the register of weak references up to date.
fn register(database: &mut Database, changes: &[Change]) {
    let schema = Arc::clone(database.schema());
    // All that is old goes first: a row may take what another one leaves.
    for Change { table, uuid, old, new } in changes {
        let Some(kind) = schema.tables.get(*table) else { continue };
        let place: Place = (*table, *uuid);
        Txn::register_weak_references(database, kind, place, old.as_ref(), new.as_ref());
        let (Some(old), Some(rows)) = (old, database.tables.get_mut(*table)) else { continue };
        for (columns, index) in kind.indexes.iter().zip(&mut rows.indexes) {
            index.remove(&index_key(old, columns));
        }
    }
    for Change { table, uuid, new, .. } in changes {
        let Some(kind) = schema.tables.get(*table) else { continue };
        let (Some(new), Some(rows)) = (new, database.tables.get_mut(*table)) else { continue };
        for (columns, index) in kind.indexes.iter().zip(&mut rows.indexes) {
            index.insert(index_key(new, columns), *uuid);
        }
    }
}
