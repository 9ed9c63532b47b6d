//! Locks on files as Open vSwitch's programs look for them: POSIX record locks, which belong to a process.
//!
//! A process loses such a lock when it closes *any* descriptor of the file. So a locked file is never opened again.
//!
//! Source: `lib/lockfile.c` and `lib/daemon-unix.c` of OVS; fcntl(2).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "held for the lock")] File);

impl FileLock {
    /// Takes the lock of the database file at `file`: `.NAME.~lock~` beside it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another process has it.
    pub fn of_database(file: &Path) -> io::Result<Self> {
        let lock = lock_path(file);
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(lock)?;
        lock_whole(&opened)?;
        Ok(Self(opened))
    }
}

fn lock_path(file: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(".~lock~");
    file.with_file_name(name)
}

/// Locks all of a file for writing.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if another process has a lock on it.
pub(super) fn lock_whole(file: &File) -> io::Result<()> {
    rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        // POSIX leaves the choice between the two.
        Errno::ACCESS | Errno::AGAIN => io::ErrorKind::WouldBlock.into(),
        other => other.into(),
    })
}

/// The number of the process that has a lock on a file.
///
/// # Errors
/// The system's.
pub(super) fn holder(file: &File) -> io::Result<Option<i32>> {
    let question = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let held = fcntl_getlk(file, &question)?;
    Ok(held.and_then(|lock| lock.pid).map(|pid| pid.as_raw_nonzero().get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_a_database_has_the_name_that_ovsdb_tool_looks_for() {
        assert_eq!(
            lock_path(Path::new("/etc/openvswitch/conf.db")),
            Path::new("/etc/openvswitch/.conf.db.~lock~")
        );
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("conf.db");
        let lock = FileLock::of_database(&file).unwrap();
        assert!(place.path().join(".conf.db.~lock~").exists());
        drop(lock);
    }
}
