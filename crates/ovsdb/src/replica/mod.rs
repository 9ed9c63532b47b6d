//! A client's copy of a database: kept by a monitor, changed by transactions.
//!
//! Bytes in, bytes out, so it is the same against our own server in this process and against another one elsewhere.
//! The copy has what the server told; what a transaction changed shows when the server's update comes, which is
//! before its result.
//!
//! Source: RFC 7047 §4.1; ovsdb-server(7), "Monitor Cond Since". Older servers are asked in the older ways.

mod apply;
mod transaction;
mod view;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::json::{Limits, MessageReader};
use crate::monitor::Version;
use crate::rpc::{self, Message};
use crate::schema::Schema;
use crate::store::Database;
use crate::transact::Change;
use crate::uuid::Uuid;
pub use transaction::{Transaction, TransactionResult};
pub use view::{RowView, TableView};

/// Names a transaction of this replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionId(u64);

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The copy is that of the server, for the first time since it was connected.
    Synchronised,
    /// Rows have changed; told before [`Event::Synchronised`] too.
    Changed(Vec<Change>),
    /// A transaction is over.
    Done(TransactionId, TransactionResult),
    /// Whether we have the lock that was asked for.
    Lock(bool),
    /// The connection is of no use any more: hang up, and connect anew some time.
    Broken(String),
}

/// What a request of ours was for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Schema,
    Monitor(Version),
    Lock,
    Transaction(TransactionId),
    Nothing,
}

/// Tables, each with the columns that are wanted of it; `None` for all.
type Wanted = BTreeMap<String, Option<Vec<String>>>;

/// A copy of a database.
#[derive(Debug)]
pub struct Replica {
    name: String,
    wanted: Wanted,
    lock: Option<String>,
    reader: MessageReader,
    out: Vec<u8>,
    asked: BTreeMap<u64, Asked>,
    next_id: u64,
    copy: Option<Database>,
    last_txn: Uuid,
    synchronised: bool,
    events: VecDeque<Event>,
}

