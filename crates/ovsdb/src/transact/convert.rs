//! The same rows under another schema.

use super::Txn;
use crate::data::Datum;
use crate::error::OvsdbError;
use crate::schema::Schema;
use crate::store::{Database, Row};
use crate::uuid::UuidSource;

/// Makes a database of `schema` with the rows of `source`: tables and columns that `schema` has not are left out,
/// new columns have their defaults.
///
/// # Errors
/// What does not fit the new schema.
pub fn convert(source: &Database, schema: Schema, uuids: &mut UuidSource) -> Result<Database, OvsdbError> {
    let mut database = Database::new(schema);
    let mut txn = Txn::default();
    let schema = std::sync::Arc::clone(database.schema());
    for (at, old) in source.schema().tables.iter().enumerate() {
        let Some((table, new)) = schema.table(&old.name).and_then(|t| Some((t, schema.tables.get(t)?)))
        else {
            continue;
        };
        for row in source.rows(at) {
            let mut converted = Row::new(new);
            for (from, column) in old.columns.iter().enumerate().skip(2) {
                let Some(to) = new.column(&column.name) else { continue };
                let Some(kind) = new.columns.get(to).map(|column| &column.kind) else { continue };
                let mut text = String::new();
                row.get(from).emit(&column.kind, &mut text);
                let json = serde_json::from_str(&text).unwrap_or_default();
                converted.set(to, Datum::from_json(kind, &json, None)?);
            }
            converted.set_uuid(row.uuid());
            converted.set_version(uuids.generate());
            txn.insert(&mut database, table, converted);
        }
    }
    txn.commit(&mut database, uuids)?;
    Ok(database)
}
