//! A packet's way, step by step.

use serde::{Deserialize, Serialize};

/// The way of one packet through the lab, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trace {
    /// The packet in the syntax of flows, as it set out.
    pub packet: String,
    /// Where it set out: `h1:eth0`, or `s1:s1-eth1`.
    pub from: String,
    /// The node it is for, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether it was a real packet.
    #[serde(default)]
    pub live: bool,
    /// Whether it, or a copy, came to the node it is for; where none was named, whether anybody got one.
    pub reached: bool,
    /// What happened to it, in an order a person can read: each copy to its end before the next.
    pub steps: Vec<TraceStep>,
    /// Who got it: `h2:eth0`, `controller`.
    #[serde(default)]
    pub delivered: Vec<String>,
    /// Where copies were dropped, and by what.
    #[serde(default)]
    pub drops: Vec<TraceDrop>,
    /// The lookups it took, and what is remembered for packets like it.
    #[serde(default)]
    pub lookups: Vec<TraceLookup>,
    /// What else may matter: the answer, the request for the address.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// How far it is indented.
    pub depth: u16,
    /// What happened.
    #[serde(flatten)]
    pub what: TraceWhat,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum TraceWhat {
    /// A node did something with it.
    Node {
        /// The node.
        node: String,
        /// What.
        text: String,
    },
    /// It came in to a switch.
    Switch {
        /// The switch.
        switch: String,
        /// The port; empty: it was parsed again and goes on here.
        port: String,
        /// The port's number.
        number: u32,
    },
    /// It was looked up in a table.
    Table {
        /// The table.
        table: u8,
        /// What matched; `None`: nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<TraceRule>,
    },
    /// An action was carried out.
    Action {
        /// The action, in the syntax of flows.
        text: String,
        /// What it changed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changed: Vec<TraceChange>,
    },
    /// Why it went on as it did.
    Decision {
        /// A few words.
        text: String,
    },
    /// It left by a port for a link.
    Link {
        /// The near end: `s1:s1-eth2`.
        from: String,
        /// The far end: `s2:s2-eth1`.
        to: String,
        /// The link's settings in this direction; empty: none.
        settings: String,
        /// Why it is looked up by itself at the far end, if that is a switch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cut: Option<String>,
    },
    /// A node got it.
    Delivered {
        /// The node and its interface, or `controller`.
        to: String,
    },
    /// A copy ended.
    Drop(TraceDrop),
}

/// A lookup in the datapath: what a cached flow does with all packets like this one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TraceLookup {
    /// The port: `s1:s1-eth1`.
    pub at: String,
    /// Which packets: in the syntax of flows.
    pub megaflow: String,
    /// What the datapath does with them.
    pub actions: String,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TraceRule {
    /// Its priority.
    pub priority: u16,
    /// What it matches; empty: everything.
    #[serde(rename = "match")]
    pub matches: String,
    /// Its cookie.
    pub cookie: u64,
    /// What it does.
    pub actions: String,
    /// Where it comes from: `shop.loom.yml:12`, `command`, `controller tcp:127.0.0.1:6653` ...
    pub origin: String,
}

/// A field that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TraceChange {
    /// Its name.
    pub field: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// Where a copy ended, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TraceDrop {
    /// `s1:s1-eth1`, or a node.
    pub place: String,
    /// As `netloom ls drops` has it.
    pub reason: String,
    /// The rule that decided, if a rule did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<TraceRule>,
}
