//! All remotes: those of the command line and of `ovsdb-server/add-remote`, and those that databases name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::column::{self, Standing, Terms};
use super::core::{Shared, now};
use super::remote::Remote;
use super::standing::Record;
use super::target::{Column, Target};
use super::tls::Files;

/// How often databases are told how their remotes stand.
///
/// Source: `main_loop` of OVS's `ovsdb-server.c`.
const TELL: Duration = Duration::from_millis(2500);

/// The remotes. Its copies are the same.
#[derive(Debug, Clone)]
pub(super) struct Remotes {
    core: Shared,
    files: Files,
    run: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What the administrator wants, as he wrote it.
    wanted: BTreeSet<String>,
    /// What is served, by target.
    served: BTreeMap<String, Served>,
    /// Targets that are none, so that it is said once.
    wrong: BTreeSet<String>,
}

#[derive(Debug)]
struct Served {
    terms: Terms,
    record: Record,
    task: AbortHandle,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Remotes {
    pub(super) fn new(core: &Shared, files: Files, run: PathBuf) -> Self {
        Self { core: core.clone(), files, run, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one, in the form of `--remote`. That it is there already is no error.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn add(&self, remote: &str) -> Result<(), String> {
        match Column::parse(remote) {
            Some(column) => column::check(&self.core.lock().server, &column?)?,
            None => drop(Target::parse(remote, &self.run)?),
        }
        self.state().wanted.insert(remote.to_owned());
        self.reconfigure();
        Ok(())
    }

    /// Removes one that was added. Whether it was there.
    pub(super) fn remove(&self, remote: &str) -> bool {
        let removed = self.state().wanted.remove(remote);
        self.reconfigure();
        removed
    }

    /// Those that were added, in order.
    pub(super) fn list(&self) -> Vec<String> {
        self.state().wanted.iter().cloned().collect()
    }

    fn columns(&self) -> Vec<Column> {
        self.state().wanted.iter().filter_map(|text| Column::parse(text)?.ok()).collect()
    }

    /// Serves what is wanted now; what is as before goes on.
    pub(super) fn reconfigure(&self) {
        let columns = self.columns();
        let mut wanted: BTreeMap<String, Terms> = BTreeMap::new();
        {
            let core = self.core.lock();
            for column in &columns {
                wanted.extend(column::remotes(&core.server, column));
            }
        }
        let mut state = self.state();
        let own = state.wanted.iter().filter(|text| Column::parse(text).is_none());
        wanted.extend(own.map(|text| (text.clone(), Terms::default())).collect::<Vec<_>>());
        state.served.retain(|target, served| {
            let stays = wanted.get(target) == Some(&served.terms);
            if !stays {
                tracing::info!(target: "ovsdb_jsonrpc_server", "{target}: remote deconfigured");
            }
            stays
        });
        state.wrong.retain(|target| wanted.contains_key(target));
        for (name, terms) in wanted {
            if !state.served.contains_key(&name) {
                self.begin(&mut state, name, terms);
            }
        }
    }

    fn begin(&self, state: &mut State, name: String, terms: Terms) {
        let target = match Target::parse(&name, &self.run) {
            Ok(target) => target,
            Err(error) => {
                if state.wrong.insert(name.clone()) {
                    tracing::error!(target: "ovsdb_jsonrpc_server", "{name}: {error}");
                }
                return;
            }
        };
        let record = Record::default();
        let remote = Remote {
            name: name.clone(),
            target,
            terms,
            files: self.files.clone(),
            record: record.clone(),
            core: self.core.clone(),
        };
        let task = tokio::spawn(remote.begin()).abort_handle();
        state.served.insert(name, Served { terms, record, task });
    }

    /// Follows what databases say of remotes, until it is dropped.
    pub(super) async fn follow(self) {
        let changed = self.core.lock().changed();
        loop {
            changed.notified().await;
            if !self.columns().is_empty() {
                self.reconfigure();
            }
        }
    }

    /// Tells databases how their remotes stand, until it is dropped.
    pub(super) async fn tell(self) {
        let mut beat = tokio::time::interval(TELL);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            for column in self.columns() {
                self.tell_column(&column);
            }
        }
    }

    fn tell_column(&self, column: &Column) {
        let state = self.state();
        let mut core = self.core.lock();
        let now = now();
        let standing = |target: &str| match state.served.get(target) {
            Some(served) => served.record.told(&core.server, now.ms),
            None => Standing::default(),
        };
        if let Some(transaction) = column::telling(&core.server, column, standing) {
            let said = core.server.transact_now(now, &transaction);
            if said.contains("\"error\"") {
                tracing::warn!(target: "ovsdb_server", "status of remotes: {said}");
            }
            core.settle(None);
        }
    }
}
