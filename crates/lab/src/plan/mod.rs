//! What to do to get from one lab to another: a pure function, no choice left for later.
//!
//! Three-way: the lab as applied last, the lab as wanted, and what others changed by hand ([`Present`], *drift*).
//! Only what differs between applied and wanted becomes a step; drift is listed and kept, or reset when asked.
//! A first `up` is planned from [`Lab::empty`]; an empty difference is an empty plan.

mod cards;
mod compare;
mod control;
mod drift;
mod render;
mod vlan;

use std::collections::{BTreeMap, BTreeSet};

use netloom_flow::LinkSettings;
use serde::{Deserialize, Serialize};

pub use compare::NodeDelta;
pub use control::{ByHand, PresentControl};
pub use drift::{Drift, Drifted, Present, PresentLink};
pub use render::Row;
pub use vlan::{PresentVlan, kept_vlans};

use crate::lab::{Lab, Link, Node, Switch};
use crate::limits::Limits;
use crate::settings::written;

/// What a step does. It names things; whoever carries it out is given both labs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Ends the commands of a node's `run:`.
    StopRun(String),
    /// Detaches a link from the datapath. The devices of its nodes stay until their node changes or goes.
    RemoveLink(String),
    /// Ends what runs in a node and removes its namespaces.
    RemoveNode(String),
    /// Makes a node: namespaces, interfaces, addresses, routes, settings; in one, so that many can be made at once.
    AddNode(String),
    /// Changes a node in place.
    ChangeNode {
        /// Which.
        node: String,
        /// What about it.
        delta: Box<NodeDelta>,
    },
    /// Sets what a node may use of the machine; its programs go on.
    Limit {
        /// Which node.
        node: String,
        /// Its limits now.
        from: Box<Limits>,
        /// And wanted.
        to: Box<Limits>,
    },
    /// Takes a switch out of the configuration.
    RemoveSwitch(String),
    /// Puts a switch into the configuration.
    AddSwitch(String),
    /// Changes ports, flows or mode of a switch.
    ChangeSwitch(String),
    /// Puts the VLAN of a switch port, by its name, back to that of the file.
    ResetVlan(String),
    /// Gives a switch back the controllers and the fail mode of the file.
    ResetControl(String),
    /// Starts a controller of the lab's own, or has switches call one.
    AddController(String),
    /// Has switches call a controller elsewhere, or in another way; one of the lab's own is started anew.
    ChangeController(String),
    /// Ends a controller of the lab's own; no switch has it any more.
    RemoveController(String),
    /// Attaches a link to the datapath, with its settings.
    AddLink(String),
    /// Gives a virtual machine cards, takes cards away, and has its guest know it, while it runs.
    Plug {
        /// Which.
        node: String,
        /// What about it.
        delta: Box<NodeDelta>,
    },
    /// Changes the settings of a link in place; nothing queued is lost.
    ShapeLink {
        /// [`Link::id`].
        link: String,
        /// Its settings now.
        from: Box<BothSettings>,
        /// And wanted.
        to: Box<BothSettings>,
    },
    /// Puts the flows of a switch back to those of the file.
    ResetFlows(String),
    /// Writes the names of a tenant's nodes for its hosts, [`Lab::hosts_file`]; tells the switches who owns which
    /// address, and under `arp: static` the nodes, [`Lab::neighbours`].
    Names(String),
    /// Sets what the nodes of a tenant may use together.
    Quota(String),
    /// Loops, ARP, workers, file system.
    Options,
    /// Starts the commands of a node's `run:`.
    StartRun(String),
}

/// Settings of both directions of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BothSettings {
    /// From the left end to the right.
    #[serde(with = "written")]
    pub forth: LinkSettings,
    /// From the right end to the left.
    #[serde(with = "written")]
    pub back: LinkSettings,
}

/// Steps of one phase touch different things, and can be done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Commands end.
    Stop,
    /// Links go.
    Unlink,
    /// Nodes go.
    RemoveNodes,
    /// Nodes come.
    AddNodes,
    /// Nodes change.
    ChangeNodes,
    /// Switches come, go and change.
    Switches,
    /// Links come.
    Link,
    /// Cards of virtual machines come and go: what serves them is there, and what is to go is there still.
    Plug,
    /// Links change.
    Shape,
    /// Names of hosts, settings of the lab, controllers.
    Settle,
    /// Commands start.
    Start,
}

