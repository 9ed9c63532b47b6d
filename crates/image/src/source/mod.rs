//! Images from files of this machine into the store.

mod docker_archive;
mod oci_dir;

use std::io;
use std::path::PathBuf;

pub use docker_archive::load as load_docker_archive;
pub use oci_dir::load as load_oci_dir;

use crate::digest::Digest;
use crate::document::DocumentError;
use crate::layer::TarError;
use crate::platform::Platform;
use crate::store::StoreError;

/// An image that is in the store now, not named yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its manifest.
    pub manifest: Digest,
    /// What its source calls it, in full; perhaps nothing.
    pub names: Vec<String>,
}

/// Why an image cannot be taken from a file or directory.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("Cannot read {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Not what it was said to be.
    #[error("{} is no {what}: {reason}", .path.display())]
    Kind {
        /// Which.
        path: PathBuf,
        /// An OCI image layout, an archive of `docker save`.
        what: &'static str,
        /// What shows it.
        reason: String,
    },
    /// A document in it is no good.
    #[error("{} has a document that is no good, {name}: {source}", .path.display())]
    Document {
        /// Where.
        path: PathBuf,
        /// Which.
        name: String,
        /// Why.
        source: DocumentError,
    },
    /// The archive is damaged.
    #[error("{} is damaged: {source}", .path.display())]
    Tar {
        /// Which.
        path: PathBuf,
        /// How.
        source: TarError,
    },
    /// Something it speaks of is not in it.
    #[error("{} lacks {name}", .path.display())]
    Lacks {
        /// Which.
        path: PathBuf,
        /// What.
        name: String,
    },
    /// No image of this tag.
    #[error("{} has no image {tag:?}", .path.display())]
    Tag {
        /// Where.
        path: PathBuf,
        /// What was asked for.
        tag: String,
        /// What it has.
        has: Vec<String>,
    },
    /// Several images, and none was asked for.
    #[error("{} has several images: say which", .path.display())]
    Several {
        /// Where.
        path: PathBuf,
        /// Their tags.
        has: Vec<String>,
    },
    /// None for this platform.
    #[error("{} has no image for {wanted}", .path.display())]
    Platform {
        /// Where.
        path: PathBuf,
        /// What was asked for.
        wanted: Platform,
        /// What it has.
        has: Vec<String>,
    },
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A full name for what a file calls `text`: a reference if it is one with a repository, else a tag beside the file's name.
fn full_name(text: &str, beside: &std::path::Path) -> Option<String> {
    if text.contains([':', '/'])
        && let Ok(reference @ crate::Reference::Remote(_)) = text.parse::<crate::Reference>()
    {
        return Some(reference.to_string());
    }
    let stem = beside.file_stem()?.to_string_lossy().to_ascii_lowercase();
    let good = format!("localhost/{stem}:{text}").parse::<crate::Reference>();
    good.ok().map(|reference| reference.to_string())
}

#[cfg(test)]
mod tests;
