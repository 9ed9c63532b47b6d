//! A lab that runs: everything its commands need, each part behind its own lock.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use netloom_api::Wanted;
use netloom_container::Spawner;
use netloom_datapath::PortSpec;
use netloom_flow::{LinkSettings, PortId};
use netloom_lab::Lab;
use netloom_lab::lab::{SwitchPort, Vlan};
use netloom_lab::plan::ByHand;
use netloom_sys::HostError;
use netloom_sys::datagram::Datagrams;
use netloom_sys::netns::NetNs;

use super::captures::Captures;
use super::controllers::Ports;
use super::core::Core;
use super::doors::Doors;
use super::functions::Functions;
use super::gateways::Gateways;
use super::guests::Guests;
use super::interfaces::Interfaces;
use super::journal::Ledger;
use super::machines::Machines;
use super::programs::Programs;
use super::published::PublishedPorts;
use super::rows::Rows;
use super::tunnels::Tunnels;
use crate::Home;
use crate::host::{Fabric, HostNet, PortKind};
use crate::outside::Outside;
use crate::wiring::PortMap;

/// A lab that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(super) home: Home,
    pub(super) rootless: bool,
    /// What `port: auto` means on this machine.
    pub(super) auto: PortKind,
    /// Nanoseconds on the lab's clock when the daemon started.
    pub(super) started: u64,
    pub(super) programs: Programs,
    pub(super) machines: Machines,
    pub(super) captures: Captures,
    pub(super) doors: Doors,
    /// The lab as rows of a database.
    pub(super) rows: Rows,
    pub(super) tunnels: Tunnels,
    /// Cards of virtual machines.
    pub(super) guests: Guests,
    /// Virtual functions of network cards.
    pub(super) functions: Functions,
    /// Interfaces of the machine.
    pub(super) interfaces: Interfaces,
    pub(super) published: PublishedPorts,
    pub(super) gateways: Gateways,
    /// What joins the lab with the world outside.
    pub(super) outside: Outside,
    /// The ports that controllers of the lab's own are told.
    pub(super) ports: Ports,
    /// What can outlive the daemon.
    pub(super) ledger: Arc<Ledger>,
    core: OnceLock<Core>,
    fabric: Mutex<Option<Arc<Fabric>>>,
    state: Mutex<State>,
}

/// What the lab is at the moment.
#[derive(Debug)]
pub(crate) struct State {
    /// What was applied last: the file as it was understood then.
    pub(crate) lab: Arc<Lab>,
    /// The file itself.
    pub(crate) wanted: Wanted,
    /// Which port stands for which end of a link.
    pub(crate) ports: PortMap,
    /// Every datapath port as it is now, links changed by hand included.
    pub(crate) specs: BTreeMap<PortId, PortSpec>,
    /// The nodes that were made.
    pub(crate) nodes: BTreeMap<String, NodeState>,
    /// Links that were changed by hand: their settings now, forth and back.
    pub(crate) drift: BTreeMap<String, [LinkSettings; 2]>,
    /// Ports and switches that are not as the file has them, with what they are.
    pub(crate) by_hand: ByHand,
}

impl State {
    /// The lab with its ports and switches as they are.
    pub(super) fn present_lab(&self) -> Arc<Lab> {
        if self.by_hand.is_empty() { Arc::clone(&self.lab) } else { Arc::new(self.lab.with(&self.by_hand)) }
    }

    /// What a port does with VLANs.
    pub(super) fn vlan<'s>(&'s self, port: &'s SwitchPort) -> &'s Vlan {
        let now = self.by_hand.vlans.iter().find(|it| (&it.link, it.left) == (&port.link, port.left));
        now.map_or(&port.vlan, |now| &now.vlan)
    }
}

/// A node that was made.
#[derive(Debug, Clone)]
pub(crate) struct NodeState {
    /// Its network namespace: alive as long as somebody holds it.
    pub(crate) netns: Arc<NetNs>,
    /// Its network as it is.
    pub(crate) net: HostNet,
    /// Its programs were ended and its interfaces taken down.
    pub(crate) stopped: bool,
    /// A virtual machine that is elsewhere: on standby, or gone to another lab. It is stopped here, too.
    pub(crate) away: bool,
    /// Its programs stand still.
    pub(crate) paused: bool,
    /// Its name in /run/netns, if it has one.
    pub(crate) named: Option<PathBuf>,
    /// A virtual machine's interfaces, in order.
    pub(crate) nics: Vec<Nic>,
}

