//! The `<row>` of an operation: some columns with their values.

use serde_json::Value;

use super::condition::unknown_column;
use crate::data::{Datum, Symbols};
use crate::error::OvsdbError;
use crate::schema::TableSchema;

/// Reads the columns of a row that are given, in order of their names.
///
/// # Errors
/// `unknown column`, or what is wrong with a value.
pub(crate) fn fields_from_json(
    table: &TableSchema,
    json: &Value,
    mut symbols: Option<&mut Symbols<'_>>,
) -> Result<Vec<(usize, Datum)>, OvsdbError> {
    let Some(object) = json.as_object() else {
        return Err(OvsdbError::syntax(json, "row must be JSON object"));
    };
    let mut fields = Vec::with_capacity(object.len());
    for (name, value) in object {
        let column = table.column(name).and_then(|at| Some((at, table.columns.get(at)?)));
        let (at, column) = column.ok_or_else(|| unknown_column(json, name, table))?;
        fields.push((at, Datum::from_json(&column.kind, value, symbols.as_deref_mut())?));
    }
    Ok(fields)
}
