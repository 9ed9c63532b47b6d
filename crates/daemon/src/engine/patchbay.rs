//! The switches of a lab without its nodes: what is plugged in at their ports is up to the caller. For tests and benches,
//! which bring machines of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use netloom_datapath::{PortCounters, PortSpec};
use netloom_flow::{DropReason, PortId};
use netloom_lab::Lab;
use netloom_netdev::{GuestStatus, TapPort};
use netloom_sys::HostError;
use netloom_sys::tap::Tap;

use super::core::Core;
use super::guests::{GuestPort, Guests};
use super::journal::Ledger;
use crate::wiring::{self, PortMap};
use crate::{Home, Homes, slowpath};

/// See the module. The daemon's own workers serve it; its directory goes with it.
#[derive(Debug)]
pub struct Patchbay {
    core: Core,
    guests: Guests,
    home: Home,
    ledger: Ledger,
    ports: PortMap,
    specs: BTreeMap<PortId, PortSpec>,
}

/// It could not be set up, or not be plugged in.
#[derive(Debug, thiserror::Error)]
pub enum PatchbayError {
    /// The lab file.
    #[error(transparent)]
    File(#[from] netloom_lab::Errors),
    /// The switches.
    #[error(transparent)]
    Config(#[from] netloom_switch::ConfigError),
    /// The directory.
    #[error(transparent)]
    Home(#[from] crate::HomeError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] std::io::Error),
    /// A device.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No interface of the lab.
    #[error("There is no {0} at a link")]
    Interface(String),
}

impl Patchbay {
    /// Starts the switches of the lab in `file`; sockets are made in a directory below `base`.
    ///
    /// # Errors
    /// See [`PatchbayError`].
    pub fn start(base: &Path, file: &str) -> Result<Self, PatchbayError> {
        let lab = netloom_lab::resolve(&netloom_lab::load(file, "patchbay.loom.yml".as_ref(), &[])?)?;
        let home = Homes::at(base).home("patchbay")?;
        home.create()?;
        let ledger = Ledger::begin(&home)?;
        let core = Core::start(lab.seed, usize::from(lab.options.workers.max(1)))?;
        let mut ports = PortMap::default();
        ports.update(&lab);
        let specs = wiring::port_specs(&lab, &ports).into_iter().map(|spec| (spec.id, spec)).collect();
        let bay = Self { core, guests: Guests::default(), home, ledger, ports, specs };
        bay.configure(&lab)?;
        Ok(bay)
    }

    fn configure(&self, lab: &Lab) -> Result<(), PatchbayError> {
        let id = |link: &str, left: bool| self.ports.link(link).map(|[a, b]| if left { a } else { b });
        let mut switch = slowpath::write(self.core.switch());
        switch.reconfigure(&netloom_lab::config::config(lab, &id), slowpath::now())?;
        switch.set_owners(&netloom_lab::config::owners(lab, &id));
        Ok(())
    }

    /// Plugs a TAP in at `eth0` of a node.
    ///
    /// # Errors
    /// [`PatchbayError::Interface`]
    pub fn plug_tap(&self, node: &str, tap: Tap) -> Result<(), PatchbayError> {
        self.core.add_port(self.spec(node)?, Some(Box::new(TapPort::new(tap))));
        self.core.settle();
        Ok(())
    }

    /// Opens a socket for a virtual machine's card at `eth0` of a node: where it is to call, and what is told of it.
    ///
    /// # Errors
    /// What the host refused; [`PatchbayError::Interface`].
    pub fn plug_guest(
        &self,
        node: &str,
        pairs: u8,
    ) -> Result<(std::path::PathBuf, Arc<GuestStatus>), PatchbayError> {
        let spec = self.spec(node)?;
        let GuestPort { device, socket, .. } =
            self.guests.open(&self.core, &self.home, &self.ledger, spec.id, pairs)?;
        self.core.add_port(spec, Some(device));
        self.core.settle();
        let status = self.guests.status(spec.id).ok_or_else(|| PatchbayError::Interface(node.to_owned()))?;
        Ok((socket, status))
    }

    /// Pulls out what is at `eth0` of a node; its port is as if it had never been there, the switch remembers it.
    ///
    /// # Errors
    /// [`PatchbayError::Interface`]
    pub fn unplug(&self, node: &str) -> Result<(), PatchbayError> {
        let port = self.spec(node)?.id;
        self.guests.close(&self.core, &self.ledger, port);
        self.core.remove_port(port);
        self.core.settle();
        Ok(())
    }

    /// Whether the switch may send to the port at `eth0` of a node.
    #[must_use]
    pub fn is_up(&self, node: &str) -> bool {
        let Ok(spec) = self.spec(node) else { return false };
        slowpath::read(self.core.switch()).link(spec.id).is_some_and(|link| link.up)
    }

    /// The counters of the port at `eth0` of a node, by worker.
    #[must_use]
    pub fn counters(&self, node: &str) -> Vec<Arc<PortCounters>> {
        let Ok(spec) = self.spec(node) else { return Vec::new() };
        self.core.counters().iter().filter_map(|all| all.port(spec.id)).collect()
    }

    /// Packets dropped so far, by reason.
    #[must_use]
    pub fn drops(&self) -> Vec<(DropReason, u64)> {
        let all = self.core.counters().iter().flat_map(|counters| counters.drops.iter().collect::<Vec<_>>());
        all.filter(|(_, packets)| *packets > 0).collect()
    }

    fn spec(&self, node: &str) -> Result<&PortSpec, PatchbayError> {
        let port = self.ports.interface(node, "eth0");
        port.and_then(|port| self.specs.get(&port)).ok_or_else(|| PatchbayError::Interface(node.to_owned()))
    }
}

impl Drop for Patchbay {
    fn drop(&mut self) {
        for port in self.specs.keys() {
            self.guests.close(&self.core, &self.ledger, *port);
        }
        for left in self.home.remove() {
            tracing::warn!(left, "a file stays");
        }
    }
}
