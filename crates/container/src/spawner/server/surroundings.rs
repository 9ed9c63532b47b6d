//! What the spawner leaves of the daemon's, and what it makes for itself.

use std::fs::File;
use std::os::fd::AsFd;

use netloom_sys::{HostError, child, mount_tree, namespaces, privileges, terminal};

use crate::protocol::Settings;

/// Leaves what it had from the daemon: terminal, standard streams, name.
pub(super) fn become_spawner() -> Result<(), HostError> {
    privileges::die_with_parent()?;
    privileges::hide_from_peers()?;
    namespaces::set_process_name(c"netloom-spawner");
    namespaces::set_umask(0o022);
    terminal::leave()?;
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| HostError::from_io("open", "/dev/null", &error))?;
    child::set_stdio([null.as_fd(), null.as_fd(), std::io::stderr().as_fd()])?;
    std::env::set_current_dir("/").map_err(|error| HostError::from_io("enter", "/", &error))
}

/// A mount namespace of the spawner's own, with the scratch file system that only the lab's nodes see.
pub(super) fn prepare_mounts(settings: &Settings) -> Result<(), HostError> {
    mount_tree::own_namespace()?;
    mount_tree::isolate(true)?;
    let Some(path) = &settings.scratch else { return Ok(()) };
    let size = settings.scratch_bytes.to_string();
    let options = [("mode", "0755"), ("size", size.as_str())];
    let limits = mount_tree::Limits { no_devices: true, ..mount_tree::Limits::default() };
    mount_tree::Tree::new("tmpfs", &options, limits)?.attach(path)
}