impl NodeState {
    /// The ports of a virtual machine's cards whose rings the switch serves.
    pub(super) fn cards(&self) -> impl Iterator<Item = PortId> + '_ {
        self.nics.iter().filter_map(|nic| match nic {
            Nic::Rings { port, .. } => Some(*port),
            Nic::Datagrams { .. } => None,
        })
    }
}

impl NodeState {
    /// The port of an interface of the machine, if the node is one, and that of the representor of its function, if there is any.
    pub(super) fn real_ports(&self) -> impl Iterator<Item = PortId> + '_ {
        let interfaces = self.net.real.iter().flat_map(|_| &self.net.interfaces);
        interfaces.chain(&self.net.function).map(|interface| PortId(interface.port))
    }
}

/// What joins an interface of a virtual machine with its port.
#[derive(Debug, Clone)]
pub(crate) enum Nic {
    /// Both ends are held: the guest's for a QEMU that is started again, the switch's for a port that has to come back.
    Datagrams {
        /// QEMU's end.
        guest: Arc<Datagrams>,
        /// The port's.
        port: Arc<Datagrams>,
    },
    /// The guest's rings: QEMU calls at the socket in this folder.
    Rings {
        /// The port.
        port: PortId,
        /// The folder.
        folder: Arc<OwnedFd>,
    },
}

impl Running {
    /// An empty lab. `fabric`, if there is one already, is its own namespace.
    pub(super) fn new(
        home: Home,
        spawner: Spawner,
        ledger: Arc<Ledger>,
        rootless: bool,
        auto: PortKind,
        fabric: Option<Fabric>,
    ) -> Self {
        let state = State {
            lab: Arc::new(Lab::empty(home.lab())),
            wanted: Wanted::default(),
            ports: PortMap::default(),
            specs: BTreeMap::new(),
            nodes: BTreeMap::new(),
            drift: BTreeMap::new(),
            by_hand: ByHand::default(),
        };
        let programs = Programs::new(home.lab(), spawner.clone(), home.dir(), Arc::clone(&ledger));
        let groups = programs.shared_groups();
        Self {
            machines: Machines::new(spawner, home.dir().to_owned(), groups, Arc::clone(&ledger)),
            rootless,
            auto,
            started: netloom_sys::clock::now(),
            captures: Captures::default(),
            doors: Doors::default(),
            rows: Rows::default(),
            tunnels: Tunnels::default(),
            guests: Guests::default(),
            functions: Functions::new(
                netloom_sriov::Sysfs::of_machine(),
                &home.claims(),
                home.lab(),
                Arc::clone(&ledger),
            ),
            interfaces: Interfaces::default(),
            published: PublishedPorts::default(),
            gateways: Gateways::default(),
            outside: Outside::default(),
            ports: Ports::default(),
            programs,
            ledger,
            home,
            core: OnceLock::new(),
            fabric: Mutex::new(fabric.map(Arc::new)),
            state: Mutex::new(state),
        }
    }

    /// What the lab is at the moment. Held for looking and for changing, never while waiting for packets.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Changes are made on a copy or in steps that leave the state whole; a panic spoils nothing more.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Self::state`], unless somebody else has it.
    pub(super) fn try_state(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Switch model and workers; `None` before the first file.
    pub(super) fn core(&self) -> Option<&Core> {
        self.core.get()
    }

    /// Switch model and workers, started for `lab` if they are not.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(super) fn core_for(&self, lab: &Lab) -> Result<&Core, HostError> {
        if let Some(core) = self.core.get() {
            return Ok(core);
        }
        // `up` is exclusive: nobody else gets here meanwhile.
        let core = Core::start(lab.seed, usize::from(lab.options.workers.max(1)))?;
        Ok(self.core.get_or_init(|| core))
    }

    /// The namespace for our ends of veth pairs, made now if it could not be made before.
    ///
    /// # Errors
    /// As [`Fabric::create`].
    pub(super) fn fabric(&self) -> Result<Arc<Fabric>, HostError> {
        let mut slot = self.fabric.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fabric) = &*slot {
            return Ok(Arc::clone(fabric));
        }
        let fabric = Arc::new(Fabric::create()?);
        *slot = Some(Arc::clone(&fabric));
        Ok(fabric)
    }

    /// Seconds since the daemon started.
    pub(super) fn age(&self) -> f64 {
        netloom_flow::Nanos(netloom_sys::clock::now().saturating_sub(self.started)).as_secs_f64()
    }
}
