//! References at the end of a transaction: strong ones are counted, and rows that nobody keeps are collected; weak
//! ones to rows that are not there are taken out.
//!
//! Source: RFC 7047 §3.2 `refType`, §4.1.3; the order of the checks is that of ovsdb-server.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Txn;
use super::txn::Place;
use crate::data::{Atom, Datum, Differences};
use crate::error::OvsdbError;
use crate::schema::{BaseType, ColumnSchema, ColumnType, TableSchema};
use crate::store::{Database, Row, WeakRef};
use crate::uuid::Uuid;

/// The row that an atom of type `base` refers to, if it does so as strongly as asked.
fn target(base: &BaseType, atom: &Atom, strong: bool) -> Option<Place> {
    let reference = base.reference().filter(|reference| reference.strong == strong)?;
    Some((reference.index, atom.as_uuid()?))
}

/// The rows that a pair refers to.
fn pair_targets<'a>(
    kind: &'a ColumnType,
    (key, value): &'a (Atom, Atom),
    strong: bool,
) -> impl Iterator<Item = Place> + 'a {
    let of_value = kind.value.as_ref().and_then(|base| target(base, value, strong));
    target(&kind.key, key, strong).into_iter().chain(of_value)
}

/// The rows that a value refers to.
fn targets<'a>(kind: &'a ColumnType, datum: &'a Datum, strong: bool) -> impl Iterator<Item = Place> + 'a {
    let of_atoms = datum.atoms().iter().filter_map(move |atom| target(&kind.key, atom, strong));
    of_atoms.chain(datum.pairs().iter().flat_map(move |pair| pair_targets(kind, pair, strong)))
}

static EMPTY: Datum = Datum::Empty;

fn field(row: Option<&Arc<Row>>, column: usize) -> &Datum {
    row.map_or(&EMPTY, |row| row.get(column))
}

fn unchanged(old: Option<&Arc<Row>>, new: Option<&Arc<Row>>) -> bool {
    matches!((old, new), (Some(old), Some(new)) if Arc::ptr_eq(old, new))
}

impl Txn {
    /// Counts what changed in strong references.
    ///
    /// # Errors
    /// `referential integrity violation`: to a row that is not there, or of a row that is to go.
    pub(super) fn count_references(&mut self, database: &Database) -> Result<(), OvsdbError> {
        let places: Vec<Place> = self.touched.keys().copied().collect();
        let schema = Arc::clone(database.schema());
        for place in places {
            let Some(table) = schema.tables.get(place.0) else { continue };
            if table.strong.is_empty() {
                continue;
            }
            let old = self.touched.get(&place).and_then(|t| t.old.as_ref()).map(|s| Arc::clone(&s.row));
            let new = database.row(place.0, place.1);
            if unchanged(old.as_ref(), new) {
                continue;
            }
            for &at in &table.strong {
                let Some(column) = table.columns.get(at) else { continue };
                let sides = (field(old.as_ref(), at), field(new, at));
                self.count_column(database, place, table, column, sides)?;
            }
        }
        let kept = self
            .touched
            .iter()
            .find(|((table, uuid), touched)| touched.references > 0 && database.row(*table, *uuid).is_none());
        kept.map_or(Ok(()), |((table, uuid), touched)| {
            let name = schema.tables.get(*table).map_or("", |table| &table.name);
            let n = touched.references;
            let details = format!("cannot delete {name} row {uuid} because of {n} remaining reference(s)");
            Err(OvsdbError::integrity(details))
        })
    }

    fn count_column(
        &mut self,
        database: &Database,
        from: Place,
        table: &TableSchema,
        column: &ColumnSchema,
        (old, new): (&Datum, &Datum),
    ) -> Result<(), OvsdbError> {
        if old == new {
            return Ok(());
        }
        let kind = &column.kind;
        let atoms = Differences::new(old.atoms(), new.atoms())
            .filter_map(|(is_new, atom)| Some((is_new, target(&kind.key, atom, true)?)));
        let pairs = Differences::new(old.pairs(), new.pairs())
            .flat_map(|(is_new, pair)| pair_targets(kind, pair, true).map(move |to| (is_new, to)));
        for (is_new, to) in atoms.chain(pairs) {
            // A row does not keep itself.
            if to.1 == from.1 {
                continue;
            }
            let known = self.touched.contains_key(&to) || database.row(to.0, to.1).is_some();
            if is_new && !known {
                let there = database.schema().tables.get(to.0).map_or("", |table| &table.name);
                return Err(OvsdbError::integrity(format!(
                    "Table {} column {} row {} references nonexistent row {} in table {there}.",
                    table.name, column.name, from.1, to.1
                )));
            }
            if known {
                let touched = self.touch(database, to);
                touched.references = match is_new {
                    true => touched.references.saturating_add(1),
                    false => touched.references.saturating_sub(1),
                };
            }
        }
        Ok(())
    }

