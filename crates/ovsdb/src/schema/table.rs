//! A table of a database.
//!
//! Source: RFC 7047 §3.2 `<table-schema>`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::ColumnSchema;
use crate::error::OvsdbError;
use crate::json::{Kinds, Members, integer, is_id};

/// The place of `_uuid` in every table.
pub(crate) const UUID: usize = 0;
/// The place of `_version` in every table.
pub(crate) const VERSION: usize = 1;

/// A table. Its columns are named by their place: `_uuid`, `_version`, then the others in order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// Its name.
    pub name: Arc<str>,
    /// Its columns, the implicit ones first.
    pub columns: Vec<ColumnSchema>,
    /// The most rows it may have.
    pub max_rows: u32,
    /// Whether its rows live without a reference to them.
    pub is_root: bool,
    /// Sets of columns (by their place), in each of which no two rows agree.
    pub indexes: Vec<Vec<usize>>,
    /// The columns with strong references.
    pub(crate) strong: Vec<usize>,
    /// The columns with weak references.
    pub(crate) weak: Vec<usize>,
    mutable: bool,
}

impl TableSchema {
    /// The place of the column `name`.
    pub fn column(&self, name: &str) -> Option<usize> {
        match name {
            "_uuid" => Some(UUID),
            "_version" => Some(VERSION),
            _ => {
                let own = self.columns.get(2..)?;
                own.binary_search_by(|column| (*column.name).cmp(name)).ok().map(|at| at + 2)
            }
        }
    }

    /// Whether a row can be refused, or go, for anything but its values: for what it refers to, for what refers to it not,
    /// for another row that is the same, for being one too many.
    pub(crate) fn is_checked(&self) -> bool {
        let refers = !self.strong.is_empty() || !self.weak.is_empty();
        refers || !self.is_root || !self.indexes.is_empty() || self.max_rows != u32::MAX
    }

    /// The columns that messages list: names, in a sentence.
    pub(crate) fn column_list(&self, columns: &[usize]) -> String {
        let names: Vec<String> = columns
            .iter()
            .filter_map(|&at| self.columns.get(at))
            .map(|c| format!("\"{}\"", c.name))
            .collect();
        let plural = if names.len() > 1 { "s" } else { "" };
        format!("column{plural} {}", english_list(&names))
    }

    /// The columns an array names, each once; all of them if there is no array.
    pub(crate) fn column_set(&self, json: Option<&Value>) -> Result<Vec<usize>, OvsdbError> {
        let Some(json) = json else { return Ok((0..self.columns.len()).collect()) };
        let distinct = || OvsdbError::syntax(json, "array of distinct column names expected");
        let mut set = Vec::new();
        for name in json.as_array().ok_or_else(distinct)? {
            let name = name.as_str().ok_or_else(distinct)?;
            let column = self.column(name);
            let unknown = || OvsdbError::syntax(json, format!("{name} is not a valid column name"));
            let column = column.ok_or_else(unknown)?;
            if set.contains(&column) {
                return Err(distinct());
            }
            set.push(column);
        }
        Ok(set)
    }

    pub(super) fn from_json(name: &str, json: &Value) -> Result<Self, OvsdbError> {
        let what = format!("table schema for table {name}");
        let mut members = Members::new(json, &what);
        let columns = members.take("columns", Kinds::OBJECT).and_then(Value::as_object);
        let mutable = members.boolean("mutable").unwrap_or(true);
        let max_rows = members.take("maxRows", Kinds::INTEGER.optional()).and_then(integer);
        let is_root = members.boolean("isRoot").unwrap_or(false);
        let indexes = members.take("indexes", Kinds::ARRAY.optional()).and_then(Value::as_array);
        members.finish()?;
        if max_rows.is_some_and(|rows| rows <= 0) {
            return Err(OvsdbError::syntax(json, "maxRows must be at least 1"));
        }
        let max_rows = max_rows.map_or(u32::MAX, |rows| u32::try_from(rows).unwrap_or(u32::MAX));
        let implicit = [ColumnSchema::implicit("_uuid", true), ColumnSchema::implicit("_version", false)];
        let mut table = Self {
            name: Arc::from(name),
            columns: implicit.into(),
            max_rows,
            is_root,
            indexes: Vec::new(),
            strong: Vec::new(),
            weak: Vec::new(),
            mutable,
        };
        table.add_columns(json, columns)?;
        for index in indexes.into_iter().flatten() {
            table.add_index(json, index)?;
        }
        Ok(table)
    }

    fn add_columns(&mut self, json: &Value, columns: Option<&Map<String, Value>>) -> Result<(), OvsdbError> {
        let Some(columns) = columns.filter(|columns| !columns.is_empty()) else {
            return Err(OvsdbError::syntax(json, "table must have at least one column"));
        };
        for (name, column) in columns {
            check_name(json, name)?;
            self.columns.push(ColumnSchema::from_json(name, column)?);
        }
        if let Some(own) = self.columns.get_mut(2..) {
            own.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(())
    }

    fn add_index(&mut self, json: &Value, index: &Value) -> Result<(), OvsdbError> {
        let columns = self.column_set(Some(index))?;
        if columns.is_empty() {
            return Err(OvsdbError::syntax(json, "index must have at least one column"));
        }
        let ephemeral =
            columns.iter().filter_map(|&at| self.columns.get(at)).find(|column| !column.persistent);
        if let Some(column) = ephemeral {
            let details = format!("ephemeral columns (such as {}) may not be indexed", column.name);
            return Err(OvsdbError::syntax(json, details));
        }
        self.indexes.push(columns);
        Ok(())
    }

    /// Notes which columns refer to rows.
    pub(super) fn note_references(&mut self) {
        let with = |strong: bool| -> Vec<usize> {
            let has = |column: &ColumnSchema| column.kind.references().any(|to| to.strong == strong);
            self.columns.iter().enumerate().filter(|(_, column)| has(column)).map(|(at, _)| at).collect()
        };
        (self.strong, self.weak) = (with(true), with(false));
    }

    /// The table as JSON; `isRoot` is written only if it is not `default_is_root`.
    pub(super) fn to_json(&self, default_is_root: bool) -> Value {
        let columns = self.columns.iter().skip(2).map(|c| (c.name.to_string(), c.to_json()));
        let mut object = Map::new();
        object.insert("columns".to_owned(), Value::Object(columns.collect()));
        if !self.mutable {
            object.insert("mutable".to_owned(), json!(false));
        }
        if self.is_root != default_is_root {
            object.insert("isRoot".to_owned(), json!(self.is_root));
        }
        if self.max_rows != u32::MAX {
            object.insert("maxRows".to_owned(), json!(self.max_rows));
        }
        if !self.indexes.is_empty() {
            let names = |index: &Vec<usize>| -> Value {
                index.iter().filter_map(|&at| self.columns.get(at)).map(|c| json!(&*c.name)).collect()
            };
            object.insert("indexes".to_owned(), self.indexes.iter().map(names).collect());
        }
        Value::Object(object)
    }
}

/// Refuses names that no table and no column may have.
pub(super) fn check_name(json: &Value, name: &str) -> Result<(), OvsdbError> {
    if name.starts_with('_') {
        Err(OvsdbError::syntax(json, "names beginning with \"_\" are reserved"))
    } else if is_id(name) {
        Ok(())
    } else {
        Err(OvsdbError::syntax(json, "name must be a valid id"))
    }
}

/// `a`, `a and b`, `a, b, and c`.
pub(crate) fn english_list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    }
}
