//! What virtual machines write to their disks: an image over the one of the lab file, kept for the node.
//!
//! ```text
//! DATA/disks/LAB/NODE.qcow2    what was written
//! DATA/disks/LAB/NODE.base     over which image: its path, length and time of change
//! DATA/disks/LAB/NODE.flash    what its firmware remembers, if that is UEFI
//! ```
//! An image that has changed below what was written over it would be garbage, and is refused.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use netloom_vm::DiskFormat;
use netloom_vm::overlay::{overlay, size_of};

/// The base of a node's disk and what was written over it, both open.
///
/// # Errors
/// In words: the host's, or the base is not what it was.
pub(super) fn open(
    folder: &Path,
    node: &str,
    base: &Path,
    format: DiskFormat,
) -> Result<[OwnedFd; 2], String> {
    let said = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    let base = std::fs::canonicalize(base).map_err(said(base))?;
    let image = File::open(&base).map_err(said(&base))?;
    let identity = identity(&base, &image).map_err(said(&base))?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(said(folder))?;
    let name = node.replace('/', ".");
    let (written, note) = (written(folder, node), folder.join(format!("{name}.base")));
    match std::fs::read_to_string(&note) {
        Ok(known) if known == identity => {}
        Ok(_) if written.exists() => {
            let base = base.display();
            return Err(format!(
                "{base} is not the image that the disk of {node} was begun with; `netloom down --volumes` forgets that one"
            ));
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(said(&note)(error)),
        Ok(_) | Err(_) => write(&note, identity.as_bytes()).map_err(said(&note))?,
    }
    if !written.exists() {
        begin(&written, &base, &image, format)?;
    }
    let over = OpenOptions::new().read(true).write(true).open(&written).map_err(said(&written))?;
    Ok([image.into(), over.into()])
}

/// What the firmware of a node's machine remembers, open; at first that is what `fresh` has.
///
/// # Errors
/// In words: the host's, or it was begun by a firmware with flash memory of another size.
pub(super) fn variables(folder: &Path, node: &str, fresh: &Path) -> Result<OwnedFd, String> {
    let place = folder.join(format!("{}.flash", node.replace('/', ".")));
    let said = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(said(folder))?;
    if !place.exists() {
        let bytes = std::fs::read(fresh).map_err(said(fresh))?;
        write(&place, &bytes).map_err(said(&place))?;
    }
    let file = OpenOptions::new().read(true).write(true).open(&place).map_err(said(&place))?;
    let [has, wanted] =
        [file.metadata().map_err(said(&place))?.len(), std::fs::metadata(fresh).map_err(said(fresh))?.len()];
    if has != wanted {
        return Err(format!(
            "{} has {has} bytes, and this firmware remembers {wanted}; `netloom down --volumes` forgets them",
            place.display()
        ));
    }
    Ok(file.into())
}

/// Where what a node's guest writes is kept.
pub(super) fn written(folder: &Path, node: &str) -> PathBuf {
    folder.join(format!("{}.qcow2", node.replace('/', ".")))
}

/// An image over `base` in which nothing is written.
fn begin(written: &Path, base: &Path, image: &File, format: DiskFormat) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", written.display());
    let mut head = Vec::new();
    image.take(64).read_to_end(&mut head).map_err(said)?;
    let length = image.metadata().map_err(said)?.len();
    let fresh = size_of(&head, length)
        .and_then(|size| overlay(size, base.as_os_str().as_encoded_bytes(), format))
        .ok_or_else(|| format!("{} is no image of a disk", base.display()))?;
    write(written, &fresh).map_err(said)
}

/// A file that is whole or not there.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let torn = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&torn)?;
    file.write_all(bytes)?;
    std::fs::rename(&torn, path)
}

fn identity(path: &Path, file: &File) -> std::io::Result<String> {
    let found = file.metadata()?;
    Ok(format!("{}\n{}\n{}.{:09}\n", path.display(), found.len(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firmware_remembers_and_another_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let fresh = place.path().join("fresh");
        std::fs::write(&fresh, [0xff; 64]).unwrap();
        drop(variables(place.path(), "red/db", &fresh).unwrap());
        let kept = place.path().join("red.db.flash");
        assert_eq!(std::fs::read(&kept).unwrap(), [0xff; 64]);
        std::fs::write(&kept, [1; 64]).unwrap();
        drop(variables(place.path(), "red/db", &fresh).unwrap());
        assert_eq!(std::fs::read(&kept).unwrap(), [1; 64]);
        std::fs::write(&fresh, [0xff; 128]).unwrap();
        let refused = variables(place.path(), "red/db", &fresh).unwrap_err();
        assert!(refused.contains("64 bytes") && refused.contains("down --volumes"), "{refused}");
    }

    #[test]
    fn what_was_written_is_kept_and_another_base_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let (base, folder) = (place.path().join("base.img"), place.path().join("disks/lab"));
        std::fs::write(&base, [7; 1_024]).unwrap();
        open(&folder, "red/db", &base, DiskFormat::Raw).unwrap();
        let written = folder.join("red.db.qcow2");
        let mut bytes = std::fs::read(&written).unwrap();
        assert_eq!(size_of(&bytes, 0), Some(1_024));
        bytes.push(1);
        std::fs::write(&written, &bytes).unwrap();
        open(&folder, "red/db", &base, DiskFormat::Raw).unwrap();
        assert_eq!(std::fs::read(&written).unwrap(), bytes, "what is there stays");
        std::fs::write(&base, [8; 2_048]).unwrap();
        let refused = open(&folder, "red/db", &base, DiskFormat::Raw).unwrap_err();
        assert!(refused.contains("is not the image that the disk of red/db was begun with"), "{refused}");
        std::fs::remove_file(&written).unwrap();
        open(&folder, "red/db", &base, DiskFormat::Raw).unwrap();
        std::fs::write(&base, []).unwrap();
        assert!(open(&folder, "other", &base, DiskFormat::Raw).unwrap_err().contains("no image of a disk"));
    }
}
