//! What a run asks of whoever owns the sockets, and what comes back: plain values.

use netloom_flow::Nanos;

use super::{Measured, Protocol};
use crate::address::Family;

/// Something to find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Send packets with a token and see where they arrive.
    Reach(ReachProbe),
    /// Measure.
    Measure(MeasureProbe),
    /// Look for frames that go round.
    Loops,
    /// Run a command.
    Command {
        /// In this node.
        node: String,
        /// For a shell.
        command: String,
        /// End it after this span.
        timeout: Nanos,
    },
}

/// Packets between pairs of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachProbe {
    /// Senders.
    pub from: Vec<String>,
    /// Targets.
    pub to: Vec<String>,
    /// Which pairs, by index into both lists; `None`: each sender to every target but itself.
    pub pairs: Option<Vec<(u32, u32)>>,
    /// With what.
    pub kinds: Vec<ProbeKind>,
    /// Over which family; `None`: all that both ends have.
    pub over: Option<Family>,
    /// To every address of the target, not only its first of the family.
    pub every_address: bool,
    /// Packets for each pair, kind and family.
    pub packets: u32,
    /// How long to wait for the last one.
    pub wait: Nanos,
}

/// One kind of packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ProbeKind {
    /// Echo request.
    Icmp,
    /// A connection.
    Tcp(u16),
    /// A datagram.
    Udp(u16),
    /// A raw frame to everybody.
    Broadcast,
}

impl From<Protocol> for ProbeKind {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Icmp => Self::Icmp,
            Protocol::Tcp(port) => Self::Tcp(port),
            Protocol::Udp(port) => Self::Udp(port),
        }
    }
}

/// A measurement between two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasureProbe {
    /// What.
    pub what: Measured,
    /// Sender.
    pub from: String,
    /// Target.
    pub to: String,
    /// With UDP rather than TCP.
    pub udp: bool,
    /// Bits per second to offer with UDP, a little above the bound; `None`: as much as passes.
    pub offer: Option<u64>,
    /// For how long.
    pub duration: Nanos,
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// Of [`Probe::Reach`].
    Reach(ReachResult),
    /// Of [`Probe::Measure`]: bits per second, nanoseconds or parts per billion.
    Measure {
        /// The value.
        value: u64,
        /// Packets (or chunks) that were sent.
        sent: u64,
    },
    /// Of [`Probe::Loops`].
    Loops {
        /// Where a frame came round, if one did.
        found: Option<String>,
        /// How many frames were watched.
        watched: u64,
    },
    /// Of [`Probe::Command`].
    Command {
        /// Its exit code; `None`: ended by a signal or by the timeout.
        exit: Option<u8>,
        /// What it printed on both streams, the end of it if that is long.
        output: String,
    },
    /// The probe could not be carried out: a sentence that says why.
    Impossible(String),
}

/// Of [`Probe::Reach`]: an entry per pair, kind and family.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReachResult {
    /// The entries.
    pub pairs: Vec<PairResult>,
    /// Drops of tokens in the datapath by reason.
    pub drops: Vec<(String, u64)>,
}

/// What one sender's packets to one target came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairResult {
    /// Index into [`ReachProbe::from`].
    pub from: u32,
    /// Index into [`ReachProbe::to`].
    pub to: u32,
    /// With what.
    pub kind: ProbeKind,
    /// Over which family.
    pub family: Family,
    /// Packets sent; 0: the sender could not send.
    pub sent: u32,
    /// Packets seen inside the target.
    pub arrived: u32,
    /// Median time there and back of those that were answered.
    pub rtt: Option<Nanos>,
    /// What is known of those that did not arrive.
    pub lost: Option<Box<LostDetail>>,
}

/// What is known of packets that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LostDetail {
    /// The last place that saw one, such as `s1 port 2 (s1-eth2)`.
    pub last_hop: Option<String>,
    /// Why it was dropped there.
    pub drop: Option<String>,
    /// Why the sender could not send, or the target not listen.
    pub error: Option<String>,
}
