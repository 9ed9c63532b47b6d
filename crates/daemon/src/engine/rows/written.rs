//! What the database has, and what is to be said so that it has other rows.

use std::collections::{BTreeMap, BTreeSet};

use netloom_switch::config::Uuid;
use serde_json::{Map, Value, json};

/// A row: its table, its name, its columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) table: &'static str,
    pub(super) uuid: Uuid,
    pub(super) columns: Map<String, Value>,
}

impl Row {
    /// The row of these words, without columns: the same words are always the same row.
    pub(super) fn new(table: &'static str, words: &[&str]) -> Self {
        let words: Vec<&str> = std::iter::once(table).chain(words.iter().copied()).collect();
        Self { table, uuid: Uuid::named(&words), columns: Map::new() }
    }

    pub(super) fn set(&mut self, column: &str, value: impl Into<Value>) {
        self.columns.insert(column.to_owned(), value.into());
    }

    /// A reference to it.
    pub(super) fn reference(&self) -> Value {
        json!(["uuid", self.uuid.to_string()])
    }
}

/// The rows that were written.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeMap<(&'static str, Uuid), Map<String, Value>>);

impl Written {
    /// Somebody else has written these columns of these rows, named by their column `name`.
    pub(super) fn doubt(&mut self, table: &'static str, names: &BTreeSet<String>, columns: &[&str]) {
        if names.is_empty() {
            return;
        }
        for ((of, _), known) in &mut self.0 {
            if *of == table
                && known.get("name").and_then(Value::as_str).is_some_and(|name| names.contains(name))
            {
                columns.iter().for_each(|column| drop(known.remove(*column)));
            }
        }
    }

    /// Somebody else has removed these rows.
    pub(super) fn forget(&mut self, rows: &BTreeSet<String>) {
        if !rows.is_empty() {
            self.0.retain(|(_, uuid), _| !rows.contains(&uuid.to_string()));
        }
    }

    /// The operations after which the database has these rows. Rows that nobody refers to any more go by themselves.
    pub(super) fn change(&mut self, rows: Vec<Row>) -> Vec<Value> {
        let mut operations = Vec::new();
        let mut new = BTreeMap::new();
        for Row { table, uuid, columns } in rows {
            let name = uuid.to_string();
            match self.0.get(&(table, uuid)) {
                None => operations
                    .push(json!({"op": "insert", "table": table, "uuid": name, "row": columns.clone()})),
                Some(known) => {
                    let differs = |(column, value): &(&String, &Value)| known.get(*column) != Some(*value);
                    let different: Map<String, Value> = columns
                        .iter()
                        .filter(differs)
                        .map(|(column, value)| (column.clone(), value.clone()))
                        .collect();
                    if !different.is_empty() {
                        let here = json!([["_uuid", "==", ["uuid", name]]]);
                        let update = json!({"op": "update", "table": table, "where": here, "row": different});
                        operations.push(update);
                    }
                }
            }
            new.insert((table, uuid), columns);
        }
        self.0 = new;
        operations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_said() {
        let mut written = Written::default();
        let row = |number: u32| {
            let mut row = Row::new("Interface", &["s1", "s1-eth1"]);
            row.set("name", "s1-eth1");
            row.set("ofport", number);
            row
        };
        let first = written.change(vec![row(1)]);
        assert_eq!(first.len(), 1);
        assert_eq!((&first[0]["op"], &first[0]["row"]["ofport"]), (&json!("insert"), &json!(1)));
        assert_eq!(written.change(vec![row(1)]), Vec::<Value>::new());
        let second = written.change(vec![row(2)]);
        assert_eq!((&second[0]["op"], &second[0]["row"]), (&json!("update"), &json!({"ofport": 2})));
        written.doubt("Interface", &BTreeSet::from(["another".to_owned()]), &["ofport"]);
        assert!(written.change(vec![row(2)]).is_empty());
        written.doubt("Interface", &BTreeSet::from(["s1-eth1".to_owned()]), &["ofport"]);
        assert_eq!(written.change(vec![row(2)])[0]["row"], json!({"ofport": 2}), "said once more");
        written.forget(&BTreeSet::from([row(2).uuid.to_string()]));
        assert_eq!(written.change(vec![row(2)])[0]["op"], json!("insert"), "somebody removed it");
        assert!(written.change(Vec::new()).is_empty());
        assert_eq!(written.change(vec![row(2)])[0]["op"], json!("insert"), "it had gone");
    }
}
