//! The directories a host has for itself: made once, kept in [`HostSpec::private_dir`] as long as that exists.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use netloom_sys::HostError;
use netloom_sys::mount_tree::Tree;

use super::{OWN, Place};
use crate::spec::{Filesystem, HostSpec};

/// Directory in the host, directory below `private_dir`, permissions.
const PLACES: [(&str, &str, u32); 3] =
    [("/tmp", "tmp", 0o1777), ("/run", "run", 0o755), ("/var/log", "log", 0o755)];

/// What /dev/shm shows.
pub(super) fn shm(host: &HostSpec) -> PathBuf {
    host.private_dir.join("shm")
}

/// What /etc/hostname shows.
pub(super) fn hostname_file(host: &HostSpec) -> PathBuf {
    host.private_dir.join("hostname")
}

/// Makes the private directories that do not exist yet.
pub(super) fn prepare(host: &HostSpec) -> Result<(), HostError> {
    let base = &host.private_dir;
    if base.join("hostname").exists() {
        return Ok(());
    }
    if let Some(parent) = base.parent() {
        super::make_dirs(parent)?;
    }
    make(base, 0o755)?;
    if host.image.is_some() {
        make(&shm(host), 0o1777)?;
    } else if host.filesystem == Filesystem::Machine {
        for (_, name, mode) in PLACES {
            make(&base.join(name), mode)?;
        }
        make(&base.join("run/lock"), 0o1777)?;
        make(&shm(host), 0o1777)?;
        copy_shape(Path::new("/var/log"), &base.join("log"));
    }
    // The file comes last: it says that the others are there.
    let file = hostname_file(host);
    std::fs::write(&file, format!("{}\n", host.hostname)).map_err(because("write", &file))
}

/// Takes the private directories for the host's own places.
pub(super) fn take(host: &HostSpec) -> Result<Vec<Place>, HostError> {
    let mut places = Vec::new();
    for (target, name, _) in PLACES {
        // A machine without /var/log needs none.
        if !Path::new(target).is_dir() {
            continue;
        }
        let tree = take_one(&host.private_dir.join(name))?;
        places.push((PathBuf::from(target), tree));
    }
    Ok(places)
}

/// Takes one private directory with the limits of a host's own files.
pub(super) fn take_one(dir: &Path) -> Result<Tree, HostError> {
    let tree = Tree::of(dir)?;
    tree.limit(OWN)?;
    // /run is often mounted noexec, and scripts in /tmp are to run. Where it cannot be lifted they do not.
    let _ = tree.allow_exec();
    Ok(tree)
}

fn make(dir: &Path, mode: u32) -> Result<(), HostError> {
    match DirBuilder::new().mode(mode).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(because("make the directory", dir)(error)),
    }
    // The mask of file permissions took its part.
    std::fs::set_permissions(dir, Permissions::from_mode(mode))
        .map_err(because("set the permissions of", dir))
}

/// Makes the directories of `from`, two levels deep, below `to`: services expect theirs (`/var/log/nginx`) to be there with
/// their owner. What cannot be read or made is left out; the service will say what it misses.
fn copy_shape(from: &Path, to: &Path) {
    let mut level = vec![(from.to_owned(), to.to_owned())];
    for _ in 0..2 {
        let mut next = Vec::new();
        for (from, to) in level {
            for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
                let target = to.join(entry.file_name());
                let Ok(meta) = entry.metadata() else { continue };
                if meta.is_dir() && make(&target, meta.mode() & 0o7777).is_ok() {
                    let _ = std::os::unix::fs::chown(&target, Some(meta.uid()), Some(meta.gid()));
                    next.push((entry.path(), target));
                }
            }
        }
        level = next;
    }
}

fn because(operation: &'static str, path: &Path) -> impl Fn(std::io::Error) -> HostError {
    let path = path.display().to_string();
    move |error| HostError::from_io(operation, path.clone(), &error)
}
