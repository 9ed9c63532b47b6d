//! Locks between processes: of the store as a whole, and of one blob or layer in the making.
//!
//! They are flock(2), which the kernel lets go of when their holder dies. Order: the store first, then one thing.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Store, StoreError, because};

/// While this lives nothing is removed from the store.
#[derive(Debug)]
pub struct Using {
    _file: File,
}

impl Store {
    /// Keeps the store as it is, but for additions. To be held from the first blob until they are named or pinned.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn using(&self) -> Result<Using, StoreError> {
        let path = self.root.join("lock");
        let file = open(&path)?;
        wait(&file, FlockOperation::LockShared).map_err(because("lock", &path))?;
        Ok(Using { _file: file })
    }

    /// Keeps everybody else out.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while somebody adds.
    pub(super) fn alone(&self) -> Result<Using, StoreError> {
        let path = self.root.join("lock");
        let file = open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Using { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(StoreError::Busy),
            Err(errno) => Err(because("lock", &path)(errno.into())),
        }
    }
}

/// Opens a lock file, making it if need be.
pub(super) fn open(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(because("open", path))
}

pub(super) fn wait(file: &File, how: FlockOperation) -> io::Result<()> {
    loop {
        match flock(file, how) {
            Err(Errno::INTR) => {}
            other => return other.map_err(Into::into),
        }
    }
}
