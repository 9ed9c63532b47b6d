//! Names of network namespaces in `/run/netns`, as `ip netns` knows them.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::mount::UnmountFlags;

use crate::error::{Because, HostError};
use crate::netns::NetNs;

/// Puts a file where a name is to stand, with `mark` in it: who finds it there, whole and with its mark, knows whose
/// it is.
///
/// # Errors
/// `EEXIST` if there is such a file.
pub fn place(path: &Path, mark: &str) -> Result<(), HostError> {
    let object = || path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).because("create", || folder.display().to_string())?;
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::from_raw_mode(0o444)) {
        // The file gets its name when it has its mark: there is no moment in which it stands there without.
        Ok(file) => {
            let mut file = File::from(file);
            file.write_all(mark.as_bytes()).because("mark", object)?;
            let source = format!("/proc/self/fd/{}", file.as_raw_fd());
            rustix::fs::linkat(CWD, source, CWD, path, AtFlags::SYMLINK_FOLLOW).because("create", object)
        }
        // A file system without nameless files.
        Err(_) => File::create_new(path)
            .and_then(|mut file| file.write_all(mark.as_bytes()))
            .because("create", object),
    }
}

/// Whether the file at `path` has this mark, and nothing is mounted on it.
#[must_use]
pub fn is_placed(path: &Path, mark: &str) -> bool {
    let is_file =
        fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == mark.len() as u64);
    is_file && fs::read(path).is_ok_and(|found| found == mark.as_bytes())
}

/// Gives a namespace the name at `path`, where [`place`] has put a file: it is mounted there. It lives as long as the
/// name stands.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` over the mount namespace.
pub fn give(netns: &NetNs, path: &Path) -> Result<(), HostError> {
    let source = format!("/proc/self/fd/{}", netns.as_fd().as_raw_fd());
    rustix::mount::mount_bind(source, path)
        .because("mount a network namespace on", || path.display().to_string())
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

/// Device and inode of the namespace that a name stands for; those of the file if nothing is mounted on it.
#[must_use]
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Takes the namespace off its name; the file stays.
///
/// # Errors
/// As umount2(2).
pub fn unmount(path: &Path) -> Result<(), HostError> {
    rustix::mount::unmount(path, UnmountFlags::DETACH).because("unmount", || path.display().to_string())
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
        place(&path, "ours").unwrap();
        assert!(is_placed(&path, "ours") && !is_placed(&path, "mine"));
        give(&netns, &path).unwrap();
        assert_eq!(identity(&path).map(|(_, inode)| inode), netns.inode().ok());
        assert!(place(&path, "ours").is_err(), "taken");
        assert!(!is_placed(&path, "ours"), "a namespace stands there");
        take(&path).unwrap();
        assert!(!path.exists());
        take(&path).unwrap();
        fs::remove_dir(&folder).unwrap();
    }
}
