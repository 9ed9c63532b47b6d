//! Settings of a lab as a whole.

use netloom_flow::Nanos;
use serde::{Deserialize, Serialize};

use super::nanos;

/// Settings of the lab as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// What is done about loops among switches.
    pub loops: Loops,
    /// Who answers ARP and neighbour discovery.
    pub arp: ArpMode,
    /// Threads that move packets.
    pub workers: u16,
    /// How long untimed expectations may take, in nanoseconds.
    #[serde(with = "nanos")]
    pub settle: Nanos,
    /// What an unfaithful link means.
    pub fidelity: Fidelity,
    /// What hosts may write.
    pub filesystem: Filesystem,
}

words!(/// What is done about loops among switches.
Loops {
    /// A spanning tree.
    #[default]
    Tree,
    /// Static shortest paths.
    Ecmp,
    /// Nothing.
    Allow,
});
words!(/// Who answers ARP and neighbour discovery.
ArpMode {
    /// A request goes only to the owner of the address.
    #[default]
    Local,
    /// It floods.
    Flood,
    /// Permanent entries: nobody asks.
    Static,
});
words!(/// What an unfaithful link means for the verdict.
Fidelity {
    /// Expectations that measure are not to be trusted.
    #[default]
    Auto,
    /// Every link must be faithful.
    Strict,
    /// Nothing.
    Report,
});
words!(/// What hosts may write.
Filesystem {
    /// The lab's folder and what is private to them.
    #[default]
    Private,
    /// The machine's files, as Mininet does.
    Shared,
});
