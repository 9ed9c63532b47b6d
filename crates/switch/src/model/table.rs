//! A flow table: a classifier of rules and two counters.

use std::sync::Arc;

use netloom_flow::{Classifier, FlowKey, FlowMask};

use super::rule::Rule;

/// A flow table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rules: Classifier<Arc<Rule>>,
    /// Wire packets looked up here.
    pub(crate) lookups: u64,
    /// Wire packets that matched a rule.
    pub(crate) matches: u64,
}

impl Table {
    /// The rule for a packet; the bits that decided it are added to `mask`.
    pub(crate) fn lookup(&self, key: &FlowKey, mask: &mut FlowMask) -> Option<&Arc<Rule>> {
        self.rules.lookup(key, Some(mask))
    }
}
