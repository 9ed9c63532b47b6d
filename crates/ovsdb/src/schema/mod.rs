//! Schemas: which tables and columns a database has, and what may be in them.
//!
//! Source: RFC 7047 §3.2.

mod column;
mod database;
mod kind;
mod table;

pub use column::ColumnSchema;
pub use database::Schema;
pub use kind::{AtomicType, BaseType, ColumnType, Constraint, Reference};
pub use table::TableSchema;
pub(crate) use table::{UUID, VERSION, english_list};
