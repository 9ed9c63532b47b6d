//! A session: the stream of a client's messages, and what waits to be sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::Merged;
use crate::json::{Limits, MessageReader, StreamError};
use crate::monitor::{Spec, Version};
use crate::rpc::{self, Message};
use crate::transact::Change;
use crate::uuid::Uuid;

/// What a session may cost, and how it is watched.
#[derive(Debug, Clone, Copy)]
pub struct SessionSettings {
    /// Limits of one message.
    pub limits: Limits,
    /// With this many bytes waiting to be sent, no request is read and updates are merged.
    pub backlog_bytes: usize,
    /// With this many, the session ends.
    pub output_bytes: usize,
    /// Transactions that may wait at a time.
    pub pending: usize,
    /// A client silent for so long is asked for an echo, and after twice as long given up. 0: never.
    pub probe_ms: u64,
    /// Whether transactions that change something are refused.
    pub read_only: bool,
    /// Whether the server's guard, if it has one, has the last word on what transactions change.
    pub guarded: bool,
}

impl Default for SessionSettings {
    /// 1 MiB of backlog, 512 MiB at most, 1,000 transactions waiting, no probes.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            backlog_bytes: 1 << 20,
            output_bytes: 512 << 20,
            pending: 1000,
            probe_ms: 0,
            read_only: false,
            guarded: false,
        }
    }
}

/// Why a session ends from our side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The client sent what is no message.
    #[error("The client's stream is broken: {0}")]
    Stream(#[from] StreamError),
    /// The client takes too little of what it asked for.
    #[error("More than {0} bytes wait for the client")]
    TooSlow(usize),
    /// The client sends on although nothing of it is read.
    #[error("The client sent {0} bytes that could not be read yet")]
    TooMuch(usize),
    /// Too many transactions wait.
    #[error("The client has {0} transactions waiting")]
    TooManyPending(usize),
    /// No answer to a probe.
    #[error("The client has been silent for {0} ms")]
    Silent(u64),
    /// The schema has changed, and the client has not said that it can stand that.
    #[error("The schema of a database that the client monitors has changed")]
    SchemaChanged,
    /// A database was added or removed, and the client has not said that it can stand that.
    #[error("A database was added or removed")]
    DatabasesChanged,
    /// The administrator wants clients to connect anew.
    #[error("Clients are asked to connect anew")]
    Reconnect,
}

/// A monitor of a session.
#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) database: String,
    pub(super) spec: Arc<Spec>,
    /// While the client lags: what is to be told when it has caught up.
    pub(super) merged: Option<Merged>,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) settings: SessionSettings,
    reader: MessageReader,
    out: Vec<u8>,
    sent: usize,
    /// By the text of their ids.
    pub(super) monitors: BTreeMap<String, Monitor>,
    /// Locks that were asked for and not given back.
    pub(super) locks: BTreeSet<String>,
    pub(super) change_aware: bool,
    pub(super) closed: Option<CloseReason>,
    heard_ms: u64,
    probed: bool,
}

impl Session {
    pub(super) fn new(settings: SessionSettings, now_ms: u64) -> Self {
        Self {
            settings,
            reader: MessageReader::new(settings.limits),
            out: Vec::new(),
            sent: 0,
            monitors: BTreeMap::new(),
            locks: BTreeSet::new(),
            change_aware: false,
            closed: None,
            heard_ms: now_ms,
            probed: false,
        }
    }

    pub(super) fn receive(&mut self, now_ms: u64, bytes: &[u8]) {
        (self.heard_ms, self.probed) = (now_ms, false);
        self.reader.push(bytes);
        let (waiting, limit) = (self.reader.waiting(), self.settings.limits.message_bytes);
        if !self.may_process() && waiting > limit && self.closed.is_none() {
            self.closed = Some(CloseReason::TooMuch(waiting));
        }
    }

    /// Whether requests are read now.
    pub(super) fn may_process(&self) -> bool {
        self.closed.is_none() && self.backlog() < self.settings.backlog_bytes
    }

    /// The next message, if requests are read now and one is complete.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, StreamError> {
        if self.may_process() { self.reader.next(Message::read) } else { Ok(None) }
    }

    pub(super) fn backlog(&self) -> usize {
        self.out.len() - self.sent
    }

    pub(super) fn output(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.sent = self.out.len().min(self.sent + bytes);
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else if self.sent > self.out.len() / 2 {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Sends a message, unless the session has ended.
    pub(super) fn push(&mut self, message: &str) {
        if self.closed.is_some() {
            return;
        }
        self.out.extend_from_slice(message.as_bytes());
        if self.backlog() > self.settings.output_bytes {
            self.closed = Some(CloseReason::TooSlow(self.settings.output_bytes));
        }
    }

    /// Sends an update of a monitor, or notes it for later if too much waits already.
    pub(super) fn tell(&mut self, id: &str, version: Version, txn: Uuid, body: &str, changes: &[Change]) {
        let behind = self.backlog() >= self.settings.backlog_bytes;
        let Some(monitor) = self.monitors.get_mut(id) else { return };
        if behind || monitor.merged.is_some() {
            let merged = monitor.merged.get_or_insert_default();
            for change in changes {
                merged.entry((change.table, change.uuid)).or_insert_with(|| change.old.clone());
                // A row that came and went is nothing to tell of.
                if change.new.is_none() && merged.get(&(change.table, change.uuid)) == Some(&None) {
                    merged.remove(&(change.table, change.uuid));
                }
            }
            return;
        }
        self.push_update(id, version, txn, body);
    }

    /// Sends an update of a monitor.
    pub(super) fn push_update(&mut self, id: &str, version: Version, txn: Uuid, body: &str) {
        let params = match version {
            Version::Three => format!("[{id},\"{txn}\",{body}]"),
            _ => format!("[{id},{body}]"),
        };
        self.push(&rpc::request(&Value::Null, version.notification(), &params));
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        let patience = self.settings.probe_ms * if self.probed { 2 } else { 1 };
        (patience > 0 && self.closed.is_none()).then_some(self.heard_ms + patience)
    }

    /// Asks a silent client for an echo, or gives it up. Whether anything happened.
    pub(super) fn probe(&mut self, now_ms: u64) -> bool {
        if self.deadline().is_none_or(|deadline| deadline > now_ms) {
            return false;
        }
        if self.probed {
            self.closed = Some(CloseReason::Silent(now_ms - self.heard_ms));
        } else {
            self.probed = true;
            self.push(&rpc::request(&Value::from("echo"), "echo", "[]"));
        }
        true
    }
}
