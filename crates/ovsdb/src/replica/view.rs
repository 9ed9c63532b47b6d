//! Rows of the copy, by the names of their columns.

use crate::data::{Atom, Datum};
use crate::schema::TableSchema;
use crate::store::{Database, Row};
use crate::uuid::Uuid;

static EMPTY: Datum = Datum::Empty;

/// A table of the copy.
#[derive(Debug, Clone, Copy)]
pub struct TableView<'a> {
    copy: &'a Database,
    at: usize,
    schema: &'a TableSchema,
}

impl<'a> TableView<'a> {
    pub(super) fn new(copy: &'a Database, name: &str) -> Option<Self> {
        let at = copy.schema().table(name)?;
        Some(Self { copy, at, schema: copy.schema().tables.get(at)? })
    }

    /// All rows, in order of their UUIDs.
    pub fn rows(self) -> impl Iterator<Item = RowView<'a>> {
        self.copy.rows(self.at).map(move |row| RowView { schema: self.schema, row })
    }

    /// The row `uuid`.
    pub fn row(self, uuid: Uuid) -> Option<RowView<'a>> {
        let row = self.copy.row(self.at, uuid)?;
        Some(RowView { schema: self.schema, row })
    }
}

/// A row of the copy. A column that was not asked for has its default; one that the schema has not is empty.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    pub(super) schema: &'a TableSchema,
    row: &'a Row,
}

impl<'a> RowView<'a> {
    /// The row's UUID.
    pub fn uuid(self) -> Uuid {
        self.row.uuid()
    }

    /// The value of a column.
    pub fn get(self, column: &str) -> &'a Datum {
        self.schema.column(column).map_or(&EMPTY, |at| self.row.get(at))
    }

    /// The text in a column of at most one string.
    pub fn text(self, column: &str) -> Option<&'a str> {
        self.get(column).single().and_then(Atom::as_str)
    }

    /// The number in a column of at most one integer.
    pub fn integer(self, column: &str) -> Option<i64> {
        self.get(column).single().and_then(Atom::as_integer)
    }

    /// The truth value in a column of at most one.
    pub fn boolean(self, column: &str) -> Option<bool> {
        self.get(column).single().and_then(Atom::as_bool)
    }

    /// The rows that a set refers to.
    pub fn references(self, column: &str) -> impl Iterator<Item = Uuid> + 'a {
        self.get(column).atoms().iter().filter_map(Atom::as_uuid)
    }

    /// The value at a key of a map of strings.
    pub fn value_of(self, column: &str, key: &str) -> Option<&'a str> {
        self.get(column).value_of(&Atom::from(key)).and_then(Atom::as_str)
    }

    /// Whether a column has this value, in RFC 7047's notation. One that the schema has not has every value: there is
    /// nothing to be written. A value that the column cannot have is none it has.
    pub fn is(self, column: &str, value: &serde_json::Value) -> bool {
        let Some((at, column)) =
            self.schema.column(column).and_then(|at| Some((at, self.schema.columns.get(at)?)))
        else {
            return true;
        };
        Datum::from_json(&column.kind, value, None).is_ok_and(|value| *self.row.get(at) == value)
    }

    /// The pairs of a map of strings.
    pub fn map(self, column: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.get(column).pairs().iter().filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?)))
    }

    /// The strings of a set.
    pub fn texts(self, column: &str) -> impl Iterator<Item = &'a str> {
        self.get(column).atoms().iter().filter_map(Atom::as_str)
    }

    /// The integers of a set.
    pub fn integers(self, column: &str) -> impl Iterator<Item = i64> + 'a {
        self.get(column).atoms().iter().filter_map(Atom::as_integer)
    }

    /// The value of a column as JSON.
    pub(super) fn json(self, column: &str) -> serde_json::Value {
        let kind =
            self.schema.column(column).and_then(|at| self.schema.columns.get(at)).map(|column| &column.kind);
        let mut text = String::new();
        if let Some(kind) = kind {
            self.get(column).emit(kind, &mut text);
        }
        serde_json::from_str(&text).unwrap_or_default()
    }
}
