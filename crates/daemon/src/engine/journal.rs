//! What outlives a daemon that is killed, noted before it is made: the lab's journal as a file.
//!
//! Lines are appended without waiting for a disk: they are to survive the process, and the directory does not survive
//! the machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use netloom_lab::journal::{EntryId, Identity, Journal, Kind, Sink, replay};

use crate::Home;

/// The journal of a running lab.
#[derive(Debug)]
pub(crate) struct Ledger {
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    journal: Journal<Appended>,
    /// What was noted and is not gone.
    open: BTreeMap<(Kind, String), EntryId>,
}

impl Ledger {
    /// Goes on with the journal of a lab, or begins it.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(super) fn begin(home: &Home) -> io::Result<Self> {
        let path = home.journal();
        let before = match std::fs::read_to_string(&path) {
            Ok(text) => Some(replay(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let file = File::options().append(true).create(true).mode(0o600).open(&path)?;
        let me = crate::Identity::mine()?;
        let sink = Appended { file, torn: false };
        let journal = Journal::begin(sink, home.lab(), &me.boot, me.pid, before.as_ref())?;
        Ok(Self { book: Mutex::new(Book { journal, open: BTreeMap::new() }) })
    }

    /// Notes that something is about to be made. What is noted already is not noted again.
    ///
    /// # Errors
    /// The file cannot be written: then it must not be made.
    pub(crate) fn intend(&self, kind: Kind, name: &Path) -> io::Result<()> {
        let mut book = self.book();
        let name = name.to_string_lossy().into_owned();
        if book.open.contains_key(&(kind, name.clone())) {
            return Ok(());
        }
        let entry = book.journal.intent(kind, &name)?;
        book.open.insert((kind, name), entry);
        Ok(())
    }

    /// Notes what it is, so that nothing else that comes to have its name is taken for it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn identify(&self, kind: Kind, name: &Path, identity: Identity) -> io::Result<()> {
        let mut book = self.book();
        match book.open.get(&(kind, name.to_string_lossy().into_owned())).copied() {
            Some(entry) => book.journal.done(entry, identity),
            None => Ok(()),
        }
    }

    /// Notes that it is gone. A line that cannot be written only makes somebody look for it in vain.
    pub(crate) fn gone(&self, kind: Kind, name: &Path) {
        let mut book = self.book();
        if let Some(entry) = book.open.remove(&(kind, name.to_string_lossy().into_owned()))
            && let Err(error) = book.journal.gone(entry)
        {
            tracing::warn!(%error, "journal");
        }
    }

    /// Makes a folder in the lab's directory, noted.
    ///
    /// # Errors
    /// The host's.
    pub(crate) fn folder(&self, path: &Path) -> io::Result<()> {
        self.intend(Kind::Folder, path)?;
        match std::fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.identify(Kind::Folder, path, inode(path)?),
        }
    }

    /// Writes a file in the lab's directory, noted; in place, so that who has it open sees the change.
    ///
    /// # Errors
    /// The host's.
    pub(crate) fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let fresh = !path.exists();
        if fresh {
            self.intend(Kind::File, path)?;
        }
        std::fs::write(path, text)?;
        if fresh { self.identify(Kind::File, path, inode(path)?) } else { Ok(()) }
    }

    /// Notes that a control group noted before is there.
    ///
    /// # Errors
    /// The host's.
    pub(crate) fn made_group(&self, path: &Path) -> io::Result<()> {
        self.identify(Kind::Cgroup, path, inode(path)?)
    }

    /// Notes that a file noted before is there.
    ///
    /// # Errors
    /// The host's.
    pub(crate) fn made(&self, path: &Path) -> io::Result<()> {
        self.identify(Kind::File, path, inode(path)?)
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn inode(path: &Path) -> io::Result<Identity> {
    let found = std::fs::symlink_metadata(path)?;
    Ok(Identity::Inode { dev: found.dev(), inode: found.ino() })
}

/// A file that grows by lines.
#[derive(Debug)]
struct Appended {
    file: File,
    /// The last line was not written to its end.
    torn: bool,
}

impl Sink for Appended {
    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
        }
        self.torn = true;
        self.file.write_all(line.as_bytes())?;
        self.torn = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Homes;

    #[test]
    fn what_is_gone_is_no_leftover_and_the_rest_has_its_identity() {
        let place = tempfile::tempdir().unwrap();
        let home = Homes::at(place.path().join("base")).home("shop").unwrap();
        home.create().unwrap();
        let ledger = Ledger::begin(&home).unwrap();
        let (folder, file) = (home.dir().join("nodes"), home.dir().join("hosts.red"));
        ledger.folder(&folder).unwrap();
        ledger.write(&file, "a").unwrap();
        ledger.write(&file, "b").unwrap();
        ledger.gone(Kind::Folder, &folder);
        drop(ledger);
        // A second daemon goes on where the first was killed.
        let ledger = Ledger::begin(&home).unwrap();
        ledger.intend(Kind::Netns, Path::new("/run/netns/x")).unwrap();
        let read = replay(&std::fs::read_to_string(home.journal()).unwrap());
        let names: Vec<_> =
            read.leftovers.iter().map(|l| (l.kind, l.name.clone(), l.identity.is_some())).collect();
        let file = file.to_string_lossy().into_owned();
        assert_eq!(names, [(Kind::Netns, "/run/netns/x".to_owned(), false), (Kind::File, file, true)]);
        assert_eq!(read.unreadable, 0);
    }
}
