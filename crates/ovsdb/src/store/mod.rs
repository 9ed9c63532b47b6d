//! Rows in tables in a database, with what is kept beside them: unique indexes, reference counts, weak references.

mod database;
mod row;
mod table;

pub use database::Database;
pub(crate) use database::WeakRef;
pub use row::Row;
pub(crate) use table::{IndexKey, Stored, Table, index_key};
