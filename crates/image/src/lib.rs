//! Container images without a daemon: from a reference to layers that can be mounted.
//!
//! ```text
//! Reference --registry, source/--> blobs of the Store (by sha256) --layer/--> unpacked layers --(container)--> overlayfs
//! ```
//!
//! - [`mod@reference`]: what a user writes; [`platform`]: which variant.
//! - [`document`]: index, manifest, configuration.
//! - [`store`]: blobs, names, pins, unpacked layers, and the removal of what nobody needs.
//! - [`registry`]: pulling; [`source`]: images in files and directories; [`download`]: files by their addresses.
//! - [`layer`]: tar files of strangers made into directories; [`copy`]: files in and out of containers.

pub mod copy;
pub mod digest;
pub mod document;
pub mod download;
pub mod layer;
pub mod platform;
pub mod reference;
pub mod registry;
pub mod source;
pub mod store;

pub use digest::Digest;
pub use platform::Platform;
pub use reference::{Reference, Remote};
pub use store::{Store, StoreError};
