//! From the bytes of a layer to a directory that overlayfs can stack.
//!
//! ```text
//! blob --Unpacked (gzip, zstd, plain)--> tar --Archive--> entries --Unpacker--> directory
//!        bounded in size and ratio            bounded                openat2: nothing outside
//! ```
//!
//! Source: OCI image specification, layer.md; Linux, Documentation/filesystems/overlayfs.rst.

mod apply;
mod bounds;
mod decompress;
mod owner;
pub mod tar;

pub use apply::{Report, apply};
pub use bounds::Bounds;
pub(crate) use decompress::Unpacked as Opened;
pub use tar::TarError;

use netloom_sys::HostError;

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// It cannot be read: damaged compression, or a broken file below.
    #[error("it cannot be read: {0}")]
    Read(#[source] std::io::Error),
    /// Not a tar file, or one that is not understood.
    #[error("{0}")]
    Tar(#[from] TarError),
    /// A path that leaves the root.
    #[error("the path {0:?} leaves the root")]
    Escape(String),
    /// An entry that cannot be where it wants to be.
    #[error("{path:?} cannot be made: {reason}")]
    Entry {
        /// The path as the layer has it.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// More than a layer may have.
    #[error("it has more than {most} {what}")]
    Bomb {
        /// Of what.
        what: &'static str,
        /// How much is allowed.
        most: u64,
    },
    /// The host refused.
    #[error("at {path:?}: {source}")]
    Host {
        /// The path as the layer has it.
        path: String,
        /// The cause.
        source: HostError,
    },
}
