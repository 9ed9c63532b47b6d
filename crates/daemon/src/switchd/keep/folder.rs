//! The folder of the files, and how one is replaced.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::text::{TextError, Whole};

/// Behind a bridge's name.
const SUFFIX: &str = "kept";
/// No file is larger: some million flows.
const MOST_BYTES: u64 = 1 << 30;

/// Where files are, and of which start of the machine they are to be.
#[derive(Debug, Clone)]
pub(in crate::switchd) struct Folder {
    dir: PathBuf,
    boot: String,
}

/// Why there is nothing to be had from a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{0}")]
    Host(#[from] io::Error),
    #[error("It is no regular file")]
    NoFile,
    #[error("It is larger than a gibibyte")]
    TooLarge,
    #[error("{0}")]
    Text(#[from] TextError),
}

impl Folder {
    /// The folder, made for its owner alone if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or this start of the machine has no name.
    pub(in crate::switchd) fn at(dir: &Path) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", dir.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(named)?;
        Ok(Self { dir: dir.to_owned(), boot: crate::state::boot_id()? })
    }

    /// The file of a bridge. As with its sockets, there is none for a name with a slash.
    pub(super) fn file(&self, bridge: &str) -> Option<PathBuf> {
        (!bridge.contains('/') && !bridge.is_empty()).then(|| self.dir.join(format!("{bridge}.{SUFFIX}")))
    }

    /// Reads what was kept of a bridge. `None`: nothing was.
    pub(super) fn read(&self, bridge: &str) -> Result<Option<Whole>, ReadError> {
        let Some(path) = self.file(bridge) else { return Ok(None) };
        let file = match open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(ReadError::NoFile);
        }
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(ReadError::TooLarge);
        }
        Ok(Some(Whole::read(&bytes, &self.boot)?))
    }

    /// Replaces the file of a bridge as a whole: who reads it sees the old one or the new one.
    pub(super) fn write(&self, path: &Path, whole: &Whole) -> Result<(), WriteError> {
        let bytes = whole.bytes(&self.boot)?;
        let new = path.with_extension(format!("{SUFFIX}.new"));
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        Ok(std::fs::rename(&new, path)?)
    }
}

/// Why a bridge is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("{0}")]
    Host(#[from] io::Error),
    #[error("{0}")]
    Unwritable(#[from] netloom_switch::Unwritable),
}

/// A link is not followed, and a pipe is not waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const BODY: &str = "bridge br0 00000000-0000-4000-8000-000000000001 alone\nclock 77\nend\n";

    #[test]
    fn a_file_is_replaced_as_a_whole_and_only_its_owner_reads_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(&place.path().join("kept")).unwrap();
        assert!(folder.read("br0").unwrap().is_none());
        let path = folder.file("br0").unwrap();
        let whole = Whole { bridge: netloom_switch::Kept::read(BODY).unwrap(), connections: Vec::new() };
        // What a killed writer has left is in nobody's way.
        std::fs::write(path.with_extension("kept.new"), "torn").unwrap();
        for _ in 0..2 {
            folder.write(&path, &whole).unwrap();
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&place.path().join("kept"))), (0o600, 0o700));
        assert_eq!(folder.read("br0").unwrap().unwrap().bridge, whole.bridge);
        assert_eq!(std::fs::read_dir(place.path().join("kept")).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_of_ours_is_an_error_and_no_more() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path()).unwrap();
        let path = folder.file("br0").unwrap();
        let error = || {
            let error = folder.read("br0").unwrap_err().to_string();
            let _ = std::fs::remove_file(&path);
            error
        };
        std::fs::write(&path, "").unwrap();
        assert_eq!(error(), "It is a file of another kind");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(error().contains("symbolic links"), "not followed");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        assert_eq!(error(), "It is no regular file");
        std::fs::create_dir(&path).unwrap();
        assert_eq!(error(), "It is no regular file");
        assert_eq!(folder.file("a/b"), None);
    }
}
