//! The schema that configures a switch, out of a table of its columns: for whoever makes a database without having the
//! schema's file.

mod columns;

use serde_json::{Map, Value, json};

use crate::error::OvsdbError;
use crate::schema::Schema;

/// The schema `Open_vSwitch`.
///
/// # Errors
/// Never, as a test shows.
pub fn schema() -> Result<Schema, OvsdbError> {
    let mut tables = Map::new();
    let mut table: Option<(String, Value)> = None;
    for line in columns::COLUMNS.lines() {
        match (line.strip_prefix("  "), &mut table) {
            (Some(line), Some((_, table))) => {
                let (name, column) = column(line);
                if let Some(columns) = table.get_mut("columns").and_then(Value::as_object_mut) {
                    columns.insert(name, column);
                }
            }
            _ => {
                tables.extend(table.take());
                table = Some(head(line));
            }
        }
    }
    tables.extend(table);
    Schema::from_json(&json!({"name": "Open_vSwitch", "version": "8.3.1", "tables": tables}))
}

/// A table without its columns.
fn head(line: &str) -> (String, Value) {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let mut table = json!({"columns": {}});
    let mut indexes = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some(("index", names)) => indexes.push(names.split(',').collect::<Value>()),
            Some((_, rows)) => table["maxRows"] = integer(rows),
            None => table["isRoot"] = json!(true),
        }
    }
    if !indexes.is_empty() {
        table["indexes"] = Value::Array(indexes);
    }
    (name.to_owned(), table)
}

fn column(line: &str) -> (String, Value) {
    let mut words = line.split(' ');
    let (name, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut kind = match kind.split_once('=') {
        Some((key, value)) => json!({"key": base(key), "value": base(value)}),
        None => json!({"key": base(kind)}),
    };
    let mut column = json!({});
    for word in words {
        match word {
            "ephemeral" => column["ephemeral"] = json!(true),
            "fixed" => column["mutable"] = json!(false),
            count => {
                let (least, most) = match count {
                    "?" => (0, json!(1)),
                    "*" => (0, json!("unlimited")),
                    "+" => (1, json!("unlimited")),
                    other => (0, integer(other.trim_start_matches("0.."))),
                };
                kind["min"] = json!(least);
                kind["max"] = most;
            }
        }
    }
    column["type"] = kind;
    (name.to_owned(), column)
}

fn base(text: &str) -> Value {
    if let Some(table) = text.strip_prefix("->") {
        return json!({"type": "uuid", "refTable": table});
    }
    if let Some(table) = text.strip_prefix("~>") {
        return json!({"type": "uuid", "refTable": table, "refType": "weak"});
    }
    if let Some((least, most)) =
        text.strip_prefix("integer(").and_then(|rest| rest.strip_suffix(')')?.split_once(".."))
    {
        let mut base = json!({"type": "integer"});
        for (name, bound) in [("minInteger", least), ("maxInteger", most)] {
            if !bound.is_empty() {
                base[name] = integer(bound);
            }
        }
        return base;
    }
    if text.contains('|') {
        let words: Vec<&str> = text.split('|').collect();
        return json!({"type": "string", "enum": ["set", words]});
    }
    json!({"type": text})
}

fn integer(text: &str) -> Value {
    text.parse::<i64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_all_tables() {
        let schema = schema().unwrap();
        assert_eq!(schema.tables.len(), 19);
        let bridge = &schema.tables[schema.table("Bridge").unwrap()];
        assert_eq!(bridge.indexes, [[bridge.column("name").unwrap()]]);
        assert!(!bridge.columns[bridge.column("datapath_id").unwrap()].persistent);
    }

    #[test]
    fn it_is_the_schema_that_open_vswitch_brings() {
        let file = "/usr/share/openvswitch/vswitch.ovsschema";
        let Ok(text) = std::fs::read_to_string(file) else {
            eprintln!("SKIPPED: {file} is not installed");
            return;
        };
        let theirs = Schema::parse(&text).unwrap();
        let (ours, mut theirs) = (schema().unwrap().to_json(), theirs.to_json());
        // A sum over the text of the file, which is theirs.
        theirs.as_object_mut().unwrap().remove("cksum");
        // Another release has other columns.
        if theirs["version"] == ours["version"] {
            assert!(ours == theirs, "{ours}\n{theirs}");
        }
    }
}
