//! Transactions: operations carried out one by one, the checks at the end, and undoing it all if one fails.
//!
//! A transaction changes the tables directly and keeps, for each row it touched, what was there before; undoing puts
//! that back. What is beside the rows (indexes, weak references) changes only when all checks have passed.

mod commit;
mod condition;
mod convert;
mod execute;
mod fields;
mod guard;
mod integrity;
mod mutation;
mod operations;
mod query;
mod txn;
mod uniqueness;

pub use commit::{Change, Commit};
pub(crate) use condition::Condition;
pub use convert::convert;
pub use execute::{Context, Outcome, execute};
pub(crate) use fields::fields_from_json;
pub use guard::Guard;
pub(crate) use txn::Txn;
