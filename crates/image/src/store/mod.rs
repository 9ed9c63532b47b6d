//! The images of a user: content-addressed, shared by all labs, safe against a process that is killed at any moment.
//!
//! ```text
//! <data>/images/            0700
//! |- blobs/<hex>            manifests, configurations, layers as they were pulled: whole and verified, or not there
//! |- partial/<hex>          blobs on their way; what is there is gone on with
//! |- layers/<hex>/fs        unpacked layers by the digest of their tar file, ready to be mounted
//! |- layers/<hex>/report.json
//! |- names/<hex>.json       a name and the manifest it means
//! |- pins/<..>              locked by those who use an image: while they live, nothing of it is removed
//! |- tmp/                   what was begun
//! `- lock                   shared while something is added, exclusive while something is removed
//! ```
//!
//! Everything is made aside and appears by one rename. What a killed process leaves behind (in `partial`, `tmp`, or complete but
//! named by nobody) costs space until the next [`Store::gc`], and is never taken for something whole.

mod blob;
mod gc;
mod lock;
mod name;
mod pin;
mod unpacked;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use blob::Partial;
pub use gc::Freed;
pub use lock::Using;
pub use name::{Image, Kind, Named};
pub use pin::Pin;
pub use unpacked::{Layer, remove_tree};

use crate::digest::Digest;
use crate::document::DocumentError;
use crate::layer::LayerError;

/// The store.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Why the store cannot do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The host refused.
    #[error("Cannot {action} {}", .path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Somebody else made the directory.
    #[error("{} belongs to somebody else", .0.display())]
    Foreign(PathBuf),
    /// The bytes are not those that were asked for.
    #[error("The content of {wanted} is wrong: it has the digest {found}")]
    Mismatch {
        /// What they should be.
        wanted: Digest,
        /// What they are.
        found: Digest,
    },
    /// Not as long as it should be.
    #[error("The length of {digest} is wrong: {found} bytes, not {wanted}")]
    Length {
        /// Of what.
        digest: Digest,
        /// As announced.
        wanted: u64,
        /// As found.
        found: u64,
    },
    /// A document longer than documents are.
    #[error("The document {digest} of {size} bytes is too long: {most} at most")]
    Long {
        /// Which.
        digest: Digest,
        /// Its length.
        size: u64,
        /// The bound.
        most: u64,
    },
    /// Not there.
    #[error("{0} is not in the store")]
    Missing(Digest),
    /// A document is no good.
    #[error("The document {digest} is no good: {source}")]
    Document {
        /// Which.
        digest: Digest,
        /// Why.
        source: DocumentError,
    },
    /// A layer cannot be unpacked.
    #[error("The layer {digest} cannot be unpacked: {source}")]
    Layer {
        /// As it was pulled.
        digest: Digest,
        /// Why.
        source: LayerError,
    },
    /// No image of this name.
    #[error("There is no image {name}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that look like it.
        near: Vec<String>,
    },
    /// Several images begin like this.
    #[error("{0} could be several images")]
    Ambiguous(String),
    /// In use.
    #[error("The image {name} is in use by {}", .by.join(", "))]
    InUse {
        /// Which.
        name: String,
        /// Labs.
        by: Vec<String>,
    },
    /// Somebody adds something just now.
    #[error("The store is busy: another netloom is adding an image")]
    Busy,
}

impl StoreError {
    /// Whether the disk is full, however deep that lies.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            let full = error.downcast_ref::<io::Error>().is_some_and(|error| {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            });
            let host = error.downcast_ref::<netloom_sys::HostError>().is_some_and(|error| {
                matches!(error.errno, netloom_sys::Errno::NOSPC | netloom_sys::Errno::DQUOT)
            });
            if full || host {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

const DIRS: [&str; 6] = ["blobs", "partial", "layers", "names", "pins", "tmp"];

impl Store {
    /// Opens the store in `data`, a user's directory of netloom, and makes what is missing of it.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Foreign`].
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        let store = Self { root: data.join("images") };
        let make = |path: &Path, mode| {
            DirBuilder::new().recursive(true).mode(mode).create(path).map_err(because("make", path))
        };
        make(data, 0o755)?;
        make(&store.root, 0o700)?;
        let meta = fs::symlink_metadata(&store.root).map_err(because("look at", &store.root))?;
        // Programs with setuid bits of many a stranger lie in there: nobody else may get at them.
        if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 || !meta.is_dir() {
            return Err(StoreError::Foreign(store.root));
        }
        for dir in DIRS {
            make(&store.root.join(dir), 0o700)?;
        }
        Ok(store)
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, dir: &str, digest: &Digest) -> PathBuf {
        self.root.join(dir).join(digest.hex())
    }

    /// A name in `tmp` that nobody else has.
    fn fresh(&self) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.root.join("tmp").join(format!("{}-{number}", std::process::id()))
    }

    /// Writes a small file as a whole: after a crash it is there with all its bytes, or as it was before.
    fn write_whole(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let fresh = self.fresh();
        let write = || -> io::Result<()> {
            let mut file = File::create(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        if let Err(error) = write() {
            let _ = fs::remove_file(&fresh);
            return Err(because("write", &fresh)(error));
        }
        rename(&fresh, path)
    }
}

/// Renames, and has the directory remember it.
fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(because("make", to))?;
    let dir = to.parent().unwrap_or(to);
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(because("write to the disk", dir))
}

fn because(action: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path: path.clone(), source }
}

#[cfg(test)]
mod tests;
