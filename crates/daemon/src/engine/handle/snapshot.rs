//! Snapshots of virtual machines.

use std::sync::Arc;

use netloom_api::{ApiError, ErrorKind, SnapshotAction, SnapshotRow};

use crate::engine::Running;
use crate::engine::machines::{Machine, Shelf};

/// Nanoseconds that a guest's driver may take to be served again.
const CARDS: u64 = 2_000_000_000;

/// What one is called unless somebody says.
const USUAL: &str = "saved";

impl Running {
    /// Does something to the snapshots of a node, and answers with those it has then.
    ///
    /// # Errors
    /// There is no such node or snapshot, it is no virtual machine, or it cannot be done.
    pub(super) fn snapshot(
        &self,
        node: &str,
        action: SnapshotAction,
        name: Option<&str>,
    ) -> Result<Vec<SnapshotRow>, ApiError> {
        if let Some(wrong) = name.filter(|name| !crate::is_label(name)) {
            return Err(ApiError::new(ErrorKind::Usage, format!("{wrong} is no name of a snapshot."))
                .hint("letters, digits and hyphens, such as before-upgrade"));
        }
        let machine = self.machine(node)?;
        let shelf = self.machines.shelf(self.home.lab(), node).ok_or_else(|| {
            ApiError::new(ErrorKind::Machine, "There is no directory for snapshots: this user has no home.")
        })?;
        let failed = |what: &str, why: String| {
            ApiError::new(ErrorKind::Failed, format!("Cannot {what} {node}: {why}."))
        };
        match action {
            SnapshotAction::Ls => {}
            SnapshotAction::Save => {
                let paused = self.state().nodes.get(node).is_some_and(|made| made.paused);
                let saved = machine.save(&shelf, name.unwrap_or(USUAL), paused);
                saved.map_err(|why| failed("save", why))?;
            }
            SnapshotAction::Restore => {
                let newest = || shelf.list().pop().map(|(name, ..)| name);
                let Some(name) = name.map(str::to_owned).or_else(newest) else {
                    return Err(none_of(node).hint(format!("netloom snapshot save {node}")));
                };
                self.restore(node, &machine, &shelf, &name).map_err(|why| failed("restore", why))?;
            }
            SnapshotAction::Rm => {
                let Some(name) = name else {
                    return Err(ApiError::new(ErrorKind::Usage, "Which one is to be removed?")
                        .hint(format!("netloom snapshot ls {node}")));
                };
                shelf.remove(name).map_err(|why| failed("remove a snapshot of", why))?;
            }
        }
        let row = |(name, about, bytes): (String, crate::engine::machines::About, u64)| SnapshotRow {
            node: node.to_owned(),
            name,
            taken: about.taken,
            memory: about.memory,
            bytes,
        };
        Ok(shelf.list().into_iter().map(row).collect())
    }

    fn restore(&self, node: &str, machine: &Machine, shelf: &Shelf, name: &str) -> Result<(), String> {
        machine.restore(shelf, name)?;
        // It runs, whatever it did before.
        let stopped = self.state().nodes.get(node).is_some_and(|made| made.stopped);
        if stopped {
            self.set_node(node, false);
        }
        if let Some(made) = self.state().nodes.get_mut(node) {
            made.paused = false;
        }
        self.await_cards(node);
        Ok(())
    }

    /// Waits a while until the switch serves the rings of a node again.
    fn await_cards(&self, node: &str) {
        let ports: Vec<_> = {
            let state = self.state();
            let lab = Arc::clone(&state.lab);
            let interfaces = lab.node(node).into_iter().flat_map(|node| &node.interfaces);
            interfaces.filter_map(|it| state.ports.interface(node, &it.name)).collect()
        };
        let Some(core) = self.core() else { return };
        let until = netloom_sys::clock::now() + CARDS;
        while !ports.iter().all(|port| core.carriers().is_plugged(*port)) && netloom_sys::clock::now() < until
        {
            netloom_sys::clock::sleep(1_000_000);
        }
    }

    /// The machine of a node.
    pub(super) fn machine(&self, node: &str) -> Result<Arc<Machine>, ApiError> {
        if let Some(machine) = self.machines.of(node) {
            return Ok(machine);
        }
        let lab = Arc::clone(&self.state().lab);
        match lab.node(node) {
            Some(found) if found.vm.is_none() => {
                let said = format!("{node} is no virtual machine: only those can do that.");
                Err(ApiError::new(ErrorKind::Failed, said))
            }
            Some(_) => Err(ApiError::new(ErrorKind::Failed, format!("{node} was not started."))),
            None => {
                let all: Vec<&str> = lab.nodes.iter().map(|node| node.name.as_str()).collect();
                Err(super::not_found("node", node, &all))
            }
        }
    }
}

fn none_of(node: &str) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("There is no snapshot of {node}."))
}
