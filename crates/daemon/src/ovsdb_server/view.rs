//! A database in memory that shows what its owner has; clients look at it, and change what a guard lets them change.

use netloom_ovsdb::transact::Guard;
use netloom_ovsdb::{Database, SessionId, SessionSettings, UuidSource, vswitch};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::conn::Joined;
use super::core::{Shared, keep_time, now, take_turns};

/// The database.
const NAME: &str = "Open_vSwitch";

/// See the module.
#[derive(Debug)]
pub(crate) struct View {
    core: Shared,
    /// The owner's own session.
    owner: SessionId,
}

impl View {
    /// An empty database of a switch. `seed` makes the names of rows that get none; `guard` has the last word on what clients
    /// change.
    ///
    /// # Errors
    /// The schema is wrong, which a test shows never to be.
    pub(crate) fn new(seed: [u64; 2], guard: Box<dyn Guard>) -> Result<Self, String> {
        let schema = vswitch::schema().map_err(|error| error.to_string())?;
        let core = Shared::new(UuidSource::new(seed));
        core.lock().server.set_guard(guard);
        core.lock().server.add_database(now(), Database::new(schema), false);
        let owner = core.lock().connect(SessionSettings { probe_ms: 0, ..SessionSettings::default() });
        Ok(Self { core, owner })
    }

    /// Carries out operations, all or none.
    ///
    /// # Errors
    /// What the database says to the first that cannot be.
    pub(crate) fn write(&self, operations: Vec<Value>) -> Result<(), String> {
        let parameters: Vec<Value> = std::iter::once(json!(NAME)).chain(operations).collect();
        let request = json!({"id": 0, "method": "transact", "params": parameters}).to_string();
        let mut core = self.core.lock();
        core.server.handle_bytes(now(), self.owner, request.as_bytes());
        let answer = core.server.output(self.owner).to_vec();
        core.server.sent(now(), self.owner, answer.len());
        core.settle(None);
        drop(core);
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        let results = answer.get("result").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        match results.iter().find(|result| result.get("error").is_some_and(|error| !error.is_null())) {
            Some(error) => Err(error.to_string()),
            None if results.is_empty() => Err(answer.to_string()),
            None => Ok(()),
        }
    }

    /// Serves a client until it leaves.
    pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) {
        let settings = SessionSettings { guarded: true, probe_ms: 0, ..SessionSettings::default() };
        // However it ended, there is nothing to be done about it.
        let _ = Joined::new(&self.core, settings).serve(stream).await;
    }

    /// What has to go on while clients are served.
    pub(crate) async fn live(&self) {
        tokio::join!(keep_time(self.core.clone()), take_turns(self.core.clone()));
    }
}

#[cfg(test)]
mod tests {
    use netloom_ovsdb::transact::Change;
    use netloom_ovsdb::{OvsdbError, Schema};

    use super::*;

    #[derive(Debug)]
    struct Nothing;

    impl Guard for Nothing {
        fn judge(&self, _: &Schema, _: &[Change]) -> Result<(), OvsdbError> {
            Err(OvsdbError::new("not allowed", "nothing is"))
        }
    }

    #[test]
    fn its_owner_writes_and_is_told_what_cannot_be() {
        let view = View::new([1, 2], Box::new(Nothing)).unwrap();
        let root = json!({"op": "insert", "table": "Open_vSwitch", "row": {"ovs_version": "1"}});
        view.write(vec![root]).unwrap();
        let wrong = json!({"op": "insert", "table": "Open_vSwitch", "row": {"colour": "red"}});
        assert!(view.write(vec![wrong]).unwrap_err().contains("colour"));
        let select =
            json!({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["ovs_version"]});
        view.write(vec![select]).unwrap();
    }
}
