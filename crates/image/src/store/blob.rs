//! Blobs: bytes by their digest.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use rustix::fs::FlockOperation;

use super::lock::{open, wait};
use super::{Store, StoreError, because, rename};
use crate::digest::{Digest, Hasher, Hashing};
use crate::document::{Descriptor, LONGEST};

impl Store {
    /// Whether the blob is there. What is there was verified when it came.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.place("blobs", digest).is_file()
    }

    /// Where the file of a blob is, and how many bytes it has.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Io`].
    pub fn file(&self, digest: &Digest) -> Result<(PathBuf, u64), StoreError> {
        let path = self.place("blobs", digest);
        let size = self.blob(digest)?.metadata().map_err(because("look at", &path))?.len();
        Ok((path, size))
    }

    /// Opens a blob.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Io`].
    pub fn blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.place("blobs", digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing(*digest),
            _ => because("open", &path)(error),
        })
    }

    /// Reads a document, and verifies it once more: it is short, and much depends on it.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Long`], [`StoreError::Mismatch`], [`StoreError::Io`].
    pub fn document(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let mut file = self.blob(digest)?.take(LONGEST + 1);
        file.read_to_end(&mut bytes).map_err(because("read", &self.place("blobs", digest)))?;
        let size = bytes.len() as u64;
        if size > LONGEST {
            return Err(StoreError::Long { digest: *digest, size, most: LONGEST });
        }
        let found = Digest::of(&bytes);
        if found == *digest { Ok(bytes) } else { Err(StoreError::Mismatch { wanted: *digest, found }) }
    }

    /// Adds a document.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn add_document(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if !self.has_blob(&digest) {
            self.write_whole(&self.place("blobs", &digest), bytes)?;
        }
        Ok(digest)
    }

    /// Adds a blob from a file or archive of this machine, unless it is there.
    ///
    /// # Errors
    /// [`StoreError::Length`], [`StoreError::Mismatch`] if it is not what `wanted` says, [`StoreError::Io`].
    pub fn add_blob(&self, wanted: &Descriptor, mut from: impl Read) -> Result<(), StoreError> {
        if self.has_blob(&wanted.digest) {
            return Ok(());
        }
        let mut partial = self.partial(wanted)?;
        partial.restart()?;
        // One byte more than announced is enough to know that it is too long.
        let mut from = from.by_ref().take(wanted.size.saturating_add(1));
        let mut buffer = vec![0; 256 << 10];
        loop {
            let n =
                from.read(&mut buffer).map_err(because("read", &PathBuf::from(wanted.digest.to_string())))?;
            if n == 0 {
                return partial.finish();
            }
            partial.add(buffer.get(..n).unwrap_or_default())?;
        }
    }

    /// Adds bytes whose digest and length show only at the end, such as a layer of an archive.
    ///
    /// # Errors
    /// [`StoreError::Io`], for `from` too.
    pub fn add_unknown(&self, from: impl Read) -> Result<Descriptor, StoreError> {
        let fresh = self.fresh();
        let file = File::create(&fresh).map_err(because("make", &fresh))?;
        let mut out = Hashing::new(file);
        let mut from = io::BufReader::with_capacity(256 << 10, from);
        let copied = io::copy(&mut from, &mut out);
        let size = out.passed();
        let (digest, file) = out.finish();
        let done = copied.and_then(|_| file.sync_all()).map_err(because("write", &fresh));
        let done = done.and_then(|()| rename(&fresh, &self.place("blobs", &digest)));
        if done.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        done.map(|()| Descriptor { digest, size, ..Descriptor::of("", b"") })
    }

    /// Begins a blob, or goes on with one that was begun before. Waits while another process is at it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn partial(&self, wanted: &Descriptor) -> Result<Partial, StoreError> {
        let path = self.place("partial", &wanted.digest);
        loop {
            let mut file = open(&path)?;
            wait(&file, FlockOperation::LockExclusive).map_err(because("lock", &path))?;
            // While we waited it may have been finished and moved away.
            if !is_same(&file, &path) {
                continue;
            }
            let mut hasher = Hasher::new();
            let have = hash_all(&mut file, &mut hasher).map_err(because("read", &path))?;
            let done = self.place("blobs", &wanted.digest);
            let mut partial = Partial { file, path, done, wanted: wanted.clone(), have, hasher };
            if have > wanted.size {
                partial.restart()?;
            }
            return Ok(partial);
        }
    }
}

/// A blob on its way. Dropped before its end, it stays for another attempt.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
    done: PathBuf,
    wanted: Descriptor,
    have: u64,
    hasher: Hasher,
}

impl Partial {
    /// How many bytes are here.
    #[must_use]
    pub const fn have(&self) -> u64 {
        self.have
    }

    /// Whether another process has finished it meanwhile.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done.is_file()
    }

    /// It turns out to be so long.
    pub const fn announce(&mut self, size: u64) {
        self.wanted.size = size;
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`StoreError::Length`] for more than was announced; [`StoreError::Io`].
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let found = self.have + bytes.len() as u64;
        if found > self.wanted.size {
            let error = StoreError::Length { digest: self.wanted.digest, wanted: self.wanted.size, found };
            self.restart()?;
            return Err(error);
        }
        self.file.write_all(bytes).map_err(because("write", &self.path))?;
        self.hasher.update(bytes);
        self.have = found;
        Ok(())
    }

    /// Forgets what is here.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn restart(&mut self) -> Result<(), StoreError> {
        let cut = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cut.map_err(because("cut", &self.path))?;
        self.hasher = Hasher::new();
        self.have = 0;
        Ok(())
    }

    /// Verifies it and makes it a blob.
    ///
    /// # Errors
    /// [`StoreError::Length`] if bytes are missing: they can still come. [`StoreError::Mismatch`]: it begins anew.
    pub fn finish(mut self) -> Result<(), StoreError> {
        let (wanted, found) = (self.wanted.size, self.have);
        if wanted != found {
            return Err(StoreError::Length { digest: self.wanted.digest, wanted, found });
        }
        let found = self.hasher.clone().finish();
        if found != self.wanted.digest {
            self.restart()?;
            let _ = fs::remove_file(&self.path);
            return Err(StoreError::Mismatch { wanted: self.wanted.digest, found });
        }
        self.file.sync_all().map_err(because("write to the disk", &self.path))?;
        rename(&self.path, &self.done)
    }
}

fn hash_all(file: &mut File, hasher: &mut Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut have = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(have);
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
        have += n as u64;
    }
}

fn is_same(file: &File, path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}
