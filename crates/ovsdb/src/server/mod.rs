//! A server: databases, and sessions with clients as bytes in and bytes out.
//!
//! What a transaction changed must be in its file before anybody is told. So a server has two outlets, and keeps the
//! order itself: as long as [`Server::poll_write`] has something, [`Server::output`] shows nothing.
//!
//! A client that reads slowly costs little: once [`SessionSettings::backlog_bytes`] wait for it, its requests are
//! not read any more, and updates of its monitors are not queued but merged, to be told as one when it has caught up.
//!
//! Source: RFC 7047 §4; ovsdb-server(7).

mod administer;
mod hosted;
mod locks;
mod meta;
mod methods;
mod monitors;
mod session;
mod transactions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use administer::Usage;
use hosted::Hosted;
use locks::Locks;
use session::Session;
pub use session::{CloseReason, SessionSettings};

use crate::store::Database;
use crate::transact::{Change, Commit, Guard};
use crate::uuid::{Uuid, UuidSource};

/// The time, as whoever has a clock tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds since some moment; never goes back.
    pub ms: u64,
    /// Milliseconds since 1970, for the log.
    pub date_ms: u64,
}

/// Names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

/// What is to be written to the file of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A record, at the end.
    Append {
        /// The database's name.
        database: String,
        /// The record.
        record: Vec<u8>,
        /// Whether it must be on the disk (`fsync`) before the output of any session is looked at.
        durable: bool,
    },
    /// A whole new file in the place of the old one, because the schema has changed.
    Replace {
        /// The database's name.
        database: String,
        /// The content of the file.
        file: Vec<u8>,
    },
}

/// A server.
#[derive(Debug)]
pub struct Server {
    databases: BTreeMap<String, Hosted>,
    sessions: BTreeMap<SessionId, Session>,
    locks: Locks,
    uuids: UuidSource,
    id: Uuid,
    next_session: u64,
    writes: VecDeque<Write>,
    /// Sessions that have something to send, or have ended.
    ready: BTreeSet<SessionId>,
    commits: u64,
    guard: Option<Box<dyn Guard>>,
}

impl Server {
    /// A server with no database but `_Server`, which tells of the others.
    pub fn new(mut uuids: UuidSource) -> Self {
        let id = uuids.generate();
        let mut server = Self {
            databases: BTreeMap::new(),
            sessions: BTreeMap::new(),
            locks: Locks::default(),
            uuids,
            id,
            next_session: 0,
            writes: VecDeque::new(),
            ready: BTreeSet::new(),
            commits: 0,
            guard: None,
        };
        server.add_meta();
        server
    }

    /// Gives the last word on what [guarded](SessionSettings::guarded) sessions change to `guard`.
    pub fn set_guard(&mut self, guard: Box<dyn Guard>) {
        self.guard = Some(guard);
    }

