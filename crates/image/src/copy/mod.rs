//! Copies of files between a container and the machine, as a tar file in between: [`pack`] on one side, [`unpack`] on the other.
//!
//! Each side runs where its files are, so a path means there what it says: inside the container's root, links of the container
//! lead nowhere else. And whoever unpacks believes nothing of what comes: all of it ends up below the target.

mod pack;
mod unpack;

pub use pack::{base_name, pack};
pub use unpack::{Target, unpack};

/// What was copied, and what could not be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Sockets, pipes and devices, which are left out.
    pub left_out: u64,
}

/// Why a copy is not, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The host refused.
    #[error("Cannot {action} {}: {source}", .path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// What.
        path: std::path::PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// What came is no tar file, or broke off.
    #[error("The copy broke off: {0}")]
    Tar(#[from] crate::layer::TarError),
    /// A path that leaves the target.
    #[error("The copy has the path {0:?}, which leads out of the target")]
    Escape(String),
    /// Too many entries.
    #[error("The copy has more than {0} files")]
    Many(u64),
    /// The host refused, below the target.
    #[error("{0}")]
    Host(#[from] netloom_sys::HostError),
}

#[cfg(test)]
mod tests;
