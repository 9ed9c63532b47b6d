//! Zones of connection tracking in a list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A zone of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ZoneRow {
    /// The switch.
    pub switch: String,
    /// Its number.
    pub zone: u16,
    /// Connections it has, those of all tenants.
    pub connections: u32,
    /// Most it may have, if it has a limit.
    pub limit: Option<u32>,
    /// Timeouts in seconds that are not the usual ones, by the names of OVSDB's `CT_Timeout_Policy`.
    pub timeouts: BTreeMap<String, u32>,
}
