//! Switches and their ports.

use netloom_flow::{Policing, Qos};
use serde::{Deserialize, Serialize};

use super::link::End;

/// A switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Its name; that of its network, tenant included, if it is implicit.
    pub name: String,
    /// Whether a `networks:` entry made it.
    pub implicit: bool,
    /// Ports, by number.
    pub ports: Vec<SwitchPort>,
    /// Without a controller.
    pub fail_mode: FailMode,
    /// Flows of the file.
    pub flows: Vec<Flow>,
    /// Groups of the file.
    #[serde(default)]
    pub groups: Vec<Flow>,
    /// Meters of the file.
    #[serde(default)]
    pub meters: Vec<Flow>,
    /// Zones of connection tracking of the file, as `netloom_flow::text::parse_zone` reads them.
    #[serde(default)]
    pub zones: Vec<Flow>,
    /// Its controllers, [`Controller::name`](super::Controller::name).
    #[serde(default)]
    pub controllers: Vec<String>,
    /// Versions of OpenFlow it may speak, such as `OpenFlow13`; none stands for all.
    #[serde(default)]
    pub openflow: Vec<String>,
    /// Its datapath id, if one is written.
    #[serde(default)]
    pub dpid: Option<u64>,
    /// Line of the file, from 1; 0: made by a topology or network.
    pub line: u32,
}

impl Switch {
    /// A port by its number.
    #[must_use]
    pub fn port(&self, number: u32) -> Option<&SwitchPort> {
        // Nearly always they count from 1 without a gap.
        let guess = usize::try_from(number).ok().and_then(|at| self.ports.get(at.checked_sub(1)?));
        guess.filter(|port| port.number == number).or_else(|| self.ports.iter().find(|p| p.number == number))
    }
}

/// A flow of the file; or a group, or a meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// In the syntax of ovs-ofctl.
    pub text: String,
    /// Line of the file, from 1.
    pub line: u32,
}

/// A port of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchPort {
    /// OpenFlow number, from 1.
    pub number: u32,
    /// `s1-eth1` unless named.
    pub name: String,
    /// Whose frames come in here; `None` between switches: each frame keeps its own.
    pub tenant: Option<String>,
    /// What it does with VLANs.
    pub vlan: Vlan,
    /// The link that ends here, [`Link::id`](super::Link::id).
    pub link: String,
    /// Whether this is the link's left end.
    pub left: bool,
    /// What is at the link's other end.
    pub peer: End,
    /// The queues it sends by; `None`: one for all.
    #[serde(default)]
    pub qos: Option<Qos>,
    /// What may come in by it; `None`: everything.
    #[serde(default)]
    pub policing: Option<Policing>,
}

/// What a switch port does with VLANs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vlan {
    /// Carries every VLAN, untagged frames in none.
    #[default]
    Any,
    /// Untagged frames belong to this VLAN.
    Access(u16),
    /// Tagged frames of these VLANs (all if empty); untagged ones belong to `native`.
    Trunk {
        /// Which VLANs.
        vlans: Vec<u16>,
        /// The VLAN of untagged frames.
        native: Option<u16>,
    },
}

impl Vlan {
    /// `vlan 10` or `trunk 10,20 native 5`; empty for a port that carries every VLAN.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Any => String::new(),
            Self::Access(vlan) => format!("vlan {vlan}"),
            Self::Trunk { vlans, native } => {
                let list: Vec<_> = vlans.iter().map(ToString::to_string).collect();
                let native = native.map(|n| format!(" native {n}")).unwrap_or_default();
                format!("trunk {}{native}", list.join(","))
            }
        }
    }
}

words!(/// What a switch without a controller does.
FailMode {
    /// It learns addresses and forwards.
    #[default]
    Standalone,
    /// Only what flows say.
    Secure,
});
