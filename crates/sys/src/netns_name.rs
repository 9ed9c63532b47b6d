//! Names of network namespaces in `/run/netns`, as `ip netns` knows them.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::mount::UnmountFlags;

use crate::error::{Because, HostError};
use crate::netns::NetNs;

/// Gives a namespace a name: a file that the namespace is mounted on. It lives as long as the name stands.
///
/// # Errors
/// `EEXIST` if there is such a file, `EPERM` without `CAP_SYS_ADMIN` over the mount namespace.
pub fn give(netns: &NetNs, path: &Path) -> Result<(), HostError> {
    let object = || path.display().to_string();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).because("create", || folder.display().to_string())?;
    }
    File::create_new(path).because("create", object)?;
    let source = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&netns.as_fd()));
    let mounted = rustix::mount::mount_bind(source, path).because("mount a network namespace on", object);
    if mounted.is_err() {
        let _ = fs::remove_file(path);
    }
    mounted
}

/// Takes a name away.
///
/// # Errors
/// As umount2(2) and unlink(2); a name that is gone already is no error.
pub fn take(path: &Path) -> Result<(), HostError> {
    let object = || path.display().to_string();
    if rustix::mount::unmount(path, UnmountFlags::DETACH).is_err() && !path.exists() {
        return Ok(());
    }
    fs::remove_file(path).because("remove", object)
}

/// The inode of the namespace that a name stands for; the file's own if nothing is mounted on it.
#[must_use]
pub fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::can_make_namespaces;

    #[test]
    fn a_name_stands_for_its_namespace_until_it_is_taken() {
        if !can_make_namespaces() || !crate::process::is_root() {
            return;
        }
        let folder = std::env::temp_dir().join(format!("netns-name-{}", std::process::id()));
        let path = folder.join("one");
        let netns = NetNs::create().unwrap();
        give(&netns, &path).unwrap();
        assert_eq!(inode(&path), netns.inode().ok());
        assert!(give(&netns, &path).is_err(), "taken");
        take(&path).unwrap();
        assert!(!path.exists());
        take(&path).unwrap();
        fs::remove_dir(&folder).unwrap();
    }
}