impl Replica {
    /// A replica of the database `name`; the copy has the tables and columns that were asked for by then.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            wanted: BTreeMap::new(),
            lock: None,
            reader: MessageReader::new(Limits::default()),
            out: Vec::new(),
            asked: BTreeMap::new(),
            next_id: 1,
            copy: None,
            last_txn: Uuid::ZERO,
            synchronised: false,
            events: VecDeque::new(),
        }
    }

    /// Wants all of a table. Without any, all tables are wanted.
    #[must_use]
    pub fn table(mut self, table: &str) -> Self {
        self.wanted.insert(table.to_owned(), None);
        self
    }

    /// Wants some columns of a table. What the server's schema has not is left out.
    #[must_use]
    pub fn columns(mut self, table: &str, columns: &[&str]) -> Self {
        self.wanted.insert(table.to_owned(), Some(columns.iter().map(|&column| column.to_owned()).collect()));
        self
    }

    /// Wants a lock, which every transaction then asserts.
    #[must_use]
    pub fn lock(mut self, lock: &str) -> Self {
        self.lock = Some(lock.to_owned());
        self
    }

    /// Begins on a new connection. Transactions under way on the old one have [`TransactionResult::Lost`].
    pub fn connect(&mut self) {
        self.reader = MessageReader::new(Limits::default());
        self.out.clear();
        self.synchronised = false;
        for asked in std::mem::take(&mut self.asked).into_values() {
            if let Asked::Transaction(id) = asked {
                self.events.push_back(Event::Done(id, TransactionResult::Lost));
            }
        }
        self.ask("set_db_change_aware", "[true]", Asked::Nothing);
        self.ask_schema();
        if let Some(lock) = self.lock.clone() {
            self.ask("lock", &json!([lock]).to_string(), Asked::Lock);
        }
    }

    /// Takes what the server sent.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
        loop {
            let message = match self.reader.next(Message::read) {
                Ok(None) => return,
                Ok(Some(message)) => Ok(message),
                Err(error) => Err(error),
            };
            let done = message.map_err(|error| error.to_string()).and_then(|message| self.handle(message));
            if let Err(reason) = done {
                self.events.push_back(Event::Broken(reason));
                return;
            }
        }
    }

    /// What is to be sent to the server.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether the copy is that of the server.
    pub const fn is_synchronised(&self) -> bool {
        self.synchronised
    }

    /// The schema, once the server has told it.
    pub fn schema(&self) -> Option<&Schema> {
        self.copy.as_ref().map(|copy| &**copy.schema())
    }

    /// The rows of a table. `None` before the schema is known, or if it has no such table.
    pub fn rows_of(&self, table: &str) -> Option<TableView<'_>> {
        TableView::new(self.copy.as_ref()?, table)
    }

    /// Asks for a transaction.
    pub fn transact(&mut self, transaction: Transaction) -> TransactionId {
        let id = TransactionId(self.next_id);
        let params = transaction.into_params(&self.name, self.lock.as_deref());
        self.ask("transact", &params.to_string(), Asked::Transaction(id));
        id
    }

    fn ask(&mut self, method: &str, params: &str, what: Asked) {
        let request = rpc::request(&json!(self.next_id), method, params);
        self.out.extend_from_slice(request.as_bytes());
        self.asked.insert(self.next_id, what);
        self.next_id += 1;
    }

    fn ask_schema(&mut self) {
        self.ask("get_schema", &json!([self.name]).to_string(), Asked::Schema);
    }

    fn ask_monitor(&mut self, version: Version) {
        let Some(copy) = &self.copy else { return };
        let requests = requests(copy.schema(), &self.wanted);
        let id = "replica";
        let (method, params) = match version {
            Version::Three => {
                let last = self.last_txn.to_string();
                ("monitor_cond_since", json!([self.name, id, requests, last]))
            }
            Version::Two => ("monitor_cond", json!([self.name, id, requests])),
            Version::One => ("monitor", json!([self.name, id, requests])),
        };
        self.ask(method, &params.to_string(), Asked::Monitor(version));
    }

    fn handle(&mut self, message: Message) -> Result<(), String> {
        match message {
            Message::Request { id, method, params } => {
                let answer = match method.as_str() {
                    "echo" => rpc::reply(&id, &params.to_string()),
                    _ => rpc::error(&id, "\"unknown method\""),
                };
                self.out.extend_from_slice(answer.as_bytes());
                Ok(())
            }
            Message::Notification { method, params } => self.notified(&method, &params),
            Message::Reply { id, result } => {
                let asked = id.as_u64().and_then(|id| self.asked.remove(&id));
                asked.map_or(Ok(()), |asked| self.replied(asked, result))
            }
        }
    }

    fn notified(&mut self, method: &str, params: &Value) -> Result<(), String> {
        let params = params.as_array().map(Vec::as_slice).unwrap_or_default();
        match (method, params) {
            ("update", [_, updates]) => self.update(Version::One, updates),
            ("update2", [_, updates]) => self.update(Version::Two, updates),
            ("update3", [_, last, updates]) => {
                self.update(Version::Three, updates)?;
                self.note_txn(last)
            }
            ("locked" | "stolen", _) => {
                self.events.push_back(Event::Lock(method == "locked"));
                Ok(())
            }
            // The schema has changed.
            ("monitor_canceled", _) => {
                self.synchronised = false;
                self.last_txn = Uuid::ZERO;
                self.ask_schema();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn replied(&mut self, asked: Asked, result: Result<Value, Value>) -> Result<(), String> {
        match (asked, result) {
            (Asked::Schema, Ok(json)) => {
                let schema = Schema::from_json(&json).map_err(|error| error.to_string())?;
                if self.copy.as_ref().is_none_or(|copy| **copy.schema() != schema) {
                    self.copy = Some(Database::new(schema));
                    self.last_txn = Uuid::ZERO;
                }
                self.ask_monitor(Version::Three);
                Ok(())
            }
            (Asked::Schema, Err(error)) => Err(format!("The server has no schema of {}: {error}", self.name)),
            (Asked::Monitor(version), Ok(result)) => self.monitored(version, &result),
            (Asked::Monitor(Version::Three), Err(_)) => {
                self.ask_monitor(Version::Two);
                Ok(())
            }
            (Asked::Monitor(Version::Two), Err(_)) => {
                self.ask_monitor(Version::One);
                Ok(())
            }
            (Asked::Monitor(Version::One), Err(error)) => {
                Err(format!("The server refuses a monitor: {error}"))
            }
            (Asked::Lock, Ok(result)) => {
                self.events.push_back(Event::Lock(result["locked"] == json!(true)));
                Ok(())
            }
            (Asked::Transaction(id), result) => {
                let result = TransactionResult::from_reply(result);
                self.events.push_back(Event::Done(id, result));
                Ok(())
            }
            (Asked::Lock | Asked::Nothing, _) => Ok(()),
        }
    }

    /// The reply to a monitor request: all rows, or what was missed.
    fn monitored(&mut self, version: Version, result: &Value) -> Result<(), String> {
        if version == Version::Three {
            let Some([Value::Bool(found), last, updates]) = result.as_array().map(Vec::as_slice) else {
                return Err("The reply to monitor_cond_since has another form".to_owned());
            };
            if !found {
                self.forget_what_is_not_in(updates);
            }
            self.update(version, updates)?;
            self.note_txn(last)?;
        } else {
            self.forget_what_is_not_in(result);
            self.update(version, result)?;
        }
        self.synchronised = true;
        self.events.push_back(Event::Synchronised);
        Ok(())
    }

    fn note_txn(&mut self, last: &Value) -> Result<(), String> {
        let uuid = last.as_str().and_then(|text| text.parse().ok());
        self.last_txn = uuid.ok_or_else(|| format!("Not the UUID of a transaction: {last}"))?;
        Ok(())
    }

    fn update(&mut self, version: Version, updates: &Value) -> Result<(), String> {
        let Some(copy) = &mut self.copy else { return Ok(()) };
        let changes = apply::apply(copy, version, updates).map_err(|error| error.to_string())?;
        if !changes.is_empty() {
            self.events.push_back(Event::Changed(changes));
        }
        Ok(())
    }

    fn forget_what_is_not_in(&mut self, updates: &Value) {
        let Some(copy) = &mut self.copy else { return };
        let changes = apply::forget_others(copy, updates);
        if !changes.is_empty() {
            self.events.push_back(Event::Changed(changes));
        }
    }
}

/// What to ask of the monitor: what is wanted, as far as the schema has it.
fn requests(schema: &Schema, wanted: &Wanted) -> Value {
    let mut requests = serde_json::Map::new();
    for table in &schema.tables {
        let columns = match wanted.get(&*table.name) {
            None if wanted.is_empty() => &None,
            None => continue,
            Some(columns) => columns,
        };
        let known: Vec<&str> = match columns {
            None => table.columns.iter().skip(2).map(|column| &*column.name).collect(),
            Some(columns) => {
                columns.iter().map(String::as_str).filter(|name| table.column(name).is_some()).collect()
            }
        };
        requests.insert(table.name.to_string(), json!({"columns": known}));
    }
    Value::Object(requests)
}