impl Phase {
    /// What a progress line says.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stop => "stop commands",
            Self::Unlink => "detach links",
            Self::RemoveNodes => "remove nodes",
            Self::AddNodes => "make nodes",
            Self::ChangeNodes => "change nodes",
            Self::Switches => "configure switches",
            Self::Link => "attach links",
            Self::Plug => "change cards of guests",
            Self::Shape => "shape links",
            Self::Settle => "settle names",
            Self::Start => "start commands",
        }
    }
}

/// One thing done to the host or the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// What it is about, for a person: addresses, settings, what changes.
    pub detail: String,
}

impl Action {
    /// When it is done.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self {
            Self::StopRun(_) => Phase::Stop,
            Self::RemoveLink(_) => Phase::Unlink,
            Self::RemoveNode(_) => Phase::RemoveNodes,
            Self::AddNode(_) => Phase::AddNodes,
            Self::ChangeNode { .. } | Self::Limit { .. } => Phase::ChangeNodes,
            Self::RemoveSwitch(_)
            | Self::AddSwitch(_)
            | Self::ChangeSwitch(_)
            | Self::ResetVlan(_)
            | Self::ResetControl(_)
            | Self::ResetFlows(_) => Phase::Switches,
            Self::AddLink(_) => Phase::Link,
            Self::Plug { .. } => Phase::Plug,
            Self::ShapeLink { .. } => Phase::Shape,
            Self::AddController(_) | Self::ChangeController(_) | Self::RemoveController(_) => Phase::Settle,
            Self::Names(_) | Self::Quota(_) | Self::Options => Phase::Settle,
            Self::StartRun(_) => Phase::Start,
        }
    }

    /// What takes it back, given that the two labs change places too; `None`: there is no way back.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        Some(match self.clone() {
            Self::StopRun(node) => Self::StartRun(node),
            Self::StartRun(node) => Self::StopRun(node),
            Self::RemoveLink(link) => Self::AddLink(link),
            Self::AddLink(link) => Self::RemoveLink(link),
            Self::RemoveNode(node) => Self::AddNode(node),
            Self::AddNode(node) => Self::RemoveNode(node),
            Self::ChangeNode { node, delta } => Self::ChangeNode { node, delta: Box::new(delta.reversed()) },
            Self::Plug { node, delta } => Self::Plug { node, delta: Box::new(delta.reversed()) },
            Self::Limit { node, from, to } => Self::Limit { node, from: to, to: from },
            Self::RemoveSwitch(switch) => Self::AddSwitch(switch),
            Self::AddSwitch(switch) => Self::RemoveSwitch(switch),
            Self::ChangeSwitch(switch) => Self::ChangeSwitch(switch),
            Self::ResetVlan(port) => Self::ResetVlan(port),
            Self::ResetControl(switch) => Self::ResetControl(switch),
            Self::ShapeLink { link, from, to } => Self::ShapeLink { link, from: to, to: from },
            Self::AddController(name) => Self::RemoveController(name),
            Self::ChangeController(name) => Self::ChangeController(name),
            Self::RemoveController(name) => Self::AddController(name),
            Self::Names(tenant) => Self::Names(tenant),
            Self::Quota(tenant) => Self::Quota(tenant),
            Self::Options => Self::Options,
            Self::ResetFlows(_) => return None,
        })
    }
}

impl Step {
    /// `make red/web`: what a progress or error line calls it.
    #[must_use]
    pub fn label(&self) -> String {
        let (verb, what, name) = match &self.action {
            Action::StopRun(n) => ("stop", "run of ", n),
            Action::RemoveLink(n) => ("detach", "link ", n),
            Action::RemoveNode(n) => ("remove", "node ", n),
            Action::AddNode(n) => ("make", "node ", n),
            Action::ChangeNode { node, .. } => ("change", "node ", node),
            Action::Plug { node, .. } => ("change", "cards of ", node),
            Action::Limit { node, .. } => ("set", "limits of ", node),
            Action::RemoveSwitch(n) => ("remove", "switch ", n),
            Action::AddSwitch(n) => ("make", "switch ", n),
            Action::ChangeSwitch(n) => ("change", "switch ", n),
            Action::ResetVlan(n) => ("reset", "VLAN of ", n),
            Action::ResetControl(n) => ("reset", "control of ", n),
            Action::AddLink(n) => ("attach", "link ", n),
            Action::ShapeLink { link, .. } => ("shape", "link ", link),
            Action::AddController(n) => ("add", "controller ", n),
            Action::ChangeController(n) => ("change", "controller ", n),
            Action::RemoveController(n) => ("remove", "controller ", n),
            Action::ResetFlows(n) => ("reset", "flows of ", n),
            Action::Names(n) => ("write", "names of ", n),
            Action::Quota(n) => ("set", "quota of ", n),
            Action::Options => return "change settings of the lab".to_owned(),
            Action::StartRun(n) => ("start", "run of ", n),
        };
        format!("{verb} {what}{name}")
    }
}

