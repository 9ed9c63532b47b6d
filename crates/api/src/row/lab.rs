//! A lab in a list.

use serde::{Deserialize, Serialize};

/// A lab in a list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LabRow {
    /// Its name.
    pub name: String,
    /// `up`, `starting`, `stopping`, `dead` (its daemon is gone, `down` cleans up), or `private` (of another
    /// user: nothing more is known).
    pub state: String,
    /// The user it belongs to, by name or number.
    #[serde(default)]
    pub owner: String,
    /// The absolute path of its file.
    #[serde(default)]
    pub file: String,
    /// Nodes of all kinds.
    #[serde(default)]
    pub nodes: u64,
    /// Of these, hosts: nodes without an image of their own.
    #[serde(default)]
    pub hosts: u64,
    /// Switches.
    #[serde(default)]
    pub switches: u64,
    /// Links.
    #[serde(default)]
    pub links: u64,
    /// Tenants.
    #[serde(default)]
    pub tenants: u64,
    /// How its packets travel: `rootless, tap with offloads`.
    #[serde(default)]
    pub mode: String,
    /// Process id of its daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Seconds since it is up.
    #[serde(default)]
    pub age_s: f64,
}
