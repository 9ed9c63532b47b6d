//! Ports on the wire.

use netloom_flow::{BridgeId, Nanos, OfPort};
use netloom_openflow::msg::stats::UNKNOWN;
use netloom_openflow::msg::{self, PortDesc, PortFeatures, PortReason, PortState, PortStats};
use netloom_openflow::{Message, OfError};
use netloom_packet::Mac;

use super::{Connection, PortCounts};
use crate::events::PortStatusReason;
use crate::model::{Bridge, Port, PortConfig, Role};
use crate::switch::Switch;

impl Bridge {
    /// A port's Ethernet address as controllers see it: its device's; of one without, an address of local administration,
    /// from the bridge's identity and the port's number.
    fn address_of(&self, port: OfPort) -> Mac {
        if let Some(mac) = self.port(port).and_then(|port| port.mac) {
            return Mac(mac);
        }
        let [_, _, a, b, c, d, ..] = self.datapath_id().to_be_bytes();
        let [.., high, low] = port.0.to_be_bytes();
        Mac([a & !0x03 | 0x02, b, c, d, high, low])
    }
}

impl Switch {
    pub(super) fn port_descs(&self, bridge: &Bridge) -> Vec<PortDesc> {
        bridge.ports.values().map(|port| desc(bridge, port)).collect()
    }

    /// Of one port, or with `NONE` of all. Of one that is not there, OVS tells nothing; neither do we.
    pub(super) fn port_stats(
        &self,
        bridge: &Bridge,
        number: OfPort,
        counts: &dyn PortCounts,
        now: Nanos,
    ) -> Vec<PortStats> {
        let asked = |port: &&Port| number == OfPort::NONE || port.number == number;
        bridge.ports.values().filter(asked).map(|port| stats(port, counts, now)).collect()
    }

    pub(super) fn handle_port_mod(
        &mut self,
        bridge: BridgeId,
        request: &msg::PortMod,
        now: Nanos,
    ) -> Result<(), OfError> {
        let known = self.bridges.get(bridge).ok_or(OfError::BrcEperm)?;
        let port = known.port(request.port).ok_or(OfError::PmfcBadPort)?;
        if known.address_of(port.number) != request.hw_addr {
            return Err(OfError::PmfcBadHwAddr);
        }
        let old = told(port.config);
        let new = old.without(request.mask).with(msg::PortConfig(request.config.0 & request.mask.0));
        self.set_port_config(bridge, request.port, read(new), now);
        Ok(())
    }

    /// A port came, went or changed: the message for a connection, if it wants one.
    ///
    /// For a port that is gone, its number and name are all that is told.
    #[must_use]
    pub fn port_status(
        &self,
        bridge: BridgeId,
        connection: &Connection,
        number: OfPort,
        reason: PortStatusReason,
    ) -> Option<Message> {
        let bridge = self.bridges.get(bridge)?;
        let reason = match reason {
            PortStatusReason::Add => PortReason::Add,
            PortStatusReason::Delete => PortReason::Delete,
            PortStatusReason::Modify => PortReason::Modify,
        };
        let desc = bridge.port(number).map_or_else(|| blank(bridge, number), |port| desc(bridge, port));
        connection
            .wants_port_status(reason as u8)
            .then(|| Message::PortStatus(Box::new(msg::PortStatus { reason, desc })))
    }
}

fn blank(bridge: &Bridge, number: OfPort) -> PortDesc {
    PortDesc {
        port: number,
        hw_addr: bridge.address_of(number),
        name: String::new(),
        config: msg::PortConfig::default(),
        state: PortState::LINK_DOWN,
        current: PortFeatures::default(),
        advertised: PortFeatures::default(),
        supported: PortFeatures::default(),
        peer: PortFeatures::default(),
        current_kbps: 0,
        max_kbps: 0,
    }
}

fn desc(bridge: &Bridge, port: &Port) -> PortDesc {
    let of = |is_set: bool, state: PortState| if is_set { state } else { PortState::default() };
    let state = of(!port.is_up(), PortState::LINK_DOWN)
        | of(port.role == Role::Blocked, PortState::BLOCKED)
        | of(port.is_up(), PortState::LIVE);
    PortDesc { name: port.name.clone(), config: told(port.config), state, ..blank(bridge, port.number) }
}

fn stats(port: &Port, counts: &dyn PortCounts, now: Nanos) -> PortStats {
    let (inside, outside) = (port.crossed, counts.traffic(port.dp_port));
    PortStats {
        port: port.number,
        rx_packets: inside.rx_packets + outside.rx_packets,
        tx_packets: inside.tx_packets + outside.tx_packets,
        rx_bytes: inside.rx_bytes + outside.rx_bytes,
        tx_bytes: inside.tx_bytes + outside.tx_bytes,
        rx_dropped: outside.dropped,
        tx_dropped: 0,
        rx_errors: 0,
        tx_errors: 0,
        rx_frame_errors: UNKNOWN,
        rx_over_errors: UNKNOWN,
        rx_crc_errors: UNKNOWN,
        collisions: UNKNOWN,
        duration: Some(now.since(port.created)),
    }
}

fn told(config: PortConfig) -> msg::PortConfig {
    let of = |is_set: bool, flag: msg::PortConfig| if is_set { flag } else { msg::PortConfig::default() };
    of(config.down, msg::PortConfig::PORT_DOWN)
        | of(config.no_recv, msg::PortConfig::NO_RECV)
        | of(config.no_fwd, msg::PortConfig::NO_FWD)
        | of(config.no_flood, msg::PortConfig::NO_FLOOD)
        | of(config.no_packet_in, msg::PortConfig::NO_PACKET_IN)
        | of(config.no_stp, msg::PortConfig::NO_STP)
}

fn read(config: msg::PortConfig) -> PortConfig {
    PortConfig {
        down: config.has(msg::PortConfig::PORT_DOWN),
        no_recv: config.has(msg::PortConfig::NO_RECV),
        no_fwd: config.has(msg::PortConfig::NO_FWD),
        no_flood: config.has(msg::PortConfig::NO_FLOOD),
        no_packet_in: config.has(msg::PortConfig::NO_PACKET_IN),
        no_stp: config.has(msg::PortConfig::NO_STP),
    }
}
