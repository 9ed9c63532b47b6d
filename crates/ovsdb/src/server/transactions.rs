//! Transactions of sessions, those that wait among them, and conversions to another schema.

use serde_json::Value;

use super::hosted::Pending;
use super::methods::Answer;
use super::session::CloseReason;
use super::{Now, Server, SessionId, Write};
use crate::error::OvsdbError;
use crate::rpc;
use crate::schema::Schema;
use crate::transact::{self, Context, Outcome};

/// What became of an attempt.
enum Attempt {
    /// It is over; whether the database has changed.
    Over(bool),
    Waits(Pending),
}

impl Server {
    /// Carries out a transaction of our own, without a session; a `wait` that is not met fails at once. Returns the
    /// text of the result.
    pub fn transact_now(&mut self, now: Now, params: &Value) -> String {
        let name = match self.named_database("transact", params) {
            Ok(name) => name,
            Err(error) => return error.to_json_text(),
        };
        let Some(hosted) = self.databases.get_mut(&name) else { return "null".to_owned() };
        let owns_lock = |_: &str| false;
        let context =
            Context { owns_lock: &owns_lock, elapsed_ms: 0, read_only: false, may_wait: false, guard: None };
        match transact::execute(&mut hosted.database, params, context, &mut self.uuids) {
            Outcome::Done { result, commit } => {
                if let Some(commit) = commit.filter(|commit| !commit.changes.is_empty()) {
                    self.publish(now, &name, commit);
                    self.run_pending(now, &name);
                }
                result
            }
            Outcome::Waiting { .. } => "null".to_owned(),
        }
    }

    pub(super) fn transact(&mut self, now: Now, session: SessionId, name: String, id: Value, params: Value) {
        let mine = |pending: &&Pending| pending.session == session;
        let waiting = self.databases.values().flat_map(|hosted| &hosted.pending).filter(mine);
        let (mut count, mut twice) = (0, false);
        for pending in waiting {
            count += 1;
            twice |= pending.id == id;
        }
        if twice {
            let error = OvsdbError::syntax(&params, "transact: duplicate request ID");
            return self.answer(session, &id, &Err(error.to_json_text()));
        }
        let pending = Pending { session, id, params, created_ms: now.ms, deadline_ms: None };
        match self.attempt(now, &name, pending) {
            Attempt::Over(true) => self.run_pending(now, &name),
            Attempt::Over(false) => {}
            Attempt::Waits(pending) => {
                let limit = self.sessions.get(&session).map_or(0, |session| session.settings.pending);
                if count >= limit {
                    return self.close(session, CloseReason::TooManyPending(count));
                }
                if let Some(hosted) = self.databases.get_mut(&name) {
                    hosted.pending.push(pending);
                }
            }
        }
    }

    fn attempt(&mut self, now: Now, name: &str, mut pending: Pending) -> Attempt {
        let session = pending.session;
        let Some(hosted) = self.databases.get_mut(name) else { return Attempt::Over(false) };
        let locks = &self.locks;
        let owns_lock = |lock: &str| locks.owner(lock) == Some(session);
        let settings = self.sessions.get(&session).map(|session| session.settings);
        let context = Context {
            owns_lock: &owns_lock,
            elapsed_ms: now.ms.saturating_sub(pending.created_ms),
            read_only: settings.is_some_and(|settings| settings.read_only),
            may_wait: true,
            guard: self.guard.as_deref().filter(|_| settings.is_some_and(|settings| settings.guarded)),
        };
        match transact::execute(&mut hosted.database, &pending.params, context, &mut self.uuids) {
            Outcome::Waiting { timeout_ms } => {
                pending.deadline_ms = timeout_ms.map(|timeout| pending.created_ms.saturating_add(timeout));
                Attempt::Waits(pending)
            }
            Outcome::Done { result, commit } => {
                let commit = commit.filter(|commit| !commit.changes.is_empty());
                let changed = commit.is_some();
                if let Some(commit) = commit {
                    self.publish(now, name, commit);
                }
                self.answer(session, &pending.id, &Ok(result));
                Attempt::Over(changed)
            }
        }
    }

    /// Tries again what waits in a database.
    pub(super) fn run_pending(&mut self, now: Now, name: &str) {
        let mut at = 0;
        loop {
            let Some(hosted) = self.databases.get_mut(name).filter(|hosted| at < hosted.pending.len()) else {
                return;
            };
            let pending = hosted.pending.remove(at);
            match self.attempt(now, name, pending) {
                // What waited before this one may have waited for it.
                Attempt::Over(true) => at = 0,
                Attempt::Over(false) => {}
                Attempt::Waits(pending) => {
                    if let Some(hosted) = self.databases.get_mut(name) {
                        hosted.pending.insert(at, pending);
                    }
                    at += 1;
                }
            }
        }
    }

    /// Gives up a transaction that waits.
    pub(super) fn cancel(&mut self, session: SessionId, params: &Value) {
        let Some([id]) = params.as_array().map(Vec::as_slice) else { return };
        let mut found = false;
        for hosted in self.databases.values_mut() {
            let before = hosted.pending.len();
            hosted.pending.retain(|pending| pending.session != session || pending.id != *id);
            found |= hosted.pending.len() < before;
        }
        if found {
            self.answer(session, id, &Err("\"canceled\"".to_owned()));
        }
    }

    /// Gives a database another schema.
    pub(super) fn convert(&mut self, now: Now, name: &str, params: &Value) -> Answer {
        self.try_convert(now, name, params).map_err(|error| error.to_json_text())
    }

    fn try_convert(&mut self, now: Now, name: &str, params: &Value) -> Result<String, OvsdbError> {
        let Some([_, schema]) = params.as_array().map(Vec::as_slice) else {
            return Err(OvsdbError::syntax(params, "array expected"));
        };
        let schema = Schema::from_json(schema)?;
        if schema.name != name || name.starts_with('_') {
            let new = &schema.name;
            let details = format!("new schema name ({new}) does not match database name ({name})");
            return Err(OvsdbError::new("invalid parameters", details));
        }
        let Some(hosted) = self.databases.get_mut(name) else { return Ok("{}".to_owned()) };
        let database = transact::convert(&hosted.database, schema, &mut self.uuids)?;
        let mut converted = super::Hosted::new(database, hosted.persistent);
        converted.pending = std::mem::take(&mut hosted.pending);
        if hosted.persistent {
            let file =
                crate::file::snapshot(&converted.database, Some("converted by ovsdb-server"), now.date_ms);
            self.writes.push_back(Write::Replace { database: name.to_owned(), file });
        }
        *hosted = converted;
        self.end_monitors(name);
        self.describe(now, name);
        self.run_pending(now, name);
        Ok("{}".to_owned())
    }

    /// Ends the monitors of a database whose schema has changed, or that is gone.
    pub(super) fn end_monitors(&mut self, name: &str) {
        for (id, session) in &mut self.sessions {
            let of_it = |monitor: &super::session::Monitor| monitor.database == name;
            let ended: Vec<String> = session
                .monitors
                .iter()
                .filter(|(_, monitor)| of_it(monitor))
                .map(|(id, _)| id.clone())
                .collect();
            if ended.is_empty() {
                continue;
            }
            self.ready.insert(*id);
            for monitor in ended {
                session.monitors.remove(&monitor);
                if session.change_aware {
                    session.push(&rpc::request(&Value::Null, "monitor_canceled", &format!("[{monitor}]")));
                } else if session.closed.is_none() {
                    session.closed = Some(CloseReason::SchemaChanged);
                }
            }
        }
    }
}
