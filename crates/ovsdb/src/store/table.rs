//! A table: its rows by UUID, and by the columns of each index.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Row;
use crate::data::Datum;
use crate::schema::TableSchema;
use crate::uuid::Uuid;

/// The values of an index's columns.
pub(crate) type IndexKey = Box<[Datum]>;

/// A row as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) row: Arc<Row>,
    /// Strong references to it from other rows.
    pub(crate) references: u32,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) rows: BTreeMap<Uuid, Stored>,
    /// For each index of the schema, as of the last commit.
    pub(crate) indexes: Vec<BTreeMap<IndexKey, Uuid>>,
}

impl Table {
    pub(crate) fn new(schema: &TableSchema) -> Self {
        Self { rows: BTreeMap::new(), indexes: vec![BTreeMap::new(); schema.indexes.len()] }
    }

    pub(crate) fn row(&self, uuid: Uuid) -> Option<&Arc<Row>> {
        self.rows.get(&uuid).map(|stored| &stored.row)
    }
}

/// The values of `columns` in `row`.
pub(crate) fn index_key(row: &Row, columns: &[usize]) -> IndexKey {
    columns.iter().map(|&column| row.get(column).clone()).collect()
}
