//! A database: the tables of a schema, and who refers weakly to whom.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Row, Table};
use crate::schema::Schema;
use crate::uuid::Uuid;

/// A weak reference, ordered by its target, so that those to one row stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WeakRef {
    /// The target: table and row.
    pub(crate) to: (usize, Uuid),
    /// The row that has the reference.
    pub(crate) from: (usize, Uuid),
    pub(crate) column: usize,
}

impl WeakRef {
    pub(crate) fn all_to(to: (usize, Uuid)) -> RangeInclusive<Self> {
        let least = Self { to, from: (0, Uuid::ZERO), column: 0 };
        let most = (usize::MAX, Uuid::from_bits(u64::MAX, u64::MAX));
        least..=Self { to, from: most, column: usize::MAX }
    }
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    schema: Arc<Schema>,
    pub(crate) tables: Vec<Table>,
    pub(crate) weak: BTreeSet<WeakRef>,
}

impl Database {
    /// An empty database.
    pub fn new(schema: Schema) -> Self {
        let tables = schema.tables.iter().map(Table::new).collect();
        Self { schema: Arc::new(schema), tables, weak: BTreeSet::new() }
    }

    /// Its schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The rows of the table at `table`, in order of their UUIDs.
    pub fn rows(&self, table: usize) -> impl Iterator<Item = &Arc<Row>> {
        self.tables.get(table).into_iter().flat_map(|table| table.rows.values().map(|stored| &stored.row))
    }

    /// The row `uuid` of the table at `table`.
    pub fn row(&self, table: usize, uuid: Uuid) -> Option<&Arc<Row>> {
        self.tables.get(table)?.row(uuid)
    }

    /// How many rows the table at `table` has.
    pub fn row_count(&self, table: usize) -> usize {
        self.tables.get(table).map_or(0, |table| table.rows.len())
    }
}
