//! A plan as a person reads it: a line per step, what is added, changed and removed.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::compare::{NodeDelta, end};
use super::drift::both;
use super::{Action, Plan, Step};
use crate::lab::{Controller, FailMode, Lab, Link, Node, Options, Service, Switch, SwitchPort};
use crate::{qos_text, quantity};

/// Longest detail in a table.
const MOST: usize = 160;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() && self.drift.is_empty() {
            return writeln!(
                f,
                "nothing to do: {} nodes, switches and links stay as they are",
                self.untouched
            );
        }
        let rows: Vec<_> =
            self.rows().map(|row| (row.sign, row.kind, row.name, row.detail.to_owned())).collect();
        let drift = self
            .drift
            .iter()
            .map(|d| ('!', d.kind.as_str(), d.name.as_str(), format!("changed by hand: {}", d.detail)));
        let rows: Vec<_> = rows.into_iter().chain(drift).collect();
        let width = rows.iter().map(|(_, _, name, _)| name.chars().count()).max().unwrap_or(0).min(40);
        for (sign, kind, name, detail) in &rows {
            let line = format!("{sign} {kind:<7} {name:<width$}  {}", shorten(detail));
            writeln!(f, "{}", line.trim_end())?;
        }
        let count = |sign| rows.iter().filter(|(s, ..)| *s == sign).count();
        write!(f, "{} to add, {} to change, {} to remove", count('+'), count('~'), count('-'))?;
        if count('!') > 0 {
            write!(f, ", {} changed by hand", count('!'))?;
        }
        writeln!(f, "; {} untouched", self.untouched)
    }
}

/// A step as a person reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'p> {
    /// `+` made, `-` removed, `~` changed in place.
    pub sign: char,
    /// `node`, `limits`, `switch`, `port`, `link`, `flows`, `names`, `run`, `controller`, `tenant` or `lab`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'p str,
    /// What about it.
    pub detail: &'p str,
}

pub(super) fn row(step: &Step) -> Row<'_> {
    let (sign, kind, name) = match &step.action {
        Action::StopRun(n) => ('-', "run", n.as_str()),
        Action::RemoveLink(n) => ('-', "link", n.as_str()),
        Action::RemoveNode(n) => ('-', "node", n.as_str()),
        Action::AddNode(n) => ('+', "node", n.as_str()),
        Action::ChangeNode { node, .. } | Action::Plug { node, .. } => ('~', "node", node.as_str()),
        Action::Limit { node, .. } => ('~', "limits", node.as_str()),
        Action::RemoveSwitch(n) => ('-', "switch", n.as_str()),
        Action::AddSwitch(n) => ('+', "switch", n.as_str()),
        Action::ChangeSwitch(n) => ('~', "switch", n.as_str()),
        Action::ResetVlan(n) => ('~', "port", n.as_str()),
        Action::ResetControl(n) => ('~', "switch", n.as_str()),
        Action::AddLink(n) => ('+', "link", n.as_str()),
        Action::ShapeLink { link, .. } => ('~', "link", link.as_str()),
        Action::ResetFlows(n) => ('~', "flows", n.as_str()),
        Action::Names(n) => ('~', "names", n.as_str()),
        Action::Quota(n) => ('~', "tenant", n.as_str()),
        Action::AddController(n) => ('+', "controller", n.as_str()),
        Action::ChangeController(n) => ('~', "controller", n.as_str()),
        Action::RemoveController(n) => ('-', "controller", n.as_str()),
        Action::Options => ('~', "lab", ""),
        Action::StartRun(n) => ('+', "run", n.as_str()),
    };
    Row { sign, kind, name, detail: &step.detail }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 3).chain("...".chars()).collect()
}

