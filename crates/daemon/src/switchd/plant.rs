//! What stands: devices, ports, bridges; brought from one wish to the next at the cost of the difference.
//!
//! ```text
//! Desired ──► who goes ──► who comes: devices ──► numbers, addresses ──► switch::Config ──► ports to workers ──► doors
//! ```
//!
//! An interface that cannot be opened is left out, and its error noted; it is tried again whenever something changes,
//! interfaces of the machine included. So a device that comes later is a port from then on.

mod address;
mod device;
mod exchange;
mod join;
mod link;
mod news;
mod number;
mod service;
mod standing;
mod wanted;

use std::collections::BTreeMap;
use std::path::PathBuf;

use netloom_ovsdb::Uuid;
use netloom_sys::HostError;

pub(super) use self::news::News;
pub(super) use self::standing::{Bridged, Id, Ports, Standing};
pub(super) use self::wanted::Wanted;
use super::config;
use super::desired::Desired;
use super::doors::Doors;
use super::dummy::Dummies;
use super::keep::{self, Folder, Found, Writer};
use super::links::Links;
use crate::core::Core;
use crate::engine::tunnels::Tunnels;
use crate::slowpath;

/// What stands.
pub(super) struct Plant {
    /// Who writes what is to outlive a restart.
    pub(super) writer: Option<Writer>,
    /// Where it is, until the first bridges were given it.
    kept: Option<Folder>,
    pub(super) core: Core,
    tunnels: Tunnels,
    pub(super) links: Links,
    /// Devices without a machine behind them.
    pub(super) dummies: Dummies,
    doors: Doors,
    /// Where relative paths of controllers are.
    dir: PathBuf,
    last_port: u32,
    pub(super) standing: Ports,
    /// Interfaces that could not be opened.
    pub(super) failed: BTreeMap<Id, String>,
    pub(super) bridges: BTreeMap<Uuid, Bridged>,
    /// What was wanted last.
    pub(super) desired: Desired,
    /// What is otherwise than when it was told last.
    pub(super) news: News,
}

/// The only worker.
const WORKERS: usize = 1;

impl Plant {
    /// Nothing yet. `seed` keys hashes; sockets are made in `dir`; what outlives a restart is in `kept`.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(super) fn start(
        seed: u64,
        dir: PathBuf,
        dummies: Dummies,
        kept: Option<Folder>,
    ) -> Result<Self, HostError> {
        Ok(Self {
            writer: None,
            kept,
            core: Core::start(seed, WORKERS)?,
            tunnels: Tunnels::default(),
            links: Links::open()?,
            dummies,
            doors: Doors::new(dir.clone()),
            dir,
            last_port: 0,
            standing: Ports::default(),
            failed: BTreeMap::new(),
            bridges: BTreeMap::new(),
            desired: Desired::default(),
            news: News::All,
        })
    }

    /// Makes everything be as it is wanted.
    pub(super) fn apply(&mut self, desired: Desired) {
        let told = std::mem::take(&mut self.failed);
        let exchanges = if told.is_empty() { self.desired.exchanges(&desired) } else { None };
        let is_done = exchanges.is_some_and(|all| all.iter().all(|it| self.exchange(&desired, it)));
        if !is_done {
            self.failed.clear();
            self.news = News::All;
            self.go_on(&desired);
        }
        for (id, why) in self.failed.iter().filter(|(id, why)| told.get(id) != Some(why)) {
            tracing::warn!(target: "bridge", interface = ?id, "{why}");
        }
        self.desired = desired;
    }

    /// Looks at the machine's interfaces again, and does what follows.
    pub(super) fn again(&mut self) {
        self.look();
        let changed = self.links.take_changed();
        if self.failed.is_empty() && !self.is_outdated(&changed) {
            return self.look_at_some(&changed);
        }
        let desired = std::mem::take(&mut self.desired);
        self.apply(desired);
    }

    fn go_on(&mut self, desired: &Desired) {
        self.look();
        self.bridges.retain(|uuid, _| desired.bridges.iter().any(|bridge| bridge.uuid == *uuid));
        let wanted = self.choose(desired);
        self.remove(&wanted);
        self.open(&wanted);
        self.number(desired, &wanted);
        self.address(desired, &wanted);
        self.join(&wanted);
        if !self.configure(desired, &wanted) {
            return;
        }
        self.attach();
        self.look_at_links();
        self.serve(desired);
    }

    /// Has the switch model be as wanted. `false`: it refuses, which would be a mistake of ours.
    fn configure(&mut self, desired: &Desired, wanted: &BTreeMap<Id, Wanted<'_>>) -> bool {
        let config = config::of(desired, wanted, self);
        let names = desired.bridges.iter().map(|bridge| bridge.name.as_str());
        let found = self.kept.as_ref().map(|folder| Found::of(folder, names));
        // What passed under the old configuration is credited to it.
        drop(self.core.fresh());
        let now = slowpath::now();
        let mut switch = slowpath::write_between(self.core.switch());
        if let Err(error) = switch.reconfigure(&config, now) {
            tracing::error!(target: "bridge", %error, "the bridges stay as they are");
            return false;
        }
        // No packet comes in before: its ports are told to workers later.
        found.iter().for_each(|found| keep::restore(found, &mut switch, self.core.tracker(), now));
        drop(switch);
        self.begin_keeping();
        true
    }

    /// From now on it is written what is to outlive a restart.
    fn begin_keeping(&mut self) {
        let Some(folder) = self.kept.take() else { return };
        match Writer::start(folder, self.core.sources()) {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => tracing::error!(target: "bridge", %error, "flows would not outlive a restart"),
        }
    }
}
