//! The root of a container: the layers of its image, and over them what it writes.
//!
//! ```text
//! /                     overlay: layers (read-only, shared by all containers that have them), and `written` on top
//! |- /dev               null zero full random urandom tty, pts, shm
//! |- /proc              of the container's PID namespace; what shows or changes the machine is masked or read-only
//! |- /sys               of its network namespace, read-only
//! |- /etc/hosts, /etc/hostname, /etc/resolv.conf, files:
//! `- volumes, file systems in memory
//! ```
//!
//! Everything that comes from outside is taken first, as detached trees. Then the overlay becomes the root and the machine's
//! is let go of. Only then are the trees attached: whatever links an image has, there is no outside left for them to lead to.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use netloom_sys::mount_tree::{self, Limits, Tree};
use netloom_sys::{Errno, HostError};

use super::{OWN, bound, dev, kernel, volume};
use crate::spec::{HostSpec, ImageRoot, Mount, MountSource};

/// Makes this process's mount namespace be that of a container. The network and PID namespace must be the container's.
pub(super) fn build(host: &HostSpec, root: &ImageRoot) -> Result<(), HostError> {
    let overlay = stack(root)?;
    let files = bound::Files::take(host)?;
    let mounts = root.mounts.iter().map(take).collect::<Result<Vec<_>, _>>()?;
    let dev = dev::Dev::take(host)?;
    // Before the machine's are out of sight: a user namespace may mount its own only beside others.
    let kernel = kernel::Kernel::take(host)?;
    let place = host.private_dir.join("root");
    make(&place, 0o700)?;
    mount_tree::make_root(overlay, &place)?;
    for dir in ["/dev", "/proc", "/sys"] {
        mount_point(Path::new(dir))?;
    }
    dev.attach()?;
    kernel.attach(host)?;
    let mut mounts: Vec<_> = root.mounts.iter().zip(mounts).collect();
    mounts.sort_by_key(|(mount, _)| mount.target.components().count());
    for (mount, tree) in mounts {
        attach(mount, tree)?;
    }
    files.attach(host)?;
    if let Some(dir) = root.workdir.as_ref().filter(|dir| !dir.exists()) {
        // Why it cannot be made shows when it is entered.
        let _ = fs::create_dir_all(dir);
    }
    if root.read_only {
        mount_tree::limit_one(c"/", Limits { read_only: true, ..Limits::default() })?;
    }
    Ok(())
}

/// Device files of an image or of a container's making are closed: those of /dev are mounts of their own.
fn stack(root: &ImageRoot) -> Result<Tree, HostError> {
    let (upper, work) = (root.written.join("upper"), root.written.join("work"));
    for dir in [&upper, &work] {
        make(dir, 0o755)?;
    }
    Tree::overlay(&root.layers, &upper, &work, OWN)
}

fn make(dir: &Path, mode: u32) -> Result<(), HostError> {
    match DirBuilder::new().mode(mode).create(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other
            .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(mode)))
            .map_err(|error| HostError::from_io("make the directory", dir.display().to_string(), &error)),
    }
}

/// A directory for a file system of the kernel's: what is mounted there must be found by this very name.
fn mount_point(dir: &Path) -> Result<(), HostError> {
    match fs::symlink_metadata(dir) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(HostError::new(
            "use what is no directory in the image",
            dir.display().to_string(),
            Errno::NOTDIR,
        )),
        Err(_) => make(dir, 0o755),
    }
}

/// What is to be mounted, and whether it is a directory.
fn take(mount: &Mount) -> Result<(Tree, bool), HostError> {
    let tree = match &mount.source {
        MountSource::Beneath { base, path } => Tree::beneath(base, path)?,
        MountSource::Machine(path) | MountSource::Volume(path) => Tree::of(path)?,
        MountSource::Memory { bytes, mode } => {
            let (size, mode) = (bytes.to_string(), format!("{mode:o}"));
            Tree::new("tmpfs", &[("size", &size), ("mode", &mode)], OWN)?
        }
    };
    let is_dir = netloom_sys::mount_tree::is_dir(tree.root())?;
    if !matches!(mount.source, MountSource::Memory { .. }) {
        tree.limit(Limits { read_only: mount.read_only, no_setuid: true, ..OWN })?;
    }
    Ok((tree, is_dir))
}

fn attach(mount: &Mount, (tree, is_dir): (Tree, bool)) -> Result<(), HostError> {
    if let MountSource::Volume(_) = mount.source
        && is_dir
    {
        volume::fill(&tree, &mount.target)?;
    }
    let target = bound::place(&mount.target, is_dir)?;
    tree.attach(&target)?;
    if mount.read_only && matches!(mount.source, MountSource::Memory { .. }) {
        let path = std::ffi::CString::new(target.as_os_str().as_encoded_bytes());
        let path =
            path.map_err(|_| HostError::new("mount at", target.display().to_string(), Errno::INVAL))?;
        mount_tree::limit_one(&path, Limits { read_only: true, ..Limits::default() })?;
    }
    Ok(())
}
