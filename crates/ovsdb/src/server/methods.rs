//! Requests, by method.

use serde_json::Value;

use super::session::CloseReason;
use super::{Now, Server, SessionId};
use crate::error::OvsdbError;
use crate::json::is_id;
use crate::monitor::Version;
use crate::rpc::{self, Message};

/// The text of a reply's `result`, or of its `error`.
pub(super) type Answer = Result<String, String>;

impl Server {
    /// Handles the requests of a session that are complete.
    pub(super) fn process(&mut self, now: Now, id: SessionId) {
        loop {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let message = match session.next_message() {
                Ok(None) if session.closed.is_some() => {
                    self.ready.insert(id);
                    return;
                }
                Ok(None) => return,
                Ok(Some(message)) => Ok(message),
                Err(error) => Err(error),
            };
            match message {
                Ok(Message::Request { id: request, method, params }) => {
                    self.request(now, id, request, &method, params);
                }
                Ok(Message::Notification { method, params }) if method == "cancel" => {
                    self.cancel(id, &params);
                }
                // Replies are to our probes; other notifications are none of ours.
                Ok(Message::Notification { .. } | Message::Reply { .. }) => {}
                Err(error) => return self.close(id, CloseReason::Stream(error)),
            }
        }
    }

    fn request(&mut self, now: Now, session: SessionId, id: Value, method: &str, params: Value) {
        let answer = match method {
            "transact" | "convert" => match self.named_database(method, &params) {
                // These answer by themselves, when they are done.
                Ok(name) if method == "transact" => return self.transact(now, session, name, id, params),
                Ok(_) if self.is_guarded(session) => {
                    let details = "convert not allowed where changes are judged by the owner of the database";
                    Err(OvsdbError::new("not allowed", details).to_json_text())
                }
                Ok(_) if self.is_read_only(session) => {
                    let details = "convert operation not allowed when database server is in read only mode";
                    Err(OvsdbError::new("not allowed", details).to_json_text())
                }
                Ok(name) => self.convert(now, &name, &params),
                Err(error) => Err(error.to_json_text()),
            },
            "monitor" => self.monitor(session, Version::One, method, &params),
            "monitor_cond" => self.monitor(session, Version::Two, method, &params),
            "monitor_cond_since" => self.monitor(session, Version::Three, method, &params),
            "monitor_cond_change" => self.monitor_cond_change(session, &params),
            "monitor_cancel" => self.monitor_cancel(session, &params),
            "get_schema" => match self.named_database(method, &params) {
                Ok(name) => {
                    Ok(self.databases.get(&name).map_or("null", |hosted| &hosted.schema_text).to_owned())
                }
                Err(error) => Err(error.to_json_text()),
            },
            "list_dbs" => Ok(self
                .databases
                .keys()
                .map(|name| Value::from(name.as_str()))
                .collect::<Value>()
                .to_string()),
            "get_server_id" => Ok(format!("\"{}\"", self.id)),
            "lock" | "steal" => self.lock(session, method, &params),
            "unlock" => self.unlock(now, session, method, &params),
            "set_db_change_aware" => self.set_change_aware(session, &params),
            "echo" => Ok(params.to_string()),
            _ => Err("\"unknown method\"".to_owned()),
        };
        self.answer(session, &id, &answer);
    }

    /// Replies. What monitors have to tell goes first.
    pub(super) fn answer(&mut self, session: SessionId, id: &Value, answer: &Answer) {
        self.catch_up(session);
        let message = match answer {
            Ok(result) => rpc::reply(id, result),
            Err(error) => rpc::error(id, error),
        };
        self.send(session, &message);
    }

    /// The database that the first parameter names.
    pub(super) fn named_database(&self, method: &str, params: &Value) -> Result<String, OvsdbError> {
        let Some(name) = params.get(0).and_then(Value::as_str) else {
            let details = format!("{method} request params must begin with <db-name>");
            return Err(OvsdbError::syntax(params, details));
        };
        if self.databases.contains_key(name) {
            return Ok(name.to_owned());
        }
        let details = format!("{method} request specifies unknown database {name}");
        Err(OvsdbError::tagged(params, "unknown database", details))
    }

    fn set_change_aware(&mut self, session: SessionId, params: &Value) -> Answer {
        let Some([Value::Bool(aware)]) = params.as_array().map(Vec::as_slice) else {
            return Err(OvsdbError::syntax(params, "set_db_change_aware: true or false parameter expected")
                .to_json_text());
        };
        if let Some(session) = self.sessions.get_mut(&session) {
            session.change_aware = *aware;
        }
        Ok("{}".to_owned())
    }

    fn lock(&mut self, session: SessionId, method: &str, params: &Value) -> Answer {
        let name = lock_name(method, params)?;
        let Some(state) = self.sessions.get_mut(&session) else { return Ok("{}".to_owned()) };
        if state.settings.read_only {
            return Err(READ_ONLY.to_owned());
        }
        if !state.locks.insert(name.clone()) {
            let details = format!("must issue \"unlock\" before new \"{method}\"");
            return Err(OvsdbError::syntax(params, details).to_json_text());
        }
        let victim = self.locks.join(&name, session, method == "steal");
        if let Some(victim) = victim {
            self.notify_lock(victim, "stolen", &name);
        }
        Ok(format!("{{\"locked\":{}}}", self.locks.owner(&name) == Some(session)))
    }

    fn unlock(&mut self, now: Now, session: SessionId, method: &str, params: &Value) -> Answer {
        let name = lock_name(method, params)?;
        let Some(state) = self.sessions.get_mut(&session) else { return Ok("{}".to_owned()) };
        if state.settings.read_only {
            return Err(READ_ONLY.to_owned());
        }
        if !state.locks.remove(&name) {
            let details = "unlock: \"unlock\" without \"lock\" or \"steal\"";
            return Err(OvsdbError::syntax(params, details).to_json_text());
        }
        self.release_lock(now, session, &name);
        Ok("{}".to_owned())
    }

    /// Passes a lock on.
    pub(super) fn release_lock(&mut self, _now: Now, session: SessionId, name: &str) {
        if let Some(owner) = self.locks.leave(name, session) {
            self.notify_lock(owner, "locked", name);
        }
    }

    fn notify_lock(&mut self, session: SessionId, method: &str, name: &str) {
        self.catch_up(session);
        self.send(session, &rpc::request(&Value::Null, method, &format!("[\"{name}\"]")));
    }
}

const READ_ONLY: &str = "\"lock and unlock methods not allowed, DB server is read only.\"";

fn lock_name(method: &str, params: &Value) -> Result<String, String> {
    match params.as_array().map(Vec::as_slice) {
        Some([Value::String(name)]) if is_id(name) => Ok(name.clone()),
        _ => Err(OvsdbError::syntax(params, format!("{method} request params must be <id>")).to_json_text()),
    }
}