/// `10.0.0.1/8 fd00::1/64, forwards, privileged`
pub(super) fn node(node: &Node) -> String {
    let addresses: Vec<_> = node.addresses().map(|a| a.to_string()).collect();
    if let Some(nic) = &node.nic {
        return format!("interface {nic} of this machine");
    }
    let mut words = vec![if addresses.is_empty() { "no address".to_owned() } else { addresses.join(" ") }];
    if node.forward {
        words.push("forwards".to_owned());
    }
    if node.privileged {
        words.push("privileged".to_owned());
    }
    words.extend(node.container.as_ref().map(|container| format!("image {}", container.image)));
    words.extend(node.vm.as_ref().map(|vm| format!("vm {}", vm.words())));
    words.extend(node.vf.as_ref().map(|vf| format!("vf {}", vf.words())));
    words.extend(node.limits.list());
    words.extend(node.gateway_of.as_ref().map(|network| format!("gateway of {network}")));
    words.extend(node.ports.iter().map(|port| format!("port {port}")));
    words.join(", ")
}

pub(super) fn run(node: &Node) -> String {
    let main = node.container.as_ref().map(|container| match (&container.entrypoint, &container.cmd) {
        (None, None) => "as its image says".to_owned(),
        (entrypoint, cmd) => {
            let words = entrypoint.iter().flatten().chain(cmd.iter().flatten());
            words.map(String::as_str).collect::<Vec<_>>().join(" ")
        }
    });
    let after = node.after.iter().map(|after| format!("{} {}", after.node, after.when.word()));
    let after: Vec<String> = after.collect();
    let all: Vec<String> = main.into_iter().chain(node.run.iter().cloned()).collect();
    let after = if after.is_empty() { String::new() } else { format!("  after {}", after.join(", ")) };
    format!("{}{after}", all.join("; "))
}

pub(super) fn node_delta(old: &Node, new: &Node, delta: &NodeDelta) -> String {
    let mut words = Vec::new();
    let addresses = |node: &Node, name: &str| {
        let list =
            node.interface(name).map(|i| i.addresses.iter().map(ToString::to_string).collect::<Vec<_>>());
        list.unwrap_or_default().join(" ")
    };
    words.extend(delta.added.iter().map(|i| format!("+{i} {}", addresses(new, i))));
    words.extend(delta.removed.iter().map(|i| format!("-{i}")));
    for name in &delta.changed {
        if let (Some(a), Some(b)) = (old.interface(name), new.interface(name)) {
            let mut change = |what: &str, from: String, to: String| {
                if from != to {
                    words.push(format!("{name} {what}{from} -> {to}"));
                }
            };
            change("", addresses(old, name), addresses(new, name));
            change("mtu ", a.mtu.to_string(), b.mtu.to_string());
            change("mac ", a.mac.to_string(), b.mac.to_string());
        }
    }
    let count = |words: &mut Vec<String>, sign: char, n: usize| {
        if n > 0 {
            words.push(format!("{sign}{n} route{}", if n == 1 { "" } else { "s" }));
        }
    };
    count(&mut words, '+', delta.routes_added.len());
    count(&mut words, '-', delta.routes_removed.len());
    if old.forward != new.forward {
        words.push(if new.forward { "forwards" } else { "forwards no more" }.to_owned());
    }
    if old.sysctl != new.sysctl {
        words.push("sysctl".to_owned());
    }
    if delta.files {
        words.push("files".to_owned());
    }
    if old.privileged != new.privileged {
        words.push(if new.privileged { "privileged" } else { "privileged no more" }.to_owned());
    }
    if old.env != new.env {
        words.push("environment".to_owned());
    }
    if delta.container {
        let image = |node: &Node| node.container.as_ref().map_or("none", |it| it.image.as_str()).to_owned();
        let (a, b) = (image(old), image(new));
        words.push(if a == b {
            "made anew: container settings".to_owned()
        } else {
            format!("made anew: image {a} -> {b}")
        });
    }
    if delta.function {
        let words_of = |node: &Node| node.vf.as_ref().map_or("none".to_owned(), |vf| vf.words());
        words.push(format!("vf {} -> {}", words_of(old), words_of(new)));
    }
    if delta.ports {
        let missing = |sign: char, here: &Node, there: &Node| -> Vec<String> {
            let only = here.ports.iter().filter(|port| !there.ports.contains(port));
            only.map(|port| format!("{sign}port {port}")).collect()
        };
        words.extend(missing('+', new, old));
        words.extend(missing('-', old, new));
    }
    if delta.netns {
        words.push(format!("netns {}", new.netns.as_deref().unwrap_or("without a name")));
    }
    if delta.neighbours {
        words.push("neighbours".to_owned());
    }
    words.join(", ")
}

