//! The file of a database.
//!
//! **What is safe when.** A transaction is in the kernel before anybody is told of it: killing this process loses
//! nothing that was acknowledged. One that asks for it (`{"op":"commit","durable":true}`) is on the disk before, too.
//! So is every file that is written anew (compaction, another schema), before it takes the place of the old one.
//!
//! What cannot be written is told to nobody: see [`Core`](super::core::Core).

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use netloom_ovsdb::file::{self, Compaction, FileError, Tail};
use netloom_ovsdb::{Database, Now, UuidSource};

use crate::ovs::lock::FileLock;

/// Why a file cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// It cannot be opened.
    #[error("I/O error: {}: open failed ({})", path.display(), words(source))]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("I/O error: {}: failed to lock lockfile ({})", path.display(), words(source))]
    Locked {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not the file of a database, or damaged.
    #[error("ovsdb error: {}: {source}{}", path.display(), cause(source))]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
}

/// What the system said, without the number that Rust puts behind.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

fn cause(error: &FileError) -> String {
    std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// A file that is ours as long as this lives.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    file: File,
    _lock: FileLock,
    /// How far it is good.
    bytes: u64,
    base_bytes: u64,
    transactions: usize,
    fresh_ms: u64,
    /// Records to be appended.
    pending: Vec<u8>,
    durable: bool,
}

impl Store {
    /// Opens a file, reads its database, and cuts off a torn last record.
    ///
    /// # Errors
    /// [`StoreError`]; the file is as it was.
    pub(super) fn open(
        path: &Path,
        now: Now,
        uuids: &mut UuidSource,
    ) -> Result<(Self, Database), StoreError> {
        let failed = |source| StoreError::Open { path: path.to_owned(), source };
        // A file written anew takes the place of the file, not of the link to it.
        let real = path.canonicalize().map_err(failed)?;
        let lock = FileLock::of_database(&real)
            .map_err(|source| StoreError::Locked { path: path.to_owned(), source })?;
        let opened = OpenOptions::new().read(true).write(true).open(&real).map_err(failed)?;
        let content = std::fs::read(&real).map_err(failed)?;
        let loaded = file::load(&content, uuids)
            .map_err(|source| StoreError::Unfit { path: path.to_owned(), source })?;
        let mut bytes = content.len() as u64;
        if let Tail::Torn { offset, reason } = &loaded.tail {
            bytes = *offset as u64;
            opened.set_len(bytes).map_err(failed)?;
            tracing::warn!(
                target: "ovsdb_log",
                "{}: the last record is torn and was cut off: {} bytes from offset {offset} ({reason})",
                path.display(),
                content.len() - offset,
            );
        }
        let store = Self {
            path: real,
            file: opened,
            _lock: lock,
            bytes,
            base_bytes: loaded.base_bytes as u64,
            transactions: loaded.transactions,
            fresh_ms: now.ms,
            pending: Vec::new(),
            durable: false,
        };
        Ok((store, loaded.database))
    }

    /// The file, without links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes a record, to be written by [`Self::flush`].
    pub(super) fn append(&mut self, record: &[u8], durable: bool) {
        self.pending.extend_from_slice(record);
        self.durable |= durable;
        self.transactions += 1;
    }

    /// Writes what was noted.
    ///
    /// # Errors
    /// The system's. The file then ends where it ended before, as far as that can be had, and nothing is noted any
    /// more: it must be [replaced](Self::replace).
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let durable = std::mem::take(&mut self.durable);
        let written = self.file.write_all_at(&pending, self.bytes);
        let written = written.and_then(|()| if durable { self.file.sync_data() } else { Ok(()) });
        match written {
            Ok(()) => self.bytes += pending.len() as u64,
            // A part of a record may be there: it must not stand in the middle later.
            Err(_) => _ = self.file.set_len(self.bytes),
        }
        // The room is used again, unless it was much.
        if pending.capacity() <= 1 << 20 {
            self.pending = pending;
            self.pending.clear();
        }
        written
    }

    /// Puts a whole new file in the place of the old one; what was noted is in it.
    ///
    /// # Errors
    /// The system's; the old file is as it was.
    pub(super) fn replace(&mut self, content: &[u8], now: Now) -> io::Result<()> {
        let mut temporary = self.path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let made =
            self.write_beside(&temporary, content).inspect_err(|_| drop(std::fs::remove_file(&temporary)));
        self.file = made?;
        self.pending.clear();
        self.durable = false;
        (self.bytes, self.base_bytes) = (content.len() as u64, content.len() as u64);
        (self.transactions, self.fresh_ms) = (1, now.ms);
        Ok(())
    }

    fn write_beside(&self, temporary: &Path, content: &[u8]) -> io::Result<File> {
        let meta = self.file.metadata()?;
        match std::fs::remove_file(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mode = meta.permissions().mode() & 0o7777;
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(temporary)?;
        file.write_all(content)?;
        // Whoever could read the old one can read the new one. Only root can give files away: others own theirs anyway.
        let _ = std::os::unix::fs::fchown(
            &file,
            Some(std::os::unix::fs::MetadataExt::uid(&meta)),
            Some(std::os::unix::fs::MetadataExt::gid(&meta)),
        );
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        std::fs::rename(temporary, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(file)
    }

    /// Whether it is worth writing anew.
    pub(super) fn is_grown(&self, now: Now) -> bool {
        let (base_bytes, bytes, transactions) = (self.base_bytes, self.bytes, self.transactions);
        Compaction { base_bytes, bytes, transactions, age_ms: now.ms.saturating_sub(self.fresh_ms) }.is_due()
    }
}

#[cfg(test)]
mod tests {
    use netloom_ovsdb::Schema;

    use super::*;

    const NOW: Now = Now { ms: 5, date_ms: 7 };

    fn fresh(path: &Path) -> Vec<u8> {
        let schema = Schema::parse(
            r#"{"name":"db","version":"1.0.0","tables":{"T":{"columns":{"n":{"type":"integer"}}}}}"#,
        );
        let content = file::snapshot(&Database::new(schema.unwrap()), None, 0);
        std::fs::write(path, &content).unwrap();
        content
    }

    #[test]
    fn a_torn_end_is_cut_off_and_a_file_has_one_owner() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("db");
        let content = fresh(&path);
        std::fs::write(&path, [&content[..], b"OVSDB JSON 100 "].concat()).unwrap();
        let mut uuids = UuidSource::new([1, 2]);
        let (mut store, database) = Store::open(&path, NOW, &mut uuids).unwrap();
        assert_eq!(database.schema().name, "db");
        assert_eq!(std::fs::read(&path).unwrap(), content);
        store.append(b"one", false);
        store.append(b"two", true);
        store.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [&content[..], b"onetwo"].concat());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        store.append(b"lost", false);
        store.replace(&content, NOW).unwrap();
        store.append(b"three", false);
        store.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [&content[..], b"three"].concat());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let names = std::fs::read_dir(place.path()).unwrap().count();
        assert_eq!(names, 2, "the file and its lock");
    }

    #[test]
    fn what_is_no_database_is_refused_and_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("db");
        let mut uuids = UuidSource::new([1, 2]);
        let error = Store::open(&path, NOW, &mut uuids).unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
        for wrong in ["", "nonsense", "OVSDB CLUSTER 5 a\n"] {
            std::fs::write(&path, wrong).unwrap();
            let error = Store::open(&path, NOW, &mut uuids).unwrap_err();
            assert!(matches!(error, StoreError::Unfit { .. }), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), wrong);
        }
    }
}
