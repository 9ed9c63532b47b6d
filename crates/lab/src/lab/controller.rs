//! Controllers.

use std::net::IpAddr;

use netloom_flow::Nanos;
use serde::{Deserialize, Serialize};

use super::nanos;

/// A controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// Its name, or its target if it was written at a switch.
    pub name: String,
    /// Where it is.
    pub place: ControllerPlace,
    /// After so long without a byte it is asked whether it is there, in nanoseconds; 0: never.
    #[serde(with = "nanos")]
    pub probe: Nanos,
    /// The longest pause between two calls, in nanoseconds.
    #[serde(with = "nanos")]
    pub backoff: Nanos,
    /// Connections beside the main one, if it is called.
    #[serde(default)]
    pub auxiliary: u8,
    /// What it says with switches may cross its own switches whatever their flows say.
    #[serde(default)]
    pub in_band: bool,
    /// Files of TLS, beside the lab file.
    pub tls: Option<TlsFiles>,
    /// Line of the file, from 1.
    pub line: u32,
}

impl Controller {
    /// What the flows it adds are marked with: its targets where it has any, else its name.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        match &self.place {
            ControllerPlace::Targets(targets) => targets.clone(),
            ControllerPlace::Node { .. } | ControllerPlace::Run(_) | ControllerPlace::Learn => {
                vec![self.name.clone()]
            }
        }
    }

    /// `tcp:127.0.0.1:6653`, `osken-manager app.py`, `learn`: what it is, for a person.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.place {
            ControllerPlace::Targets(targets) => targets.join(", "),
            ControllerPlace::Node { node, port, .. } => format!("port {port} of {node}"),
            ControllerPlace::Run(command) => command.clone(),
            ControllerPlace::Learn => "learn".to_owned(),
        }
    }
}

/// Where a controller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControllerPlace {
    /// Here, in the words of OVS: [`crate::target::Target`]. Several: the switch has all of them.
    Targets(Vec<String>),
    /// In a node, whose own network leads there.
    Node {
        /// [`Node::name`](super::Node::name).
        node: String,
        /// The port.
        port: u16,
        /// The node's addresses.
        addresses: Vec<IpAddr>,
    },
    /// A command that starts and ends with the lab.
    Run(String),
    /// Built in.
    Learn,
}

/// Files of TLS, as `ovs-vsctl set-ssl` takes them; paths beside the lab file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    /// The private key.
    pub key: String,
    /// The certificate.
    pub certificate: String,
    /// The authority that signed the certificates of peers.
    pub ca: String,
}
