//! The work between database and switch: rows to what stands, and what stands to rows.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netloom_ovsdb::Replica;
use netloom_ovsdb::replica::{Event, TransactionId, TransactionResult};
use netloom_sys::netlink::{LinkWatch, Told};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::database::{Connection, Server};
use super::desired::{Desired, Known};
use super::plant::{News, Plant};
use super::status::{self, Part, Reported};

/// How often it is looked how controllers stand.
const LOOK: Duration = Duration::from_millis(200);
/// The lock that lets one switch serve a database.
const LOCK: &str = "ovs_vswitchd";
/// The tables that are read.
const TABLES: [&str; 9] =
    ["Bridge", "Controller", "Interface", "Mirror", "Open_vSwitch", "Port", "QoS", "Queue", "SSL"];

/// What stands, shared with commands.
pub(super) type Shared = Arc<Mutex<Plant>>;

/// What stands. A panic of somebody else who held it is that one's bug; it is whole between changes.
pub(super) fn lock(plant: &Mutex<Plant>) -> MutexGuard<'_, Plant> {
    plant.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The switch and its database.
pub(super) struct Work {
    server: Server,
    replica: Replica,
    plant: Shared,
    /// What has been read of ports.
    known: Known,
    /// What has been written of ports.
    reported: Reported,
    links: AsyncFd<LinkWatch>,
    /// The server gave us the lock.
    ours: bool,
    /// Rows have changed.
    changed: bool,
    /// Status may have changed, and how much of it is to be looked at.
    dirty: Option<Part>,
    /// Status on its way.
    pending: Option<TransactionId>,
    statistics_at: Instant,
}

impl Work {
    /// Nothing has been read yet.
    ///
    /// # Errors
    /// No descriptor left.
    pub(super) fn new(server: Server, plant: Shared) -> io::Result<Self> {
        let replica = TABLES.into_iter().fold(Replica::new("Open_vSwitch"), Replica::table).lock(LOCK);
        let watch = LinkWatch::open().map_err(io::Error::other)?;
        #[expect(
            deprecated,
            reason = "the other way is unsafe; a watch owns its descriptor and never changes it"
        )]
        let links = AsyncFd::new(watch)?;
        Ok(Self {
            server,
            replica,
            plant,
            known: Known::default(),
            reported: Reported::default(),
            links,
            ours: false,
            changed: false,
            dirty: None,
            pending: None,
            statistics_at: Instant::now(),
        })
    }

    /// Serves the database until it is dropped.
    pub(super) async fn run(&mut self) {
        loop {
            let mut connection = self.call().await;
            self.replica.connect();
            let error = match self.converse(&mut connection).await {
                Ok(reason) => reason,
                Err(error) => error.to_string(),
            };
            tracing::warn!(target: "reconnect", "connection dropped ({error})");
            self.ours = false;
            self.server.rest().await;
        }
    }

    /// Calls the server; meanwhile what stands follows the machine's interfaces.
    async fn call(&mut self) -> Connection {
        loop {
            tokio::select! {
                connection = self.server.call() => return connection,
                ready = self.links.readable() => {
                    if ready.is_ok_and(|mut ready| { ready.clear_ready(); true }) && self.have_links_changed() {
                        lock(&self.plant).again();
                    }
                }
            }
        }
    }

    /// Serves by one connection, to its end.
    async fn converse(&mut self, connection: &mut Connection) -> io::Result<String> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some(reason) = self.handle_events() {
                return Ok(reason);
            }
            self.follow();
            self.report();
            connection.write(&mut self.replica).await?;
            let is_controlled = lock(&self.plant).desired.bridges.iter().any(|it| !it.controllers.is_empty());
            tokio::select! {
                read = connection.read(&mut self.replica) => read?,
                ready = self.links.readable() => {
                    ready?.clear_ready();
                    if self.have_links_changed() {
                        lock(&self.plant).again();
                        self.look_at(Part::State);
                    }
                }
                _ = look.tick(), if is_controlled => self.look_at(Part::State),
                () = sleep_until(self.statistics_at) => {
                    let every = lock(&self.plant).desired.stats_interval.max(LOOK);
                    self.statistics_at = Instant::now() + every;
                    self.look_at(Part::Everything);
                }
            }
        }
    }

    /// Only a bell: what stands has its own ears.
    fn have_links_changed(&self) -> bool {
        self.links.get_ref().take(&mut |_| ()) != Told::Nothing
    }

    /// What the server told; why the connection is of no use any more.
    fn handle_events(&mut self) -> Option<String> {
        while let Some(event) = self.replica.poll_event() {
            match event {
                Event::Synchronised => {
                    self.server.is_good();
                    self.known = Known::default();
                    self.changed = true;
                    // A server that was started again has forgotten what is ephemeral.
                    self.look_at(Part::Everything);
                }
                Event::Changed(changes) => {
                    changes.iter().for_each(|change| self.known.forget(change.uuid));
                    self.changed = true;
                }
                Event::Lock(ours) => {
                    if !ours {
                        tracing::warn!(target: "bridge", "another process serves this database; waiting for it to end");
                    }
                    (self.ours, self.changed) = (ours, true);
                }
                Event::Done(id, result) => {
                    if self.pending == Some(id) {
                        self.pending = None;
                        self.handle_result(result);
                    }
                }
                Event::Broken(reason) => return Some(reason),
            }
        }
        None
    }

    fn handle_result(&mut self, result: TransactionResult) {
        match result {
            TransactionResult::Committed { .. } => {}
            // A row was gone, or the connection: the next look tells.
            TransactionResult::TryAgain | TransactionResult::Lost | TransactionResult::NotOwner => {
                self.reported = Reported::default();
                lock(&self.plant).news = News::All;
                self.look_at(Part::State);
            }
            TransactionResult::Refused { error, details } => {
                tracing::error!(target: "bridge", error, details, "status was not written");
            }
        }
    }

    /// Does what the rows want.
    fn follow(&mut self) {
        if !self.changed || !self.ours || !self.replica.is_synchronised() {
            return;
        }
        self.changed = false;
        let desired = Desired::read(&self.replica, &mut self.known);
        let mut plant = lock(&self.plant);
        if plant.desired != desired {
            plant.apply(desired);
            drop(plant);
            self.look_at(Part::State);
        }
    }

    fn look_at(&mut self, part: Part) {
        if self.dirty != Some(Part::Everything) {
            self.dirty = Some(part);
        }
    }

    /// Writes what came of it.
    fn report(&mut self) {
        if self.pending.is_some() || !self.ours || !self.replica.is_synchronised() {
            return;
        }
        let Some(part) = self.dirty.take() else { return };
        let mut plant = lock(&self.plant);
        let news = match part {
            Part::Everything => News::All,
            Part::State => std::mem::replace(&mut plant.news, News::Of(BTreeSet::new())),
        };
        let difference = status::difference(&self.replica, &plant, (part, &news), &mut self.reported);
        self.pending = difference.map(|transaction| self.replica.transact(transaction));
    }
}
