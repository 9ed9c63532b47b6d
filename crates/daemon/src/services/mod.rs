//! The services of a lab's networks: where packets that switches hand up meet [`netloom_services`].
//!
//! ```text
//! worker ─ punt ─► queue ─► thread `services` ─► netloom_services::Network ─┬─ frame ─► worker, out of the same port
//!                                                                          └─ question ─► name servers of the machine
//! ```
//!
//! The thread starts with the first network, and sleeps until a packet comes or an advertisement is due.

mod report;
mod spec;
mod thread;
mod upstream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use netloom_flow::BridgeId;
use netloom_lab::Lab;
use netloom_services::Network;
use tokio::sync::Notify;

use crate::punts::Punts;
use crate::slowpath::{self, SharedSwitch};
use crate::tracked::Tracked;
use crate::worker::Caller;

/// The services of all networks of a lab.
#[derive(Debug)]
pub(crate) struct Services {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread works with.
#[derive(Debug)]
struct Shared {
    switch: SharedSwitch,
    tracked: Arc<Tracked>,
    punts: Arc<Punts>,
    /// Who sends; let go before the worker ends, which waits for that.
    worker: Mutex<Option<Caller>>,
    table: Mutex<Table>,
    /// The table was changed.
    news: Notify,
}

/// The networks, by their switches.
#[derive(Debug, Default)]
struct Table {
    networks: BTreeMap<BridgeId, (String, Network)>,
    over: bool,
}

impl Services {
    /// None yet. What goes up for them waits in `punts`; frames go out by `worker`.
    pub(crate) fn new(
        switch: SharedSwitch,
        tracked: Arc<Tracked>,
        punts: Arc<Punts>,
        worker: Option<Caller>,
    ) -> Self {
        let worker = Mutex::new(worker);
        let shared = Shared { switch, tracked, punts, worker, table: Mutex::default(), news: Notify::new() };
        Self { shared: Arc::new(shared), thread: Mutex::default() }
    }

    /// Has the networks be as the lab has them, whose switches are configured by now. What was handed out stays known.
    pub(crate) fn update(&self, lab: &Lab) {
        let model = slowpath::read(&self.shared.switch);
        let wanted = lab.services.iter().filter_map(|service| {
            Some((model.bridge_id(&service.network)?, service.network.clone(), spec::spec(lab, service)))
        });
        let wanted: Vec<_> = wanted.collect();
        drop(model);
        let now = slowpath::now();
        let mut table = self.shared.table();
        table.networks.retain(|id, _| wanted.iter().any(|(wanted, ..)| wanted == id));
        for (id, name, spec) in wanted {
            match table.networks.get_mut(&id) {
                Some((old, network)) => {
                    *old = name;
                    network.set(spec, now);
                }
                None => _ = table.networks.insert(id, (name, Network::new(spec, now))),
            }
        }
        let is_needed = !table.networks.is_empty();
        drop(table);
        self.shared.punts.set_open(is_needed);
        self.shared.news.notify_one();
        if is_needed {
            self.start();
        }
    }

    fn start(&self) {
        let mut thread = self.thread();
        if thread.is_some() {
            return;
        }
        match thread::start(Arc::clone(&self.shared)) {
            Ok(started) => *thread = Some(started),
            // The nodes have their addresses and /etc/hosts all the same.
            Err(error) => tracing::error!(%error, "the services of networks could not be started"),
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.shared.table().over = true;
        self.shared.news.notify_one();
        if let Some(thread) = self.thread().take() {
            let _ = thread.join();
        }
        self.shared.worker().take();
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn worker(&self) -> MutexGuard<'_, Option<Caller>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
