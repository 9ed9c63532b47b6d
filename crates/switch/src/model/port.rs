//! A port of a bridge: number, VLANs, tenant, link and counters.

use netloom_flow::{Action, BridgeId, Nanos, OfPort, PortId, Qos, TenantId};

use super::control::PortConfig;
use super::mirror::Mirrored;
use super::vlan::Vlans;
use crate::config;

/// What translation must know of the link behind a port, in the direction away from the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkState {
    /// Whether packets pass at all.
    pub up: bool,
    /// Whether they pass untouched and at once ([`netloom_flow::LinkSettings::is_plain`]).
    pub plain: bool,
    /// Whether someone looks at what passes the port, in either direction, so that each packet has to be there.
    pub captured: bool,
}

impl Default for LinkState {
    fn default() -> Self {
        Self { up: true, plain: true, captured: false }
    }
}

/// The other end of a link to another switch of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) bridge: BridgeId,
    pub(crate) port: OfPort,
}

/// What the treatment of loops makes of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Carries everything: a port to a node, on the spanning tree, or where loops are allowed.
    #[default]
    Forwarding,
    /// Its link is down: no flood goes there, and who sends there finds out.
    Down,
    /// Carries nothing: the spanning tree does without it.
    Blocked,
    /// Carries unicast to addresses of the lab over shortest paths, but no flood.
    Shortcut,
}

/// Packets that crossed a port inside the switch. The datapath counts the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crossed {
    /// Received.
    pub rx_packets: u64,
    /// Received, in L2 bytes without FCS.
    pub rx_bytes: u64,
    /// Sent.
    pub tx_packets: u64,
    /// Sent, in L2 bytes without FCS.
    pub tx_bytes: u64,
}

impl Crossed {
    pub(crate) const fn received(&mut self, packets: u64, bytes: u64) {
        self.rx_packets = self.rx_packets.wrapping_add(packets);
        self.rx_bytes = self.rx_bytes.wrapping_add(bytes);
    }

    pub(crate) const fn sent(&mut self, packets: u64, bytes: u64) {
        self.tx_packets = self.tx_packets.wrapping_add(packets);
        self.tx_bytes = self.tx_bytes.wrapping_add(bytes);
    }
}

/// A port: in OVS's words, a port with its one interface.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: OfPort,
    /// The interface's name.
    pub(crate) name: String,
    pub(crate) dp_port: PortId,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) vlans: Vlans,
    pub(crate) mirrored: Mirrored,
    /// Flows say where its packets go, or under which key.
    pub(crate) is_flow_tunnel: bool,
    /// To send by it, as the action set of egress tables has it.
    pub(crate) output: Action,
    /// Its packets leave in a tunnel.
    pub(crate) is_tunnel: bool,
    /// It is one end of a tunnel within the lab.
    pub(crate) inner: Option<config::Inner>,
    /// The queues it sends by.
    pub(crate) qos: Option<Qos>,
    /// The datapath port at the other end, as configured.
    pub(crate) peer_dp: Option<PortId>,
    /// The same, found; `None` while the other end is not configured.
    pub(crate) peer: Option<Peer>,
    pub(crate) link: LinkState,
    pub(crate) role: Role,
    pub(crate) config: PortConfig,
    /// Its Ethernet address, if it is known.
    pub(crate) mac: Option<[u8; 6]>,
    /// Changes with everything above.
    pub(crate) version: u64,
    pub(crate) crossed: Crossed,
    /// Since when it is there.
    pub(crate) created: Nanos,
}

impl Port {
    pub(crate) fn new(
        number: OfPort,
        port: &config::Port,
        interface: &config::Interface,
        (version, now): (u64, Nanos),
    ) -> Self {
        Self {
            number,
            name: interface.name.clone(),
            dp_port: interface.dp_port,
            tenant: port.tenant,
            vlans: Vlans::new(port),
            mirrored: Mirrored::default(),
            is_flow_tunnel: interface.kind == config::InterfaceType::FlowTunnel,
            output: Action::Output(number),
            is_tunnel: matches!(
                interface.kind,
                config::InterfaceType::Tunnel | config::InterfaceType::FlowTunnel
            ),
            inner: interface.inner.clone(),
            qos: port.qos.clone(),
            peer_dp: interface.peer,
            peer: None,
            link: LinkState::default(),
            role: Role::default(),
            config: PortConfig::default(),
            mac: interface.mac,
            version,
            crossed: Crossed::default(),
            created: now,
        }
    }

    /// Whether its link is up and nobody has taken it down.
    pub(crate) const fn is_up(&self) -> bool {
        self.link.up && !self.config.down
    }

    /// Whether packets of a tenant may leave here.
    pub(crate) fn carries(&self, tenant: TenantId) -> bool {
        self.tenant.is_none_or(|own| own == tenant)
    }
}
