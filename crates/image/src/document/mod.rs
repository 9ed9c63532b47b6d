//! The JSON documents of an image: index, manifest, configuration. Bounded, and checked before anybody believes them.
//!
//! ```text
//! index (one image for several platforms) -> manifest -> config
//!                                                     -> layers
//! ```
//!
//! Source: OCI image specification 1.1 (image-index.md, manifest.md, config.md); Docker's image manifest version 2,
//! schema 2, which has the same shape under other names.

mod config;
mod manifest;

pub use config::{Healthcheck, ImageConfig, RootFs, Run};
pub use manifest::{Descriptor, Document, Index, Manifest, MediaType};

/// Documents are read whole into memory: longer ones are refused. Registries hold to 4 MiB.
pub const LONGEST: u64 = 4 << 20;

/// overlayfs stacks no more (`OVL_MAX_STACK`).
pub const MOST_LAYERS: usize = 500;

/// Why a document is no good.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or not of this shape.
    #[error("it is not as it should be: {0}")]
    Shape(#[from] serde_json::Error),
    /// Docker's schema 1, given up in 2017.
    #[error(
        "it is of Docker's schema 1, which nobody builds any more; push the image again with a newer tool"
    )]
    Schema1,
    /// Neither index nor manifest.
    #[error("it is neither an index nor an image manifest, but {0:?}")]
    Kind(String),
    /// An artifact that is no image: a Helm chart, a signature.
    #[error("it is no container image: its configuration is {0:?}")]
    Artifact(String),
    /// More layers than can be mounted.
    #[error("it has {0} layers; 500 can be mounted")]
    Layers(usize),
    /// Manifest and configuration disagree.
    #[error("the manifest has {manifest} layers, the configuration {config}")]
    Count {
        /// Layers of the manifest.
        manifest: usize,
        /// `diff_ids` of the configuration.
        config: usize,
    },
}
