//! Indexes at the end of a transaction: no two rows agree in all the columns of one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Txn;
use super::txn::Place;
use crate::error::OvsdbError;
use crate::schema::{TableSchema, english_list};
use crate::store::{Database, IndexKey, Row, index_key};
use crate::uuid::Uuid;

impl Txn {
    /// Checks every index against the rows of this transaction.
    ///
    /// # Errors
    /// `constraint violation`, with both rows.
    pub(super) fn check_indexes(&self, database: &Database) -> Result<(), OvsdbError> {
        let mut added: BTreeMap<(usize, usize, IndexKey), Uuid> = BTreeMap::new();
        for (place, touched) in &self.touched {
            let (table, uuid) = *place;
            let Some(schema) = database.schema().tables.get(table) else { continue };
            let Some(row) = database.row(table, uuid) else { continue };
            for (at, columns) in schema.indexes.iter().enumerate() {
                let key = index_key(row, columns);
                if touched.old.as_ref().is_some_and(|old| index_key(&old.row, columns) == key) {
                    continue;
                }
                let before = database.tables.get(table).and_then(|rows| rows.indexes.get(at)?.get(&key));
                let other = before.copied().filter(|other| {
                    let holds = |row: &Arc<Row>| index_key(row, columns) == key;
                    *other != uuid && database.row(table, *other).is_some_and(holds)
                });
                let other = other.or_else(|| added.insert((table, at, key), uuid));
                if let Some(other) = other {
                    return Err(self.duplicate(database, schema, columns, *place, (table, other)));
                }
            }
        }
        Ok(())
    }

    fn duplicate(
        &self,
        database: &Database,
        table: &TableSchema,
        columns: &[usize],
        a: Place,
        b: Place,
    ) -> OvsdbError {
        let (first, second) = if a < b { (b, a) } else { (a, b) };
        let values = database.row(a.0, a.1).map_or_else(String::new, |row| values(table, columns, row));
        OvsdbError::constraint(format!(
            "Transaction causes multiple rows in \"{}\" table to have identical values ({values}) for index on {}.  \
             First row, with UUID {}, {}  Second row, with UUID {}, {}",
            table.name,
            table.column_list(columns),
            first.1,
            self.origin(database, table, columns, first),
            second.1,
            self.origin(database, table, columns, second),
        ))
    }

    /// Where a row of a clash came from.
    fn origin(&self, database: &Database, table: &TableSchema, columns: &[usize], place: Place) -> String {
        let now = database.row(place.0, place.1);
        let Some(touched) = self.touched.get(&place) else {
            return UNTOUCHED.to_owned();
        };
        match (&touched.old, now) {
            (None, _) => "was inserted by this transaction.".to_owned(),
            (Some(old), Some(now)) if old.row.same_content(now) => UNTOUCHED.to_owned(),
            (Some(old), Some(now)) if index_key(&old.row, columns) == index_key(now, columns) => {
                "existed in the database before this transaction, which modified some of the row's columns but not \
                 any columns in this index."
                    .to_owned()
            }
            (Some(old), _) => {
                let before = values(table, columns, &old.row);
                format!("had the following index values before the transaction: {before}.")
            }
        }
    }
}

const UNTOUCHED: &str =
    "existed in the database before this transaction and was not modified by the transaction.";

fn values(table: &TableSchema, columns: &[usize], row: &Row) -> String {
    let texts = columns.iter().filter_map(|&at| Some(row.get(at).to_text(&table.columns.get(at)?.kind)));
    english_list(&texts.collect::<Vec<_>>())
}
