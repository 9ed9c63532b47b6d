//! What the switch is, and how a connection has set it.

use netloom_flow::BridgeId;
use netloom_openflow::msg::features::Capabilities;
use netloom_openflow::msg::{Config, Desc, Features, FragMode};
use netloom_openflow::{Message, Version};

use super::Connection;
use crate::model::{Bridge, Fragments};
use crate::switch::Switch;

/// The twelve actions of OpenFlow 1.0 (`OFPAT_OUTPUT` to `OFPAT_ENQUEUE`).
pub(super) const ACTIONS_10: u32 = 0xfff;

impl Bridge {
    /// `other_config:datapath-id` if there is one; else from the bridge's identity.
    pub(crate) fn datapath_id(&self) -> u64 {
        let given = self.config.other_config.get("datapath-id");
        let given = given.and_then(|hex| u64::from_str_radix(hex.trim_start_matches("0x"), 16).ok());
        let [.., a, b, c, d, e, f] = self.config.uuid.0.to_be_bytes();
        // An address of local administration that is of one station.
        given.unwrap_or_else(|| u64::from_be_bytes([0, 0, a & !0x03 | 0x02, b, c, d, e, f]))
    }
}

impl Switch {
    /// What names a bridge to controllers.
    #[must_use]
    pub fn datapath_id(&self, bridge: BridgeId) -> Option<u64> {
        self.bridges.get(bridge).map(Bridge::datapath_id)
    }

    pub(super) fn features(&self, bridge: &Bridge, connection: &Connection) -> Message {
        let mut capabilities = Capabilities::FLOW_STATS
            | Capabilities::TABLE_STATS
            | Capabilities::PORT_STATS
            | Capabilities::QUEUE_STATS;
        if connection.version == Version::V10 {
            capabilities = capabilities | Capabilities::ARP_MATCH_IP;
        } else {
            capabilities = capabilities | Capabilities::GROUP_STATS;
        }
        if connection.version >= Version::V15 {
            capabilities = capabilities | Capabilities::BUNDLES;
        }
        let ports = if connection.version < Version::V13 { self.port_descs(bridge) } else { Vec::new() };
        Message::FeaturesReply(Box::new(Features {
            datapath_id: bridge.datapath_id(),
            buffers: 0,
            tables: 254,
            auxiliary: connection.auxiliary,
            capabilities,
            actions: ACTIONS_10,
            ports,
        }))
    }

    pub(super) fn desc(bridge: &Bridge) -> Desc {
        let other = |key: &str| bridge.config.other_config.get(key).map_or("None", String::as_str).to_owned();
        Desc {
            manufacturer: "Nicira, Inc.".to_owned(),
            hardware: "Open vSwitch".to_owned(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            serial: other("dp-sn"),
            datapath: other("dp-desc"),
        }
    }
}

impl Switch {
    /// Carries out `OFPT_SET_CONFIG`. What is done with fragments is the bridge's affair and outlives the connection.
    pub(super) fn handle_set_config(&mut self, id: BridgeId, connection: &mut Connection, config: &Config) {
        connection.set_config(config);
        let wanted = match config.frag {
            FragMode::Normal => Fragments::Normal,
            FragMode::Drop => Fragments::Drop,
            FragMode::NxMatch => Fragments::NxMatch,
            // As in OVS: who looks again, as `ovs-ofctl` does, sees that it was not taken.
            FragMode::Reassemble => return,
        };
        let version = self.next_version();
        if let Some(bridge) = self.bridges.get_mut(id).filter(|bridge| bridge.fragments != wanted) {
            (bridge.fragments, bridge.version) = (wanted, version);
            self.advance();
        }
    }
}

impl Connection {
    pub(super) fn config(&self, bridge: &Bridge) -> Message {
        Message::GetConfigReply(Config {
            frag: match bridge.fragments {
                Fragments::Normal => FragMode::Normal,
                Fragments::Drop => FragMode::Drop,
                Fragments::NxMatch => FragMode::NxMatch,
            },
            invalid_ttl_to_controller: self.invalid_ttl,
            miss_send_len: self.miss_send_len,
        })
    }

    fn set_config(&mut self, config: &Config) {
        self.invalid_ttl = config.invalid_ttl_to_controller;
        self.miss_send_len = config.miss_send_len;
    }
}
