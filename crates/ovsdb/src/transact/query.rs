//! Finding the rows a condition is about: by UUID or by an index where it names one, else one by one.

use super::{Condition, Txn};
use crate::store::{Database, IndexKey};
use crate::uuid::Uuid;

/// The rows of the table at `table` that match all of `condition`, in order of their UUIDs.
pub(super) fn find(database: &Database, txn: &Txn, table: usize, condition: &Condition) -> Vec<Uuid> {
    let Some(rows) = database.tables.get(table) else { return Vec::new() };
    let matches = |uuid: &Uuid| rows.row(*uuid).is_some_and(|row| condition.all(row));
    if let Some(uuid) = condition.wanted_uuid() {
        return Some(uuid).filter(matches).into_iter().collect();
    }
    if let Some(hit) = by_index(database, table, condition) {
        // Indexes are those of the last commit: what this transaction touched is looked at besides.
        let mut found: Vec<Uuid> = hit.into_iter().chain(txn.touched_in(table)).filter(matches).collect();
        found.sort_unstable();
        found.dedup();
        return found;
    }
    let all = rows.rows.iter().filter(|(_, stored)| condition.all(&stored.row));
    all.map(|(uuid, _)| *uuid).collect()
}

/// What an index has for the values that the condition wants. `None` if no index can tell.
fn by_index(database: &Database, table: usize, condition: &Condition) -> Option<Option<Uuid>> {
    let indexes = &database.schema().tables.get(table)?.indexes;
    let rows = database.tables.get(table)?;
    indexes.iter().zip(&rows.indexes).find_map(|(columns, index)| {
        let key: Option<IndexKey> = columns.iter().map(|&column| condition.wanted(column).cloned()).collect();
        Some(index.get(&key?).copied())
    })
}
