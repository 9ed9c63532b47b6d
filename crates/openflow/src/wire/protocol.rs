//! How a connection speaks.

use crate::Version;
use crate::msg::{FlowFormat, PacketInFormat};

/// The version of a connection, and the settings that extensions change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// The version.
    pub version: Version,
    /// How flows are spoken of in 1.0 (`NXT_SET_FLOW_FORMAT`).
    pub flow_format: FlowFormat,
    /// Whether flow mods of 1.0 name a table (`NXT_FLOW_MOD_TABLE_ID`).
    pub flow_mod_table_id: bool,
    /// How packets are sent to the controller (`NXT_SET_PACKET_IN_FORMAT`).
    pub packet_in_format: PacketInFormat,
}

impl Protocol {
    /// How a connection of this version begins.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Self {
            version,
            flow_format: FlowFormat::default(),
            flow_mod_table_id: false,
            packet_in_format: PacketInFormat::default(),
        }
    }
}
