//! From one configuration to the next, at the cost of the difference.

use std::ops::Range;

use netloom_flow::{BridgeId, OfPort, PortId, TenantId};

use crate::config::Origin;

/// What a reconfiguration means to the datapath.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Ports that are new, in the order of the configuration.
    pub added: Vec<PortAdded>,
    /// Ports that are gone.
    pub removed: Vec<PortId>,
}

/// A port the datapath has to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortAdded {
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
    /// One for each bridge that changed, in the order of the configuration.
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

/// A configuration that cannot be carried out. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Two bridges have one name or one UUID.
    #[error("Two bridges are called {0}, or have its UUID")]
    DuplicateBridge(String),
    /// Two ports of a bridge have one name.
    #[error("Bridge {bridge} has two ports called {port}")]
    DuplicatePort {
        /// The bridge.
        bridge: String,
        /// The port.
        port: String,
    },
    /// Two interfaces claim one datapath port.
    #[error("Datapath port {0} is used by two interfaces")]
    DuplicateDatapathPort(PortId),
    /// Two interfaces ask for one OpenFlow number.
    #[error("Bridge {bridge} has two interfaces with OpenFlow port {ofport}")]
    DuplicateOfPort {
        /// The bridge.
        bridge: String,
        /// The number.
        ofport: u16,
    },
    /// A number outside 1 to 0xfeff.
    #[error("OpenFlow port {ofport} of bridge {bridge} is not in 1..65279")]
    BadOfPort {
        /// The bridge.
        bridge: String,
        /// The number.
        ofport: u16,
    },
    /// A bond, or a port without an interface.
    #[error("Port {port} of bridge {bridge} has {count} interfaces; exactly one is supported")]
    Interfaces {
        /// The bridge.
        bridge: String,
        /// The port.
        port: String,
        /// How many.
        count: usize,
    },
    /// A VLAN above 4,095.
    #[error("VLAN {vlan} of port {port} of bridge {bridge} is above 4095")]
    BadVlan {
        /// The bridge.
        bridge: String,
        /// The port.
        port: String,
        /// The VLAN.
        vlan: u16,
    },
    /// The two ends of a link do not name each other.
    #[error("Datapath port {0} and its peer {1} do not name each other")]
    Peer(PortId, PortId),
    /// A flow that cannot be read.
    #[error("{0}")]
    Flow(Box<BadFlow>),
}

/// A flow of a configuration that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Flow of bridge {bridge} ({origin}): {message}")]
pub struct BadFlow {
    /// The bridge.
    pub bridge: String,
    /// Where it stands.
    pub origin: Origin,
    /// The flow.
    pub text: String,
    /// Which bytes of the text are wrong.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub message: String,
    /// What could help.
    pub hint: Option<String>,
}
