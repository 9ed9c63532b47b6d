//! VLANs of switch ports that others changed.

use serde::{Deserialize, Serialize};

use super::drift::Shape;
use super::{Action, Drift, Drifted, Step};
use crate::lab::{Lab, SwitchPort, Vlan};

/// What a switch port does with VLANs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentVlan {
    /// The link that ends there, [`Link::id`](crate::lab::Link::id): it stays when ports are numbered anew.
    pub link: String,
    /// Whether the port is the link's left end.
    pub left: bool,
    /// What it does.
    pub vlan: Vlan,
}

impl PresentVlan {
    /// The port in a lab.
    #[must_use]
    pub fn port<'l>(&self, lab: &'l Lab) -> Option<&'l SwitchPort> {
        lab.switches.iter().flat_map(|switch| &switch.ports).find(|port| self.is_of(port))
    }

    fn is_of(&self, port: &SwitchPort) -> bool {
        (port.link.as_str(), port.left) == (self.link.as_str(), self.left)
    }
}

impl Lab {
    /// The lab with ports as they are.
    #[must_use]
    pub fn with_vlans(&self, present: &[PresentVlan]) -> Self {
        let mut lab = self.clone();
        for now in present {
            let mut ports = lab.switches.iter_mut().flat_map(|switch| &mut switch.ports);
            if let Some(port) = ports.find(|port| now.is_of(port)) {
                port.vlan = now.vlan.clone();
            }
        }
        lab
    }
}

/// What of `present` is drift still when the lab is `to`: of ports that stay, and about which the file says what it said.
#[must_use]
pub fn kept_vlans(from: &Lab, to: &Lab, present: &[PresentVlan], drifted: Drifted) -> Vec<PresentVlan> {
    let stays = |now: &&PresentVlan| match (now.port(from), now.port(to)) {
        (Some(old), Some(new)) => old.vlan == new.vlan && now.vlan != new.vlan,
        _ => false,
    };
    match drifted {
        Drifted::Keep => present.iter().filter(stays).cloned().collect(),
        Drifted::Reset => Vec::new(),
    }
}

/// Compares a port as applied, as wanted and as it is. Where the file has it otherwise than before, its switch changes anyway.
pub(super) fn shape(from: &Lab, to: &Lab, now: &PresentVlan, drifted: Drifted) -> Shape {
    let (old, new) = (now.port(from), now.port(to));
    let drift = old.filter(|old| old.vlan != now.vlan).map(|old| Drift {
        kind: "port".to_owned(),
        name: old.name.clone(),
        detail: or_every(&now.vlan),
    });
    let back = new.filter(|new| drift.is_some() && drifted == Drifted::Reset && new.vlan != now.vlan);
    let step = back.map(|new| Step {
        detail: format!("{} -> {}", or_every(&now.vlan), or_every(&new.vlan)),
        action: Action::ResetVlan(new.name.clone()),
    });
    Shape { drift, step }
}

fn or_every(vlan: &Vlan) -> String {
    match vlan.words() {
        words if words.is_empty() => "every vlan".to_owned(),
        words => words,
    }
}