    /// Removes rows of tables that are not root to which no strong reference is left, and what only they kept.
    pub(super) fn collect_garbage(&mut self, database: &mut Database) {
        let schema = Arc::clone(database.schema());
        let is_root = |table: usize| schema.tables.get(table).is_none_or(|table| table.is_root);
        let loose = |(place, touched): (&Place, &super::txn::Touched)| {
            (touched.references == 0 && !is_root(place.0)).then_some(*place)
        };
        let mut garbage: Vec<Place> = self.touched.iter().filter_map(loose).collect();
        while let Some(place) = garbage.pop() {
            let Some(row) = database.row(place.0, place.1).map(Arc::clone) else { continue };
            let Some(table) = schema.tables.get(place.0) else { continue };
            self.delete(database, place);
            for column in table.strong.iter().filter_map(|&at| Some((at, table.columns.get(at)?))) {
                for to in targets(&column.1.kind, row.get(column.0), true).filter(|to| to.1 != place.1) {
                    let touched = self.touch(database, to);
                    touched.references = touched.references.saturating_sub(1);
                    if touched.references == 0 && !is_root(to.0) {
                        garbage.push(to);
                    }
                }
            }
        }
    }

    /// Takes out weak references to rows that are not there.
    ///
    /// # Errors
    /// `constraint violation` where a column would become emptier than it may.
    pub(super) fn prune_weak_references(&mut self, database: &mut Database) -> Result<(), OvsdbError> {
        let schema = Arc::clone(database.schema());
        let mut stale: BTreeSet<Place> = BTreeSet::new();
        for (place, touched) in &self.touched {
            if touched.old.is_some() && database.row(place.0, place.1).is_none() {
                let to_it = database.weak.range(WeakRef::all_to(*place)).map(|weak| weak.from);
                stale.extend(to_it.filter(|from| database.row(from.0, from.1).is_some()));
            }
        }
        for place in &stale {
            self.touch(database, *place);
        }
        let places: Vec<Place> = self.touched.keys().copied().collect();
        for place in places {
            let Some(table) = schema.tables.get(place.0) else { continue };
            for column in table.weak.iter().filter_map(|&at| Some((at, table.columns.get(at)?))) {
                self.prune_column(database, place, table, column, stale.contains(&place))?;
            }
        }
        Ok(())
    }

    fn prune_column(
        &mut self,
        database: &mut Database,
        place: Place,
        table: &TableSchema,
        (at, column): (usize, &ColumnSchema),
        stale: bool,
    ) -> Result<(), OvsdbError> {
        let Some(row) = database.row(place.0, place.1) else { return Ok(()) };
        let old = self.touched.get(&place).and_then(|touched| touched.old.as_ref());
        let datum = row.get(at);
        if !stale && old.is_some_and(|old| old.row.get(at) == datum) {
            return Ok(());
        }
        let kind = &column.kind;
        let there = |to: Place| database.row(to.0, to.1).is_some();
        let pruned = match kind.value {
            None => datum.retain(|atom| target(&kind.key, atom, false).is_none_or(there)),
            Some(_) => {
                datum.retain_pairs(|k, v| pair_targets(kind, &(k.clone(), v.clone()), false).all(there))
            }
        };
        if pruned.len() == datum.len() {
            return Ok(());
        }
        if !kind.allows(pruned.len()) {
            let zero = old.is_none() && targets(kind, datum, false).any(|to| to.1 == Uuid::ZERO);
            let gone = datum.len() - pruned.len();
            return Err(emptied(&column.name, &table.name, place.1, gone, (zero, old.is_none())));
        }
        if let Some(row) = self.modify(database, place) {
            row.set(at, pruned);
        }
        Ok(())
    }

    /// Brings the register of weak references to what the rows now say.
    pub(super) fn register_weak_references(
        database: &mut Database,
        table: &TableSchema,
        place: Place,
        old: Option<&Arc<Row>>,
        new: Option<&Arc<Row>>,
    ) {
        for (at, column) in table.weak.iter().filter_map(|&at| Some((at, table.columns.get(at)?))) {
            let (old, new) = (field(old, at), field(new, at));
            if old == new {
                continue;
            }
            let weak = |to| WeakRef { to, from: place, column: at };
            let kind = &column.kind;
            for (is_new, atom) in Differences::new(old.atoms(), new.atoms()) {
                match target(&kind.key, atom, false).map(weak) {
                    Some(weak) if is_new => drop(database.weak.insert(weak)),
                    Some(weak) => drop(database.weak.remove(&weak)),
                    None => {}
                }
            }
            // Two pairs of a map may refer to the same row, so the register cannot follow them one by one.
            let of_pairs = |datum: &Datum| -> Vec<WeakRef> {
                datum.pairs().iter().flat_map(|pair| pair_targets(kind, pair, false)).map(weak).collect()
            };
            for weak in of_pairs(old) {
                database.weak.remove(&weak);
            }
            database.weak.extend(of_pairs(new));
        }
    }
}

fn emptied(column: &str, table: &str, row: Uuid, gone: usize, (zero, inserted): (bool, bool)) -> OvsdbError {
    OvsdbError::constraint(if zero {
        format!(
            "Weak reference column \"{column}\" in \"{table}\" row {row} (inserted within this transaction) \
             contained all-zeros UUID (probably as the default value for this column) but deleting this value \
             caused a constraint volation because this column is not allowed to be empty."
        )
    } else {
        let inserted = if inserted { "(inserted within this transaction) " } else { "" };
        format!(
            "Deletion of {gone} weak reference(s) to deleted (or never-existing) rows from column \"{column}\" in \
             \"{table}\" row {row} {inserted}caused this column to become empty, but constraints on this column \
             disallow an empty column."
        )
    })
}
