//! A database that is served: who monitors it, what waits in it, and what happened of late.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::{Merged, SessionId};
use crate::monitor::Spec;
use crate::store::Database;
use crate::transact::Commit;
use crate::uuid::Uuid;

/// Monitors that are told the same: composed once, sent to all.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) spec: Arc<Spec>,
    /// Sessions, and the text of the monitors' ids.
    pub(super) members: BTreeSet<(SessionId, String)>,
}

/// A transaction that waits.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) session: SessionId,
    pub(super) id: Value,
    pub(super) params: Value,
    pub(super) created_ms: u64,
    pub(super) deadline_ms: Option<u64>,
}

/// How many transactions a client that comes back may have missed and still be told only of those.
const HISTORY: usize = 100;

/// A database that is served.
#[derive(Debug)]
pub(super) struct Hosted {
    pub(super) database: Database,
    pub(super) persistent: bool,
    pub(super) schema_text: Arc<str>,
    pub(super) groups: Vec<Group>,
    pub(super) pending: Vec<Pending>,
    history: VecDeque<Commit>,
    /// The transaction that the history begins after.
    before_history: Uuid,
}

impl Hosted {
    pub(super) fn new(database: Database, persistent: bool) -> Self {
        Self {
            schema_text: Arc::from(database.schema().to_json().to_string()),
            database,
            persistent,
            groups: Vec::new(),
            pending: Vec::new(),
            history: VecDeque::new(),
            before_history: Uuid::ZERO,
        }
    }

    /// The last transaction; zeros if there was none.
    pub(super) fn last_txn(&self) -> Uuid {
        self.history.back().map_or(self.before_history, |commit| commit.id)
    }

    pub(super) fn remember(&mut self, commit: Commit) {
        self.history.push_back(commit);
        if self.history.len() > HISTORY
            && let Some(oldest) = self.history.pop_front()
        {
            self.before_history = oldest.id;
        }
    }

    /// What rows were after the transaction `id`, for those that changed since. `None` if that is not known.
    pub(super) fn since(&self, id: Uuid) -> Option<Merged> {
        if id == Uuid::ZERO {
            return None;
        }
        let from = match self.history.iter().position(|commit| commit.id == id) {
            Some(at) => at + 1,
            None if id == self.before_history => 0,
            None => return None,
        };
        let mut before: Merged = BTreeMap::new();
        for change in self.history.iter().skip(from).flat_map(|commit| &commit.changes) {
            before.entry((change.table, change.uuid)).or_insert_with(|| change.old.clone());
        }
        Some(before)
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.pending.iter().filter_map(|pending| pending.deadline_ms).min()
    }

    pub(super) fn join(&mut self, spec: Spec, session: SessionId, monitor: &str) -> Arc<Spec> {
        let member = (session, monitor.to_owned());
        if let Some(group) = self.groups.iter_mut().find(|group| *group.spec == spec) {
            group.members.insert(member);
            return Arc::clone(&group.spec);
        }
        let spec = Arc::new(spec);
        self.groups.push(Group { spec: Arc::clone(&spec), members: BTreeSet::from([member]) });
        spec
    }

    pub(super) fn leave(&mut self, session: SessionId, monitor: &str) {
        let member = (session, monitor.to_owned());
        for group in &mut self.groups {
            group.members.remove(&member);
        }
        self.groups.retain(|group| !group.members.is_empty());
    }

    /// Forgets a session that has ended.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.pending.retain(|pending| pending.session != session);
        self.groups.iter_mut().for_each(|group| group.members.retain(|(member, _)| *member != session));
        self.groups.retain(|group| !group.members.is_empty());
    }
}
