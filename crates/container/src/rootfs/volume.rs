//! A volume that is used for the first time: it gets what the image has in its place, as Docker's do.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use netloom_sys::HostError;
use netloom_sys::mount_tree::Tree;

/// Copies what is at `target` into the root of `volume`, if that is empty: files, directories and links with owners and
/// permissions. Runs in the container's root, so nothing but its own files can be meant; /proc must be mounted.
pub(super) fn fill(volume: &Tree, target: &Path) -> Result<(), HostError> {
    let place = PathBuf::from(format!("/proc/self/fd/{}", volume.root().as_raw_fd())).join(".");
    let because =
        |error: &io::Error| HostError::from_io("fill the volume at", target.display().to_string(), error);
    let is_empty = fs::read_dir(&place).map_err(|e| because(&e))?.next().is_none();
    match fs::metadata(target) {
        Ok(meta) if is_empty && meta.is_dir() => copy_all(target, &place).map_err(|e| because(&e)),
        _ => Ok(()),
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    let mut todo = vec![(from.to_owned(), to.to_owned())];
    let mut dirs = Vec::new();
    while let Some((from, to)) = todo.pop() {
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (source, copy) = (entry.path(), to.join(entry.file_name()));
            let meta = entry.metadata()?;
            let kind = meta.file_type();
            if kind.is_dir() {
                fs::create_dir(&copy)?;
                todo.push((source, copy));
            } else if kind.is_symlink() {
                symlink(fs::read_link(&source)?, &copy)?;
                own(&copy, &meta);
            } else if kind.is_file() {
                io::copy(&mut File::open(&source)?, &mut File::create_new(&copy)?)?;
                own(&copy, &meta);
                fs::set_permissions(&copy, Permissions::from_mode(meta.mode() & 0o7777))?;
            }
        }
        dirs.push((from, to));
    }
    // Inner ones first: a directory that nobody may write must have been filled.
    for (from, to) in dirs.into_iter().rev() {
        let meta = fs::metadata(&from)?;
        own(&to, &meta);
        fs::set_permissions(&to, Permissions::from_mode(meta.mode() & 0o7777))?;
    }
    Ok(())
}

/// Where the owner is not known to the user namespace the copy belongs to its root.
fn own(copy: &Path, meta: &fs::Metadata) {
    let _ = std::os::unix::fs::lchown(copy, Some(meta.uid()), Some(meta.gid()));
}
