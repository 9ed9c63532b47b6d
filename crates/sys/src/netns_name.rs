//! Names for network namespaces, where `ip netns` looks for them: a file in /run/netns with the namespace mounted on it.
//!
//! Such a name keeps the namespace alive and outlives its maker, so netloom gives one only when asked, notes it in its
//! journal first, and takes it away only if it still means the same namespace.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::error::{Because, HostError};
use crate::netns::NetNs;

/// The folder `ip netns` uses.
pub const FOLDER: &str = "/run/netns";

/// Mounts `ns` on a new file `name` in `folder`, which is made if need be; returns the path.
///
/// # Errors
/// `EEXIST` when there is such a name; `EINVAL` for one that is no file name; `EPERM` without `CAP_SYS_ADMIN`.
pub fn create(folder: &Path, name: &str, ns: &NetNs) -> Result<PathBuf, HostError> {
    let path = path_of(folder, name).because("name the network namespace", || name)?;
    let object = || path.display().to_string();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .because("create", || folder.display().to_string())?;
    fs::OpenOptions::new().write(true).create_new(true).open(&path).because("create", object)?;
    let source = format!("/proc/self/fd/{}", ns.raw());
    if let Err(errno) = rustix::mount::mount_bind(source.as_str(), path.as_path()) {
        let _ = fs::remove_file(&path);
        return Err(HostError::new("mount a network namespace on", object(), errno));
    }
    Ok(path)
}

/// Takes the name away if it means the namespace with this inode, or none at all (a file nothing was mounted on yet).
/// `Ok(false)` when there is no such name, or it means another namespace.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn remove(folder: &Path, name: &str, inode: Option<u64>) -> Result<bool, HostError> {
    let path = path_of(folder, name).because("forget the network namespace", || name)?;
    let object = || path.display().to_string();
    let Ok(found) = fs::symlink_metadata(&path) else { return Ok(false) };
    let mounted = fs::metadata(folder).is_ok_and(|folder| folder.dev() != found.dev());
    if mounted && inode != Some(found.ino()) || !mounted && found.len() > 0 {
        return Ok(false);
    }
    if mounted {
        rustix::mount::unmount(path.as_path(), UnmountFlags::DETACH).because("unmount", object)?;
    }
    fs::remove_file(&path).because("remove", object)?;
    Ok(true)
}

fn path_of(folder: &Path, name: &str) -> Result<PathBuf, Errno> {
    let plain = !name.is_empty() && !name.contains(['/', '\0']) && !matches!(name, "." | "..");
    if plain { Ok(folder.join(name)) } else { Err(Errno::INVAL) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::can_make_namespaces;

    fn folder(test: &str) -> PathBuf {
        std::env::temp_dir().join(format!("netloom-{test}-{}", std::process::id()))
    }

    #[test]
    fn names_that_are_no_file_names_are_refused() {
        for name in ["", ".", "..", "a/b", "a\0"] {
            assert_eq!(path_of(Path::new("/x"), name), Err(Errno::INVAL), "{name:?}");
        }
    }

    #[test]
    fn a_name_keeps_its_namespace_and_goes_only_with_it() {
        if !can_make_namespaces() {
            return;
        }
        let folder = folder("names");
        let ns = NetNs::create().unwrap();
        let inode = ns.inode().unwrap();
        let path = match create(&folder, "h1", &ns) {
            Ok(path) => path,
            Err(error) => {
                eprintln!("skipped: {error}");
                return;
            }
        };
        assert_eq!(create(&folder, "h1", &ns).unwrap_err().errno, Errno::EXIST);
        drop(ns);
        let again = NetNs::open(&path).unwrap();
        assert_eq!(again.run(|| NetNs::current().unwrap().inode().unwrap()).unwrap(), inode);
        assert!(!remove(&folder, "h1", Some(inode + 1)).unwrap(), "another's");
        assert!(!remove(&folder, "h2", Some(inode)).unwrap(), "none");
        assert!(remove(&folder, "h1", Some(inode)).unwrap());
        assert!(!path.exists());
        // What a crash between making the file and mounting leaves behind; and somebody's own file.
        fs::write(&path, "").unwrap();
        assert!(remove(&folder, "h1", None).unwrap());
        fs::write(&path, "mine").unwrap();
        assert!(!remove(&folder, "h1", None).unwrap());
        fs::remove_dir_all(&folder).unwrap();
    }
}
