//! What the administrator of a server does to it: databases and sessions taken away, looks at what it holds.

use super::hosted::Hosted;
use super::session::CloseReason;
use super::{Now, Server, SessionId};
use crate::store::Database;

/// What a server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Columns of all rows.
    pub cells: usize,
    /// Monitors of all sessions.
    pub monitors: usize,
    /// Sessions.
    pub sessions: usize,
    /// Transactions that wait.
    pub triggers: usize,
    /// Weak references.
    pub weak_references: usize,
    /// Bytes that wait to be sent.
    pub backlog: usize,
}

impl Server {
    /// The names of all databases, `_Server` among them, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.databases.keys().map(String::as_str)
    }

    /// Serves a database no more: what waits in it is canceled, its monitors end. Returns it.
    pub fn remove_database(&mut self, now: Now, name: &str) -> Option<Database> {
        if name.starts_with('_') {
            return None;
        }
        let Hosted { database, pending, .. } = self.databases.remove(name)?;
        for pending in pending {
            self.answer(pending.session, &pending.id, &Err("\"canceled\"".to_owned()));
        }
        self.end_monitors(name);
        self.undescribe(now, name);
        Some(database)
    }

    /// Ends sessions: all, or those that have not said that they can stand a change of databases.
    pub fn end_sessions(&mut self, reason: &CloseReason, also_aware: bool) {
        let ended: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| also_aware || !session.change_aware)
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            self.close(id, reason.clone());
        }
    }

    /// What it holds.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage { sessions: self.sessions.len(), ..Usage::default() };
        for hosted in self.databases.values() {
            let tables = hosted.database.schema().tables.iter().enumerate();
            usage.cells +=
                tables.map(|(at, table)| hosted.database.row_count(at) * table.columns.len()).sum::<usize>();
            usage.weak_references += hosted.database.weak.len();
            usage.triggers += hosted.pending.len();
        }
        for session in self.sessions.values() {
            usage.monitors += session.monitors.len();
            usage.backlog += session.backlog();
        }
        usage
    }

    /// How many locks a session has, and how many it waits for.
    pub fn locks_of(&self, id: SessionId) -> (usize, usize) {
        let Some(session) = self.sessions.get(&id) else { return (0, 0) };
        let held = session.locks.iter().filter(|name| self.locks.owner(name) == Some(id)).count();
        (held, session.locks.len() - held)
    }

    /// How many transactions have changed something since the server began.
    pub const fn commits(&self) -> u64 {
        self.commits
    }

    /// When the first of the transactions that wait has waited long enough, in [`Now::ms`]. [`Self::deadline`] minds
    /// silent sessions too, and looks at each for that.
    pub fn transactions_deadline(&self) -> Option<u64> {
        self.databases.values().filter_map(Hosted::deadline).min()
    }
}
