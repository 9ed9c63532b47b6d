//! What a host sees of the machine's files.
//!
//! The host's mount namespace starts as a copy of the machine's, and is changed in place; nothing of it is visible outside or
//! outlives the host's processes, except the private directories.
//!
//! ```text
//! /                     the machine, read-only with everything mounted below, device files closed
//! |- <lab directory>    read-write, at its own path
//! |- /tmp /run /var/log private, kept in HostSpec::private_dir between one process and the next
//! |- /dev               null zero full random urandom tty, pts, shm (private), and what the spec allows
//! |- /proc              of the host's PID namespace; /proc/sys read-only except net, dangerous files masked
//! |- /sys               of the host's network namespace, read-only
//! `- /etc/hosts, /etc/hostname, files: of the spec
//! ```
//!
//! `filesystem: shared` leaves the machine's files as they are and does the last three lines only.
//!
//! A container has a root of its own: see `image`.
//!
//! For hosts, why not pivot_root(2) into a tree of our own: the copy is already private, changing it takes half the calls, and a process
//! without `CAP_SYS_ADMIN` can undo neither. In a user namespace of its own it gets a copy whose mounts and limits are locked.

mod bound;
mod dev;
mod image;
mod kernel;
mod private;
mod volume;

use std::path::{Path, PathBuf};

use netloom_sys::mount_tree::{self, Limits, Tree};
use netloom_sys::{Errno, HostError};

use crate::spec::{Filesystem, HostSpec};

/// Changes this process's mount namespace into what `host` is to see. The network and PID namespace must be the host's.
pub(crate) fn build(host: &HostSpec) -> Result<(), HostError> {
    mount_tree::isolate(false)?;
    private::prepare(host)?;
    if let Some(root) = &host.image {
        return image::build(host, root);
    }
    // Everything is taken before the machine is limited and parts of it are hidden.
    let files = bound::Files::take(host)?;
    if host.filesystem == Filesystem::Machine {
        let mut places = private::take(host)?;
        if let Some(dir) = &host.lab_dir {
            places.push(take_lab_dir(dir)?);
        }
        let dev = dev::Dev::take(host)?;
        mount_tree::limit_everything(MACHINE)?;
        attach(places)?;
        dev.attach()?;
    }
    files.attach(host)?;
    kernel::Kernel::take(host)?.attach(host)
}

/// A tree and where it goes.
type Place = (PathBuf, Tree);

/// What the machine's own mounts allow a host.
const MACHINE: Limits = Limits { read_only: true, no_devices: true, no_setuid: false, no_exec: false };

/// What a mount of a host's own files allows it.
const OWN: Limits = Limits { read_only: false, no_devices: true, no_setuid: false, no_exec: false };

fn take_lab_dir(dir: &Path) -> Result<Place, HostError> {
    if dir.parent().is_none() {
        // All of the machine would be read-write, and a mount over the root would not even be seen.
        return Err(HostError::new("open read-write the lab file's directory", "/", Errno::PERM));
    }
    let tree = Tree::of(dir)?;
    tree.limit(OWN)?;
    Ok((dir.to_owned(), tree))
}

/// Attaches outer places before inner ones; a missing directory can only be inside a private place and is made there.
fn attach(mut places: Vec<Place>) -> Result<(), HostError> {
    places.sort_by_key(|(target, _)| target.components().count());
    for (target, tree) in places {
        if !target.is_dir() {
            make_dirs(&target)?;
        }
        tree.attach(&target)?;
    }
    Ok(())
}

fn make_dirs(path: &Path) -> Result<(), HostError> {
    std::fs::create_dir_all(path)
        .map_err(|error| HostError::from_io("make the directory", path.display().to_string(), &error))
}
