//! The databases, their files, and who is connected: one value behind one lock.
//!
//! ```text
//! bytes of a client ─► Server::handle_bytes ─► poll_write ─► files ─► poll_session ─► whoever is to be told wakes
//! ```
//! [`Core::settle`] is the only way from one side to the other, so that nobody is told what is not in its file. When a
//! file cannot be written (a full disk), all clients wait, and once a second the whole file is tried anew.
//!
//! Who asks comes before who looks on: sessions with something to be told wake in turns of a few, and between two turns
//! whoever asked meanwhile is answered ([`take_turns`]). So many monitors cost a transaction little, and under load each is
//! told of several transactions at once.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use netloom_ovsdb::server::Write;
use netloom_ovsdb::{Now, Server, SessionId, SessionSettings, UuidSource};
use netloom_sys::clock;
use tokio::sync::Notify;

use super::store::{Store, StoreError};

/// How long until a file that could not be written is tried again.
const RETRY_MS: u64 = 1000;

/// Sessions that wake together.
const TURN: usize = 8;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// A core. Its copies are the same one.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Core>>);

impl Shared {
    pub(super) fn new(uuids: UuidSource) -> Self {
        Self(Arc::new(Mutex::new(Core {
            server: Server::new(uuids),
            stores: BTreeMap::new(),
            wakers: HashMap::new(),
            queue: VecDeque::new(),
            queued: HashSet::new(),
            turn: Arc::default(),
            scratch: vec![0; CHUNK],
            alarm: Arc::default(),
            sleeps_until: u64::MAX,
            changed: Arc::default(),
            heard: Arc::default(),
            requests: 0,
            commits: 0,
            broken: false,
        })))
    }

    /// Held for moments only, never while something is waited for.
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The databases, their files, and who is connected.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) server: Server,
    /// By the name of the database.
    stores: BTreeMap<String, Store>,
    /// Sessions that sleep.
    wakers: HashMap<SessionId, Waker>,
    /// Sessions that have something to send, in the order of their turns.
    queue: VecDeque<SessionId>,
    queued: HashSet<SessionId>,
    /// Rung when somebody is in the queue.
    turn: Arc<Notify>,
    /// Where bytes are read into, by one session at a time.
    pub(super) scratch: Vec<u8>,
    /// Rung when the server wants to be called earlier than it slept for.
    alarm: Arc<Notify>,
    sleeps_until: u64,
    /// Rung when a database has changed.
    changed: Arc<Notify>,
    commits: u64,
    /// Rung when a client has sent something.
    heard: Arc<Notify>,
    /// How often one has.
    pub(super) requests: u64,
    /// A file could not be written: nothing is read or sent until it could.
    broken: bool,
}

/// The time.
pub(super) fn now() -> Now {
    Now { ms: clock::now() / 1_000_000, date_ms: clock::wall() / 1_000_000 }
}

/// Why a database cannot be added.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("ovsdb error: {0}: already open")]
    Open(String),
    #[error("ovsdb error: {0}: duplicate database name")]
    Name(String),
    #[error("ovsdb error: {0}: reserved database name")]
    Reserved(String),
}

impl Core {
    /// Serves the database in a file. Returns its name.
    pub(super) fn add(&mut self, path: &Path) -> Result<String, AddError> {
        let real = path.canonicalize();
        if self.stores.values().any(|store| real.as_ref().is_ok_and(|real| real == store.path())) {
            return Err(AddError::Open(path.display().to_string()));
        }
        let (store, database) = Store::open(path, now(), self.server.uuids())?;
        let name = database.schema().name.clone();
        if self.server.database(&name).is_some() {
            return Err(AddError::Name(name));
        }
        if name.starts_with('_') {
            return Err(AddError::Reserved(name));
        }
        self.server.add_database(now(), database, true);
        self.stores.insert(name.clone(), store);
        self.settle(None);
        Ok(name)
    }

