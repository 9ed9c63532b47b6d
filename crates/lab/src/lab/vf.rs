//! A virtual function of a network card that is a node's interface (SR-IOV).

use serde::{Deserialize, Serialize};

use crate::quantity::show_rate;

/// What a node wants of a virtual function. What is `None` is left as the driver has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vf {
    /// The physical function: a network device, or a PCI address.
    pub pf: String,
    /// Its name in the node.
    pub interface: String,
    /// The VLAN that the card puts its frames in; it does not see the tag.
    pub vlan: Option<u16>,
    /// Frames with another source address than its own are dropped.
    pub spoof_check: Option<bool>,
    /// It may take other addresses and hear everything.
    pub trust: Option<bool>,
    /// The most it may send, in Mbit/s: what the kernel counts in.
    pub rate: Option<u32>,
    /// What it is guaranteed, in Mbit/s.
    pub min_rate: Option<u32>,
    /// What it sees of the cable.
    pub state: Option<VfState>,
    /// The switch or network that it is joined to by an ordinary card where there is no virtual function.
    pub fallback: Option<String>,
}

words!(/// What a virtual function sees of the cable.
VfState {
    /// What the physical function sees.
    #[default]
    Auto,
    /// Plugged in, always.
    Enable,
    /// Unplugged.
    Disable,
});

impl VfState {
    /// The word of the lab file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Enable => "enable",
            Self::Disable => "disable",
        }
    }
}

impl Vf {
    /// `eth0 of enp3s0f0, vlan 20, rate 5Gbit, else s1`
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = vec![format!("{} of {}", self.interface, self.pf)];
        let on = |on: bool| if on { "on" } else { "off" };
        let rate = |mbit: u32| show_rate(u64::from(mbit) * 1_000_000);
        words.extend(self.vlan.map(|vlan| format!("vlan {vlan}")));
        words.extend(self.spoof_check.map(|it| format!("spoofchk {}", on(it))));
        words.extend(self.trust.map(|it| format!("trust {}", on(it))));
        words.extend(self.rate.map(|it| format!("rate {}", rate(it))));
        words.extend(self.min_rate.map(|it| format!("min-rate {}", rate(it))));
        words.extend(self.state.map(|it| format!("state {}", it.word())));
        words.extend(self.fallback.as_ref().map(|switch| format!("else {switch}")));
        words.join(", ")
    }
}