/// Steps in the order in which they are done, and what others changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Sorted by phase.
    pub steps: Vec<Step>,
    /// What is not as the lab was applied; kept unless a step resets it.
    pub drift: Vec<Drift>,
    /// How many nodes, switches and links stay as they are.
    pub untouched: usize,
}

impl Plan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps as a person reads them.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.steps.iter().map(render::row)
    }

    /// The steps by phase, in order.
    pub fn phases(&self) -> impl Iterator<Item = (Phase, &[Step])> {
        self.steps
            .chunk_by(|a, b| a.action.phase() == b.action.phase())
            .filter_map(|steps| Some((steps.first()?.action.phase(), steps)))
    }
}

/// Plans the way from `applied` (nothing, if there is no lab yet) to `wanted`.
#[must_use]
pub fn plan(applied: Option<&Lab>, wanted: &Lab, present: &Present, drifted: Drifted) -> Plan {
    let empty = Lab::empty(&wanted.name);
    let from = applied.unwrap_or(&empty);
    let mut planner = Planner { from, to: wanted, steps: Vec::new(), touched: BTreeSet::new() };
    let remade = planner.nodes();
    let mut drift = planner.limits(present, drifted);
    planner.switches();
    drift.extend(planner.vlans(present, drifted));
    drift.extend(planner.controls(present, drifted));
    planner.controllers();
    drift.extend(planner.links(&remade, present, drifted));
    planner.quotas();
    planner.names();
    planner.options(applied.is_some());
    let mut steps = planner.steps;
    // A stable sort: within a phase the order of the file stays.
    steps.sort_by_key(|step| step.action.phase());
    let things = wanted.nodes.len() + wanted.switches.len() + wanted.links.len();
    let untouched = things.saturating_sub(planner.touched.len());
    Plan { steps, drift, untouched }
}

/// Whether a node gets or loses a virtual function, or has one of another card or with another address: its device comes and
/// goes with the node.
fn has_another_card(old: &Node, new: &Node) -> bool {
    let card = |node: &Node| {
        let vf = node.vf.as_ref()?;
        let mac = node.interface(&vf.interface).map(|interface| interface.mac);
        Some((vf.pf.clone(), vf.interface.clone(), vf.fallback.clone(), mac))
    };
    card(old) != card(new)
}

struct Planner<'l> {
    from: &'l Lab,
    to: &'l Lab,
    steps: Vec<Step>,
    /// Nodes, switches and links of the wanted lab that a step touches: kind and name.
    touched: BTreeSet<(u8, &'l str)>,
}

impl<'l> Planner<'l> {
    fn step(&mut self, action: Action, detail: String) {
        self.steps.push(Step { action, detail });
    }

