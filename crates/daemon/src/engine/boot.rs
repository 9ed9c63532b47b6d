//! From an empty process to an engine of an empty lab.

use std::sync::Arc;

use netloom_api::{ApiError, DownReport, ErrorKind};
use netloom_container::{Spawner, SpawnerConfig, SpawnerSeed};
use netloom_sys::{process, rlimit, tap, userns};

use super::Running;
use crate::host::PortKind;
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
        let rootless = enter_user_namespace()?;
        let scratch = home.dir().join("nodes");
        std::fs::create_dir_all(&scratch).map_err(|e| {
            ApiError::caused(ErrorKind::Failed, "Cannot make the lab's private directory.", &e)
        })?;
        let config = SpawnerConfig { scratch: Some(scratch), ..SpawnerConfig::default() };
        let seed = Spawner::fork(&config)
            .map_err(|e| ApiError::caused(ErrorKind::Machine, "Cannot start the lab's spawner.", &e))?;
        Ok(Box::new(Forked { seed, home: home.clone(), rootless }))
    }
}

/// The spawner is there, threads are not.
#[derive(Debug)]
struct Forked {
    seed: SpawnerSeed,
    home: Home,
    rootless: bool,
}

impl Prepared for Forked {
    fn start(self: Box<Self>) -> Result<Arc<dyn Engine>, ApiError> {
        let gone =
            |event| tracing::error!(?event, "the spawner has ended, and every program of the lab with it");
        let spawner = self
            .seed
            .connect(gone)
            .map_err(|e| ApiError::caused(ErrorKind::Failed, "Cannot talk to the lab's spawner.", &e))?;
        let auto = if tap_works() { PortKind::Tap } else { PortKind::Packet };
        Ok(Arc::new(Running::new(self.home, spawner, self.rootless, auto)))
    }
}

/// An ordinary user becomes root of a user namespace of its own; root stays what it is. Whether it was needed.
fn enter_user_namespace() -> Result<bool, ApiError> {
    if process::is_root() {
        return Ok(!userns::is_first());
    }
    userns::become_root().map(|()| true).map_err(|error| {
        ApiError::caused(ErrorKind::Machine, "This user may not make a user namespace.", &error)
            .hint("run `netloom check`: it says what the machine lacks and how to get it; or run as root")
    })
}

/// Whether TAP devices can be had, tried on one that nobody sees.
fn tap_works() -> bool {
    let tried = netloom_sys::netns::NetNs::create()
        .and_then(|netns| netns.run(|| tap::Tap::create("probe").map(drop)));
    matches!(tried, Ok(Ok(())))
}
