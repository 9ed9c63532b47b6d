//! Monitors of sessions.

use serde_json::Value;

use super::methods::Answer;
use super::session::Monitor;
use super::{Server, SessionId, changes_since};
use crate::error::OvsdbError;
use crate::monitor::{self, Spec, Version};
use crate::uuid::Uuid;

impl Server {
    pub(super) fn monitor(
        &mut self,
        session: SessionId,
        version: Version,
        method: &str,
        params: &Value,
    ) -> Answer {
        self.begin_monitor(session, version, method, params).map_err(|error| error.to_json_text())
    }

    fn begin_monitor(
        &mut self,
        session: SessionId,
        version: Version,
        method: &str,
        params: &Value,
    ) -> Result<String, OvsdbError> {
        let name = self.named_database(method, params)?;
        let (id, requests, last) = match (params.as_array().map(Vec::as_slice), version) {
            (Some([_, id, requests]), Version::One | Version::Two) => (id, requests, None),
            (Some([_, id, requests, last]), Version::Three) => (id, requests, Some(last)),
            _ => return Err(OvsdbError::syntax(params, "invalid parameters")),
        };
        let (Some(state), Some(hosted)) = (self.sessions.get_mut(&session), self.databases.get_mut(&name))
        else {
            return Err(OvsdbError::syntax(params, "invalid parameters"));
        };
        let text = id.to_string();
        if state.monitors.contains_key(&text) {
            return Err(OvsdbError::syntax(id, "duplicate monitor ID"));
        }
        let spec = Spec::from_json(hosted.database.schema(), version, requests)?;
        let last = last.map(last_txn).transpose()?;
        let missed = last.and_then(|last| hosted.since(last));
        let spec = hosted.join(spec, session, &text);
        let body = match &missed {
            Some(missed) => {
                let changes = changes_since(&hosted.database, missed);
                monitor::compose(hosted.database.schema(), &spec, &changes)
            }
            None => monitor::initial(&hosted.database, &spec),
        };
        let body = body.unwrap_or_else(|| "{}".to_owned());
        let last_txn = hosted.last_txn();
        state.monitors.insert(text, Monitor { database: name, spec, merged: None });
        Ok(match version {
            Version::Three => format!("[{},\"{last_txn}\",{body}]", missed.is_some()),
            _ => body,
        })
    }

    pub(super) fn monitor_cond_change(&mut self, session: SessionId, params: &Value) -> Answer {
        self.change_conditions(session, params).map_err(|error| error.to_json_text())
    }

    fn change_conditions(&mut self, session: SessionId, params: &Value) -> Result<String, OvsdbError> {
        let Some([old_id, new_id, requests]) = params.as_array().map(Vec::as_slice) else {
            return Err(OvsdbError::syntax(params, "invalid parameters"));
        };
        // The old conditions are done with before the new ones begin.
        self.catch_up(session);
        let unknown = || OvsdbError::syntax(old_id, "unknown monitor session");
        let state = self.sessions.get_mut(&session).ok_or_else(unknown)?;
        let (old_text, new_text) = (old_id.to_string(), new_id.to_string());
        let known = state.monitors.get(&old_text).ok_or_else(unknown)?;
        if old_text != new_text && state.monitors.contains_key(&new_text) {
            return Err(OvsdbError::syntax(new_id, "duplicate monitor ID"));
        }
        let hosted = self.databases.get_mut(&known.database).ok_or_else(unknown)?;
        let spec = known.spec.with_conditions(hosted.database.schema(), requests)?;
        let version = spec.version();
        let body = monitor::changed_condition(&hosted.database, &known.spec, &spec);
        hosted.leave(session, &old_text);
        let spec = hosted.join(spec, session, &new_text);
        let monitor = Monitor { database: known.database.clone(), spec, merged: None };
        let last_txn = hosted.last_txn();
        state.monitors.remove(&old_text);
        state.monitors.insert(new_text.clone(), monitor);
        if let Some(body) = body {
            state.push_update(&new_text, version, last_txn, &body);
        }
        Ok("{}".to_owned())
    }

    pub(super) fn monitor_cancel(&mut self, session: SessionId, params: &Value) -> Answer {
        let Some([id]) = params.as_array().map(Vec::as_slice) else {
            return Err("\"invalid parameters\"".to_owned());
        };
        let state = self.sessions.get_mut(&session);
        let text = id.to_string();
        let Some(monitor) = state.and_then(|state| state.monitors.remove(&text)) else {
            return Err("\"unknown monitor\"".to_owned());
        };
        if let Some(hosted) = self.databases.get_mut(&monitor.database) {
            hosted.leave(session, &text);
        }
        Ok("{}".to_owned())
    }

    /// Tells a session what was merged while it lagged.
    pub(super) fn catch_up(&mut self, session: SessionId) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        let behind = |monitor: &Monitor| monitor.merged.is_some();
        if !state.monitors.values().any(behind) {
            return;
        }
        let mut updates = Vec::new();
        for (id, monitor) in &mut state.monitors {
            let (Some(merged), Some(hosted)) = (monitor.merged.take(), self.databases.get(&monitor.database))
            else {
                continue;
            };
            let changes = changes_since(&hosted.database, &merged);
            if let Some(body) = monitor::compose(hosted.database.schema(), &monitor.spec, &changes) {
                updates.push((id.clone(), monitor.spec.version(), hosted.last_txn(), body));
            }
        }
        for (id, version, txn, body) in updates {
            state.push_update(&id, version, txn, &body);
        }
        self.ready.insert(session);
    }
}

fn last_txn(json: &Value) -> Result<Uuid, OvsdbError> {
    let Some(text) = json.as_str() else {
        return Err(OvsdbError::syntax(json, "last-txn-id must be string"));
    };
    text.parse().map_err(|_| OvsdbError::syntax(json, "last-txn-id must be UUID format."))
}
