//! Carrying out a transaction: the operations in order, the results as JSON text.
//!
//! Source: RFC 7047 §4.1.3, §5.2.

use std::fmt;

use serde_json::Value;

use super::commit::Commit;
use super::operations::Execution;
use super::{Guard, Txn};
use crate::data::Symbols;
use crate::error::OvsdbError;
use crate::json::{Kinds, Members};
use crate::store::Database;
use crate::uuid::UuidSource;

/// What a transaction may know of who asks for it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Whether this client has the lock of that name.
    pub owns_lock: &'a dyn Fn(&str) -> bool,
    /// Milliseconds since the transaction was first tried.
    pub elapsed_ms: u64,
    /// Whether changes are refused.
    pub read_only: bool,
    /// Whether an unmet `wait` may be tried again later.
    pub may_wait: bool,
    /// Who has the last word, if somebody has.
    pub guard: Option<&'a dyn Guard>,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("elapsed_ms", &self.elapsed_ms).finish_non_exhaustive()
    }
}

/// What became of a transaction.
#[derive(Debug)]
pub enum Outcome {
    /// It is over.
    Done {
        /// The `result` of the reply: an array with an element per operation, or an error object.
        result: String,
        /// What it changed, if it was carried out.
        commit: Option<Commit>,
    },
    /// A `wait` is not met. Nothing has changed.
    Waiting {
        /// When to try for the last time, in milliseconds after the first; `None`: never.
        timeout_ms: Option<u64>,
    },
}

/// Carries out the transaction in `params`: the database's name, then operations.
pub fn execute(
    database: &mut Database,
    params: &Value,
    context: Context<'_>,
    uuids: &mut UuidSource,
) -> Outcome {
    let failed = |error: OvsdbError| Outcome::Done { result: error.to_json_text(), commit: None };
    let Some(params_array) = params.as_array() else {
        return failed(OvsdbError::syntax(params, "array expected"));
    };
    let operations = match params_array.split_first() {
        Some((Value::String(name), operations)) if *name == database.schema().name => operations,
        _ => return failed(OvsdbError::syntax(params, "database name expected as first parameter")),
    };
    let mut out = String::with_capacity(64 * (1 + operations.len()));
    out.push('[');
    let mut error = None;
    let mut timeout_ms = None;
    let mut execution =
        Execution { database, txn: Txn::default(), symbols: Symbols::new(uuids), context, timeout_ms: None };
    operations.iter().for_each(|operation| reserve(&mut execution.symbols, operation));
    for (at, operation) in operations.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if error.is_some() {
            out.push_str("null");
            continue;
        }
        let begin = out.len();
        match one(&mut execution, operation, (at + 1, operations.len()), &mut out) {
            Ok(()) => {}
            Err(Stop::Wait) => {
                timeout_ms = Some(execution.timeout_ms);
                break;
            }
            Err(Stop::Error(stop)) => {
                out.truncate(begin);
                stop.emit(&mut out);
                error = Some(stop);
            }
        }
    }
    let Execution { database, txn, context, .. } = execution;
    if let Some(timeout_ms) = timeout_ms {
        txn.undo(database);
        return Outcome::Waiting { timeout_ms };
    }
    let mut commit = None;
    if error.is_some() {
        txn.undo(database);
    } else {
        match txn.commit_guarded(database, uuids, context.guard) {
            Ok(done) => commit = Some(done),
            Err(error) => {
                if !operations.is_empty() {
                    out.push(',');
                }
                error.emit(&mut out);
            }
        }
    }
    out.push(']');
    Outcome::Done { result: out, commit }
}

/// A row may be referred to by its name before it is inserted with a UUID of the client's choice.
fn reserve(symbols: &mut Symbols<'_>, operation: &Value) {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    if let (Some(name), Some(Ok(uuid))) = (text("uuid-name"), text("uuid").map(str::parse)) {
        symbols.reserve(name, uuid);
    }
}

/// Why the operations end before the last.
pub(super) enum Stop {
    /// This one failed.
    Error(OvsdbError),
    /// A `wait` is not met, and may be later.
    Wait,
}

impl From<OvsdbError> for Stop {
    fn from(error: OvsdbError) -> Self {
        Self::Error(error)
    }
}

struct Ordinal(usize, usize);

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ovsdb operation {} of {}", self.0, self.1)
    }
}

/// Carries out one operation, and writes its result.
fn one(
    execution: &mut Execution<'_, '_>,
    operation: &Value,
    (at, count): (usize, usize),
    out: &mut String,
) -> Result<(), Stop> {
    let ordinal = Ordinal(at, count);
    let mut members = Members::new(operation, &ordinal);
    let name = members.text("op", Kinds::ID);
    let mut read_only = false;
    let done = match name {
        None => Ok(()),
        Some(name) => {
            read_only = matches!(name, "select" | "wait" | "abort" | "comment" | "assert");
            match name {
                "insert" => execution.insert(&mut members, out),
                "select" => execution.select(&mut members, out),
                "update" => execution.update(&mut members, operation, out),
                "mutate" => execution.mutate(&mut members, out),
                "delete" => execution.delete(&mut members, out),
                "wait" => execution.wait(&mut members, out),
                "commit" => execution.commit(&mut members, out),
                "abort" => Err(OvsdbError::new("aborted", "aborted by request").into()),
                "comment" => execution.comment(&mut members, out),
                "assert" => execution.assert(&mut members, out),
                _ => {
                    members.refuse(format_args!("No operation \"{name}\""));
                    Ok(())
                }
            }
        }
    };
    // What is wrong with the form is told before what is wrong with the content.
    members.finish()?;
    done?;
    if !read_only && let Some(name) = name {
        may_change(execution, name)?;
    }
    Ok(())
}

fn may_change(execution: &Execution<'_, '_>, operation: &str) -> Result<(), OvsdbError> {
    let database = &execution.database.schema().name;
    if execution.context.read_only {
        let details = format!("{operation} operation not allowed when database server is in read only mode");
        Err(OvsdbError::new("not allowed", details))
    } else if database.starts_with('_') {
        let details = format!("{operation} operation not allowed on table in reserved database {database}");
        Err(OvsdbError::new("not allowed", details))
    } else {
        Ok(())
    }
}
