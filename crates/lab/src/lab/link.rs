//! Links and their ends.

use netloom_flow::LinkSettings;
use serde::{Deserialize, Serialize};

use crate::settings::written;
use crate::tunnel::{Fused, Tunnel};

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// An interface of a node.
    Node {
        /// [`Node::name`](super::Node::name).
        node: String,
        /// [`Interface::name`](super::Interface::name).
        interface: String,
    },
    /// A port of a switch.
    Switch {
        /// [`Switch::name`](super::Switch::name).
        switch: String,
        /// [`SwitchPort::number`](super::SwitchPort::number).
        port: u32,
    },
    /// Elsewhere: the link is a tunnel.
    Tunnel {
        /// [`Link::id`].
        link: String,
        /// The address, or `flow`.
        peer: String,
    },
}

impl End {
    /// The name of the node or switch.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Node { node, .. } => node,
            Self::Switch { switch, .. } => switch,
            Self::Tunnel { peer, .. } => peer,
        }
    }

    /// Whether it is a switch.
    #[must_use]
    pub const fn is_switch(&self) -> bool {
        matches!(self, Self::Switch { .. })
    }
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its `name:`, else `A--B`, from the second one between the same two `A--B#2`.
    pub id: String,
    /// Whether `id` was written.
    pub named: bool,
    /// The left end.
    pub a: End,
    /// The right end.
    pub b: End,
    /// From `a` to `b`.
    #[serde(with = "written")]
    pub forth: LinkSettings,
    /// From `b` to `a`.
    #[serde(with = "written")]
    pub back: LinkSettings,
    /// Line of the file, from 1; 0: made by a topology or network.
    pub line: u32,
    /// It leads out of the lab; `b` is elsewhere then.
    #[serde(default)]
    pub tunnel: Option<Tunnel>,
    /// It is a tunnel between two switches of the lab.
    #[serde(default)]
    pub fused: Option<Fused>,
}
