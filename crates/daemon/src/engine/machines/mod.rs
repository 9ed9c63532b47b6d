//! The virtual machines of a lab: QEMU as a child of the spawner, and a thread each that holds its sockets.
//!
//! ```text
//!  lab file ──► prepare (QEMU, kernel, image: nothing has changed yet) ──► plan ──► update
//!                                                                                    │ Setup
//!  exec, console, stop .. ──► Machine (handle) ──► Life (thread): QEMU's control socket, serial port, agent
//! ```
//!
//! A machine is told all it needs when it boots, so one that differs in more than its network is made anew by the plan. Nothing of it can
//! outlive the daemon but what guests write to disks, which is kept: QEMU dies with the spawner, its sockets are pairs
//! without a name or go with the lab's directory, its initial file system is a file in memory.

mod cards;
mod disks;
mod envoy;
mod errand;
mod fetched;
mod life;
mod machine;
mod processors;
mod setup;
mod shelf;
mod snapshot;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netloom_api::{ApiError, ErrorKind};
use netloom_container::Spawner;
use netloom_image::store::Pin;
use netloom_lab::Lab;
use netloom_lab::lab::Node;
use netloom_vm::probe::Probe;

pub(super) use envoy::guest;
pub(super) use machine::{Arrival, Console, Machine, Moved, Phase, Spoken};
pub(super) use setup::container;
use setup::{Ground, Setup};
pub(super) use shelf::{About, Shelf};

use super::containers::Containers;
use super::functions::Functions;
use super::hints::refused;
use super::journal::Ledger;
use super::limits::Groups;
use super::running::State;
use crate::Sink;

/// What a guest has to switch itself off, before QEMU is ended.
const GRACE: Duration = Duration::from_secs(10);

/// The virtual machines of a lab.
pub(super) struct Machines {
    spawner: Spawner,
    /// The lab's own folder.
    folder: PathBuf,
    groups: Arc<Groups>,
    ledger: Arc<Ledger>,
    all: Mutex<BTreeMap<String, Arc<Machine>>>,
    /// What the machine can do, once somebody has asked.
    probe: Mutex<Option<Probe>>,
    /// Keeps the images of disks that came from the net.
    pin: Mutex<Option<Pin>>,
}

impl std::fmt::Debug for Machines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machines").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Machines {
    /// None yet.
    pub(super) fn new(spawner: Spawner, folder: PathBuf, groups: Arc<Groups>, ledger: Arc<Ledger>) -> Self {
        let (all, probe, pin) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { spawner, folder, groups, ledger, all, probe, pin }
    }

    /// Finds out whether every new virtual machine of `lab` can be run.
    ///
    /// # Errors
    /// No QEMU, no kernel, a file that is missing or cannot be fetched. Nothing has changed then.
    pub(super) fn prepare(&self, lab: &Lab, before: &Lab, sink: &Sink) -> Result<(), ApiError> {
        let pin = fetched::fetch(lab, before, sink)?;
        let same = |node: &&Node| before.node(&node.name).is_none_or(|old| old.vm != node.vm);
        for node in lab.nodes.iter().filter(|node| node.vm.is_some()).filter(same) {
            let probe = self.probe()?;
            Ground::find(lab, node, &probe).map(drop).map_err(|error| {
                let line = format!("line {} of the lab file has {}", node.line, node.name);
                if error.hint.is_some() { error } else { error.hint(line) }
            })?;
        }
        *self.pin.lock().unwrap_or_else(PoisonError::into_inner) = pin;
        Ok(())
    }

    /// Brings the machines to what the lab says now; returns what could not be started.
    pub(super) fn update(
        &self,
        state: &State,
        containers: &Containers,
        functions: &Functions,
    ) -> Vec<String> {
        let mut notes = Vec::new();
        for node in state.lab.nodes.iter().filter(|node| node.vm.is_some()) {
            let Some(made) = state.nodes.get(&node.name) else { continue };
            if self.of(&node.name).is_some_and(|machine| machine.is_in(&made.netns)) {
                continue;
            }
            self.forget(std::slice::from_ref(&node.name));
            let image = containers.of(&node.name).map(|one| one.image);
            let started = self
                .probe()
                .and_then(|probe| {
                    let passed = made.net.function.as_ref().and_then(|_| functions.passed(&node.name));
                    Setup::new(&state.lab, node, made, &probe, (image, passed))
                })
                .and_then(|mut setup| {
                    (setup.host.groups, setup.host.init_groups) = self.groups.folders(node);
                    self.start(node, setup)
                });
            if let Err(error) = started {
                notes.push(format!("{} could not be started: {}", node.name, error.message));
            }
        }
        notes
    }

    fn start(&self, node: &Node, mut setup: Setup) -> Result<(), ApiError> {
        setup.host.private_dir =
            self.folder.join("nodes").join(format!("{}@vm", node.name.replace('/', ".")));
        let logs = self.folder.join("logs");
        if !logs.exists() {
            self.ledger
                .folder(&logs)
                .map_err(|error| refused(ErrorKind::Failed, "Cannot keep logs.", &error))?;
        }
        setup.log = logs.join(format!("{}.log", node.name.replace('/', ".")));
        let machine = Machine::start(setup, self.spawner.clone()).map_err(|error| {
            ApiError::caused(
                ErrorKind::Failed,
                format!("Cannot keep the virtual machine {}.", node.name),
                &error,
            )
        })?;
        if !node.vm.as_ref().is_some_and(|vm| vm.standby) {
            machine.power_on();
        }
        self.all().insert(node.name.clone(), machine);
        Ok(())
    }

    /// Ends the machines of nodes that are gone, at once.
    pub(super) fn forget(&self, nodes: &[String]) {
        let gone: Vec<Arc<Machine>> = {
            let mut all = self.all();
            nodes.iter().filter_map(|node| all.remove(node)).collect()
        };
        gone.iter().for_each(|machine| machine.end());
    }

    /// Ends all of them.
    pub(super) fn forget_all(&self) {
        let all: Vec<String> = self.all().keys().cloned().collect();
        self.forget(&all);
    }

    /// The machine of a node.
    pub(super) fn of(&self, node: &str) -> Option<Arc<Machine>> {
        self.all().get(node).cloned()
    }

    /// Whether a machine ended though nobody stopped its node.
    pub(super) fn is_over(&self, node: &str) -> bool {
        self.of(node).is_some_and(|machine| matches!(machine.status().phase, Phase::Ended | Phase::Failed))
    }

    /// Has a machine switch itself off, and ends it if it does not.
    pub(super) fn stop(&self, node: &str) {
        if let Some(machine) = self.of(node) {
            machine.power_off(GRACE);
        }
    }

    /// Boots a machine that is off.
    pub(super) fn power_on(&self, node: &str) {
        if let Some(machine) = self.of(node) {
            machine.power_on();
        }
    }

    fn probe(&self) -> Result<Probe, ApiError> {
        let mut known = self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(probe) = &*known {
            return Ok(probe.clone());
        }
        // What was missing may be there when it is asked the next time: only what is found is kept.
        let probe = setup::probe()?;
        *known = Some(probe.clone());
        Ok(probe)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Machine>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
