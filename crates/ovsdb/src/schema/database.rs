//! The schema of a database.
//!
//! Source: RFC 7047 §3.2 `<database-schema>`; `cksum` is Open vSwitch's extension.

use serde_json::{Map, Value, json};

use super::table::check_name;
use super::{ColumnSchema, Constraint, TableSchema};
use crate::error::OvsdbError;
use crate::json::{Kinds, Members};

/// A schema. Its tables are named by their place, in order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The database's name.
    pub name: String,
    /// `x.y.z`, or empty in old databases.
    pub version: String,
    /// What the author's tool computed of the text, or empty.
    pub cksum: String,
    /// The tables.
    pub tables: Vec<TableSchema>,
}

impl Schema {
    /// Reads the text of a schema.
    ///
    /// # Errors
    /// `syntax error` with what is wrong.
    pub fn parse(text: &str) -> Result<Self, OvsdbError> {
        let json = serde_json::from_str(text);
        Self::from_json(&json.map_err(|e| OvsdbError::new("syntax error", format!("not JSON: {e}")))?)
    }

    /// Reads a schema.
    ///
    /// # Errors
    /// `syntax error` with what is wrong.
    pub fn from_json(json: &Value) -> Result<Self, OvsdbError> {
        let mut members = Members::new(json, &"database schema");
        let name = members.text("name", Kinds::ID);
        let version = members.text("version", Kinds::STRING.optional());
        let cksum = members.text("cksum", Kinds::STRING.optional());
        let tables = members.take("tables", Kinds::OBJECT).and_then(Value::as_object);
        members.finish()?;
        if let Some(version) = version.filter(|version| !is_version(version)) {
            return Err(OvsdbError::syntax(
                json,
                format!("schema version \"{version}\" not in format x.y.z"),
            ));
        }
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let mut schema =
            Self { name: text(name), version: text(version), cksum: text(cksum), tables: Vec::new() };
        for (name, table) in tables.into_iter().flatten() {
            check_name(json, name)?;
            schema.tables.push(TableSchema::from_json(name, table)?);
        }
        schema.tables.sort_by(|a, b| a.name.cmp(&b.name));
        // Before there was garbage collection, no schema said isRoot: then every row lives by itself.
        if !schema.tables.iter().any(|table| table.is_root) {
            schema.tables.iter_mut().for_each(|table| table.is_root = true);
        }
        schema.resolve_references()?;
        Ok(schema)
    }

    /// The place of the table `name`.
    pub fn table(&self, name: &str) -> Option<usize> {
        self.tables.binary_search_by(|table| (*table.name).cmp(name)).ok()
    }

    /// The schema as JSON.
    pub fn to_json(&self) -> Value {
        let all_root = self.tables.iter().all(|table| table.is_root);
        let tables = self.tables.iter().map(|table| (table.name.to_string(), table.to_json(all_root)));
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(self.name));
        object.insert("tables".to_owned(), Value::Object(tables.collect()));
        for (name, text) in [("version", &self.version), ("cksum", &self.cksum)] {
            if !text.is_empty() {
                object.insert(name.to_owned(), json!(text));
            }
        }
        Value::Object(object)
    }

    /// Finds the tables that columns refer to.
    fn resolve_references(&mut self) -> Result<(), OvsdbError> {
        let known: Vec<(std::sync::Arc<str>, bool)> =
            self.tables.iter().map(|table| (table.name.clone(), table.is_root)).collect();
        for column in self.tables.iter_mut().flat_map(|table| &mut table.columns) {
            resolve(column, &known)?;
        }
        self.tables.iter_mut().for_each(TableSchema::note_references);
        Ok(())
    }
}

