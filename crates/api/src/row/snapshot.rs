//! Snapshots in a list.

use serde::{Deserialize, Serialize};

/// What a virtual machine was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// The node.
    pub node: String,
    /// Its name.
    pub name: String,
    /// When, in seconds since 1970.
    pub taken: u64,
    /// Bytes of memory that the machine has.
    pub memory: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}
