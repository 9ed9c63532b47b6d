//! /dev of a host: the harmless devices, terminals and shared memory of its own.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use netloom_sys::mount_tree::{Limits, Tree};
use netloom_sys::{Errno, HostError};

use super::private;
use crate::spec::HostSpec;

/// Device files every host has. They are bound from the machine: making them needs a right no user namespace has.
const NODES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

const LINKS: [(&str, &str); 5] = [
    ("pts/ptmx", "/dev/ptmx"),
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// The parts of /dev, taken from the machine while its device files can still be opened.
pub(super) struct Dev {
    nodes: Vec<(PathBuf, Tree)>,
    shm: Tree,
}

impl Dev {
    pub(super) fn take(host: &HostSpec) -> Result<Self, HostError> {
        let usual = NODES.iter().map(PathBuf::from);
        let nodes = usual
            .chain(host.devices.iter().cloned())
            .map(|path| Tree::of(&path).map(|tree| (path, tree)))
            .collect::<Result<_, _>>()?;
        Ok(Self { nodes, shm: private::take_one(&private::shm(host))? })
    }

    pub(super) fn attach(self) -> Result<(), HostError> {
        let options = [("mode", "0755"), ("size", "64k")];
        let limits = Limits { no_setuid: true, no_exec: true, no_devices: true, read_only: false };
        Tree::new("tmpfs", &options, limits)?.attach(Path::new("/dev"))?;
        for (path, node) in self.nodes {
            make_file(&path)?;
            node.attach(&path)?;
        }
        for (target, link) in LINKS {
            symlink(target, link).map_err(|error| HostError::from_io("make the link", link, &error))?;
        }
        for dir in ["/dev/pts", "/dev/shm"] {
            super::make_dirs(Path::new(dir))?;
        }
        self.shm.attach(Path::new("/dev/shm"))?;
        terminals()?.attach(Path::new("/dev/pts"))
    }
}

/// A devpts of the host's own: every mount of it is an instance of its own since Linux 4.7.
fn terminals() -> Result<Tree, HostError> {
    let limits = Limits { no_setuid: true, no_exec: true, ..Limits::default() };
    let [ptmx, mode, group] = [("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
    match Tree::new("devpts", &[ptmx, mode, group], limits) {
        // Group 5 (tty) is not mapped in an ordinary user's namespace: terminals belong to the group of who opens them.
        Err(error) if error.errno == Errno::INVAL => Tree::new("devpts", &[ptmx, mode], limits),
        other => other,
    }
}

fn make_file(path: &Path) -> Result<(), HostError> {
    if let Some(parent) = path.parent() {
        super::make_dirs(parent)?;
    }
    File::create(path)
        .map_err(|error| HostError::from_io("make the file", path.display().to_string(), &error))?;
    Ok(())
}
