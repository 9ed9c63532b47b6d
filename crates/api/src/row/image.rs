//! Images in a list, and one in full.

use serde::{Deserialize, Serialize};

/// An image of this user's store.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ImageRow {
    /// Its name in full.
    pub name: String,
    /// The digest of its manifest.
    pub digest: String,
    /// What it was built for.
    pub platform: String,
    /// Its layers.
    pub layers: u64,
    /// Bytes of configuration and layers, as they were pulled.
    pub bytes: u64,
    /// Seconds since it got its name.
    pub age_s: f64,
    /// What is wrong with it, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// An image in full.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ImageInfo {
    /// As in the list.
    #[serde(flatten)]
    pub row: ImageRow,
    /// When it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The program.
    pub entrypoint: Vec<String>,
    /// Its arguments, or the program without an entrypoint.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Whom it runs as; empty: root.
    pub user: String,
    /// Where it starts.
    pub workdir: String,
    /// How it is asked to end; empty: SIGTERM.
    pub stop_signal: String,
    /// `80/tcp`.
    pub ports: Vec<String>,
    /// Directories for volumes.
    pub volumes: Vec<String>,
    /// The lowest first.
    pub parts: Vec<LayerRow>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LayerRow {
    /// As it was pulled.
    pub digest: String,
    /// Its tar file.
    pub diff_id: String,
    /// Bytes, as it was pulled.
    pub bytes: u64,
}

/// What a removal gave back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FreedRow {
    /// Names taken away.
    pub removed: Vec<String>,
    /// Blobs.
    pub blobs: u64,
    /// Unpacked layers.
    pub layers: u64,
    /// What was begun and never finished.
    pub leftovers: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}
