//! A transaction under way: the rows it touched, and what they were before.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::{Database, Row, Stored};
use crate::uuid::Uuid;

/// A row of a table.
pub(super) type Place = (usize, Uuid);

/// A row that a transaction touched.
#[derive(Debug)]
pub(super) struct Touched {
    /// What was there before.
    pub(super) old: Option<Stored>,
    /// Strong references to it by now.
    pub(super) references: u32,
}

/// A transaction. Whoever drops it without [`Database`]'s `commit` calls [`Txn::undo`] first.
#[derive(Debug, Default)]
pub(crate) struct Txn {
    pub(super) touched: BTreeMap<Place, Touched>,
    /// What the client said about it, line by line.
    pub(crate) comment: Option<String>,
    /// Whether it must be on the disk before it is acknowledged.
    pub(crate) durable: bool,
}

impl Txn {
    /// A transaction that has inserted all rows that are there and of which something is to be checked, and which no
    /// other has committed.
    pub(crate) fn of_all(database: &Database) -> Self {
        let tables = database.schema().tables.iter().zip(&database.tables).enumerate();
        let checked = tables.filter(|(_, (schema, _))| schema.is_checked());
        let places = checked.flat_map(|(table, (_, rows))| rows.rows.keys().map(move |uuid| (table, *uuid)));
        let touched = places.map(|place| (place, Touched { old: None, references: 0 })).collect();
        Self { touched, ..Self::default() }
    }

    /// Adds a row, whose UUID no row of the table has.
    pub(crate) fn insert(&mut self, database: &mut Database, table: usize, row: Row) {
        let uuid = row.uuid();
        self.touch(database, (table, uuid));
        if let Some(table) = database.tables.get_mut(table) {
            table.rows.insert(uuid, Stored { row: Arc::new(row), references: 0 });
        }
    }

    /// The row, to be changed.
    pub(crate) fn modify<'a>(&mut self, database: &'a mut Database, place: Place) -> Option<&'a mut Row> {
        self.touch(database, place);
        let stored = database.tables.get_mut(place.0)?.rows.get_mut(&place.1)?;
        // The first change copies, because `touched` holds the row; later ones need not.
        Some(Arc::make_mut(&mut stored.row))
    }

    /// Removes a row.
    pub(crate) fn delete(&mut self, database: &mut Database, place: Place) {
        self.touch(database, place);
        if let Some(table) = database.tables.get_mut(place.0) {
            table.rows.remove(&place.1);
        }
    }

    /// Whether a new row may have this UUID: no row has it or had it when the transaction began.
    pub(super) fn may_insert(&self, database: &Database, place: Place) -> bool {
        database.row(place.0, place.1).is_none() && !self.touched.contains_key(&place)
    }

    pub(super) fn touched_in(&self, table: usize) -> impl Iterator<Item = Uuid> {
        let last = Uuid::from_bits(u64::MAX, u64::MAX);
        self.touched.range((table, Uuid::ZERO)..=(table, last)).map(|((_, uuid), _)| *uuid)
    }

    /// Adds a line to the comment.
    pub(super) fn add_comment(&mut self, line: &str) {
        match &mut self.comment {
            None => self.comment = Some(line.to_owned()),
            Some(comment) => {
                comment.push('\n');
                comment.push_str(line);
            }
        }
    }

    /// Remembers what is at `place`, the first time. Whether there is, or was, a row.
    pub(super) fn touch(&mut self, database: &Database, place: Place) -> &mut Touched {
        self.touched.entry(place).or_insert_with(|| {
            let old = database.tables.get(place.0).and_then(|table| table.rows.get(&place.1)).cloned();
            Touched { references: old.as_ref().map_or(0, |stored| stored.references), old }
        })
    }

    /// Puts back everything.
    pub(crate) fn undo(self, database: &mut Database) {
        for ((table, uuid), touched) in self.touched {
            let Some(table) = database.tables.get_mut(table) else { continue };
            match touched.old {
                Some(stored) => table.rows.insert(uuid, stored),
                None => table.rows.remove(&uuid),
            };
        }
    }
}