    /// Serves a database no more. Whether it was served.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let removed = self.server.remove_database(now(), name).is_some();
        self.stores.remove(name);
        self.settle(None);
        removed
    }

    /// Whether a database has a file.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.stores.contains_key(name)
    }

    /// Writes the file of a database anew.
    pub(super) fn compact(&mut self, name: &str) -> std::io::Result<()> {
        let now = now();
        let (Some(store), Some(content)) = (self.stores.get_mut(name), self.server.compact(now, name)) else {
            return Ok(());
        };
        store.replace(&content, now)
    }

    pub(super) fn connect(&mut self, settings: SessionSettings) -> SessionId {
        let id = self.server.connect(now(), settings);
        self.mind_deadline(if settings.probe_ms > 0 { now().ms + settings.probe_ms } else { u64::MAX });
        id
    }

    pub(super) fn disconnect(&mut self, id: SessionId) {
        self.wakers.remove(&id);
        self.server.disconnect(now(), id);
        self.settle(None);
    }

    pub(super) fn sleep(&mut self, id: SessionId, waker: &Waker) {
        match self.wakers.get_mut(&id) {
            Some(known) => known.clone_from(waker),
            None => drop(self.wakers.insert(id, waker.clone())),
        }
    }

    /// Whether sessions may be read and written.
    pub(super) const fn is_sound(&self) -> bool {
        !self.broken
    }

    /// Writes what is to be written, then wakes whoever has something to send; not `awake`, who is at work anyway.
    pub(super) fn settle(&mut self, awake: Option<SessionId>) {
        self.write();
        if self.broken {
            return;
        }
        while let Some(id) = self.server.poll_session() {
            if Some(id) != awake && self.queued.insert(id) {
                self.queue.push_back(id);
            }
        }
        if !self.queue.is_empty() {
            self.turn.notify_one();
        }
        if self.server.commits() != self.commits {
            self.commits = self.server.commits();
            self.changed.notify_one();
        }
        if let Some(deadline) = self.server.transactions_deadline() {
            self.mind_deadline(deadline);
        }
    }

    /// Wakes the first few of the queue. Whether there are more.
    fn wake_some(&mut self) -> bool {
        for id in self.queue.drain(..self.queue.len().min(TURN)) {
            self.queued.remove(&id);
            if let Some(waker) = self.wakers.get(&id) {
                waker.wake_by_ref();
            }
        }
        !self.queue.is_empty()
    }

    fn write(&mut self) {
        let mut appended: Vec<String> = Vec::new();
        while let Some(write) = self.server.poll_write() {
            match write {
                Write::Append { database, record, durable } => {
                    if let Some(store) = self.stores.get_mut(&database) {
                        store.append(&record, durable);
                    }
                    if appended.last() != Some(&database) {
                        appended.push(database);
                    }
                }
                Write::Replace { database, file } => {
                    let replaced = self.stores.get_mut(&database).map(|store| store.replace(&file, now()));
                    self.judge(&database, replaced.unwrap_or(Ok(())));
                }
            }
        }
        if appended.is_empty() || self.broken {
            return;
        }
        let now = now();
        for name in appended {
            let Some(store) = self.stores.get_mut(&name) else { continue };
            let flushed = store.flush();
            let is_grown = flushed.is_ok() && store.is_grown(now);
            self.judge(&name, flushed);
            if is_grown {
                tracing::info!(target: "ovsdb_server", "compacting {name} database because it has grown");
                if let Err(error) = self.compact(&name) {
                    // The old file is good. It is tried again at the next transaction.
                    tracing::warn!(target: "ovsdb_server", %error, "{name}: compaction failed");
                }
            }
        }
    }

    fn judge(&mut self, name: &str, outcome: std::io::Result<()>) {
        if let Err(error) = outcome {
            self.broken = true;
            tracing::error!(target: "ovsdb_log", %error, "{name}: cannot be written: clients wait until it can");
            self.mind_deadline(now().ms + RETRY_MS);
        }
    }

    /// Tries again what could not be written.
    fn repair(&mut self) {
        for name in self.stores.keys().cloned().collect::<Vec<_>>() {
            if let Err(error) = self.compact(&name) {
                return tracing::warn!(target: "ovsdb_log", %error, "{name}: still cannot be written");
            }
        }
        self.broken = false;
        tracing::info!(target: "ovsdb_log", "all files are written again");
        // All of them may have waited to read or write.
        self.wakers.values().for_each(Waker::wake_by_ref);
    }

    fn mind_deadline(&mut self, deadline: u64) {
        if deadline < self.sleeps_until {
            self.sleeps_until = deadline;
            self.alarm.notify_one();
        }
    }

    /// A client has sent something.
    pub(super) fn hear(&mut self) {
        self.requests += 1;
        self.heard.notify_one();
    }

    /// What rings when a client has sent something.
    pub(super) fn heard(&self) -> Arc<Notify> {
        Arc::clone(&self.heard)
    }

    /// What rings when a database has changed.
    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

/// Wakes sessions that have something to be told, until it is dropped.
pub(super) async fn take_turns(core: Shared) {
    let turn = Arc::clone(&core.lock().turn);
    loop {
        turn.notified().await;
        while core.lock().wake_some() {
            // Those who wake do their work now, and then sockets are looked at.
            tokio::task::yield_now().await;
        }
    }
}

/// Lets time pass, until it is dropped.
pub(super) async fn keep_time(core: Shared) {
    let alarm = Arc::clone(&core.lock().alarm);
    loop {
        let pause = {
            let mut core = core.lock();
            let now = now();
            core.server.handle_timeout(now);
            if core.broken {
                core.repair();
            }
            core.settle(None);
            let retry = core.broken.then_some(now.ms + RETRY_MS);
            core.sleeps_until = core.server.deadline().into_iter().chain(retry).min().unwrap_or(u64::MAX);
            core.sleeps_until.saturating_sub(now.ms)
        };
        // An hour at most, so that no span is too long for the timer.
        let pause = std::time::Duration::from_millis(pause.min(3_600_000));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = alarm.notified() => {}
        }
    }
}
