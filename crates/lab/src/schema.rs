//! The published JSON Schema of the lab file, made from the same tables of keys that the readers use.

use serde_json::{Map, Value, json};

use crate::file::keys::{self, Key, Shape, Table};

/// The JSON Schema (draft 2020-12) of a lab file, for editors.
#[must_use]
pub fn schema() -> Value {
    let mut root = table(keys::TOP);
    if let Value::Object(map) = &mut root {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".into(), json!("netloom lab file"));
        map.insert("required".into(), json!(["netloom"]));
    }
    root
}

fn table(table: Table) -> Value {
    let keys = table.iter().flat_map(|group| group.iter());
    let properties: Map<String, Value> = keys.map(|key| (key.name.to_owned(), property(key))).collect();
    json!({ "type": ["object", "null"], "properties": properties, "additionalProperties": false })
}

fn property(key: &Key) -> Value {
    let mut value = shape(&key.shape);
    if let Value::Object(map) = &mut value {
        let about = match key.shape {
            Shape::Later => format!("Not yet supported: {}.", key.about),
            _ => key.about.to_owned(),
        };
        map.insert("description".into(), json!(about));
    }
    value
}

fn shape(shape_: &Shape) -> Value {
    // A value may always be `$variable`.
    match shape_ {
        Shape::Text => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Flag => json!({ "type": ["boolean", "string"], "pattern": VARIABLE }),
        Shape::Integer(least, most) => {
            json!({ "type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": VARIABLE })
        }
        Shape::Duration => quantity("(ns|us|µs|ms|s|m|min|h)"),
        Shape::Rate => quantity("([kKmMgGtT]?[bB]it)"),
        Shape::Queue => quantity("([kKmMgGtT]?[iI]?[bB])?"),
        Shape::Size => quantity("([kKmMgGtT]?[iI]?[bB])"),
        Shape::Share => quantity("%"),
        Shape::Processors => {
            let number = r"[0-9]+(\.[0-9]{1,3})?";
            let pattern = format!(r"^\s*{number}(\.\.{number})?\s*$|\$");
            json!({ "type": ["string", "number"], "minimum": 0.01, "pattern": pattern })
        }
        Shape::Memory => {
            let size = r"[0-9]+(\.[0-9]+)?\s*[kKmMgGtT]?[iI]?[bB]";
            json!({ "type": "string", "pattern": format!(r"^\s*{size}(\s*\.\.\s*{size})?\s*$|\$") })
        }
        Shape::Choice(words) => {
            json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": VARIABLE }] })
        }
        Shape::Table(keys) => table(keys),
        Shape::Each(keys) => json!({ "type": ["object", "null"], "additionalProperties": table(keys) }),
        Shape::MapTo(inner) => json!({ "type": ["object", "null"], "additionalProperties": shape(inner) }),
        // Where a list is wanted, one item may stand alone.
        Shape::List(inner) => {
            let item = shape(inner);
            json!({ "anyOf": [{ "type": "array", "items": item }, item, { "type": "null" }] })
        }
        Shape::Any(shapes) => json!({ "anyOf": shapes.iter().map(shape).collect::<Vec<_>>() }),
        Shape::Later => json!({ "not": {} }),
    }
}

const VARIABLE: &str = r"\$";

fn quantity(unit: &str) -> Value {
    let pattern = format!(r"^\s*[0-9]+(\.[0-9]+)?\s*{unit}\s*$|^0$|\$");
    json!({ "type": ["string", "integer"], "pattern": pattern })
}
