//! Transactions of a replica: operations, and what must still be as the replica saw it.

use serde_json::{Map, Value, json};

use super::RowView;
use crate::uuid::Uuid;

/// Operations under construction. Values are in RFC 7047's notation.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    operations: Vec<Value>,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq)]
pub enum TransactionResult {
    /// It was carried out: the rows it inserted, and the results of all operations.
    Committed {
        /// In the order of the inserts.
        inserted: Vec<Uuid>,
        /// One per operation.
        results: Vec<Value>,
    },
    /// A prerequisite does not hold any more: look again, and try again.
    TryAgain,
    /// The lock is not ours.
    NotOwner,
    /// It was refused.
    Refused {
        /// What [`OvsdbError`](crate::OvsdbError) calls its tag.
        error: String,
        /// For people.
        details: String,
    },
    /// The connection was lost, so nobody knows.
    Lost,
}

fn object(fields: &[(&str, Value)]) -> Value {
    Value::Object(
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Map<_, _>>(),
    )
}

fn at(uuid: Uuid) -> Value {
    json!([["_uuid", "==", ["uuid", uuid.to_string()]]])
}

impl Transaction {
    /// A transaction that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on only if these columns of the row are still what the replica has.
    pub fn require(&mut self, row: RowView<'_>, columns: &[&str]) -> &mut Self {
        let values: Vec<(&str, Value)> = columns.iter().map(|&column| (column, row.json(column))).collect();
        self.push(
            json!({"op": "wait", "table": &*row.schema.name, "where": at(row.uuid()), "columns": columns,
            "until": "==", "rows": [object(&values)], "timeout": 0}),
        )
    }

    /// Inserts a row, which other operations may call `["named-uuid", name]`.
    pub fn insert(&mut self, table: &str, name: &str, fields: &[(&str, Value)]) -> &mut Self {
        self.push(json!({"op": "insert", "table": table, "uuid-name": name, "row": object(fields)}))
    }

    /// Gives columns of a row new values.
    pub fn update(&mut self, row: RowView<'_>, fields: &[(&str, Value)]) -> &mut Self {
        self.push(json!({"op": "update", "table": &*row.schema.name, "where": at(row.uuid()), "row": object(fields)}))
    }

    /// Changes a column of a row: `+=`, `insert`, `delete`, ...
    pub fn mutate(&mut self, row: RowView<'_>, column: &str, mutator: &str, operand: Value) -> &mut Self {
        let mutation = json!([column, mutator, operand]);
        self.push(json!({"op": "mutate", "table": &*row.schema.name, "where": at(row.uuid()),
            "mutations": [mutation]}))
    }

    /// Deletes a row.
    pub fn delete(&mut self, row: RowView<'_>) -> &mut Self {
        self.push(json!({"op": "delete", "table": &*row.schema.name, "where": at(row.uuid())}))
    }

    /// Says in the log what it is about.
    pub fn comment(&mut self, comment: &str) -> &mut Self {
        self.push(json!({"op": "comment", "comment": comment}))
    }

    /// Any operation.
    pub fn push(&mut self, operation: Value) -> &mut Self {
        self.operations.push(operation);
        self
    }

    pub(super) fn into_params(self, database: &str, lock: Option<&str>) -> Value {
        let assert = lock.map(|lock| json!({"op": "assert", "lock": lock}));
        // The assertion is last: so results stand where their operations do.
        Value::Array([json!(database)].into_iter().chain(self.operations).chain(assert).collect())
    }
}

impl TransactionResult {
    pub(super) fn from_reply(reply: Result<Value, Value>) -> Self {
        let refused = |error: &Value| {
            let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            match error["error"].as_str() {
                Some("timed out") => Self::TryAgain,
                Some("not owner") => Self::NotOwner,
                _ if error.is_object() => Self::Refused { error: text("error"), details: text("details") },
                _ => Self::Refused { error: error.to_string(), details: String::new() },
            }
        };
        let results = match reply {
            Ok(Value::Array(results)) => results,
            Ok(error) | Err(error) => return refused(&error),
        };
        if let Some(error) = results.iter().find(|result| result.get("error").is_some()) {
            return refused(error);
        }
        let uuid = |result: &Value| result["uuid"].get(1)?.as_str()?.parse().ok();
        Self::Committed { inserted: results.iter().filter_map(uuid).collect(), results }
    }
}
