//! Answers.

use serde::{Deserialize, Serialize};

use crate::{
    CompareRow, ConnectionRow, DropRow, FlowRow, FreedRow, FunctionInfo, FunctionRow, GroupRow, ImageInfo,
    ImageRow, LabRow, LinkRow, MeasureRow, MeterRow, MigrationRow, NodeRow, PingRow, QueueRow, SCHEMA,
    SnapshotRow, SwitchRow, TenantRow, TestRow, Trace, ZoneRow,
};

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Done, nothing to say.
    Done {},
    /// Labs.
    Labs(Vec<LabRow>),
    /// What `up` did.
    Applied(Applied),
    /// What `up` would do.
    Plan(PlanReply),
    /// What `down` removed.
    Down(DownReport),
    /// Nodes.
    Nodes(Vec<NodeRow>),
    /// Switches.
    Switches(Vec<SwitchRow>),
    /// Links.
    Links(Vec<LinkRow>),
    /// Tenants.
    Tenants(Vec<TenantRow>),
    /// Dropped packets.
    Drops(Vec<DropRow>),
    /// Queues.
    Queues(Vec<QueueRow>),
    /// Tracked connections.
    Conntrack(Vec<ConnectionRow>),
    /// Flows.
    Flows(Vec<FlowRow>),
    /// How many flows were added, changed or removed.
    FlowsChanged(u64),
    /// Groups.
    Groups(Vec<GroupRow>),
    /// How many groups were added, changed or removed.
    GroupsChanged(u64),
    /// Meters.
    Meters(Vec<MeterRow>),
    /// How many meters were added, changed or removed.
    MetersChanged(u64),
    /// Zones of connection tracking.
    Zones(Vec<ZoneRow>),
    /// How many zones were given other settings.
    ZonesChanged(u64),
    /// How many connections were forgotten.
    ConnectionsForgotten(u64),
    /// Images.
    Images(Vec<ImageRow>),
    /// An image in full.
    Image(Box<ImageInfo>),
    /// What a removal of images gave back.
    ImagesFreed(FreedRow),
    /// Snapshots of a virtual machine.
    Snapshots(Vec<SnapshotRow>),
    /// A virtual machine that goes on in another lab.
    Migrated(MigrationRow),
    /// A node as several kinds of machine.
    Compared(Vec<CompareRow>),
    /// Physical and virtual functions.
    Functions(Vec<FunctionRow>),
    /// A function in full.
    Function(Box<FunctionInfo>),
    /// One thing in full.
    Shown(Box<Shown>),
    /// Echo requests and replies.
    Pings(PingReport),
    /// A measurement.
    Measured(MeasureRow),
    /// Expectations.
    Tested(TestReport),
    /// The lab at one moment.
    Graph(Box<Graph>),
    /// A packet's way.
    Trace(Box<Trace>),
}

/// A reply as it is printed with `-o json`: `{"schema": 1, "nodes": [...]}`.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The reply.
    #[serde(flatten)]
    pub reply: &'a Reply,
}

impl<'a> Document<'a> {
    /// The document around `reply`.
    #[must_use]
    pub const fn new(reply: &'a Reply) -> Self {
        Self { schema: SCHEMA, reply }
    }

    /// The document as indented text. Here, not where it is printed: large labs make large documents, and this crate is
    /// compiled to be fast.
    ///
    /// # Errors
    /// As for [`serde_json::to_string_pretty`]; rows have no keys that JSON cannot write.
    pub fn pretty(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

/// What `up` did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Applied {
    /// The lab after it.
    pub lab: LabRow,
    /// Objects made.
    pub created: u64,
    /// Objects changed in place.
    pub changed: u64,
    /// Objects removed.
    pub removed: u64,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// The item that took longest, and its milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowest: Option<(String, f64)>,
    /// What was changed by hand and is kept.
    #[serde(default)]
    pub drift: Vec<PlanStep>,
    /// What is done otherwise than a user may expect, such as `packet sockets instead of tap`.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What `up` would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanReply {
    /// In the order in which it would be done.
    pub steps: Vec<PlanStep>,
    /// What was changed by hand.
    pub drift: Vec<PlanStep>,
    /// What the user should know before.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// `+` made, `-` removed, `~` changed in place.
    pub sign: char,
    /// Kind of object: `node`, `switch`, `link`, `flow` ...
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Details: `delay 20ms -> 40ms`.
    #[serde(default)]
    pub detail: String,
}

/// What `down` removed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DownReport {
    /// The lab's name.
    pub lab: String,
    /// Objects removed.
    pub removed: u64,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// What could not be removed, each with its cause.
    #[serde(default)]
    pub left: Vec<String>,
}

/// The outcome of `ping`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PingReport {
    /// Nodes that took part, in file order.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Ordered pairs and families asked.
    pub pairs: u64,
    /// Of these, how many lost nothing.
    pub answered: u64,
    /// Requests.
    pub sent: u64,
    /// Replies.
    pub received: u64,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// Pairs: all, or those that lost something, as the command asked.
    pub rows: Vec<PingRow>,
}

/// One thing in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// The lab.
    Lab(Graph),
    /// A node, and its links.
    Node {
        /// The node.
        node: NodeRow,
        /// Links that end at it.
        links: Vec<LinkRow>,
    },
    /// A switch, and its links.
    Switch {
        /// The switch.
        switch: SwitchRow,
        /// Links that end at it.
        links: Vec<LinkRow>,
    },
    /// A link.
    Link(LinkRow),
    /// A tenant, and its nodes.
    Tenant {
        /// The tenant.
        tenant: TenantRow,
        /// Its nodes.
        nodes: Vec<NodeRow>,
    },
}

/// The lab at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Graph {
    /// The lab.
    pub lab: LabRow,
    /// Nodes, in file order.
    pub nodes: Vec<NodeRow>,
    /// Switches, in file order.
    pub switches: Vec<SwitchRow>,
    /// Links, in file order.
    pub links: Vec<LinkRow>,
}

/// The outcome of `test` or `run`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TestReport {
    /// In file order.
    pub items: Vec<TestRow>,
    /// Whether the links did what they were told; `None`: not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fidelity: Option<Fidelity>,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

/// Whether the links did what they were told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Whether every link was faithful.
    pub faithful: bool,
    /// Whether an unfaithful link changes the outcome (`fidelity: strict`).
    #[serde(default)]
    pub strict: bool,
    /// 99th percentile of the lateness of packets, worst link, in milliseconds.
    pub p99_ms: f64,
    /// The limit it is held against, in milliseconds.
    pub limit_ms: f64,
    /// The worst link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<String>,
    /// Sentences: which link, what was seen.
    #[serde(default)]
    pub details: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_carries_the_schema_beside_the_rows() {
        let reply = Reply::Flows(vec![]);
        assert_eq!(serde_json::to_string(&Document::new(&reply)).unwrap(), r#"{"schema":1,"flows":[]}"#);
        let done = Reply::Done {};
        assert_eq!(serde_json::to_string(&Document::new(&done)).unwrap(), r#"{"schema":1,"done":{}}"#);
    }

    #[test]
    fn a_document_without_later_fields_still_reads() {
        let reply: Reply =
            serde_json::from_str(r#"{"plan":{"steps":[{"sign":"+","kind":"node","name":"h1"}],"drift":[]}}"#)
                .unwrap();
        let Reply::Plan(plan) = reply else { panic!("a plan") };
        assert_eq!(plan.steps[0].sign, '+');
    }
}
