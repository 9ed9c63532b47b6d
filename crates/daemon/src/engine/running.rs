//! A lab that runs: everything its commands need, each part behind its own lock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use netloom_api::Wanted;
use netloom_container::Spawner;
use netloom_datapath::{Counters, PoolLimit, PortSpec, Worker, WorkerConfig};
use netloom_flow::{Epoch, LinkSettings, PortId};
use netloom_lab::Lab;
use netloom_switch::{Settings, Switch};
use netloom_sys::HostError;
use netloom_sys::netns::NetNs;

use crate::Home;
use crate::host::{Fabric, HostNet, PortKind};
use crate::slowpath::{Misses, SharedSwitch, Tracked};
use crate::wiring::PortMap;
use crate::worker::WorkerHandle;

/// A lab that runs.
pub(crate) struct Running {
    pub(crate) home: Home,
    pub(crate) spawner: Spawner,
    pub(crate) rootless: bool,
    /// What `port: auto` means on this machine.
    pub(crate) auto: PortKind,
    pub(crate) switch: SharedSwitch,
    pub(crate) tracked: Arc<Tracked>,
    pub(crate) started: u64,
    fabric: OnceLock<Fabric>,
    threads: Mutex<Threads>,
    state: Mutex<State>,
}

/// The workers, once the first file has said how many.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    pub(crate) workers: Vec<WorkerHandle>,
    pub(crate) counters: Vec<Arc<Counters>>,
}

/// What the lab is at the moment.
#[derive(Debug)]
pub(crate) struct State {
    /// What was applied last; the file as it was understood then.
    pub(crate) lab: Lab,
    /// The file itself.
    pub(crate) wanted: Wanted,
    pub(crate) ports: PortMap,
    /// Every datapath port as it is now, links changed by hand included.
    pub(crate) specs: BTreeMap<PortId, PortSpec>,
    pub(crate) nodes: BTreeMap<String, NodeState>,
    /// Links that were changed by hand: their settings now, forth and back.
    pub(crate) drift: BTreeMap<String, [LinkSettings; 2]>,
}

/// A node that was made.
#[derive(Debug, Clone)]
pub(crate) struct NodeState {
    pub(crate) netns: Arc<NetNs>,
    pub(crate) net: HostNet,
    pub(crate) stopped: bool,
    /// Its name in /run/netns, if it has one.
    pub(crate) named: Option<PathBuf>,
}

impl Running {
    /// An empty lab.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(crate) fn start(
        home: Home,
        spawner: Spawner,
        rootless: bool,
        auto: PortKind,
    ) -> Result<Arc<Self>, HostError> {
        let epoch = Epoch::new();
        let settings = Settings { seed: netloom_sys::clock::now(), ..Settings::default() };
        let lab = Lab::empty(home.lab());
        let running = Arc::new(Self {
            home,
            spawner,
            rootless,
            auto,
            switch: Arc::new(RwLock::new(Switch::new(settings, epoch.clone()))),
            tracked: Arc::default(),
            started: netloom_sys::clock::now(),
            fabric: OnceLock::new(),
            threads: Mutex::default(),
            state: Mutex::new(State {
                lab,
                wanted: Wanted::default(),
                ports: PortMap::default(),
                specs: BTreeMap::new(),
                nodes: BTreeMap::new(),
                drift: BTreeMap::new(),
            }),
        });
        running.epoch.set(epoch).ok();
        Ok(running)
    }
}
