//! Who has the last word on a transaction.

use std::fmt;

use super::Change;
use crate::error::OvsdbError;
use crate::schema::Schema;

/// Judges what a transaction changes once the database's own checks have passed, and nothing but its word can undo it. Whoever
/// owns what the rows stand for makes the change real here, or says why it cannot be.
pub trait Guard: Send + Sync + fmt::Debug {
    /// Takes `changes`, all of them. They are not empty; tables and columns are named by their place in `schema`.
    ///
    /// # Errors
    /// Why they cannot be: the transaction fails with it, and the database is as it was.
    fn judge(&self, schema: &Schema, changes: &[Change]) -> Result<(), OvsdbError>;
}
