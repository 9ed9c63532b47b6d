//! How one remote stands, as `Manager.status` and the like tell it.
//!
//! Source: ovs-vswitchd.conf.db(5), "Manager"; `ovsdb/ovsdb-server.c` of OVS (`update_remote_row`).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_ovsdb::{Server, SessionId};

use super::column::Standing;

/// How a remote stands. Its copies are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Record(Arc<Mutex<Facts>>);

#[derive(Debug, Default)]
struct Facts {
    /// What a remote that is called is doing.
    phase: Option<&'static str>,
    sessions: BTreeSet<SessionId>,
    connected_ms: Option<u64>,
    disconnected_ms: Option<u64>,
    last_error: Option<String>,
    bound_port: Option<u16>,
}

impl Record {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is listened for, perhaps at a port.
    pub(super) fn listens(&self, port: Option<u16>) {
        let mut facts = self.facts();
        facts.bound_port = port;
        facts.phase = None;
    }

    /// It is being called.
    pub(super) fn calling(&self) {
        self.facts().phase = Some("CONNECTING");
    }

    /// It failed; the next try comes.
    pub(super) fn failed(&self, error: String) {
        let mut facts = self.facts();
        facts.phase = Some("BACKOFF");
        facts.last_error = Some(error);
    }

    /// A session began.
    pub(super) fn joined(&self, session: SessionId, now_ms: u64) {
        let mut facts = self.facts();
        facts.sessions.insert(session);
        facts.connected_ms = Some(now_ms);
        facts.phase = facts.phase.and(Some("ACTIVE"));
    }

    /// A session has ended, perhaps of an error.
    pub(super) fn left(&self, session: SessionId, now_ms: u64, error: Option<String>) {
        let mut facts = self.facts();
        facts.sessions.remove(&session);
        facts.disconnected_ms = Some(now_ms);
        facts.last_error = error.or_else(|| facts.last_error.take());
        facts.phase = facts.phase.and(Some("BACKOFF"));
    }

    /// What is told of it.
    pub(super) fn told(&self, server: &Server, now_ms: u64) -> Standing {
        let facts = self.facts();
        let mut standing = Standing { is_connected: !facts.sessions.is_empty(), ..Standing::default() };
        let mut tell = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                standing.status.insert(key.to_owned(), value);
            }
        };
        let since =
            |moment: Option<u64>| moment.map(|moment| (now_ms.saturating_sub(moment) / 1000).to_string());
        tell("bound_port", facts.bound_port.map(|port| port.to_string()));
        if facts.phase.is_none() && facts.sessions.is_empty() {
            return standing;
        }
        let sessions = facts.sessions.len();
        tell("state", Some(facts.phase.unwrap_or("ACTIVE").to_owned()));
        tell("sec_since_connect", since(facts.connected_ms));
        tell("sec_since_disconnect", since(facts.disconnected_ms));
        tell("last_error", facts.last_error.clone());
        tell("n_connections", (sessions > 1).then(|| sessions.to_string()));
        let (mut held, mut waiting) = (0, 0);
        for session in &facts.sessions {
            let (has, waits) = server.locks_of(*session);
            held += has;
            waiting += waits;
        }
        tell("locks_held", (held > 0).then(|| held.to_string()));
        tell("locks_waiting", (waiting > 0).then(|| waiting.to_string()));
        standing
    }
}

#[cfg(test)]
mod tests {
    use netloom_ovsdb::{Now, SessionSettings, UuidSource};

    use super::*;

    #[test]
    fn a_remote_tells_what_becomes_of_it() {
        let mut server = Server::new(UuidSource::new([1, 2]));
        let session = server.connect(Now::default(), SessionSettings::default());
        let keys = |standing: Standing| {
            standing.status.into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>()
        };
        let waited_for = Record::default();
        waited_for.listens(Some(6640));
        assert_eq!(keys(waited_for.told(&server, 0)), ["bound_port=6640"]);
        waited_for.joined(session, 1000);
        let told = waited_for.told(&server, 3500);
        assert!(told.is_connected);
        assert_eq!(keys(told), ["bound_port=6640", "sec_since_connect=2", "state=ACTIVE"]);
        let called = Record::default();
        called.calling();
        called.failed("Connection refused".to_owned());
        assert_eq!(keys(called.told(&server, 0)), ["last_error=Connection refused", "state=BACKOFF"]);
        called.calling();
        called.joined(session, 1000);
        called.left(session, 2000, None);
        let told = called.told(&server, 2000);
        assert!(!told.is_connected);
        assert_eq!(told.status.get("state").unwrap(), "BACKOFF");
    }
}
