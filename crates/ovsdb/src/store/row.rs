//! A version of a row. It never changes: a change makes another one.

use crate::data::{Atom, Datum};
use crate::schema::{TableSchema, UUID, VERSION};
use crate::uuid::Uuid;

static EMPTY: Datum = Datum::Empty;

/// A row: a value for each column of its table, the implicit ones included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    fields: Box<[Datum]>,
}

impl Row {
    /// A row of defaults.
    pub(crate) fn new(table: &TableSchema) -> Self {
        Self { fields: table.columns.iter().map(|column| column.default.clone()).collect() }
    }

    /// The value in the column at `column`.
    pub fn get(&self, column: usize) -> &Datum {
        self.fields.get(column).unwrap_or(&EMPTY)
    }

    pub(crate) fn set(&mut self, column: usize, value: Datum) {
        if let Some(field) = self.fields.get_mut(column) {
            *field = value;
        }
    }

    /// The row's UUID.
    pub fn uuid(&self) -> Uuid {
        self.get(UUID).single().and_then(Atom::as_uuid).unwrap_or_default()
    }

    pub(crate) fn set_uuid(&mut self, uuid: Uuid) {
        self.set(UUID, Datum::One(uuid.into()));
    }

    pub(crate) fn set_version(&mut self, version: Uuid) {
        self.set(VERSION, Datum::One(version.into()));
    }

    /// Whether all but the version is the same.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        self.get(UUID) == other.get(UUID) && self.fields.get(2..) == other.fields.get(2..)
    }
}
