//! A list of actions that many flows may share.

use std::ops::Deref;
use std::sync::Arc;

use super::Action;

/// What a flow does: a list that is not changed any more. Copies are one block of memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ActionList(Arc<[Action]>);

impl ActionList {
    /// Whether nobody else has the same block of memory.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Deref for ActionList {
    type Target = [Action];

    fn deref(&self) -> &[Action] {
        &self.0
    }
}

impl From<Vec<Action>> for ActionList {
    fn from(actions: Vec<Action>) -> Self {
        Self(actions.into())
    }
}

impl From<&[Action]> for ActionList {
    fn from(actions: &[Action]) -> Self {
        Self(actions.into())
    }
}

impl<'a> IntoIterator for &'a ActionList {
    type Item = &'a Action;
    type IntoIter = std::slice::Iter<'a, Action>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