pub(super) fn switch(switch: &Switch) -> String {
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut words = vec![plural(switch.ports.len(), "port")];
    if !switch.flows.is_empty() {
        words.push(plural(switch.flows.len(), "flow"));
    }
    for (list, what) in [(&switch.groups, "group"), (&switch.meters, "meter"), (&switch.zones, "zone")] {
        if !list.is_empty() {
            words.push(plural(list.len(), what));
        }
    }
    let with_qos = switch.ports.iter().filter(|port| port.qos.is_some() || port.policing.is_some()).count();
    if with_qos > 0 {
        words.push(format!("qos of {}", plural(with_qos, "port")));
    }
    if switch.fail_mode == FailMode::Secure {
        words.push("secure".to_owned());
    }
    if !switch.controllers.is_empty() {
        words.push(format!("controller {}", switch.controllers.join(", ")));
    }
    words.join(", ")
}

/// `answers at 10.0.0.253 fd00::fd: dhcp, names`
pub(super) fn service(service: &Service) -> String {
    let addresses: Vec<_> = service.addresses.iter().map(|a| a.ip.to_string()).collect();
    if addresses.is_empty() {
        return "answers nothing: its subnet has no address left for that".to_owned();
    }
    let what = if service.dhcp { "dhcp, names" } else { "names" };
    format!("answers at {}: {what}", addresses.join(" "))
}

/// What changes about a switch between two labs; empty if nothing does.
pub(super) fn switch_change(old: &Switch, new: &Switch, (from, to): (&Lab, &Lab)) -> String {
    let mut out = String::new();
    let mut add = |text: String| {
        let comma = if out.is_empty() { "" } else { ", " };
        let _ = write!(out, "{comma}{text}");
    };
    let ports = |switch: &Switch| -> BTreeSet<String> { switch.ports.iter().map(port).collect() };
    let (a, b) = (ports(old), ports(new));
    b.difference(&a).for_each(|p| add(format!("+port {p}")));
    a.difference(&b).for_each(|p| add(format!("-port {p}")));
    for new in &new.ports {
        let (old, new) =
            (old.port(new.number).map(qos_words).unwrap_or_default(), (new.name.as_str(), qos_words(new)));
        if old != new.1 {
            let or_none = |words: String| if words.is_empty() { "none".to_owned() } else { words };
            add(format!("qos of {} {} -> {}", new.0, or_none(old), or_none(new.1)));
        }
    }
    let lists = [
        ("flow", &old.flows, &new.flows),
        ("group", &old.groups, &new.groups),
        ("meter", &old.meters, &new.meters),
        ("zone", &old.zones, &new.zones),
    ];
    for (what, old, new) in lists {
        let texts =
            |list: &[crate::lab::Flow]| -> Vec<String> { list.iter().map(|f| f.text.clone()).collect() };
        let (a, b) = (texts(old), texts(new));
        if a == b {
            continue;
        }
        let (a, b): (BTreeSet<_>, BTreeSet<_>) = (a.into_iter().collect(), b.into_iter().collect());
        b.difference(&a).for_each(|it| add(format!("+{what} {it}")));
        a.difference(&b).for_each(|it| add(format!("-{what} {it}")));
        if a == b {
            add(format!("order of {what}s"));
        }
    }
    if old.fail_mode != new.fail_mode {
        add(format!("fail_mode {:?}", new.fail_mode).to_lowercase());
    }
    let or_none =
        |words: &[String], none: &str| if words.is_empty() { none.to_owned() } else { words.join(", ") };
    if old.controllers != new.controllers {
        let (a, b) = (or_none(&old.controllers, "none"), or_none(&new.controllers, "none"));
        add(format!("controller {a} -> {b}"));
    }
    if old.openflow != new.openflow {
        let (a, b) = (or_none(&old.openflow, "all versions"), or_none(&new.openflow, "all versions"));
        add(format!("openflow {a} -> {b}"));
    }
    let service = |lab: &Lab| lab.service(&new.name).map_or_else(|| "answers nothing".to_owned(), service);
    let known =
        |lab: &Lab| lab.service(&new.name).map(|it| (it.mac, it.addresses.clone(), it.dhcp, it.internet));
    if known(from) != known(to) {
        add(service(to));
    }
    if old.dpid != new.dpid {
        let id = |id: Option<u64>| id.map_or_else(|| "by itself".to_owned(), |id| format!("{id:016x}"));
        add(format!("dpid {} -> {}", id(old.dpid), id(new.dpid)));
    }
    out
}