fn resolve(column: &mut ColumnSchema, known: &[(std::sync::Arc<str>, bool)]) -> Result<(), OvsdbError> {
    let kind = &mut column.kind;
    let bases = [Some((&mut kind.key, "key")), kind.value.as_mut().map(|value| (value, "value"))];
    for (base, which) in bases.into_iter().flatten() {
        let Constraint::Reference(reference) = &mut base.constraint else { continue };
        let Ok(index) = known.binary_search_by(|(name, _)| (**name).cmp(&reference.table)) else {
            let details =
                format!("column {} {which} refers to undefined table {}", column.name, reference.table);
            return Err(OvsdbError::new("syntax error", details));
        };
        reference.index = index;
        // What keeps a row must outlive a restart, or reading the file would collect the row as garbage.
        if reference.strong && !known.get(index).is_some_and(|(_, is_root)| *is_root) {
            column.persistent = true;
        }
    }
    Ok(())
}

/// Three numbers with dots between.
fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(tables: Value) -> Result<Schema, OvsdbError> {
        Schema::from_json(&json!({"name": "db", "version": "1.0.0", "tables": tables}))
    }

    #[test]
    fn a_schema_is_read_and_written_the_same() {
        let json = json!({"name": "db", "version": "1.2.3", "cksum": "1 2", "tables": {
            "Root": {"isRoot": true, "maxRows": 1, "columns": {
                "leaves": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": "unlimited"}},
                "status": {"type": "string", "ephemeral": true}}},
            "Leaf": {"indexes": [["name", "a"]], "columns": {
                "name": {"type": "string", "mutable": false}, "a": {"type": "integer"}}}}});
        let read = Schema::from_json(&json).unwrap();
        assert_eq!(read.to_json(), json);
        let leaf = &read.tables[read.table("Leaf").unwrap()];
        assert_eq!((leaf.column("_uuid"), leaf.column("name"), leaf.column("b")), (Some(0), Some(3), None));
        assert_eq!(leaf.indexes, [[3, 2]]);
        assert_eq!(read.table("Lea"), None);
    }

    #[test]
    fn without_a_root_every_table_is_one() {
        let read = schema(json!({"a": {"columns": {"x": {"type": "string"}}}})).unwrap();
        assert!(read.tables[0].is_root);
        assert!(read.to_json()["tables"]["a"].get("isRoot").is_none());
    }

    #[test]
    fn a_strong_reference_to_garbage_is_persistent() {
        let column = |to: &str| json!({"type": {"key": {"type": "uuid", "refTable": to}, "min": 0}, "ephemeral": true});
        let tables = json!({"R": {"isRoot": true, "columns": {"l": column("L"), "r": column("R")}},
            "L": {"columns": {"x": {"type": "string"}}}});
        let read = schema(tables).unwrap();
        let root = &read.tables[1];
        assert!(root.columns[2].persistent, "l keeps rows");
        assert!(!root.columns[3].persistent, "r need not");
    }

    #[test]
    fn wrong_schemas_are_told() {
        let x = json!({"x": {"type": "string"}});
        for (tables, details) in [
            (json!({"_a": {"columns": x}}), "names beginning with \"_\" are reserved"),
            (json!({"a-b": {"columns": x}}), "name must be a valid id"),
            (json!({"a": {"columns": {}}}), "table must have at least one column"),
            (json!({"a": {"columns": x, "maxRows": 0}}), "maxRows must be at least 1"),
            (json!({"a": {"columns": x, "indexes": [["y"]]}}), "y is not a valid column name"),
            (
                json!({"a": {"columns": x, "indexes": [["x", "x"]]}}),
                "array of distinct column names expected",
            ),
            (json!({"a": {"columns": x, "indexes": [[]]}}), "index must have at least one column"),
            (
                json!({"a": {"columns": {"x": {"type": "string", "ephemeral": true}}, "indexes": [["x"]]}}),
                "ephemeral columns (such as x) may not be indexed",
            ),
            (
                json!({"a": {"columns": {"x": {"type": {"key": {"type": "uuid", "refTable": "b"}}}}}}),
                "column x key refers to undefined table b",
            ),
        ] {
            assert_eq!(schema(tables).unwrap_err().details, details);
        }
        let version = Schema::parse(r#"{"name": "a", "version": "1.2", "tables": {}}"#);
        assert_eq!(version.unwrap_err().details, "schema version \"1.2\" not in format x.y.z");
    }
}
