//! The key that encrypts a machine's memory on its way, as QEMU wants it: a file in a folder of the lab's directory, gone with the
//! value.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use netloom_lab::journal::Kind;
use netloom_vm::moving::{KEY_FILE, KEY_NAME};
use rustix::fs::{Mode, OFlags};

use super::super::Running;
use super::super::journal::Ledger;

/// See the module.
#[derive(Debug)]
pub(super) struct Key<'l> {
    ledger: &'l Ledger,
    folder: PathBuf,
}

impl Running {
    /// Writes a key down.
    pub(super) fn key(&self, node: &str, secret: &str) -> io::Result<Key<'_>> {
        let folder = self.home.dir().join(format!("key-{}", node.replace('/', ".")));
        self.ledger.folder(&folder)?;
        let key = Key { ledger: &self.ledger, folder };
        std::fs::set_permissions(&key.folder, std::fs::Permissions::from_mode(0o700))?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(key.folder.join(KEY_FILE))?;
        writeln!(file, "{KEY_NAME}:{secret}")?;
        Ok(key)
    }
}

impl Key<'_> {
    /// The folder, as QEMU gets it.
    pub(super) fn handle(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&self.folder, flags, Mode::empty())?)
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the folder of a key stays");
            }
            _ => self.ledger.gone(Kind::Folder, &self.folder),
        }
    }
}
