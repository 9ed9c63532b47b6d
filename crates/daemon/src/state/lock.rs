//! One daemon per lab, and one `down` of a dead lab at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::Home;

/// The lab's lock (`flock` of the file `lock`). A child forked without `exec` shares it, so it is free only when
/// daemon and spawner both are gone.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("Another netloom holds the lab")]
    Held,
    /// The host refused.
    #[error("Cannot lock {}", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock at once, or not at all. The directory must exist.
    ///
    /// # Errors
    /// [`LockError::Held`] and [`LockError::Io`].
    pub fn take(home: &Home) -> Result<Self, LockError> {
        let path = home.lock_file();
        let io = |source| LockError::Io { path: path.clone(), source };
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(&path)
                .map_err(io)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(LockError::Held),
                Err(errno) => return Err(io(errno.into())),
            }
            // The file may have been removed, and another one made, between open and lock: then this lock
            // protects nothing.
            let ours = file.metadata().map_err(io)?;
            match std::fs::metadata(&path) {
                Ok(found) if found.ino() == ours.ino() && found.dev() == ours.dev() => {
                    return Ok(Self { _file: file });
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Homes;

    #[test]
    fn one_wins_and_the_other_is_told() {
        let place = tempfile::tempdir().unwrap();
        let home = Homes::at(place.path().join("base")).home("shop").unwrap();
        home.create().unwrap();
        let first = Lock::take(&home).unwrap();
        assert!(matches!(Lock::take(&home), Err(LockError::Held)));
        drop(first);
        let second = Lock::take(&home).unwrap();
        // A removed lock file does not stop the next lab of this name.
        std::fs::remove_file(home.lock_file()).unwrap();
        let third = Lock::take(&home).unwrap();
        drop((second, third));
    }
}
