//! Cards of virtual machines that the switch itself serves, over vhost-user: no TAP, no system call for each frame.
//!
//! For whoever makes a machine:
//!
//! 1. [`Guests::open`] gives a [`GuestPort`] for an interface of the node: a device, and a socket in a folder of its own in
//!    the lab's directory;
//! 2. the device goes where that of a TAP goes: into `Made::devices` under the number of its port;
//! 3. the folder goes to QEMU as a descriptor, since it does not see the daemon's files, and of the lab's it is to have only
//!    this one; it calls at the socket in there, and calls again when it was hung up on:
//!
//! ```text
//! -object memory-backend-memfd,id=ram,size=256M,share=on   -machine q35,memory-backend=ram
//! -chardev socket,id=c0,path=SOCKET,reconnect=1            -netdev vhost-user,id=n0,chardev=c0[,queues=PAIRS]
//! -device virtio-net-pci,netdev=n0,mac=MAC,romfile=[,mq=on,host_mtu=MTU][,vectors=0]
//! ```
//! QEMU 7.2 ends in a segmentation fault under emulation unless it is told `vectors=0`; from 8.2 on it needs no such word,
//! and from 9.2 on `reconnect-ms` is there. Memory of other kinds works if its file is sealed against shrinking.
//!
//! The port is there from the beginning, and down ([`Carriers`](super::carriers::Carriers)) until the guest's driver runs.
//! It keeps its number, and the switch what it has learned, when the machine goes and comes again.
//! The folder stays as long as the port is a card, whoever serves the socket in it. [`Guests::close`] is called for every port
//! that goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_flow::PortId;
use netloom_lab::journal::Kind;
use netloom_netdev::{GuestStatus, VhostPort};
use netloom_sys::HostError;
use rustix::fs::{Mode, OFlags};

use super::core::Core;
use super::journal::Ledger;
use crate::Home;
use crate::worker::Device;

/// The cards of a lab's virtual machines, by their ports.
#[derive(Debug, Default)]
pub(super) struct Guests {
    open: Mutex<BTreeMap<PortId, Opened>>,
}

#[derive(Debug)]
struct Opened {
    folder: PathBuf,
    /// As QEMU gets it: without the right to read or write what is in there by itself.
    handle: Arc<OwnedFd>,
    status: Arc<GuestStatus>,
}

/// A card, as the switch sees it.
pub(super) struct GuestPort {
    /// The driver of the port.
    pub(super) device: Box<dyn Device>,
    /// Where the machine is to call.
    pub(super) socket: PathBuf,
    /// The folder in which the socket is [`SOCKET`].
    pub(super) folder: Arc<OwnedFd>,
}

/// The name of a card's socket in its folder.
pub(super) const SOCKET: &str = "vhost";

impl Guests {
    /// Opens the socket of a card with up to so many `pairs` of queues, in place of one that this port had before. Its
    /// folder is journaled, and only its owner can call there.
    ///
    /// # Errors
    /// What the host refused: a path that is too long, something that is in its place, no descriptor left.
    pub(super) fn open(
        &self,
        core: &Core,
        home: &Home,
        ledger: &Ledger,
        port: PortId,
        pairs: u8,
    ) -> Result<GuestPort, HostError> {
        let opened = self.folder(home, ledger, port).and_then(|(folder, handle)| {
            let socket = folder.join(SOCKET);
            let device = listen(core, &socket, pairs)?;
            core.carriers().watch(port, device.status())?;
            let opened = Opened { folder, handle: Arc::clone(&handle), status: device.status() };
            self.all().insert(port, opened);
            Ok(GuestPort { device: Box::new(device), socket, folder: handle })
        });
        if opened.is_err() {
            self.close(core, ledger, port);
            remove(ledger, &place(home, port));
        }
        opened
    }

    /// The folder of a card, without a socket: the one that is there, or a new one.
    fn folder(
        &self,
        home: &Home,
        ledger: &Ledger,
        port: PortId,
    ) -> Result<(PathBuf, Arc<OwnedFd>), HostError> {
        let folder = place(home, port);
        let failed = |what: &'static str| {
            let folder = folder.display().to_string();
            move |error: io::Error| HostError::from_io(what, folder, &error)
        };
        match std::fs::remove_file(folder.join(SOCKET)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("clear")(error)),
            _ => {}
        }
        if let Some(opened) = self.all().get(&port) {
            return Ok((folder, Arc::clone(&opened.handle)));
        }
        ledger.folder(&folder).map_err(failed("make"))?;
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&folder, private).map_err(failed("make private"))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(&folder, flags, Mode::empty());
        Ok((folder.clone(), Arc::new(handle.map_err(|error| failed("open")(error.into()))?)))
    }

    /// A port is a machine's card no more, or never was.
    pub(super) fn close(&self, core: &Core, ledger: &Ledger, port: PortId) {
        if let Some(Opened { folder, .. }) = self.all().remove(&port) {
            core.carriers().forget(port);
            remove(ledger, &folder);
        }
    }

    /// Only these ports are cards from now on.
    pub(super) fn keep(&self, core: &Core, ledger: &Ledger, cards: &BTreeSet<PortId>) {
        let gone: Vec<PortId> = self.all().keys().filter(|port| !cards.contains(port)).copied().collect();
        gone.into_iter().for_each(|port| self.close(core, ledger, port));
    }

    /// What is told of the machine behind a port, if that is one's card.
    pub(super) fn status(&self, port: PortId) -> Option<Arc<GuestStatus>> {
        self.all().get(&port).map(|opened| Arc::clone(&opened.status))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<PortId, Opened>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder of a port's card. Names of nodes could be too long for a socket.
fn place(home: &Home, port: PortId) -> PathBuf {
    home.dir().join(format!("card-{}", port.0))
}

/// A port whose socket is its owner's only, and which says when its guest comes and goes.
pub(super) fn listen(core: &Core, socket: &Path, pairs: u8) -> Result<VhostPort, HostError> {
    let device = VhostPort::listen(socket, pairs, Some(core.carriers().bell()))?;
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(socket, private)
        .map_err(|error| HostError::from_io("make private", socket.display().to_string(), &error))?;
    Ok(device)
}

fn remove(ledger: &Ledger, folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the folder of a card stays");
        }
        _ => ledger.gone(Kind::Folder, folder),
    }
}