    /// Returns the nodes that are made anew though they were there.
    fn nodes(&mut self) -> BTreeSet<&'l str> {
        let (from, to) = (self.from, self.to);
        let old: BTreeMap<&str, &Node> = from.nodes.iter().map(|n| (n.name.as_str(), n)).collect();
        let new: BTreeSet<&str> = to.nodes.iter().map(|n| n.name.as_str()).collect();
        let (here, there) = (compare::neighbourhoods(from), compare::neighbourhoods(to));
        let mut remade = BTreeSet::new();
        for node in from.nodes.iter().filter(|n| !new.contains(n.name.as_str())) {
            self.remove_node(node);
        }
        for node in &to.nodes {
            match old.get(node.name.as_str()) {
                None => self.add_node(node),
                Some(old)
                    if old.port != node.port
                        || old.nic != node.nic
                        || cards::is_another_machine(old, node)
                        || has_another_card(old, node) =>
                {
                    remade.insert(node.name.as_str());
                    self.remove_node(old);
                    self.add_node(node);
                }
                Some(old) => {
                    let before = old.interfaces.iter().map(|i| here.get(i.domain));
                    let after = node.interfaces.iter().map(|i| there.get(i.domain));
                    self.change_node(old, node, !node.is_nic() && !before.eq(after));
                }
            }
        }
        remade
    }

    fn remove_node(&mut self, node: &Node) {
        if node.has_programs() {
            self.step(Action::StopRun(node.name.clone()), render::run(node));
        }
        self.step(Action::RemoveNode(node.name.clone()), String::new());
    }

    fn add_node(&mut self, node: &'l Node) {
        self.touched.insert((0, &node.name));
        self.step(Action::AddNode(node.name.clone()), render::node(node));
        if node.has_programs() {
            self.step(Action::StartRun(node.name.clone()), render::run(node));
        }
    }

    fn change_node(&mut self, old: &Node, new: &'l Node, neighbours: bool) {
        let mut delta = NodeDelta::between(old, new);
        // A node that gets or loses an interface has others around it anyway.
        delta.neighbours = neighbours && delta.added.is_empty() && delta.removed.is_empty();
        if let Some(vm) = &new.vm {
            // Whom nobody can tell finds its neighbours by itself.
            delta.neighbours &= vm.is_ours();
            return self.plug(old, new, delta);
        }
        let commands = (&old.run, old.restart, &old.env) != (&new.run, new.restart, &new.env)
            || (&old.health, &old.after) != (&new.health, &new.after)
            || old.container != new.container;
        if !delta.is_empty() || commands {
            self.touched.insert((0, &new.name));
        }
        if commands && old.has_programs() {
            self.step(Action::StopRun(old.name.clone()), render::run(old));
        }
        if !delta.is_empty() {
            let detail = render::node_delta(old, new, &delta);
            self.step(Action::ChangeNode { node: new.name.clone(), delta: Box::new(delta) }, detail);
        }
        if commands && new.has_programs() {
            self.step(Action::StartRun(new.name.clone()), render::run(new));
        }
    }

    /// What of a virtual machine can change while it runs.
    fn plug(&mut self, old: &Node, new: &'l Node, delta: NodeDelta) {
        if !delta.is_empty() {
            self.touched.insert((0, &new.name));
            let detail = render::node_delta(old, new, &delta);
            self.step(Action::Plug { node: new.name.clone(), delta: Box::new(delta) }, detail);
        }
    }

    /// What nodes that stay may use; returns what was changed by hand.
    fn limits(&mut self, present: &Present, drifted: Drifted) -> Vec<Drift> {
        let now: BTreeMap<&str, &Limits> = present.limits.iter().map(|(n, l)| (n.as_str(), l)).collect();
        let old: BTreeMap<&str, &Node> = self.from.nodes.iter().map(|n| (n.name.as_str(), n)).collect();
        let mut drift = Vec::new();
        for node in &self.to.nodes {
            let Some(old) = old.get(node.name.as_str()) else { continue };
            let shape = drift::limits(old, node, now.get(node.name.as_str()).copied(), drifted);
            drift.extend(shape.drift);
            if let Some(step) = shape.step {
                self.touched.insert((0, &node.name));
                self.steps.push(step);
            }
        }
        drift
    }

    fn quotas(&mut self) {
        for tenant in &self.to.tenants {
            let old = self.from.tenant(&tenant.name).map(|old| old.quota).unwrap_or_default();
            if old != tenant.quota {
                let detail = format!("quota {} -> {}", old.words(), tenant.quota.words());
                self.step(Action::Quota(tenant.name.clone()), detail);
            }
        }
    }

    fn switches(&mut self) {
        let (from, to) = (self.from, self.to);
        let old: BTreeMap<&str, &Switch> = from.switches.iter().map(|s| (s.name.as_str(), s)).collect();
        let new: BTreeSet<&str> = to.switches.iter().map(|s| s.name.as_str()).collect();
        for switch in from.switches.iter().filter(|s| !new.contains(s.name.as_str())) {
            self.step(Action::RemoveSwitch(switch.name.clone()), String::new());
        }
        for switch in &to.switches {
            let (action, detail) = match old.get(switch.name.as_str()) {
                None => {
                    let service = to.service(&switch.name).map(render::service);
                    let words: Vec<String> = [render::switch(switch)].into_iter().chain(service).collect();
                    (Action::AddSwitch(switch.name.clone()), words.join(", "))
                }
                Some(old) => match render::switch_change(old, switch, (self.from, to)) {
                    detail if detail.is_empty() => continue,
                    detail => (Action::ChangeSwitch(switch.name.clone()), detail),
                },
            };
            self.touched.insert((1, &switch.name));
            self.step(action, detail);
        }
    }

    /// VLANs of ports that stay; returns what was changed by hand.
    fn vlans(&mut self, present: &Present, drifted: Drifted) -> Vec<Drift> {
        let mut drift = Vec::new();
        for now in &present.vlans {
            let shape = vlan::shape(self.from, self.to, now, drifted);
            drift.extend(shape.drift);
            self.steps.extend(shape.step);
        }
        drift
    }

    /// Controllers and fail modes of switches; returns what was changed by hand.
    fn controls(&mut self, present: &Present, drifted: Drifted) -> Vec<Drift> {
        let mut drift = Vec::new();
        for now in &present.controls {
            let shape = control::shape(self.from, self.to, now, drifted);
            drift.extend(shape.drift);
            self.steps.extend(shape.step);
        }
        drift
    }

    fn controllers(&mut self) {
        let (from, to) = (self.from, self.to);
        for gone in from.controllers.iter().filter(|c| to.controller(&c.name).is_none()) {
            self.step(Action::RemoveController(gone.name.clone()), gone.words());
        }
        for new in &to.controllers {
            match from.controller(&new.name) {
                None => self.step(Action::AddController(new.name.clone()), new.words()),
                Some(old) => {
                    let detail = render::controller_change(old, new);
                    if !detail.is_empty() {
                        self.step(Action::ChangeController(new.name.clone()), detail);
                    }
                }
            }
        }
    }

    fn links(&mut self, remade: &BTreeSet<&str>, present: &Present, drifted: Drifted) -> Vec<Drift> {
        let (from, to) = (self.from, self.to);
        let old: BTreeMap<&str, &Link> = from.links.iter().map(|l| (l.id.as_str(), l)).collect();
        let new: BTreeMap<&str, &Link> = to.links.iter().map(|l| (l.id.as_str(), l)).collect();
        let now: BTreeMap<&str, &PresentLink> = present.links.iter().map(|l| (l.link.as_str(), l)).collect();
        let tenants = (compare::tenants(from), compare::tenants(to));
        let stays = |old: &Link, new: &Link| {
            let ends_stay = [&new.a, &new.b].into_iter().all(|end| !remade.contains(end.name()));
            ends_stay
                && from.seed == to.seed
                && (&old.a, &old.b, &old.tunnel, &old.fused) == (&new.a, &new.b, &new.tunnel, &new.fused)
                && tenants.0.get(&*old.id) == tenants.1.get(&*new.id)
        };
        for link in &from.links {
            if new.get(link.id.as_str()).is_none_or(|new| !stays(link, new)) {
                self.step(Action::RemoveLink(link.id.clone()), render::ends(link));
            }
        }
        let mut drift = Vec::new();
        for link in &to.links {
            let Some(old) = old.get(link.id.as_str()).filter(|old| stays(old, link)) else {
                self.touched.insert((2, &link.id));
                self.step(Action::AddLink(link.id.clone()), render::link(link));
                continue;
            };
            let present = now.get(link.id.as_str()).copied();
            let shape = drift::shape(old, link, present, drifted);
            drift.extend(shape.drift);
            if let Some(step) = shape.step {
                self.touched.insert((2, &link.id));
                self.steps.push(step);
            }
        }
        for (switch, detail) in &present.flows {
            drift.push(Drift { kind: "flows".to_owned(), name: switch.clone(), detail: detail.clone() });
            if drifted == Drifted::Reset {
                self.step(Action::ResetFlows(switch.clone()), detail.clone());
            }
        }
        drift
    }

    fn names(&mut self) {
        for tenant in &self.to.tenants {
            let (old, new) = (compare::names(self.from, &tenant.name), compare::names(self.to, &tenant.name));
            if old != new && !new.is_empty() {
                let count = self.to.nodes.iter().filter(|n| n.tenant == tenant.name).count();
                let detail = format!("{count} node{}", if count == 1 { "" } else { "s" });
                self.step(Action::Names(tenant.name.clone()), detail);
            }
        }
    }

    fn options(&mut self, running: bool) {
        let (from, to) = (&self.from.options, &self.to.options);
        // How expectations are judged is nothing to be done.
        let effective = (from.loops, from.arp, from.workers, from.filesystem)
            == (to.loops, to.arp, to.workers, to.filesystem);
        if running && !effective {
            self.step(Action::Options, render::options(from, to));
        }
    }
}
