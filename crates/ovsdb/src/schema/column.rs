//! A column of a table.
//!
//! Source: RFC 7047 §3.2 `<column-schema>`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{AtomicType, BaseType, ColumnType};
use crate::data::Datum;
use crate::error::OvsdbError;
use crate::json::{Kinds, Members};

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Its name.
    pub name: Arc<str>,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether it may change after the row was inserted.
    pub mutable: bool,
    /// Whether it is in the file. The other columns are called ephemeral.
    pub persistent: bool,
    /// What a row has where nothing was said.
    pub default: Datum,
}

impl ColumnSchema {
    /// A column that every table has: `_uuid` or `_version`.
    pub(super) fn implicit(name: &str, persistent: bool) -> Self {
        let kind = ColumnType::scalar(BaseType::plain(AtomicType::Uuid));
        let default = Datum::default_of(&kind);
        Self { name: Arc::from(name), kind, mutable: false, persistent, default }
    }

    pub(super) fn from_json(name: &str, json: &Value) -> Result<Self, OvsdbError> {
        let what = format!("schema for column {name}");
        let mut members = Members::new(json, &what);
        let mutable = members.boolean("mutable").unwrap_or(true);
        let persistent = !members.boolean("ephemeral").unwrap_or(false);
        let kind = members.take("type", Kinds::STRING.or(Kinds::OBJECT));
        members.finish()?;
        let kind = ColumnType::from_json(kind.unwrap_or(&Value::Null))?;
        let default = Datum::default_of(&kind);
        Ok(Self { name: Arc::from(name), kind, mutable, persistent, default })
    }

    pub(super) fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".to_owned(), self.kind.to_json());
        if !self.mutable {
            object.insert("mutable".to_owned(), json!(false));
        }
        if !self.persistent {
            object.insert("ephemeral".to_owned(), json!(true));
        }
        Value::Object(object)
    }
}
