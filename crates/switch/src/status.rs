//! What a configuration means to the datapath, and what came of it.

use netloom_flow::{BridgeId, OfPort, PortId, TenantId};

/// What a reconfiguration means to the datapath.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Ports that are new.
    pub added: Vec<WantedPort>,
    /// Ports whose tenant, peer or name is another now.
    pub changed: Vec<WantedPort>,
    /// Ports that are gone.
    pub removed: Vec<PortId>,
}

/// A port the datapath has to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPort {
    /// Its number in the datapath, from the configuration.
    pub port: PortId,
    /// The bridge's name.
    pub bridge: String,
    /// The interface's name.
    pub name: String,
    /// Whose port it is; `None`: it carries every tenant.
    pub tenant: Option<TenantId>,
    /// The other end, on a link to another switch.
    pub peer: Option<PortId>,
}

/// What came of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// One for each bridge that changed or is new, in the order of the configuration.
    pub bridges: Vec<BridgeStatus>,
}

/// What came of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeStatus {
    /// Its name.
    pub name: String,
    /// Its number, which effects and dependencies use.
    pub id: BridgeId,
    /// Its ports, by OpenFlow number.
    pub ports: Vec<PortStatus>,
}

/// What came of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortStatus {
    /// The interface's name.
    pub name: String,
    /// The OpenFlow number it got.
    pub ofport: OfPort,
    /// The datapath port.
    pub dp_port: PortId,
}
