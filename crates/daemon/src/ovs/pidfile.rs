//! The pid file of a daemon. `ovs-appctl` believes it only while the process whose number it has keeps it locked.
//!
//! Source: `lib/daemon-unix.c` of OVS.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::lock::{holder, lock_whole};

/// A pid file that is ours. It is removed when this is dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Closing any descriptor of it would end the lock.
    _locked: File,
}

/// Why there is no pid file.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another process lives and has it.
    #[error("{}: already running as pid {pid}", path.display())]
    Running {
        /// The file.
        path: PathBuf,
        /// The process.
        pid: i32,
    },
    /// It cannot be made.
    #[error("{}: cannot be made", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PidFile {
    /// Makes the pid file of this process. One whose process lives is replaced only if `overwrite`.
    ///
    /// # Errors
    /// [`PidFileError`].
    pub fn make(path: &Path, overwrite: bool) -> Result<Self, PidFileError> {
        let failed = |source| PidFileError::Io { path: path.to_owned(), source };
        if !overwrite && let Some(pid) = running(path).map_err(failed)? {
            return Err(PidFileError::Running { path: path.to_owned(), pid });
        }
        // Locked before it has its name: nobody ever sees it without its lock.
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".tmp{}", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let make = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
            lock_whole(&file)?;
            writeln!(file, "{}", std::process::id())?;
            std::fs::rename(&temporary, path)?;
            Ok(file)
        };
        let made = make().inspect_err(|_| drop(std::fs::remove_file(&temporary)));
        Ok(Self { path: path.to_owned(), _locked: made.map_err(failed)? })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The process that lives and has the pid file at `path`.
fn running(path: &Path) -> io::Result<Option<i32>> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => holder(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_number_and_goes_with_its_process() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.pid");
        // One that a dead process left.
        std::fs::write(&path, "1\n").unwrap();
        let ours = PidFile::make(&path, false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing temporary is left");
        drop(ours);
        assert!(!path.exists());
        let nowhere = place.path().join("missing/x.pid");
        assert!(matches!(PidFile::make(&nowhere, false), Err(PidFileError::Io { .. })));
    }
}