    /// Whether the guard, if there is one, is asked about this session's changes.
    fn is_guarded(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.settings.guarded)
    }

    fn is_read_only(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.settings.read_only)
    }

    /// Serves `database`. If it is `persistent`, its changes are to be written.
    pub fn add_database(&mut self, now: Now, database: Database, persistent: bool) {
        let name = database.schema().name.clone();
        self.databases.insert(name.clone(), Hosted::new(database, persistent));
        self.describe(now, &name);
    }

    /// A database that is served.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(name).map(|hosted| &hosted.database)
    }

    /// A source of UUIDs that nothing has.
    pub fn uuids(&mut self) -> &mut UuidSource {
        &mut self.uuids
    }

    /// Begins a session with a client.
    pub fn connect(&mut self, now: Now, settings: SessionSettings) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.sessions.insert(id, Session::new(settings, now.ms));
        id
    }

    /// Ends a session: its locks pass on, its transactions that wait are forgotten.
    pub fn disconnect(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.ready.remove(&id);
        for hosted in self.databases.values_mut() {
            hosted.forget(id);
        }
        for lock in session.locks {
            self.release_lock(now, id, &lock);
        }
    }

    /// Takes what a client sent.
    pub fn handle_bytes(&mut self, now: Now, id: SessionId, bytes: &[u8]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.receive(now.ms, bytes);
        self.process(now, id);
    }

    /// Whether more of the client should be read. Until it has taken what waits for it: no.
    pub fn wants_input(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.may_process())
    }

    /// What is to be written to a file next. Sessions have no output until all of it is taken.
    pub fn poll_write(&mut self) -> Option<Write> {
        self.writes.pop_front()
    }

    /// A session to look at: it has output, or has ended.
    pub fn poll_session(&mut self) -> Option<SessionId> {
        self.ready.pop_first()
    }

    /// What is to be sent to a client.
    pub fn output(&self, id: SessionId) -> &[u8] {
        match self.sessions.get(&id) {
            Some(session) if self.writes.is_empty() => session.output(),
            _ => &[],
        }
    }

    /// The first `bytes` of the output were sent.
    pub fn sent(&mut self, now: Now, id: SessionId, bytes: usize) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.consume(bytes);
        if session.may_process() {
            self.catch_up(id);
            self.process(now, id);
        }
    }

    /// Why a session has ended, if it has: send its output if that is possible, hang up, and [`Self::disconnect`].
    pub fn closed(&self, id: SessionId) -> Option<&CloseReason> {
        self.sessions.get(&id)?.closed.as_ref()
    }

    /// When [`Self::handle_timeout`] is to be called at the latest, in [`Now::ms`].
    pub fn deadline(&self) -> Option<u64> {
        let waits = self.databases.values().filter_map(Hosted::deadline);
        waits.chain(self.sessions.values().filter_map(Session::deadline)).min()
    }

    /// Lets time pass: transactions that waited long enough, clients that have been silent.
    pub fn handle_timeout(&mut self, now: Now) {
        let due = |hosted: &Hosted| hosted.deadline().is_some_and(|deadline| deadline <= now.ms);
        let names: Vec<String> =
            self.databases.iter().filter(|(_, hosted)| due(hosted)).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.run_pending(now, &name);
        }
        for (id, session) in &mut self.sessions {
            if session.probe(now.ms) {
                self.ready.insert(*id);
            }
        }
    }

    /// Writes a database's file anew: its content, and what was to be appended by then is in it.
    pub fn compact(&self, now: Now, name: &str) -> Option<Vec<u8>> {
        let hosted = self.databases.get(name)?;
        Some(crate::file::snapshot(&hosted.database, Some("compacting database online"), now.date_ms))
    }

    /// Ends a session for `reason`.
    fn close(&mut self, id: SessionId, reason: CloseReason) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.closed.is_none()
        {
            session.closed = Some(reason);
            self.ready.insert(id);
        }
    }

    /// Sends a message.
    fn send(&mut self, id: SessionId, message: &str) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.push(message);
        self.ready.insert(id);
    }

    /// Writes down what a transaction changed, and tells those who monitor it.
    fn publish(&mut self, now: Now, name: &str, commit: Commit) {
        let Some(hosted) = self.databases.get_mut(name) else { return };
        if commit.changes.is_empty() {
            return;
        }
        self.commits += 1;
        let schema = std::sync::Arc::clone(hosted.database.schema());
        if hosted.persistent
            && let Some(record) = crate::file::transaction(&schema, &commit, now.date_ms)
        {
            let append = Write::Append { database: name.to_owned(), record, durable: commit.durable };
            self.writes.push_back(append);
        }
        for group in &hosted.groups {
            let Some(body) = crate::monitor::compose(&schema, &group.spec, &commit.changes) else { continue };
            for (id, monitor) in &group.members {
                let Some(session) = self.sessions.get_mut(id) else { continue };
                session.tell(monitor, group.spec.version(), commit.id, &body, &commit.changes);
                self.ready.insert(*id);
            }
        }
        hosted.remember(commit);
    }
}

/// Merged changes: what rows were before, for those whose present state is to be told.
type Merged = BTreeMap<(usize, Uuid), Option<std::sync::Arc<crate::store::Row>>>;

/// The changes that lead from what rows were to what they are now.
fn changes_since(database: &Database, before: &Merged) -> Vec<Change> {
    let now = |table, uuid| database.row(table, uuid).cloned();
    let change = |(&(table, uuid), old): (&(usize, Uuid), &Option<std::sync::Arc<crate::store::Row>>)| {
        Change { table, uuid, old: old.clone(), new: now(table, uuid) }
    };
    before.iter().map(change).collect()
}
