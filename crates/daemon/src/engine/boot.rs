//! From an empty process to an engine of an empty lab.

use std::io;
use std::path::Path;
use std::sync::Arc;

use netloom_api::{ApiError, DownReport, ErrorKind};
use netloom_container::{Spawner, SpawnerConfig, SpawnerSeed};
use netloom_lab::journal::{Identity, Kind};
use netloom_sys::{process, rlimit, userns};

use super::Running;
use super::hints::refused;
use super::journal::Ledger;
use super::rows::Rows;
use crate::host::{Fabric, PortKind};
use crate::{Boot, Engine, Home, Prepared};

/// The engine, not started.
#[derive(Debug)]
pub(super) struct Launch;

impl Boot for Launch {
    fn recover(&self, home: &Home) -> Result<DownReport, ApiError> {
        super::recover::recover(home)
    }

    fn prepare(self: Box<Self>, home: &Home) -> Result<Box<dyn Prepared>, ApiError> {
        // Two per idle host: what the machine gives is what it gives, and running out is reported where it happens.
        let _ = rlimit::raise_open_files();
        let prepared = prepare(home);
        if prepared.is_err() {
            undo(home);
        }
        Ok(Box::new(prepared?))
    }
}

fn prepare(home: &Home) -> Result<Forked, ApiError> {
    let noted = |error: io::Error| {
        ApiError::caused(ErrorKind::Failed, "Cannot write in the lab's directory.", &error)
            .hint(format!("it is {}: is its file system full?", home.dir().display()))
    };
    let ledger = Ledger::begin(home).map_err(noted)?;
    let rootless = enter_user_namespace()?;
    let scratch = home.dir().join("nodes");
    ledger.folder(&scratch).map_err(noted)?;
    let config = SpawnerConfig {
        scratch: Some(scratch),
        agent: Some(super::handle::copy_agent),
        ..SpawnerConfig::default()
    };
    let spawner = Path::new("spawner");
    ledger.intend(Kind::Process, spawner).map_err(noted)?;
    let seed = Spawner::fork(&config)
        .map_err(|e| refused(ErrorKind::Machine, "Cannot start the lab's spawner.", &e))?;
    if let Ok(pid) = u32::try_from(seed.pid()) {
        let start = crate::state::start_of(pid).map_err(noted)?;
        ledger.identify(Kind::Process, spawner, Identity::Process { pid, start }).map_err(noted)?;
    }
    Ok(Forked { seed, ledger, home: home.clone(), rootless })
}

/// Takes back what a start that failed has made in the lab's directory.
fn undo(home: &Home) {
    match super::recover::recover(home) {
        Ok(report) if report.left.is_empty() => {}
        Ok(report) => tracing::warn!(left = ?report.left, "left behind"),
        Err(error) => tracing::warn!(%error, "left behind"),
    }
}

/// The spawner is there, threads are not.
#[derive(Debug)]
struct Forked {
    seed: SpawnerSeed,
    ledger: Ledger,
    home: Home,
    rootless: bool,
}

impl Prepared for Forked {
    fn start(self: Box<Self>) -> Result<Arc<dyn Engine>, ApiError> {
        let gone =
            |event| tracing::error!(?event, "the spawner has ended, and every program of the lab with it");
        let spawner = self.seed.connect(gone).map_err(|e| {
            undo(&self.home);
            refused(ErrorKind::Failed, "Cannot talk to the lab's spawner.", &e)
        })?;
        // Without one there will be no nodes either, and `up` says why.
        let fabric = Fabric::create().ok();
        let taps = fabric.as_ref().is_some_and(Fabric::has_taps);
        let auto = if taps { PortKind::Tap } else { PortKind::Packet };
        let (home, ledger, rootless) = (self.home, Arc::new(self.ledger), self.rootless);
        Ok(Arc::new_cyclic(|me| {
            let mut running = Running::new(home, spawner, ledger, rootless, auto, fabric);
            running.rows = Rows::of(me.clone());
            running
        }))
    }
}

/// An ordinary user becomes root of a user namespace of its own; root stays what it is. Whether it was needed.
fn enter_user_namespace() -> Result<bool, ApiError> {
    if process::is_root() {
        return Ok(!userns::is_first());
    }
    let lack = userns::become_root().map_err(|error| {
        ApiError::caused(ErrorKind::Machine, "This user may not make a user namespace.", &error)
            .hint("run `netloom check`: it says what the machine lacks and how to get it; or run as root")
    })?;
    if let Some(lack) = lack {
        tracing::info!(%lack, "containers of this lab have one user");
    }
    Ok(true)
}

/// Makes this process root of a namespace with all users that this user's containers have, if there are any: what they have
/// written belongs to them, and nobody else may remove it. For root, and where there are none, nothing happens; nor does
/// it in a process with threads.
pub fn become_owner() {
    if !process::is_root() && userns::Subordinates::of_this_user().is_ok() {
        // Then what can be done is done as this user.
        let _ = userns::become_root();
    }
}
