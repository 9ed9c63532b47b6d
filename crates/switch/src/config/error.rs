//! What can be wrong with a configuration.

use std::ops::Range;

use netloom_flow::{OfPort, PortId};

use super::Origin;

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
        ofport: OfPort,
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
    /// More mirrors than a bridge has.
    #[error("Bridge {bridge} has {count} mirrors; 32 are supported")]
    Mirrors {
        /// The bridge.
        bridge: String,
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