/// What changes about a controller; empty if nothing does.
pub(super) fn controller_change(old: &Controller, new: &Controller) -> String {
    let mut words = Vec::new();
    if old.place != new.place {
        words.push(format!("{} -> {}", old.words(), new.words()));
    }
    let seconds = |time: netloom_flow::Nanos| format!("{}s", time.as_secs_f64());
    for (what, a, b) in [("probe", old.probe, new.probe), ("backoff", old.backoff, new.backoff)] {
        if a != b {
            words.push(format!("{what} {} -> {}", seconds(a), seconds(b)));
        }
    }
    if old.in_band != new.in_band {
        words.push(format!("in-band {} -> {}", old.in_band, new.in_band));
    }
    if old.auxiliary != new.auxiliary {
        words.push(format!("auxiliary {} -> {}", old.auxiliary, new.auxiliary));
    }
    if old.tls != new.tls {
        words.push("certificates".to_owned());
    }
    words.join(", ")
}

/// The queues and policing of a port; empty: none.
fn qos_words(port: &SwitchPort) -> String {
    let mut words = Vec::new();
    if let Some(qos) = &port.qos {
        words.extend(qos.max_rate.map(|rate| format!("max-rate {}", quantity::show_rate(rate))));
        words.extend(qos.queues.iter().map(|(number, queue)| {
            let settings = qos_text::queue(queue);
            format!("queue {number}{}{settings}", if settings.is_empty() { "" } else { " " })
        }));
    }
    words.extend(port.policing.as_ref().map(|policing| format!("police {}", qos_text::policing(policing))));
    words.join(", ")
}

/// A port with all that the switch is told about it.
fn port(port: &SwitchPort) -> String {
    let tenant = port.tenant.as_deref().map(|t| format!(" {t}")).unwrap_or_default();
    let vlan = port.vlan.words();
    let space = if vlan.is_empty() { "" } else { " " };
    format!("{} {} to {}{tenant}{space}{vlan}", port.number, port.name, end(&port.peer))
}

/// `red/web:eth0 -- s1:1`
pub(super) fn ends(link: &Link) -> String {
    format!("{} -- {}", end(&link.a), end(&link.b))
}

pub(super) fn link(link: &Link) -> String {
    let mut words = ends(link);
    if let Some(tunnel) = &link.tunnel {
        words = format!("{}  {}", end(&link.a), tunnel.words());
    }
    if let Some(fused) = &link.fused {
        words = format!("{words}  {}", fused.words());
    }
    match both(&link.forth, &link.back) {
        plain if plain == "plain" => words,
        settings => format!("{words}  {settings}"),
    }
}

pub(super) fn options(from: &Options, to: &Options) -> String {
    let mut words = Vec::new();
    let mut change = |what: &str, from: String, to: String| {
        if from != to {
            words.push(format!("{what} {} -> {}", from.to_lowercase(), to.to_lowercase()));
        }
    };
    change("loops", format!("{:?}", from.loops), format!("{:?}", to.loops));
    change("arp", format!("{:?}", from.arp), format!("{:?}", to.arp));
    change("workers", from.workers.to_string(), to.workers.to_string());
    change("filesystem", format!("{:?}", from.filesystem), format!("{:?}", to.filesystem));
    words.join(", ")
}
