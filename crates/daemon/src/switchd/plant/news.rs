//! What is otherwise than when it was told last.

use std::collections::BTreeSet;

use super::Id;

/// Whose status is to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::switchd) enum News {
    /// Everybody's.
    All,
    /// Of these interfaces, and of whatever is no interface.
    Of(BTreeSet<Id>),
}

impl News {
    pub(super) fn add(&mut self, id: Id) {
        if let Self::Of(ids) = self {
            ids.insert(id);
        }
    }
}
